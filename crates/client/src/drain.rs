//! Asking a broker to stop.

use roundtrip_protocol::Refusal;

use crate::link::Link;
use crate::question::answer;
use crate::state::CallAnswer;

/// Why a broker does not drain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DrainError {
    /// The broker takes no such request: it is stopped by the program that it is part of.
    #[error("the broker refuses to drain: {0}")]
    Refused(Refusal),
    /// The client was closed first.
    #[error("the client was closed before the broker answered: it may or may not drain")]
    ClientClosed,
}

pub(crate) async fn request(link: &Link) -> Result<(), DrainError> {
    match answer(link, link.with(|state| state.request_drain())).await {
        Some(CallAnswer::Draining(None)) => Ok(()),
        Some(CallAnswer::Draining(Some(refusal))) => Err(DrainError::Refused(refusal)),
        _ => Err(DrainError::ClientClosed),
    }
}
