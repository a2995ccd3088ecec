//! How a handler learns that its work is no longer wanted, and why.

use std::sync::OnceLock;

use roundtrip_protocol::StopReason;
use tokio_util::sync::CancellationToken;

/// Fires once; the first reason stays.
#[derive(Default)]
pub(crate) struct StopSignal {
    reason: OnceLock<StopReason>,
    token: CancellationToken,
}

impl StopSignal {
    /// The broker, or the request's deadline, stops the work.
    pub(crate) fn stop(&self, reason: StopReason) {
        self.reason.get_or_init(|| reason); // Before the token, whose waiters read it.
        self.token.cancel();
    }

    /// The service itself has ended.
    pub(crate) fn abandon(&self) {
        self.token.cancel();
    }

    pub(crate) fn reason(&self) -> Option<StopReason> {
        self.reason.get().copied()
    }

    pub(crate) fn token(&self) -> &CancellationToken {
        &self.token
    }
}
