//! The list of channels, in parts that fit into headers.

use roundtrip_protocol::{Channels, ListChannels, MAX_HEADER};

use super::{Fault, State};
use crate::batch::Batch;

/// What stands in a part beside the channels, and room to spare, in bytes.
const BESIDE: usize = 64;

/// What a channel takes in a part beside its name, in bytes.
const FIGURES: usize = 8 + 3 * 8 + 4 + 5 * 8;

impl State {
    pub(super) fn list_channels(&self, list: &ListChannels, batch: &mut Batch) -> Result<(), Fault> {
        let mut part = Vec::new();
        let mut size = BESIDE;
        for figures in self.shared.channels.figures(batch.now) {
            let more = FIGURES + figures.channel.as_str().len();
            if size + more > MAX_HEADER {
                let channels = std::mem::take(&mut part);
                self.peer.send(Channels { call: list.call, channels, more: true }, batch);
                size = BESIDE;
            }
            size += more;
            part.push(figures);
        }
        self.peer.send(Channels { call: list.call, channels: part, more: false }, batch);
        Ok(())
    }
}
