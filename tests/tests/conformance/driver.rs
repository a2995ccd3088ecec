//! What a way to a broker must be able to do, to be held to the contract.

use std::time::Duration;

use bytes::Bytes;
use roundtrip::{
    AcknowledgeError, CancelError, Cancellation, ChannelFigures, DeadLetter, DeadLetterEntry, DeadLetterError, Ending,
    OpenMode, OutcomeKind, PartError, Progress, Refusal, RepliesError, RequestId, RequestState, SettleError,
    StopReason, TicketId, WaitError,
};

/// A broker and one way to it.
pub(crate) trait Driver: Sized {
    /// What it refuses, each with the name of the refusal.
    const REFUSES: &'static [(Feature, &'static str)] = &[];
    type Party: Party;

    /// A broker whose channels have these terms.
    async fn start(terms: Terms) -> Self;

    /// Somebody with a connection of its own.
    async fn party(&self) -> Self::Party;

    /// Waits until the figures of a channel are as they should be.
    async fn until(&self, channel: &str, is_reached: impl Fn(&ChannelFigures) -> bool);

    /// Asks for something that it refuses, and gives the name of the refusal.
    async fn ask_for(feature: Feature) -> String {
        panic!("{feature:?} is not among what this driver refuses: then it needs no asking")
    }
}

/// What an engine may refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Feature {
    /// Deliveries that a connection holds, with news pushed to the service.
    Connections,
    Cancelling,
    Delays,
    Keys,
    Parts,
    Priorities,
    Rates,
    Throttling,
    DeadLetters,
    /// Submitting under a ticket of the requester's own making.
    OwnTickets,
}

/// Terms of all channels; what is none is as it comes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Terms {
    pub(crate) capacity: Option<usize>,
    pub(crate) mailbox_capacity: Option<usize>,
    pub(crate) lease: Option<Duration>,
    pub(crate) attempt_timeout: Option<Duration>,
    pub(crate) max_attempts: Option<u32>,
    pub(crate) max_releases: Option<u32>,
    pub(crate) max_throttle: Option<Duration>,
    pub(crate) max_in_flight: Option<usize>,
    pub(crate) rate: Option<(f64, u32)>,
    /// 1 ms, unless set.
    pub(crate) backoff: Option<Duration>,
    pub(crate) default_deadline: Option<Duration>,
    pub(crate) retention: Option<Duration>,
    pub(crate) max_keys: Option<usize>,
    pub(crate) max_payload: Option<usize>,
    pub(crate) parts_room: Option<usize>,
    pub(crate) max_dead_letters: Option<usize>,
    pub(crate) refuses_without_service: bool,
    pub(crate) operations: Option<&'static [&'static str]>,
    pub(crate) content_types: Option<&'static [&'static str]>,
    /// Whether these are the only channels.
    pub(crate) declared: Option<&'static str>,
}

/// A requester, a service, an operator: whoever has a connection.
pub(crate) trait Party {
    type Taken: Taken;
    type Service: Service;
    type Mailbox: Mailbox;
    type Parts: PartsReader;

    async fn submit(&self, submission: Submission) -> Result<Accepted, Refusal>;
    /// Waits for the outcome; acknowledges nothing.
    async fn outcome(&self, requester: &str, ticket: &TicketId) -> Result<Ended, WaitError>;
    async fn state(&self, ticket: &TicketId) -> Result<State, WaitError>;
    /// The latest progress, or the first to come; none if the outcome was before.
    async fn progress(&self, ticket: &TicketId) -> Option<Progress>;
    async fn acknowledge(&self, requester: &str, ticket: &TicketId) -> Result<(), AcknowledgeError>;
    async fn cancel(&self, ticket: &TicketId) -> Result<Cancellation, CancelError>;
    /// The parts behind one of them; `(0, 0)`: all that are kept.
    fn parts(&self, requester: &str, ticket: &TicketId, behind: (u32, u32)) -> Self::Parts;

    async fn open(&self, requester: &str, reply_channel: &str, mode: OpenMode) -> Result<Self::Mailbox, RepliesError>;

    /// Takes up to `most` by lease; waits for the first.
    async fn take(&self, channel: &str, most: u32, wait: Duration) -> Vec<Self::Taken>;
    /// Takes deliveries that its connection holds.
    fn serve(&self, channel: &str, credit: u32) -> Self::Service;

    async fn dead_letters(&self, channel: &str) -> Vec<DeadLetterEntry>;
    async fn read_dead_letter(&self, channel: &str, id: RequestId) -> Result<DeadLetter, DeadLetterError>;
    async fn redrive(&self, channel: &str, id: RequestId) -> Result<TicketId, DeadLetterError>;
    async fn purge(&self, channel: &str, id: RequestId) -> Result<(), DeadLetterError>;

    /// Breaks the connection. The party makes another.
    fn cut(&self);
    /// Breaks the connection, and lets the party make no other.
    fn vanish(&self);
    /// Lets the party make a connection again.
    fn come_back(&self);
}

/// A request to be.
#[derive(Debug, Clone)]
pub(crate) struct Submission {
    pub(crate) channel: &'static str,
    pub(crate) requester: &'static str,
    pub(crate) operation: &'static str,
    pub(crate) content_type: &'static str,
    pub(crate) header: Option<(&'static str, &'static str)>,
    pub(crate) payload: Bytes,
    pub(crate) under: Option<TicketId>,
    pub(crate) reply_channel: Option<&'static str>,
    pub(crate) priority: Option<u8>,
    pub(crate) deadline: Option<Duration>,
    pub(crate) delay: Option<Duration>,
    pub(crate) key: Option<&'static str>,
    pub(crate) one_way: bool,
}

/// An answer to a submission.
#[derive(Debug, Clone)]
pub(crate) struct Accepted {
    pub(crate) ticket: TicketId,
    pub(crate) duplicate: bool,
    pub(crate) services: Option<u32>,
}

/// Where a request is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct State {
    pub(crate) state: RequestState,
    pub(crate) ahead: u64,
    pub(crate) services: u32,
    pub(crate) attempts: u32,
    pub(crate) remaining: Option<Duration>,
    pub(crate) redrive_of: Option<RequestId>,
    pub(crate) progress: Option<Progress>,
}

/// What is told of the parts of a request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum PartEvent {
    Part(Part),
    /// Another delivery began, and its parts begin again at 1.
    Restarted {
        delivery: u32,
    },
    /// The parts before this number are kept no more.
    Gone {
        first: u32,
    },
}

/// An interim result.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Part {
    pub(crate) delivery: u32,
    pub(crate) number: u32,
    pub(crate) payload: Bytes,
}

/// An outcome.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ended {
    pub(crate) attempts: u32,
    pub(crate) ending: Ending,
    pub(crate) payload: Bytes,
    /// The outcome as RFC 9457 writes it, in JSON; none for a reply.
    pub(crate) problem: Option<serde_json::Value>,
}

impl Ended {
    pub(crate) fn kind(&self) -> OutcomeKind {
        self.ending.kind()
    }
}

/// How a service ends a delivery.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Settle {
    Reply(&'static str),
    /// Code and message.
    Fail(&'static str, &'static str),
    Retry(&'static str, Option<Duration>),
    Reject(&'static str),
    Release,
    Throttle(Duration),
}

/// A delivery that was taken by lease.
pub(crate) trait Taken {
    fn ticket(&self) -> &TicketId;
    fn attempt(&self) -> u32;
    fn delivery(&self) -> u32;
    fn payload(&self) -> &Bytes;
    fn remaining(&self) -> Option<Duration>;
    fn redrive_of(&self) -> Option<RequestId>;
    async fn renew(&self) -> Result<(), SettleError>;
    fn progress(&self, fraction: f32, stage: &str);
    async fn part(&self, payload: &'static str) -> Result<u32, PartError>;
    async fn try_part(&self, payload: &'static str) -> Result<u32, PartError>;
    async fn settle(&self, how: Settle) -> Result<(), SettleError>;
}

/// A subscription. Dropped, it ends.
pub(crate) trait Service {
    type Held: Held;
    async fn next(&mut self) -> Self::Held;
}

/// A delivery that a connection holds.
pub(crate) trait Held {
    fn ticket(&self) -> &TicketId;
    fn attempt(&self) -> u32;
    fn delivery(&self) -> u32;
    /// Waits until the service is told to stop.
    async fn stopped(&self) -> StopReason;
    /// Ends the work; after a stop, that says so.
    fn settle(self, how: Settle);
}

/// An open mailbox. Dropped, it is closed.
pub(crate) trait Mailbox {
    async fn next(&mut self) -> Result<(TicketId, Ended), RepliesError>;
    /// None when all that was there at the opening has been given.
    async fn next_there(&mut self) -> Option<TicketId>;
}

/// Reads the parts of a request.
pub(crate) trait PartsReader {
    /// None when the outcome is there. Asking for the next says that the one before was handled.
    async fn next(&mut self) -> Option<PartEvent>;
}
