//! What the broker gives into the state machines of `roundtrip-core`.

use std::fmt;
use std::sync::Arc;

use roundtrip_core::Handles;

use crate::mailbox::Place;
use crate::message::{Answer, Part, Request};
use crate::peer::Peer;
use crate::storage::Row;

/// The broker's handles.
#[derive(Debug)]
pub(crate) enum BrokerHandles {}

impl Handles for BrokerHandles {
    type Request = Held<Request>;
    type Answer = Held<Answer>;
    type Part = Held<Part>;
    type Place = Place;
    type Peer = Peer;
}

/// A kept message: in memory, or where a durable channel keeps it.
pub(crate) enum Held<T> {
    /// In memory for as long as it is held.
    Here(Arc<T>),
    /// On disk, or on its way there; and about how many bytes it has.
    Stored(Row, u32),
}

impl<T> Held<T> {
    /// One that is stored, of so many bytes.
    pub(crate) fn stored(row: Row, bytes: usize) -> Self {
        Self::Stored(row, u32::try_from(bytes).unwrap_or(u32::MAX))
    }

    /// The message, if it is in memory.
    pub(crate) const fn here(&self) -> Option<&Arc<T>> {
        match self {
            Self::Here(message) => Some(message),
            Self::Stored(..) => None,
        }
    }

    /// Where it is stored, if it is.
    pub(crate) const fn row(&self) -> Option<Row> {
        match self {
            Self::Here(_) => None,
            Self::Stored(row, _) => Some(*row),
        }
    }
}

impl<T> Clone for Held<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Here(message) => Self::Here(Arc::clone(message)),
            Self::Stored(row, bytes) => Self::Stored(*row, *bytes),
        }
    }
}

impl<T> fmt::Debug for Held<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here(_) => out.write_str("Here"),
            Self::Stored(row, bytes) => write!(out, "Stored({}, {bytes})", row.0),
        }
    }
}
