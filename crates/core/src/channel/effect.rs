//! What a channel wants done.

use std::time::Duration;

use roundtrip_protocol::{
    Acknowledgement, Answer, Call, Cancellation, DeadReason, Progress, Redrive, Refusal, RequestId, RequestState,
    RequesterName, ServiceNumber, StopReason, TicketNumber, Token,
};

use super::record::Record;
use crate::handles::{Handles, PeerId};

/// The number of a change to what a durable channel keeps: of a [`Record`]. They are counted from 1; a channel in memory
/// has none.
///
/// An effect that tells somebody of a change names it, or a later one, and is held back until that is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Change(pub u64);

/// Something to do outside the channel. Effects are applied in the order in which they were given.
#[derive(Debug)]
pub struct Effect<H: Handles> {
    /// The change that it tells of, which came from this or an earlier command.
    pub after: Change,
    /// What to do.
    pub what: What<H>,
}

/// What to do.
#[derive(Debug)]
pub enum What<H: Handles> {
    /// Send something to a connection.
    Tell {
        /// Which.
        peer: H::Peer,
        /// What.
        tell: Tell<H>,
    },
    /// The outcome goes into the request's mailbox, behind those that are there.
    Post {
        /// The place set aside for it.
        place: H::Place,
        /// The request.
        id: RequestId,
    },
    /// The outcome is gone: so is its place in the mailbox.
    Unpost {
        /// The place that was set aside when the request was accepted: no copy of it.
        place: H::Place,
        /// The request.
        id: RequestId,
    },
    /// The message's payload is needed no more: the request has its outcome, and is no dead letter.
    Spend {
        /// The message.
        request: H::Request,
    },
    /// The channel is durable, and this is a change to what it keeps. It is the change that `after` names: nobody is told
    /// anything that names it, or a later one, before it is kept.
    Keep(Record<H>),
    /// A connection stopped following a request whose outcome is in the mailbox: a reader of the mailbox on that
    /// connection has not been sent it, and is to be sent it.
    Repost {
        /// Its place.
        place: H::Place,
        /// The request.
        id: RequestId,
        /// The connection.
        peer: PeerId,
    },
}

/// What a connection is told.
#[derive(Debug)]
pub enum Tell<H: Handles> {
    /// A submission was accepted.
    Accepted {
        /// The asker's number of it.
        ticket: TicketNumber,
        /// How many services there are.
        services: u32,
        /// The request that came first under its idempotency key, if it is not the first: the asker follows that one.
        duplicate: Option<Original<H>>,
    },
    /// A submission or attachment was refused.
    Refused {
        /// The asker's number of it.
        ticket: TicketNumber,
        /// Why.
        refusal: Refusal,
    },
    /// The state of a request that is followed from here on.
    State {
        /// The asker's number of it.
        ticket: TicketNumber,
        /// Where it is.
        state: RequestState,
        /// About how many requests go before it.
        ahead: u64,
        /// How many services there are.
        services: u32,
        /// Counted attempts so far.
        attempts: u32,
        /// How long it is until its deadline; none when it has its outcome.
        remaining: Option<Duration>,
        /// The dead letter that it was made of.
        redrive_of: Option<RequestId>,
        /// The latest progress of the delivery in flight.
        progress: Option<Progress>,
    },
    /// The outcome of a followed request. It goes on to be followed until [`Command::Detach`](crate::Command::Detach).
    Outcome {
        /// The asker's number of it.
        ticket: TicketNumber,
        /// The outcome.
        outcome: Outcome<H>,
    },
    /// The latest progress of a followed request.
    Progress {
        /// The asker's number of it.
        ticket: TicketNumber,
        /// The progress.
        progress: Progress,
    },
    /// A part of a followed request.
    Part {
        /// The asker's number of it.
        ticket: TicketNumber,
        /// The delivery that it is of.
        delivery: u32,
        /// Its number within the delivery.
        number: u32,
        /// The part.
        part: H::Part,
    },
    /// The next part of a followed request is not what follows the last one.
    PartsFrom {
        /// The asker's number of it.
        ticket: TicketNumber,
        /// The delivery whose parts come.
        delivery: u32,
        /// The number of the next one.
        first: u32,
    },
    /// What became of a cancellation.
    Cancelled {
        /// From the question.
        call: Call,
        /// What.
        result: Cancellation,
    },
    /// What became of an acknowledgement.
    Acknowledged {
        /// From the question.
        call: Call,
        /// What.
        result: Acknowledgement,
    },
    /// A request, handed over.
    Delivery {
        /// To which service.
        service: ServiceNumber,
        /// What it shows when settling.
        token: Token,
        /// The attempt that it counts as.
        attempt: u32,
        /// The lease.
        lease: Duration,
        /// How long it is until the request's deadline.
        remaining: Duration,
        /// How long this delivery may take.
        attempt_timeout: Option<Duration>,
        /// Who asks.
        requester: RequesterName,
        /// The dead letter that the request was made of.
        redrive_of: Option<RequestId>,
        /// The message.
        request: H::Request,
    },
    /// What became of a settlement, a renewal, a delivery to take back or a part.
    Answered {
        /// From the question.
        call: Call,
        /// What.
        answer: Answer,
    },
    /// There is room again for the parts of a delivery.
    PartsRoom {
        /// Which service holds it.
        service: ServiceNumber,
        /// Which delivery.
        token: Token,
    },
    /// What became of a dead letter that was to be redriven.
    Redriven {
        /// From the question.
        call: Call,
        /// What.
        result: Redrive,
    },
    /// What became of a dead letter that was to be forgotten.
    Purged {
        /// From the question.
        call: Call,
        /// Whether there was one.
        was_there: bool,
    },
    /// A delivery is to be stopped.
    Stop {
        /// Which service holds it.
        service: ServiceNumber,
        /// Which delivery.
        token: Token,
        /// Why.
        reason: StopReason,
    },
}

/// The first request under an idempotency key.
#[derive(Debug)]
pub struct Original<H: Handles> {
    /// Its id.
    pub id: RequestId,
    /// Who asked.
    pub requester: RequesterName,
    /// Its place in the mailbox: the return address.
    pub place: H::Place,
}

/// The one final state of a request, as a channel keeps it.
#[derive(Debug)]
pub struct Outcome<H: Handles> {
    /// Counted attempts.
    pub attempts: u32,
    /// How it ended.
    pub ending: Ending<H>,
}

/// How a request ended.
#[derive(Debug)]
pub enum Ending<H: Handles> {
    /// A service answered.
    Replied(H::Answer),
    /// A service, or the broker, failed it finally.
    Failed(H::Answer),
    /// Attempts used up, or rejected.
    Dead {
        /// Why.
        reason: DeadReason,
        /// What the last attempt failed with, if it said so.
        last: Option<H::Answer>,
    },
    /// Its deadline passed.
    Expired,
    /// Somebody cancelled it.
    Cancelled,
}

impl<H: Handles> Clone for Outcome<H> {
    fn clone(&self) -> Self {
        Self { attempts: self.attempts, ending: self.ending.clone() }
    }
}

impl<H: Handles> Clone for Ending<H> {
    fn clone(&self) -> Self {
        match self {
            Self::Replied(answer) => Self::Replied(answer.clone()),
            Self::Failed(answer) => Self::Failed(answer.clone()),
            Self::Dead { reason, last } => Self::Dead { reason: *reason, last: last.clone() },
            Self::Expired => Self::Expired,
            Self::Cancelled => Self::Cancelled,
        }
    }
}
