//! What can be asked of a channel.

use std::time::Duration;

use roundtrip_protocol::{
    Call, DEFAULT_PRIORITY, Hold, InstanceId, Progress, RequestId, RequesterName, ServiceNumber, TicketNumber, Token,
};

use super::key::Key;
use crate::handles::{Handles, PeerId};

/// A service as the contract means it: a service of one client instance, over all of its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ServiceInstance {
    /// The client instance.
    pub instance: InstanceId,
    /// Its service.
    pub service: ServiceNumber,
}

/// A request as its requester hands it in.
#[derive(Debug)]
pub struct Submission<H: Handles> {
    /// Its id.
    pub id: RequestId,
    /// Under whose name.
    pub requester: RequesterName,
    /// The message.
    pub request: H::Request,
    /// How many bytes its payload has.
    pub bytes: usize,
    /// Its place in the mailbox.
    pub place: H::Place,
    /// 0 to 9; 9 goes first.
    pub priority: u8,
    /// How long after now it expires; none: the channel's default, counted from the end of the delay.
    pub deadline: Option<Duration>,
    /// How long from now until it begins to wait.
    pub delay: Duration,
    /// Its idempotency key.
    pub key: Option<Key>,
    /// Whether the asker is told that it was accepted, and not only what comes of it. A repetition always is.
    pub tells_acceptance: bool,
}

impl<H: Handles> Submission<H> {
    /// A request with nothing but what it must have.
    pub const fn new(id: RequestId, requester: RequesterName, request: H::Request, place: H::Place) -> Self {
        Self {
            id,
            requester,
            request,
            bytes: 0,
            place,
            priority: DEFAULT_PRIORITY,
            deadline: None,
            delay: Duration::ZERO,
            key: None,
            tells_acceptance: true,
        }
    }
}

/// Something to do, asked by a connection or by the broker itself.
#[derive(Debug)]
pub enum Command<H: Handles> {
    /// Accept a request, or refuse it. The asker follows it under `ticket`.
    Submit {
        /// Who asks.
        peer: H::Peer,
        /// The number under which the asker follows it.
        ticket: TicketNumber,
        /// The request.
        submission: Submission<H>,
    },
    /// Tell the state of a request, and follow it.
    Attach {
        /// Who asks.
        peer: H::Peer,
        /// The number under which the asker follows it.
        ticket: TicketNumber,
        /// The request's id.
        id: RequestId,
    },
    /// Stop following.
    Detach {
        /// Who.
        peer: PeerId,
        /// The asker's number of it.
        ticket: TicketNumber,
        /// The request's id.
        id: RequestId,
    },
    /// Send the parts of a followed request, from a place on.
    FollowParts {
        /// Over which connection.
        peer: PeerId,
        /// The asker's number of it.
        ticket: TicketNumber,
        /// The request's id.
        id: RequestId,
        /// The delivery whose parts the asker has; 0: none.
        delivery: u32,
        /// The last of them; 0: none.
        after: u32,
        /// How many parts may be sent.
        window: u32,
    },
    /// Allow more parts to be sent.
    PartsWindow {
        /// Over which connection.
        peer: PeerId,
        /// The asker's number of it.
        ticket: TicketNumber,
        /// The request's id.
        id: RequestId,
        /// How many more.
        more: u32,
    },
    /// Forget the parts of a delivery up to a number.
    AcknowledgeParts {
        /// The request's id.
        id: RequestId,
        /// Under whose name.
        requester: RequesterName,
        /// The delivery.
        delivery: u32,
        /// The number of the last one to forget.
        through: u32,
    },
    /// End a request, unless it has its outcome.
    Cancel {
        /// Who asks.
        peer: H::Peer,
        /// For the answer.
        call: Call,
        /// The request's id.
        id: RequestId,
    },
    /// Forget an outcome.
    Acknowledge {
        /// Who asks.
        peer: H::Peer,
        /// For the answer.
        call: Call,
        /// The request's id.
        id: RequestId,
        /// Under whose name.
        requester: RequesterName,
        /// The number under which the asker follows it, and is to follow it no more.
        ticket: Option<TicketNumber>,
    },
    /// Give deliveries to a service.
    Subscribe {
        /// Over which connection.
        peer: H::Peer,
        /// Which service.
        service: ServiceInstance,
        /// How many it holds at once.
        credit: u32,
        /// What holds them.
        hold: Hold,
        /// How long each may go without a sign of life.
        lease: Duration,
    },
    /// Change how many deliveries a service holds at once.
    Credit {
        /// Over which connection.
        peer: PeerId,
        /// Which service.
        service: ServiceNumber,
        /// How many it holds at once.
        credit: u32,
    },
    /// End a subscription; what it holds by connection goes back at once and uncounted.
    Unsubscribe {
        /// Over which connection.
        peer: PeerId,
        /// Which service.
        service: ServiceNumber,
    },
    /// The connection's outbox has room again.
    Resume {
        /// Which connection.
        peer: PeerId,
    },
    /// End a delivery.
    Settle {
        /// Who asks.
        peer: H::Peer,
        /// For the answer.
        call: Call,
        /// What the service shows.
        token: Token,
        /// How.
        settlement: Settling<H>,
    },
    /// A sign of life for one delivery.
    Renew {
        /// Who asks.
        peer: H::Peer,
        /// For the answer.
        call: Call,
        /// What the service shows.
        token: Token,
    },
    /// Take a lost delivery back.
    TakeBack {
        /// Who asks.
        peer: H::Peer,
        /// For the answer.
        call: Call,
        /// Which service.
        service: ServiceInstance,
        /// What the service shows.
        token: Token,
    },
    /// Keep an interim result.
    AddPart {
        /// Who asks.
        peer: H::Peer,
        /// For the answer.
        call: Call,
        /// What the service shows.
        token: Token,
        /// Its number within the delivery: 1, 2, 3 …
        number: u32,
        /// The part.
        part: H::Part,
        /// What it takes of `parts_room`, in bytes.
        bytes: usize,
    },
    /// The service has ended the work on a delivery that it was told to stop.
    Stopped {
        /// What the service shows.
        token: Token,
    },
    /// How far the work is.
    Report {
        /// What the service shows.
        token: Token,
        /// The progress.
        progress: Progress,
    },
    /// A connection is gone: its subscriptions end, what it held is lost, it follows nothing.
    PeerGone {
        /// Which connection.
        peer: PeerId,
    },
    /// An unnamed requester is gone: its mailboxes are no more.
    RequesterGone {
        /// Its name.
        requester: RequesterName,
    },
    /// Memory is short: the oldest outcomes that are in no mailbox and under no key, and were fetched, go.
    MakeRoom,
    /// Make a new request of a dead letter, which goes.
    Redrive {
        /// Who asks.
        peer: H::Peer,
        /// For the answer.
        call: Call,
        /// The letter's id.
        id: RequestId,
        /// The new request's id.
        new_id: RequestId,
        /// Its message.
        request: H::Request,
        /// Its place in the letter's mailbox.
        place: H::Place,
    },
    /// Forget a dead letter.
    Purge {
        /// Who asks.
        peer: H::Peer,
        /// For the answer.
        call: Call,
        /// The letter's id.
        id: RequestId,
    },
    /// What was kept of a request is damaged: it is dead for that reason, whatever it was, and a dead letter.
    Damaged {
        /// The request's id, or the letter's.
        id: RequestId,
    },
    /// The broker drains: from here on nothing is handed out.
    StopDispatch,
    /// The broker stops: every request without an outcome fails with `answer`.
    Stop {
        /// What the requesters are told.
        answer: H::Answer,
    },
}

/// How a delivery ends.
#[derive(Debug)]
pub enum Settling<H: Handles> {
    /// Answered.
    Reply(H::Answer),
    /// Failed finally.
    Fail(H::Answer),
    /// Failed, and another attempt may mend it: counted.
    Retry {
        /// What went wrong.
        problem: H::Answer,
        /// The earliest time for the next attempt, from now.
        retry_after: Option<Duration>,
    },
    /// Poison.
    Reject(H::Answer),
    /// Given back, not counted.
    Release,
    /// Given back, not counted, and the channel's dispatch pauses.
    Throttle {
        /// How long, from now.
        retry_after: Duration,
    },
}
