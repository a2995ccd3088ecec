//! Why a wait for a request can end without its outcome.

use roundtrip_protocol::{NameError, Refusal, RefusalCode};

use crate::state::TicketFailure;

/// Why a wait for an outcome ended without one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// The broker does not know the ticket: never accepted, acknowledged, past its retention, or held by a broker that
    /// was started anew.
    #[error("the broker does not know this ticket: never accepted, acknowledged before, or past its retention")]
    UnknownTicket,
    /// The broker does not let this requester follow the ticket, or has no room for it.
    #[error("the broker refuses to follow the ticket: {0}")]
    Refused(Refusal),
    /// The client has as many open tickets as the broker allows, so that it cannot follow this one.
    #[error("the client has {limit} tickets open, as many as the broker allows: await or drop some first")]
    TooManyOpen {
        /// How many.
        limit: u32,
    },
    /// The client was closed first. The request goes on: attach to the ticket later.
    #[error("the client was closed before the outcome came: the request goes on, attach to its ticket later")]
    ClientClosed,
    /// A name in the question is no name.
    #[error(transparent)]
    Name(#[from] NameError),
}

impl WaitError {
    pub(crate) fn of(failure: TicketFailure) -> Self {
        match failure {
            TicketFailure::Refused(refusal) if refusal.code == RefusalCode::UnknownTicket => Self::UnknownTicket,
            TicketFailure::Refused(refusal) => Self::Refused(refusal),
            TicketFailure::TooManyOpen { limit } => Self::TooManyOpen { limit },
            // The others end a submission, and a ticket exists only behind one that was accepted.
            TicketFailure::Unconfirmed | TicketFailure::TooLarge { .. } | TicketFailure::Closed => Self::ClientClosed,
        }
    }
}
