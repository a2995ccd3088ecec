//! What a channel wants done.

use std::time::Duration;

use roundtrip_protocol::{
    Acknowledgement, Answer, Call, DeadReason, Progress, Refusal, RequestId, RequestState, RequesterName,
    ServiceNumber, StopReason, TicketNumber, Token,
};

use crate::handles::{Handles, PeerId};

/// The number of a change to what a channel keeps. Changes are counted from 1.
///
/// An effect that tells somebody of a change names it: in memory it is told at once, a durable channel tells it when
/// the change is on disk.
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
        /// Its place.
        place: H::Place,
        /// The request.
        id: RequestId,
    },
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
        /// How many services there are.
        services: u32,
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
        /// Who asks.
        requester: RequesterName,
        /// The message.
        request: H::Request,
    },
    /// What became of a settlement, a renewal or a delivery to take back.
    Answered {
        /// From the question.
        call: Call,
        /// What.
        answer: Answer,
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
        }
    }
}
