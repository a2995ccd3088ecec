//! How a request ended, raw and typed, and why a wait for it can end without an outcome.

use std::fmt;

use bytes::Bytes;
use roundtrip_protocol::{DeadReason, Ending, NameError, OutcomeKind, Problem, Refusal};

use crate::operation::Operation;
use crate::state::TicketFailure;

/// The one final state of a request, with its payload as bytes.
///
/// `Debug` leaves out the payload.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// How many attempts were counted.
    pub attempts: u32,
    /// How it ended.
    pub ending: Ending,
    /// The reply, or the service's typed error where `ending` names a media type for it; else empty.
    pub payload: Bytes,
}

impl Outcome {
    pub(crate) fn new(attempts: u32, ending: Ending, payload: Bytes) -> Self {
        Self { attempts, ending, payload }
    }

    /// Which of the outcomes it is.
    #[must_use]
    pub const fn kind(&self) -> OutcomeKind {
        self.ending.kind()
    }

    /// The outcome in the types of `Op`. Its payload is read as JSON, whatever its media type says.
    ///
    /// # Errors
    ///
    /// Every outcome but a reply that decodes is an [`OutcomeError`].
    pub fn decode<Op: Operation>(self) -> Result<Op::Reply, OutcomeError<Op::Error>> {
        match self.ending {
            Ending::Replied(_) => serde_json::from_slice(&self.payload)
                .map_err(|error| OutcomeError::InvalidReply { line: error.line(), column: error.column() }),
            Ending::Failed { problem, content_type: Some(_) } => match serde_json::from_slice(&self.payload) {
                Ok(error) => Err(OutcomeError::Failed(error)),
                Err(_) => Err(OutcomeError::Problem(problem)),
            },
            Ending::Failed { problem, content_type: None } => Err(OutcomeError::Problem(problem)),
            Ending::Dead { reason, last } => Err(OutcomeError::Dead { reason, attempts: self.attempts, last }),
            Ending::Expired => Err(OutcomeError::Expired { attempts: self.attempts }),
            Ending::Cancelled => Err(OutcomeError::Cancelled { attempts: self.attempts }),
        }
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Outcome({}, {} attempts, {} bytes)", self.kind(), self.attempts, self.payload.len())
    }
}

/// Why a ticket gave no reply.
///
/// No text in it shows a payload, a header or the message of a [`Problem`]: those may hold patients' data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OutcomeError<E> {
    /// The service failed it finally, and says why in its own type.
    #[error("the service failed the request finally")]
    Failed(E),
    /// The service or the broker failed it finally, with a code.
    #[error("the request failed with the code {}", .0.code)]
    Problem(Problem),
    /// It will not be tried again: attempts used up, or a service rejected it.
    #[error("the request is dead after {attempts} attempts: {}", .reason.as_str())]
    Dead {
        /// Why.
        reason: DeadReason,
        /// How many attempts were counted.
        attempts: u32,
        /// What the last attempt failed with, if it said so.
        last: Option<Problem>,
    },
    /// Its deadline passed first.
    #[error("the request expired after {attempts} attempts: give it a longer deadline, or see why it took so long")]
    Expired {
        /// How many attempts were counted.
        attempts: u32,
    },
    /// Somebody cancelled it.
    #[error("the request was cancelled after {attempts} attempts")]
    Cancelled {
        /// How many attempts were counted.
        attempts: u32,
    },
    /// The reply is not what the operation promises. It was not acknowledged: `ticket.outcome()` or `replies()` give
    /// its bytes.
    #[error("the reply does not decode as the operation's reply, at line {line}, column {column} of its JSON")]
    InvalidReply {
        /// Where, counted from 1.
        line: usize,
        /// Where, counted from 1.
        column: usize,
    },
    /// There was no outcome to hand over.
    #[error(transparent)]
    Wait(#[from] WaitError),
}

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
            TicketFailure::Refused(refusal) if refusal.code == roundtrip_protocol::RefusalCode::UnknownTicket => {
                Self::UnknownTicket
            }
            TicketFailure::Refused(refusal) => Self::Refused(refusal),
            // The others end a submission, and a ticket exists only behind one that was accepted.
            TicketFailure::Unconfirmed
            | TicketFailure::TooLarge { .. }
            | TicketFailure::TooManyOpen { .. }
            | TicketFailure::Closed => Self::ClientClosed,
        }
    }
}
