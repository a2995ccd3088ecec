//! What a durable channel keeps: each change to it as a record, and how a channel begins again with what was kept.
//!
//! Records come as effects, in the order of the changes: whoever keeps them in that order, all those of a step or none,
//! and gives back what they amount to, gets the channel back as it was promised to everybody. What only this start of
//! the broker knows is in none of them: who holds a delivery, who follows, how fast the channel hands out.

use roundtrip_protocol::{RequestId, RequesterName};

use super::effect::Outcome;
use super::key::Key;
use crate::handles::Handles;
use crate::time::Time;

/// A change to what a durable channel keeps. The request's message says which request it is of.
///
/// A delivery is none: it counts from when it is given up, settled for another attempt, or released. So the counters of
/// a channel that begins again may lag by the delivery that was cut off, and never lead.
#[derive(Debug)]
pub enum Record<H: Handles> {
    /// A request was accepted.
    Accept(Box<Accepted<H>>),
    /// An open request waits elsewhere than before, or longer, or was tried once more. It is with no service.
    Move {
        /// Its message.
        request: H::Request,
        /// Where it waits.
        tried: Tried<H>,
    },
    /// The request has its outcome. Where that is `dead` it is a dead letter too from here on, whole; otherwise its
    /// message is kept no longer. A request that has an outcome gets another one only when what was kept of it is damaged.
    End {
        /// Its message.
        request: H::Request,
        /// The outcome, and since when.
        ended: Ended<H>,
    },
    /// The outcome was acknowledged, and is kept for its idempotency key alone.
    Acknowledge {
        /// Its message.
        request: H::Request,
    },
    /// The request and its outcome are gone, and its parts. Its dead letter stays.
    Forget {
        /// Its message.
        request: H::Request,
    },
    /// A part was added.
    AddPart {
        /// The message of its request.
        request: H::Request,
        /// Of which delivery.
        delivery: u32,
        /// Its number within the delivery.
        number: u32,
        /// The part.
        part: H::Part,
        /// What it takes of `parts_room`, in bytes.
        bytes: usize,
    },
    /// Parts are gone.
    DropParts {
        /// The message of their request.
        request: H::Request,
        /// Those of this delivery.
        delivery: u32,
        /// Up to this number.
        through: u32,
    },
    /// The dead letter is gone.
    Exhume {
        /// Its message.
        request: H::Request,
    },
}

/// An accepted request.
#[derive(Debug)]
pub struct Accepted<H: Handles> {
    /// Its id.
    pub id: RequestId,
    /// Who asked.
    pub requester: RequesterName,
    /// The message.
    pub request: H::Request,
    /// How many bytes its payload has.
    pub bytes: usize,
    /// Its place in the mailbox.
    pub place: H::Place,
    /// 0 to 9; 9 goes first.
    pub priority: u8,
    /// Its idempotency key.
    pub key: Option<Key>,
    /// The dead letter that it was made of.
    pub redrive_of: Option<RequestId>,
    /// When it was accepted.
    pub accepted: Time,
    /// When it expires.
    pub deadline: Time,
    /// Its place in the queue; none while its delay is not over.
    pub order: Option<u64>,
    /// When its delay is over, if it has one that is not.
    pub until: Option<Time>,
}

/// How often an open request was tried, and where it waits.
#[derive(Debug)]
pub struct Tried<H: Handles> {
    /// Its place in the queue.
    pub order: u64,
    /// When its backoff is over; none: it waits for a service.
    pub until: Option<Time>,
    /// Deliveries so far, counted or not.
    pub deliveries: u32,
    /// Deliveries so far that count.
    pub attempts: u32,
    /// Deliveries so far that were released.
    pub releases: u32,
    /// What the last failed attempt said.
    pub last: Option<H::Answer>,
}

/// The end of a request.
#[derive(Debug)]
pub struct Ended<H: Handles> {
    /// The outcome.
    pub outcome: Outcome<H>,
    /// When it came.
    pub since: Time,
    /// Deliveries, counted or not.
    pub deliveries: u32,
    /// The start number of the broker and the delivery that settled it, if one did.
    pub settled_by: Option<(u64, u32)>,
}

/// A request as it was kept, for [`Channel::restore`](crate::Channel::restore).
#[derive(Debug)]
pub struct Restored<H: Handles> {
    /// What was accepted.
    pub accepted: Accepted<H>,
    /// How often it was tried, if it was moved since.
    pub tried: Option<Tried<H>>,
    /// Its parts.
    pub parts: Option<RestoredParts<H>>,
    /// Its outcome, and whether that was acknowledged; none while it is open.
    pub ended: Option<(Ended<H>, bool)>,
}

/// The parts that were kept of a request: those of one delivery, without a gap.
#[derive(Debug)]
pub struct RestoredParts<H: Handles> {
    /// Of which delivery.
    pub delivery: u32,
    /// The number of the first one.
    pub first: u32,
    /// The parts, and what each takes of `parts_room`, in bytes.
    pub kept: Vec<(H::Part, usize)>,
}
