//! Parts: interim results that a service adds while it works.

use roundtrip_protocol::{StopReason, Token};

use crate::link::Shared;
use crate::message::Message;
use crate::state::{DeliveryKey, PartFailure, PartKey};

/// Why a part was not added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PartError {
    /// There is no room for it now. Of `try_part` alone: `part` waits.
    #[error(
        "the request's parts that nobody has acknowledged leave no room for this one: try again later, or wait with part()"
    )]
    Full,
    /// The part is over what the channel or the connection takes, and would be however long it waited.
    #[error("a part has {limit} bytes at most: divide it, or raise the channel's limits")]
    TooLarge {
        /// The limit that it passed: the channel's `parts_room` or `max_payload`, or one of the connection. In bytes.
        limit: u64,
    },
    /// A part before it is missing. Only with [`HeldDelivery::after_part`](crate::HeldDelivery::after_part).
    #[error("a part before this one is missing: the next one is number {next}")]
    Missing {
        /// The number that the next part has.
        next: u32,
    },
    /// The broker does not take it.
    #[error("the broker does not take this part, as something in it contradicts the contract")]
    Invalid,
    /// The value does not serialize to JSON.
    #[error("the value of this part does not serialize to JSON")]
    NotJson,
    /// The work on the delivery is no longer wanted.
    #[error("the delivery was stopped: stop working on it")]
    Stopped(StopReason),
    /// The delivery was settled or given back before.
    #[error("this delivery was settled before: parts come before the settlement")]
    Settled,
    /// The client was closed.
    #[error("the client was closed before the broker kept the part")]
    ClientClosed,
}

impl From<PartFailure> for PartError {
    fn from(failure: PartFailure) -> Self {
        match failure {
            PartFailure::Full => Self::Full,
            PartFailure::TooLarge { limit } => Self::TooLarge { limit },
            PartFailure::Missing { next } => Self::Missing { next },
            PartFailure::Invalid => Self::Invalid,
            PartFailure::Settled => Self::Settled,
            PartFailure::Stopped(reason) => Self::Stopped(reason),
            PartFailure::Closed => Self::ClientClosed,
        }
    }
}

/// What becomes of a part for which there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WithoutRoom {
    Wait,
    GiveUp,
}

/// Adds a part to a delivery; gives its number when the broker keeps it.
pub(crate) async fn add(
    shared: &Shared,
    (key, token): (DeliveryKey, Token),
    part: Message,
    without_room: WithoutRoom,
) -> Result<u32, PartError> {
    let part = shared.with(|state| state.add_part(key, token, part.into_parts(), without_room))?;
    let adding = Adding { shared, part };
    Ok(shared.wait(|state, waker| state.poll_part(adding.part, waker)).await?)
}

struct Adding<'a> {
    shared: &'a Shared,
    part: PartKey,
}

impl Drop for Adding<'_> {
    fn drop(&mut self) {
        self.shared.with(|state| state.release_part(self.part));
    }
}
