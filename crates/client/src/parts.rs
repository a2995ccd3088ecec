//! Reading the parts of a request: its interim results, in order and none left out.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use roundtrip_protocol::{Headers, Ticket as TicketId};
use serde::de::DeserializeOwned;

use crate::state::{NewParts, PartPlace, TicketKey};
use crate::ticket::Followed;
use crate::wait::WaitError;

/// An interim result of a request.
///
/// `Debug` tells only where it belongs and how long it is: it may hold patients' data.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Part {
    /// The delivery that it is of.
    pub delivery: u32,
    /// Its number within the delivery: 1, 2, 3 …
    pub number: u32,
    /// The payload's media type, such as `application/json`; empty where the service named none.
    pub content_type: String,
    /// Application headers.
    pub headers: Headers,
    /// Opaque bytes.
    pub payload: Bytes,
}

impl Part {
    /// The part in a type of yours. Its payload is read as JSON, whatever its media type says.
    ///
    /// # Errors
    ///
    /// The payload does not decode as a `T`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, InvalidPart> {
        serde_json::from_slice(&self.payload).map_err(|error| InvalidPart {
            number: self.number,
            line: error.line(),
            column: error.column(),
        })
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Part({} of delivery {}, {} bytes)", self.number, self.delivery, self.payload.len())
    }
}

/// A part is not what its reader expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("part {number} does not decode as what is expected, at line {line}, column {column} of its JSON")]
#[non_exhaustive]
pub struct InvalidPart {
    /// The part's number.
    pub number: u32,
    /// Where, counted from 1.
    pub line: usize,
    /// Where, counted from 1.
    pub column: usize,
}

/// What a stream of parts tells.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PartEvent {
    /// The next part.
    Part(Part),
    /// Another delivery of the request has begun, and its parts begin again at 1: those that came before are void.
    Restarted {
        /// The new delivery.
        delivery: u32,
    },
    /// The parts before this number are kept no more: they were acknowledged before, or had to make room where the
    /// request has no mailbox.
    Gone {
        /// The number of the next part that comes.
        first: u32,
    },
}

/// The parts of one request: a stream that ends when the request has its outcome and every part before it was read.
///
/// It reads on through broken connections, without a gap or a double within a delivery. A part is acknowledged when the
/// next item is asked for, if the request is the requester's own: after a crash between, it comes again. The parts of
/// another requester's request are never acknowledged, nor are those of a request that an unnamed requester attached
/// to.
///
/// It follows the request by itself, as a ticket of its own among those that the broker lets a connection have open. So
/// the ticket may be awaited beside it; the outcome is then acknowledged when this
/// stream has ended or is dropped, since the broker forgets the parts with it. The ticket counts as dropped once both
/// are.
pub struct Parts {
    reading: Result<Reading, WaitError>,
}

struct Reading {
    followed: Arc<Followed>,
    key: TicketKey,
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.followed.requester.link.with(|state| state.release_parts(self.key));
    }
}

impl Parts {
    pub(crate) fn of(followed: &Arc<Followed>, request: &TicketId, behind: PartPlace, acknowledges: bool) -> Self {
        let requester = &followed.requester;
        let new = NewParts {
            requester: requester.key,
            request: request.clone(),
            of: Some(followed.key),
            behind,
            acknowledges,
        };
        let key = requester.link.with(|state| state.follow_parts(&new));
        Self { reading: Ok(Reading { followed: Arc::clone(followed), key }) }
    }

    pub(crate) fn failed(why: WaitError) -> Self {
        Self { reading: Err(why) }
    }

    /// Acknowledges nothing: the parts stay for whoever reads them next.
    #[must_use]
    pub fn follow(self) -> Self {
        if let Ok(Reading { followed, key }) = &self.reading {
            followed.requester.link.with(|state| state.keep_parts(*key));
        }
        self
    }

    /// The next part, or what is to be known before it. None when the request has its outcome, or when no more is to
    /// be learnt of it: then [`Parts::failure`] says why.
    pub async fn next(&mut self) -> Option<PartEvent> {
        poll_fn(|context| self.poll(context)).await
    }

    /// Why the stream ended before the request had its outcome, if it did.
    #[must_use]
    pub fn failure(&self) -> Option<WaitError> {
        match &self.reading {
            Ok(Reading { followed, key }) => {
                followed.requester.link.with(|state| state.parts_failure(*key)).map(WaitError::of)
            }
            Err(why) => Some(why.clone()),
        }
    }

    fn poll(&self, context: &Context<'_>) -> Poll<Option<PartEvent>> {
        let Ok(Reading { followed, key }) = &self.reading else { return Poll::Ready(None) };
        followed.requester.link.with(|state| state.poll_part_event(*key, context.waker()))
    }
}

impl Stream for Parts {
    type Item = PartEvent;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<PartEvent>> {
        self.poll(context)
    }
}
