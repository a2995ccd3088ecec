//! The channels and their figures.

use bincode::{BorrowDecode, Encode};

use crate::identity::Call;
use crate::name::ChannelName;

/// Client to broker: the channels and their figures. Answered by one or more [`Channels`].
///
/// ```text
///  0
/// | call u32 |
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct ListChannels {
    /// For the answer.
    pub call: Call,
}

/// Broker to client: a part of the answer to [`ListChannels`], sorted by name over all parts.
///
/// ```text
///  0          4
/// | call u32 | channels list ChannelFigures | more bool |
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Channels {
    /// From the question.
    pub call: Call,
    /// Some channels.
    pub channels: Vec<ChannelFigures>,
    /// Whether another part follows.
    pub more: bool,
}

/// A channel and its figures.
///
/// ```text
///  0
/// | channel name | waiting u64 | scheduled u64 | in_flight u64 | services u32 | retained u64 | dead u64 |
/// | oldest_ms u64 | paused_ms u64 | stale u64 |
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct ChannelFigures {
    /// The channel.
    pub channel: ChannelName,
    /// Requests in the queue or backing off.
    pub waiting: u64,
    /// Requests whose delay is not over.
    pub scheduled: u64,
    /// Deliveries that count against `max_in_flight`: with services, lost and not given up, or stopping.
    pub in_flight: u64,
    /// Subscriptions.
    pub services: u32,
    /// Outcomes kept until they are acknowledged.
    pub retained: u64,
    /// Dead letters.
    pub dead: u64,
    /// How long the oldest waiting request has waited since it was accepted, in milliseconds; 0 if none waits.
    pub oldest_ms: u64,
    /// How long dispatch still pauses because a service throttled it, in milliseconds; 0 if it does not.
    pub paused_ms: u64,
    /// Settlements, renewals, parts and progress of deliveries that counted no more, dropped since the channel began.
    pub stale: u64,
}
