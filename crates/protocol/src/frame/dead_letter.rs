//! What is dead, and what can be done with it.

use bincode::{BorrowDecode, Encode};

use crate::code::Refusal;
use crate::identity::{Call, ChannelNumber, RequestId};
use crate::message::Label;
use crate::name::{ChannelName, RequesterName};
use crate::outcome::{DeadReason, Problem};

/// Client to broker: the dead letters of a channel, oldest first. Answered by one [`DeadLetters`].
///
/// ```text
///  0          4             8
/// | call u32 | channel u32 | after option id | most u32 |
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, BorrowDecode)]
pub struct ListDeadLetters {
    /// For the answer.
    pub call: Call,
    /// The request channel.
    pub channel: ChannelNumber,
    /// Begin behind this letter; none: at the oldest.
    pub after: Option<RequestId>,
    /// How many at most. The answer may hold fewer.
    pub most: u32,
}

/// Broker to client: the answer to [`ListDeadLetters`].
///
/// ```text
///  0          4
/// | call u32 | letters list DeadLetterEntry | more bool |
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct DeadLetters {
    /// From the question.
    pub call: Call,
    /// Some letters.
    pub letters: Vec<DeadLetterEntry>,
    /// Whether there are more behind the last one.
    pub more: bool,
}

/// What a list says of a dead letter.
///
/// ```text
///  0    16
/// | id | operation text | requester name | reason DeadReason u32 | attempts u32 | deliveries u32 | bytes u64 |
/// | accepted_ms_ago u64 | died_ms_ago u64 | last option Problem |
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct DeadLetterEntry {
    /// The request's id.
    pub id: RequestId,
    /// The name of what was asked for; may be empty.
    pub operation: String,
    /// Who asked.
    pub requester: RequesterName,
    /// Why it is dead.
    pub reason: DeadReason,
    /// Counted attempts.
    pub attempts: u32,
    /// Deliveries, counted or not.
    pub deliveries: u32,
    /// How many bytes its payload has.
    pub bytes: u64,
    /// How long ago the request was accepted, in milliseconds.
    pub accepted_ms_ago: u64,
    /// How long ago it died, in milliseconds.
    pub died_ms_ago: u64,
    /// What the last attempt failed with, if it said so: its code cut to 128 bytes and its message to 1,024, so that it
    /// stands beside any label in one header.
    pub last: Option<Problem>,
}

/// Client to broker: a dead letter, whole. Answered by [`DeadLetter`].
///
/// ```text
///  0          4             8
/// | call u32 | channel u32 | id |
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, BorrowDecode)]
pub struct ReadDeadLetter {
    /// For the answer.
    pub call: Call,
    /// The request channel.
    pub channel: ChannelNumber,
    /// The request's id.
    pub id: RequestId,
}

/// Broker to client: the answer to [`ReadDeadLetter`]; the payload is the request's.
///
/// ```text
///  0          4
/// | call u32 | letter option DeadLetterContent |
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct DeadLetter {
    /// From the question.
    pub call: Call,
    /// The letter; none if there is none of this id.
    pub letter: Option<DeadLetterContent>,
}

/// A dead letter.
///
/// ```text
///  0
/// | entry DeadLetterEntry | reply_channel option name | label Label |
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct DeadLetterContent {
    /// What a list says of it.
    pub entry: DeadLetterEntry,
    /// Where its reply went; none if into no mailbox.
    pub reply_channel: Option<ChannelName>,
    /// About the payload.
    pub label: Label,
}

/// Client to broker: make a new request of a dead letter, which goes. Answered by [`Redriven`].
///
/// ```text
///  0          4             8
/// | call u32 | channel u32 | id |
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, BorrowDecode)]
pub struct RedriveDeadLetter {
    /// For the answer.
    pub call: Call,
    /// The request channel.
    pub channel: ChannelNumber,
    /// The letter's id.
    pub id: RequestId,
}

/// Broker to client: the answer to [`RedriveDeadLetter`].
///
/// ```text
///  0          4
/// | call u32 | result Redrive |
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Redriven {
    /// From the question.
    pub call: Call,
    /// What became of it.
    pub result: Redrive,
}

/// What became of a dead letter that was to be redriven.
///
/// ```text
///  0       4
/// | 0 u32 | id |       accepted as a new request
/// | 1 u32 |            unknown
/// | 2 u32 | Refusal |  refused
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
#[non_exhaustive]
pub enum Redrive {
    /// It is a new request, which has this id and names the letter as the one it is a redrive of.
    Accepted(RequestId),
    /// There is no such letter.
    Unknown,
    /// There is no room for a request: the letter stays.
    Refused(Refusal),
}

/// Client to broker: forget a dead letter. Answered by [`Purged`].
///
/// ```text
///  0          4             8
/// | call u32 | channel u32 | id |
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, BorrowDecode)]
pub struct PurgeDeadLetter {
    /// For the answer.
    pub call: Call,
    /// The request channel.
    pub channel: ChannelNumber,
    /// The letter's id.
    pub id: RequestId,
}

/// Broker to client: the answer to [`PurgeDeadLetter`].
///
/// ```text
///  0          4
/// | call u32 | was_there bool |
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Purged {
    /// From the question.
    pub call: Call,
    /// Whether there was such a letter.
    pub was_there: bool,
}
