//! Signs of life both ways: when to give one, and when too long none came.

use std::time::Duration;

use roundtrip_protocol::{Header, Ping};
use tokio::time::Instant;

use super::ClientState;

/// What a heartbeat of the client carries; other pings mark a place among the frames.
const HEARTBEAT: u64 = 0;

impl ClientState {
    pub(super) fn keep_alive(&mut self, now: Instant) {
        if self.silent_at().is_some_and(|at| at <= now) {
            tracing::warn!("nothing was heard from the broker for too long");
            self.let_go();
        } else if self.ping_at().is_some_and(|at| at <= now) {
            self.push(Header::from(Ping { nonce: HEARTBEAT }));
            self.line.note_sent(now); // Also where the connection takes nothing now: one is enough until the next is due.
        }
    }

    /// The broker wants a sign of life so often for the connection, and more often for a short lease.
    pub(super) fn ping_at(&self) -> Option<Instant> {
        if self.line.close_sent {
            return None;
        }
        let heartbeat = self.line.agreed.map(|agreed| agreed.heartbeat).filter(|heartbeat| !heartbeat.is_zero());
        let lease = self.leases.keys().next().map(|millis| Duration::from_millis((millis / 3).max(1)));
        heartbeat.into_iter().chain(lease).min().map(|interval| self.line.last_sent + interval)
    }

    pub(super) fn silent_at(&self) -> Option<Instant> {
        let heartbeat = self.line.agreed.map(|agreed| agreed.heartbeat).filter(|heartbeat| !heartbeat.is_zero())?;
        Some(self.line.last_heard + heartbeat * 5 / 2)
    }
}
