//! What can be asked of a channel.

use std::time::Duration;

use roundtrip_protocol::{
    Call, Hold, InstanceId, Progress, RequestId, RequesterName, ServiceNumber, TicketNumber, Token,
};

use crate::handles::{Handles, PeerId};

/// A service as the contract means it: a service of one client instance, over all of its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ServiceInstance {
    /// The client instance.
    pub instance: InstanceId,
    /// Its service.
    pub service: ServiceNumber,
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
        /// The request's id.
        id: RequestId,
        /// Under whose name.
        requester: RequesterName,
        /// The message.
        request: H::Request,
        /// Its place in the mailbox.
        place: H::Place,
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
}
