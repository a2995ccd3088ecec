//! Who is there, what the two ends agree on, and how a connection ends: hello, heartbeats, names, errors, goodbye.

use bincode::{BorrowDecode, Encode};

use crate::code::{ErrorCode, Refusal};
use crate::identity::{Call, ChannelNumber, InstanceId, RequesterNumber};
use crate::name::{ChannelName, RequesterName};

/// Client to broker, first: who is there and what it speaks. Answered by [`Welcome`] or [`Error`].
///
/// This frame keeps its shape in every version.
///
/// ```text
///  0            2             4
/// | lowest u16 | highest u16 | software text | instance id | connection u64 |
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Hello {
    /// The lowest version that the client speaks.
    pub lowest: u16,
    /// The highest version that the client speaks.
    pub highest: u16,
    /// Name and version of the client's software, for people.
    pub software: String,
    /// The client instance.
    pub instance: InstanceId,
    /// The number of this connection within the instance: higher than those before.
    pub connection: u64,
}

/// Broker to client, first: the handshake is done.
///
/// ```text
///  0             2
/// | version u16 | software text | start u64 | max_header u32 | max_payload u64 | max_open u32 | heartbeat_ms u32 |
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Welcome {
    /// The version that both ends speak from here on.
    pub version: u16,
    /// Name and version of the broker's software, for people.
    pub software: String,
    /// The broker's start number, as in its tokens.
    pub start: u64,
    /// The longest header that either end sends, in bytes.
    pub max_header: u32,
    /// The largest payload that either end sends, in bytes. Channels may set lower limits.
    pub max_payload: u64,
    /// How many tickets, deliveries, and services, mailboxes and names (each) the connection may have at once.
    pub max_open: u32,
    /// Each end sends something at least this often, in milliseconds; 0: nobody has to.
    pub heartbeat_ms: u32,
}

/// Either way: something is wrong with the connection or a frame.
///
/// This frame keeps its shape in every version: it answers a [`Hello`] whose versions are unknown.
///
/// ```text
///  0          2
/// | code u16 | message text | frame u8 | closes bool |
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Error {
    /// What.
    pub code: ErrorCode,
    /// What was expected, what came, what to do.
    pub message: String,
    /// The type of the frame that it is about; 0 if about none.
    pub frame: u8,
    /// Whether the sender closes the connection after this frame.
    pub closes: bool,
}

/// Either way: answer with [`Pong`].
///
/// ```text
///  0
/// | nonce u64 |
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Ping {
    /// Comes back in the answer.
    pub nonce: u64,
}

/// Either way: the answer to [`Ping`].
///
/// ```text
///  0
/// | nonce u64 |
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Pong {
    /// From the question.
    pub nonce: u64,
}

/// Client to broker: nothing more comes. Services end (what they hold goes back uncounted), unnamed requesters end.
/// The broker answers with the same frame when all before it is done and sent, and closes.
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Close {}

/// Broker to client: the broker is stopping. Submissions are refused from here on; deliveries may settle.
///
/// ```text
///  0
/// | remaining_ms u64 |
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Drain {
    /// How long, in milliseconds.
    pub remaining_ms: u64,
}

/// Client to broker: stop, as after a first SIGTERM. Answered by [`DrainAnswered`]; then [`Drain`] comes, as to everybody.
///
/// ```text
///  0
/// | call u32 |
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct RequestDrain {
    /// For the answer.
    pub call: Call,
}

/// Broker to client: the answer to [`RequestDrain`].
///
/// ```text
///  0          4
/// | call u32 | refusal option Refusal |
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct DrainAnswered {
    /// From the question.
    pub call: Call,
    /// Why not, if not: an embedded broker is stopped by the program that it is part of.
    pub refusal: Option<Refusal>,
}

/// Client to broker: from here on `number` stands for this channel. Answered by [`Bound`], not to be waited for.
///
/// ```text
///  0            4
/// | number u32 | channel name |
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Bind {
    /// A number that stands for no channel yet.
    pub number: ChannelNumber,
    /// The channel.
    pub channel: ChannelName,
}

/// Broker to client: the answer to [`Bind`].
///
/// After a refusal the number stands for a channel that refuses everything in the same words; binding it again tries
/// again.
///
/// ```text
///  0            4
/// | number u32 | refusal option Refusal |
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Bound {
    /// From the question.
    pub number: ChannelNumber,
    /// Why not, if not.
    pub refusal: Option<Refusal>,
}

/// Client to broker: from here on `number` stands for this requester. It has no answer.
///
/// ```text
///  0            4
/// | number u32 | requester name | unnamed bool |
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Introduce {
    /// A number that stands for no requester yet.
    pub number: RequesterNumber,
    /// The requester's name.
    pub requester: RequesterName,
    /// Whether the library made the name: then its mailboxes end with it.
    pub unnamed: bool,
}

/// Client to broker: this requester is done. Its mailboxes on this connection close, and end if it is unnamed. The
/// number stands for nothing from here on. It has no answer.
///
/// ```text
///  0
/// | requester u32 |
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Goodbye {
    /// The requester.
    pub requester: RequesterNumber,
}
