//! What the state machines carry for others and never look into.

use std::fmt::Debug;

use crate::time::Time;

/// The handles that a broker gives into a channel and gets back in effects.
///
/// A handle is cheap to clone; dropping the last one frees what it stands for. The broker's stand for kept messages
/// and outboxes, a simulator's may be plain numbers.
pub trait Handles: 'static {
    /// A kept message: operation, label and payload of a request.
    type Request: Clone + Debug;
    /// A kept message: what a service answered or failed with.
    type Answer: Clone + Debug;
    /// A kept message: an interim result.
    type Part: Clone + Debug;
    /// The place in a mailbox that was set aside for a request, or that it has none.
    type Place: Place;
    /// A connection, to which effects are sent.
    type Peer: Peer;
}

/// A request's place in a mailbox as a channel sees it.
pub trait Place: Clone + Debug {
    /// Whether the request has a mailbox: not if it is one-way, and no longer when its unnamed requester is gone.
    fn has_mailbox(&self) -> bool;
}

/// A connection as a channel sees it.
pub trait Peer: Clone + Debug {
    /// Which one: two handles are the same connection if their ids are equal.
    fn id(&self) -> PeerId;

    /// The latest sign of life. Deliveries held by the connection live for a lease beyond it; [`Time::NEVER`] for a
    /// connection that lives until it is gone.
    fn last_heard(&self) -> Time;

    /// Whether another delivery may be put before it. A connection that says no tells the channel when that changed:
    /// [`Command::Resume`](crate::Command::Resume).
    fn has_room(&self) -> bool;
}

/// Names a connection for as long as the broker runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u64);
