//! How a request ended, raw and typed.

use std::fmt;

use bytes::Bytes;
use roundtrip_protocol::{DeadReason, Ending, OutcomeKind, Problem};
use serde::Serialize;

use crate::operation::Operation;
use crate::problem::ProblemDetails;
use crate::wait::WaitError;

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

    /// What went wrong, in the form of RFC 9457; none for a reply.
    #[must_use]
    pub fn problem(&self) -> Option<ProblemDetails> {
        ProblemDetails::of(self)
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
            Ending::Expired => Err(OutcomeError::Expired),
            Ending::Cancelled => Err(OutcomeError::Cancelled),
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
    #[error("the request expired: its deadline passed before it had a reply")]
    Expired,
    /// Somebody cancelled it.
    #[error("the request was cancelled")]
    Cancelled,
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

impl<E: Serialize> OutcomeError<E> {
    /// What went wrong, in the form of RFC 9457; none if the request ended with a reply or its end is not known.
    #[must_use]
    pub fn problem(&self) -> Option<ProblemDetails> {
        Some(match self {
            Self::Failed(error) => ProblemDetails::typed(error),
            Self::Problem(problem) => ProblemDetails::failed(problem),
            Self::Dead { reason, attempts, last } => ProblemDetails::dead(*reason, last.as_ref()).attempts(*attempts),
            Self::Expired => ProblemDetails::expired(),
            Self::Cancelled => ProblemDetails::cancelled(),
            Self::InvalidReply { .. } | Self::Wait(_) => return None,
        })
    }
}
