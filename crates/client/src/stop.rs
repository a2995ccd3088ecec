//! How a handler learns that its work is no longer wanted, and why.

use std::sync::{Arc, OnceLock};

use roundtrip_protocol::StopReason;
use tokio_util::sync::CancellationToken;

/// Fires once; the first reason stays. The token is made when somebody asks for it, or when it fires.
#[derive(Default)]
pub(crate) struct StopSignal {
    reason: OnceLock<StopReason>,
    token: OnceLock<CancellationToken>,
}

impl StopSignal {
    /// The broker, or the request's deadline, stops the work. No reason: the service itself has ended.
    pub(crate) fn stop(&self, reason: Option<StopReason>) {
        if let Some(reason) = reason {
            self.reason.get_or_init(|| reason); // Before the token, whose waiters read it.
        }
        self.token().cancel();
    }

    /// One that did not fire: the same, if nobody has it any more and nobody asked for its token.
    pub(crate) fn renew(this: &mut Arc<Self>) {
        if Arc::get_mut(this).is_none_or(|signal| signal.token.get().is_some()) {
            *this = Arc::default();
        }
    }

    pub(crate) fn reason(&self) -> Option<StopReason> {
        self.reason.get().copied()
    }

    pub(crate) fn token(&self) -> &CancellationToken {
        self.token.get_or_init(CancellationToken::new)
    }
}
