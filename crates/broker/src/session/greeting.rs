//! The first frame: which version both ends speak, and who is there.

use std::sync::Arc;

use roundtrip_protocol::{Drain, ErrorCode, Hello, MAX_HEADER, VERSION, Welcome};

use super::{Fault, Session, Stage, State};
use crate::batch::Batch;
use crate::instances::Claim;

const SOFTWARE: &str = concat!("roundtrip-broker ", env!("CARGO_PKG_VERSION"));

impl State {
    pub(super) fn greet(&mut self, session: &Arc<Session>, hello: &Hello, batch: &mut Batch) -> Result<(), Fault> {
        if hello.lowest > VERSION || hello.highest < VERSION {
            let Hello { lowest, highest, .. } = hello;
            let message = format!(
                "the broker speaks version {VERSION}, the client versions {lowest} to {highest}: update the older one"
            );
            return Err(Fault::closing(ErrorCode::UnsupportedVersion, message));
        }
        if self.shared.stopped.is_cancelled() {
            return Err(Fault::closing(ErrorCode::Stopping, "the broker stops now"));
        }
        match self.shared.instances.claim(hello.instance, hello.connection, session, batch.now) {
            Claim::Late { highest } => {
                let message = format!(
                    "this client instance has had connection {highest}, this one is number {}: a later one took over",
                    hello.connection
                );
                return Err(Fault::closing(ErrorCode::Superseded, message));
            }
            Claim::Latest { before: Some(before) } => {
                // The claim is never taken back, so this locks an earlier session under a later one and never the
                // other way round.
                before.report(
                    Fault::closing(ErrorCode::Superseded, "a later connection of this client instance took over"),
                    batch,
                );
            }
            Claim::Latest { before: None } => {}
        }
        self.stage = Stage::Open { instance: hello.instance, number: hello.connection };
        let limits = &self.shared.limits;
        let welcome = Welcome {
            version: VERSION,
            software: SOFTWARE.to_owned(),
            start: self.shared.start,
            max_header: MAX_HEADER as u32,
            max_payload: limits.max_payload as u64,
            max_open: u32::try_from(limits.open).unwrap_or(u32::MAX),
            heartbeat_ms: self.heartbeat_ms,
        };
        self.peer.send(welcome, batch);
        if let Some(remaining_ms) = self.shared.draining.remaining_ms(batch.now) {
            self.peer.send(Drain { remaining_ms }, batch);
        }
        tracing::debug!(connection.id = session.id().0, "session opened");
        Ok(())
    }
}
