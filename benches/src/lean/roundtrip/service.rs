//! The service: replies to each delivery with what it carries, and is told that this settled it.

use bytes::BytesMut;
use roundtrip_protocol::{Answer, Call, ChannelNumber, Header, Label, Settle, Settlement};

use super::{hear, put_with};
use crate::lean::Service;

#[derive(Debug, Default)]
pub(crate) struct Answering {
    delivered: u64,
    settled: u64,
}

impl Answering {
    /// How many deliveries are settled.
    pub(crate) fn settled(&self) -> u64 {
        self.settled
    }
}

impl Service for Answering {
    fn hear(&mut self, input: &[u8], out: &mut BytesMut) -> anyhow::Result<usize> {
        hear(input, out, |header, payload, out| {
            match header {
                Header::Delivery(delivery) => {
                    self.delivered += 1;
                    let settlement = Settlement::Reply(Label::default());
                    let channel = ChannelNumber(delivery.service.0);
                    let settle = Settle { call: Call(0), channel, token: delivery.token, settlement };
                    put_with(&settle.into(), payload, out);
                }
                Header::Answered(answered) => {
                    self.settled += 1;
                    let is_expected = answered.answer == Answer::Settled && self.settled <= self.delivered;
                    anyhow::ensure!(is_expected, "a settlement was answered {:?}", answered.answer);
                }
                other => anyhow::bail!("the broker says {}", other.name()),
            }
            Ok(())
        })
    }
}
