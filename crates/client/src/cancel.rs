//! Ending a request by its ticket.

use roundtrip_protocol::{Cancellation as Told, NameError, OutcomeKind, Ticket as TicketId};

use crate::link::Link;
use crate::question::answer;
use crate::state::CallAnswer;
use crate::wait::WaitError;

/// What became of a cancellation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancellation {
    /// The outcome is `cancelled`, from here on.
    Cancelled,
    /// The request had this outcome before; `cancelled` too, if somebody was earlier, or this client itself before its
    /// connection broke.
    Ended(OutcomeKind),
}

/// Why a request was not cancelled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CancelError {
    /// The broker does not know the ticket: never accepted, acknowledged, past its retention, or held by a broker that
    /// was started anew.
    #[error("the broker does not know this ticket: never accepted, acknowledged before, or past its retention")]
    UnknownTicket,
    /// The client was closed first: the request may or may not have been cancelled.
    #[error("the client was closed before the broker answered: the request may or may not have been cancelled")]
    ClientClosed,
    /// The requester's name is no name.
    #[error(transparent)]
    Name(#[from] NameError),
}

impl CancelError {
    /// Why nobody can be asked.
    pub(crate) fn before_asking(why: &WaitError) -> Self {
        match why {
            WaitError::Name(error) => Self::Name(error.clone()),
            _ => Self::ClientClosed,
        }
    }
}

pub(crate) async fn cancel(link: &Link, ticket: &TicketId) -> Result<Cancellation, CancelError> {
    match answer(link, link.with(|state| state.cancel(ticket))).await {
        Some(CallAnswer::Cancelled(Told::Cancelled)) => Ok(Cancellation::Cancelled),
        Some(CallAnswer::Cancelled(Told::Ended(kind))) => Ok(Cancellation::Ended(kind)),
        Some(CallAnswer::Cancelled(_)) => Err(CancelError::UnknownTicket),
        _ => Err(CancelError::ClientClosed),
    }
}
