//! Where durable channels keep what they decide: one small trait, and what is written and read through it.
//!
//! A [`Storage`] knows nothing of channels' rules. It makes a list of [`Write`]s durable, all or none, and a [`Reader`]
//! gives back what they amount to. So faults can be put under it, and another engine can take its place.

mod body;
#[cfg(feature = "simulation")]
pub(crate) mod faulty;
pub(crate) mod memory;
#[cfg(feature = "durable")]
pub(crate) mod sqlite;
#[cfg(test)]
pub(crate) mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use roundtrip_protocol::{ChannelName, DeadReason, OutcomeKind, Problem, RequestId, RequesterName, Text};

use crate::message::{Answer, Part, Request};

/// Names something that is kept: its channel's number above a number of its own. Requests, answers and parts of a
/// channel share its numbers, and none is given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Row(pub(crate) u64);

/// The number of a channel in the storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ChannelRow(pub(crate) u32);

/// The highest number of a channel: a row is positive as a signed number of 64 bits.
pub(crate) const MAX_CHANNEL_ROW: u32 = (1 << 23) - 1;

impl Row {
    const NUMBER_BITS: u32 = 40;

    /// The row of a channel with this number of its own, which is below 2^40.
    pub(crate) const fn new(channel: ChannelRow, number: u64) -> Self {
        Self((channel.0 as u64) << Self::NUMBER_BITS | number & ((1 << Self::NUMBER_BITS) - 1))
    }

    pub(crate) const fn channel(self) -> ChannelRow {
        ChannelRow((self.0 >> Self::NUMBER_BITS) as u32)
    }

    /// The row of the answer to the request of this row: the next one.
    pub(crate) const fn answer(self) -> Self {
        Self(self.0 + 1)
    }

    pub(crate) const fn number(self) -> u64 {
        self.0 & ((1 << Self::NUMBER_BITS) - 1)
    }
}

/// A change to what is kept. Times are milliseconds since 1970.
#[derive(Debug, Clone)]
pub(crate) enum Write {
    /// A channel has a number from here on.
    AddChannel { channel: ChannelRow, name: ChannelName },
    /// The channel, of which nothing is kept, has its number no more.
    RemoveChannel { channel: ChannelRow },
    /// A request was accepted.
    Accept(Box<NewRequest>),
    /// An open request waits elsewhere, or was tried once more.
    Move { row: Row, tried: Box<StoredTried> },
    /// A request has its outcome, in place of an earlier one if there is one. Where that is `dead` it becomes a dead
    /// letter too, whole; otherwise its message goes. What is kept of the open request goes with it.
    End { row: Row, end: Box<NewEnd> },
    /// The outcome is kept for its idempotency key alone.
    Acknowledge { row: Row },
    /// The outcome goes, and its parts, and the request but for its dead letter.
    Forget { row: Row },
    /// A part comes behind the others of its delivery. Those of earlier deliveries go.
    AddPart { request: Row, delivery: u32, number: u32, row: Row, part: Arc<Part> },
    /// The parts of a delivery go, up to a number.
    DropParts { request: Row, delivery: u32, through: u32 },
    /// The dead letter goes.
    Exhume { row: Row },
}

/// A request to keep.
#[derive(Debug, Clone)]
pub(crate) struct NewRequest {
    pub(crate) facts: Facts,
    pub(crate) message: NewMessage,
}

/// What is delivered of a request.
#[derive(Debug, Clone)]
pub(crate) enum NewMessage {
    Here(Arc<Request>),
    /// That of a dead letter, which goes in the same commit: see [`Write::Exhume`].
    OfLetter(Row),
}

/// What never changes of a request, but for its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) row: Row,
    pub(crate) id: RequestId,
    pub(crate) requester: RequesterName,
    /// The requester's name was made by its library.
    pub(crate) is_unnamed: bool,
    /// None: it wants no reply.
    pub(crate) reply_channel: Option<ChannelName>,
    pub(crate) key: Option<StoredKey>,
    pub(crate) priority: u8,
    pub(crate) redrive_of: Option<RequestId>,
    pub(crate) accepted_ms: u64,
    pub(crate) deadline_ms: u64,
    /// None while its delay is not over.
    pub(crate) order: Option<u64>,
    /// When its delay is over.
    pub(crate) until_ms: Option<u64>,
    /// How many bytes the payload has.
    pub(crate) bytes: u64,
}

/// An idempotency key.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct StoredKey {
    /// It stands beside the requester's name; otherwise for all unnamed requesters.
    pub(crate) is_named: bool,
    pub(crate) text: String,
    pub(crate) fingerprint: u128,
}

/// How often an open request was tried, and where it waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredTried {
    pub(crate) order: u64,
    /// When its backoff is over.
    pub(crate) until_ms: Option<u64>,
    pub(crate) deliveries: u32,
    pub(crate) attempts: u32,
    pub(crate) releases: u32,
    pub(crate) last: Option<Problem>,
}

/// An outcome to keep.
#[derive(Debug, Clone)]
pub(crate) struct NewEnd {
    pub(crate) attempts: u32,
    pub(crate) deliveries: u32,
    pub(crate) since_ms: u64,
    /// The broker's start number and the delivery.
    pub(crate) settled_by: Option<(u64, u32)>,
    pub(crate) outcome: NewOutcome,
}

/// How a request ended. What a service or the broker answered is kept under [`Row::answer`] of its request.
#[derive(Debug, Clone)]
pub(crate) enum NewOutcome {
    Replied(Arc<Answer>),
    Failed(Arc<Answer>),
    Dead { reason: DeadReason, last: Option<Problem> },
    Expired,
    Cancelled,
}

/// What is kept of a request or of a dead letter, without what is large.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stored {
    /// A request that is open, or whose outcome is kept.
    Request(Box<StoredRequest>),
    /// A dead letter.
    Letter(Box<StoredLetter>),
    /// Something whose facts are not what was written. They are given as far as they can be read.
    Damaged { row: Row, facts: Option<Box<Facts>> },
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredRequest {
    pub(crate) facts: Facts,
    /// None: it was not moved since its acceptance, or has ended.
    pub(crate) tried: Option<StoredTried>,
    pub(crate) parts: Option<StoredParts>,
    pub(crate) ended: Option<StoredEnd>,
}

/// The parts of one delivery, without a gap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredParts {
    pub(crate) delivery: u32,
    pub(crate) first: u32,
    /// Each one's row, and what it takes of `parts_room`: its label's texts and its payload, in bytes.
    pub(crate) kept: Vec<(Row, u64)>,
}

/// An outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredEnd {
    pub(crate) attempts: u32,
    pub(crate) deliveries: u32,
    pub(crate) since_ms: u64,
    pub(crate) settled_by: Option<(u64, u32)>,
    pub(crate) outcome: StoredOutcome,
    pub(crate) is_acknowledged: bool,
}

impl StoredEnd {
    /// What a new outcome is kept as.
    fn of(end: &NewEnd) -> Self {
        let outcome = match &end.outcome {
            NewOutcome::Replied(answer) => StoredOutcome::Replied(answer.payload.len() as u64),
            NewOutcome::Failed(answer) => StoredOutcome::Failed(answer.payload.len() as u64),
            NewOutcome::Dead { reason, last } => StoredOutcome::Dead { reason: *reason, last: last.clone() },
            NewOutcome::Expired => StoredOutcome::Expired,
            NewOutcome::Cancelled => StoredOutcome::Cancelled,
        };
        Self {
            attempts: end.attempts,
            deliveries: end.deliveries,
            since_ms: end.since_ms,
            settled_by: end.settled_by,
            outcome,
            is_acknowledged: false,
        }
    }
}

/// How a request ended. Of an answer: how many bytes its payload has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StoredOutcome {
    Replied(u64),
    Failed(u64),
    Dead { reason: DeadReason, last: Option<Problem> },
    Expired,
    Cancelled,
}

impl StoredOutcome {
    pub(crate) const fn kind(&self) -> OutcomeKind {
        match self {
            Self::Replied(..) => OutcomeKind::Replied,
            Self::Failed(..) => OutcomeKind::Failed,
            Self::Dead { .. } => OutcomeKind::Dead,
            Self::Expired => OutcomeKind::Expired,
            Self::Cancelled => OutcomeKind::Cancelled,
        }
    }
}

/// A dead letter. Its message is read as that of a request of the same row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredLetter {
    pub(crate) facts: Facts,
    pub(crate) reason: DeadReason,
    pub(crate) attempts: u32,
    pub(crate) deliveries: u32,
    pub(crate) died_ms: u64,
    pub(crate) last: Option<Problem>,
}

/// Something that is asked for because it is not kept in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Ask {
    /// The message of an open request or of a dead letter, by the request's row.
    Message(Row),
    /// The name of the operation that a request, open or ended, or a dead letter is for, by the request's row.
    Operation(Row),
    /// An answer, by its own row.
    Answer(Row),
    /// A part, by its own row.
    Part(Row),
}

/// What was found.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    Message(Arc<Request>),
    Operation(Text),
    Answer(Arc<Answer>),
    Part(Arc<Part>),
}

/// Why something was not found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// It is kept no longer.
    Gone,
    /// What is there is not what was written.
    Damaged,
}

/// A start of the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Start {
    /// Its number, above that of every earlier start.
    pub(crate) number: u64,
    /// The time, not before that of any earlier commit: a clock that was set back does not make time go back.
    pub(crate) now_ms: u64,
}

/// Makes writes durable.
pub(crate) trait Storage: Send {
    /// Begins a start of the broker. Its number is not below `least`, and durable when this returns.
    fn begin(&mut self, least: u64, now_ms: u64) -> Result<Start, StorageError>;

    /// Makes all of them durable, in their order, or none. They were decided by `now_ms`.
    fn commit(&mut self, now_ms: u64, writes: &[Write]) -> Result<(), StorageError>;

    /// How many bytes of the disk are taken. What is free for other writes inside of its files does not count.
    fn used(&mut self) -> Result<u64, StorageError>;

    /// Gives some room back to the disk, in a short step, when there is nothing else to do. Says whether there is more.
    fn tidy(&mut self) -> Result<bool, StorageError>;

    /// A reader for another thread. It sees what was committed before it is asked.
    fn reader(&self) -> Result<Box<dyn Reader>, StorageError>;

    /// How long a task that writes waits now: it asks before each commit, and again before it tells what became of it.
    /// Only a disk that a simulator made has to be waited for.
    fn pause(&mut self) -> Duration {
        Duration::ZERO
    }
}

/// Reads what is durable.
pub(crate) trait Reader: Send {
    /// The channels that have numbers.
    fn channels(&mut self) -> Result<Vec<(ChannelRow, ChannelName)>, StorageError>;

    /// About how many requests are kept of a channel: for whoever is about to load it, and wants to make room at once.
    fn count(&mut self, _channel: ChannelRow) -> Result<usize, StorageError> {
        Ok(0)
    }

    /// All that is kept of a channel: its requests in the order of their rows, then its dead letters, oldest first.
    fn load(&mut self, channel: ChannelRow, each: &mut dyn FnMut(Stored)) -> Result<(), StorageError>;

    /// What was asked for, one for one.
    fn read(&mut self, asked: &[Ask]) -> Result<Vec<Result<Content, Missing>>, StorageError>;

    /// How long a task that reads waits before it does, as for [`Storage::pause`].
    fn pause(&mut self) -> Duration {
        Duration::ZERO
    }
}

/// What is wrong with a storage. Its text tells nothing of what is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StorageError {
    pub(crate) kind: StorageErrorKind,
    pub(crate) text: String,
}

/// What kind of thing is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StorageErrorKind {
    /// There is no room on the disk. It may pass.
    Full,
    /// The disk, or the system, does not do what it is asked. It may pass.
    Io,
    /// What is there is not what was written.
    Damaged,
}

impl fmt::Debug for StoredKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("StoredKey").field("is_named", &self.is_named).finish_non_exhaustive()
    }
}

impl fmt::Display for StorageError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

impl std::error::Error for StorageError {}
