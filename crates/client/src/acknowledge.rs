//! Telling the broker that an outcome was handled.

use roundtrip_protocol::{Acknowledgement, Ticket as TicketId};

use crate::question;
use crate::requester::Introduced;
use crate::state::CallAnswer;

/// Why an acknowledgement did nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AcknowledgeError {
    /// There is nothing to acknowledge yet.
    #[error("the request has no outcome yet: await it first")]
    NoOutcomeYet,
    /// The outcome stands under another requester's name.
    #[error("the request belongs to another requester: acknowledge under that requester's name")]
    Forbidden,
    /// The client was closed: the outcome may come again.
    #[error("the client was closed before the broker confirmed the acknowledgement: the outcome may come again")]
    ClientClosed,
}

pub(crate) async fn acknowledge(requester: &Introduced, ticket: &TicketId) -> Result<(), AcknowledgeError> {
    let call = requester.link.with(|state| state.acknowledge(requester.key, ticket));
    match question::answer(&requester.link, call).await {
        Some(CallAnswer::Acknowledged(Acknowledgement::Done)) => Ok(()),
        Some(CallAnswer::Acknowledged(Acknowledgement::NoOutcomeYet)) => Err(AcknowledgeError::NoOutcomeYet),
        Some(CallAnswer::Acknowledged(_)) => Err(AcknowledgeError::Forbidden),
        _ => Err(AcknowledgeError::ClientClosed),
    }
}
