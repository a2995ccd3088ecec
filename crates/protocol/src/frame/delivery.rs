//! What a service takes, how it keeps what it took, and how it settles it.

use bincode::{BorrowDecode, Encode};

use crate::code::Refusal;
use crate::identity::{Call, ChannelNumber, RequestId, ServiceNumber, Token};
use crate::message::{Label, Progress};
use crate::name::RequesterName;
use crate::outcome::Settlement;
use crate::text::Text;

/// Client to broker: take deliveries from a channel. Answered by [`Subscribed`] or, for a refused channel, by
/// [`Unsubscribed`].
///
/// ```text
///  0             4             8            12              16
/// | service u32 | channel u32 | credit u32 | hold Hold u32 | lease_ms option u64 |
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Subscribe {
    /// The service, which has no subscription on this connection yet.
    pub service: ServiceNumber,
    /// The request channel.
    pub channel: ChannelNumber,
    /// How many deliveries it holds at once.
    pub credit: u32,
    /// What holds its deliveries.
    pub hold: Hold,
    /// The lease that it wishes for, in milliseconds: at least 1, and the channel's `max_lease` is the longest. None:
    /// the channel's `lease`.
    pub lease_ms: Option<u64>,
}

/// What holds a delivery.
///
/// ```text
///  0
/// | 0 u32 |  connection
/// | 1 u32 |  lease
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, BorrowDecode)]
pub enum Hold {
    /// Any sign of life of the connection; its end ends the lease.
    Connection,
    /// [`Renew`] alone, over any connection.
    Lease,
}

/// Broker to client: the subscription stands.
///
/// ```text
///  0             4
/// | service u32 | lease_ms u64 |
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Subscribed {
    /// From the question.
    pub service: ServiceNumber,
    /// The lease of its deliveries, in milliseconds.
    pub lease_ms: u64,
}

/// Client to broker: change how many deliveries a service holds at once; 0 is allowed. It has no answer.
///
/// ```text
///  0             4
/// | service u32 | credit u32 |
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Credit {
    /// The service.
    pub service: ServiceNumber,
    /// How many deliveries it holds at once.
    pub credit: u32,
}

/// Client to broker: no more deliveries; what is held by connection goes back at once and uncounted. Answered by
/// [`Unsubscribed`].
///
/// ```text
///  0
/// | service u32 |
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Unsubscribe {
    /// The service.
    pub service: ServiceNumber,
}

/// Broker to client: there is no subscription (any more), and no delivery of it comes.
///
/// ```text
///  0             4
/// | service u32 | refusal option Refusal |
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Unsubscribed {
    /// The service.
    pub service: ServiceNumber,
    /// Why, if the client did not ask for it.
    pub refusal: Option<Refusal>,
}

/// Broker to client: a request, handed over. The payload is the request's.
///
/// ```text
///  0             4             32            36             44                 52
/// | service u32 | token Token | attempt u32 | lease_ms u64 | remaining_ms u64 | attempt_ms option u64 |
/// | requester name | redrive_of option id | operation text | label Label |
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Delivery {
    /// The service that takes it.
    pub service: ServiceNumber,
    /// What to show when settling.
    pub token: Token,
    /// The attempt that this delivery counts as: 1, 2, 3 …
    pub attempt: u32,
    /// The lease, in milliseconds.
    pub lease_ms: u64,
    /// What remains until the request's deadline, in milliseconds.
    pub remaining_ms: u64,
    /// The channel's `attempt_timeout`, in milliseconds: when it has passed since the delivery, that is lost.
    pub attempt_ms: Option<u64>,
    /// Who asks.
    pub requester: RequesterName,
    /// The dead letter that the request was made of, if it was.
    pub redrive_of: Option<RequestId>,
    /// The name of what is asked for; may be empty.
    pub operation: Text,
    /// About the payload.
    pub label: Label,
}

/// Client to broker: the end of a delivery. Answered by [`Answered`].
///
/// ```text
///  0          4             8             36
/// | call u32 | channel u32 | token Token | settlement Settlement |
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Settle {
    /// For the answer.
    pub call: Call,
    /// The request channel.
    pub channel: ChannelNumber,
    /// From the delivery.
    pub token: Token,
    /// How it ends; the payload belongs to it.
    pub settlement: Settlement,
}

/// Client to broker: a sign of life for one delivery. Answered by [`Answered`].
///
/// ```text
///  0          4             8
/// | call u32 | channel u32 | token Token |
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Renew {
    /// For the answer.
    pub call: Call,
    /// The request channel.
    pub channel: ChannelNumber,
    /// From the delivery.
    pub token: Token,
}

/// Client to broker: this service still works on a delivery that it got over a connection that is gone. Sent before
/// the service subscribes. Answered by [`Answered`].
///
/// ```text
///  0          4             8             12
/// | call u32 | service u32 | channel u32 | token Token |
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct TakeBack {
    /// For the answer.
    pub call: Call,
    /// The service that got the delivery.
    pub service: ServiceNumber,
    /// The request channel.
    pub channel: ChannelNumber,
    /// From the delivery.
    pub token: Token,
}

/// Client to broker: an interim result, kept until it is acknowledged. Answered by [`Answered`]; the payload is the
/// part's. Sent again, it is the same part.
///
/// ```text
///  0          4             8             36           40
/// | call u32 | channel u32 | token Token | number u32 | label Label |
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct AddPart {
    /// For the answer.
    pub call: Call,
    /// The request channel.
    pub channel: ChannelNumber,
    /// From the delivery.
    pub token: Token,
    /// One more than that of the delivery's part before: 1, 2, 3 …
    pub number: u32,
    /// About the payload.
    pub label: Label,
}

/// Broker to client: after [`Answer::PartsFull`], there is room for parts of this delivery again.
///
/// ```text
///  0             4
/// | service u32 | token Token |
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, BorrowDecode)]
pub struct PartsRoom {
    /// The service that holds it.
    pub service: ServiceNumber,
    /// From the delivery.
    pub token: Token,
}

/// Client to broker: the service works no more on a delivery whose request was cancelled or expired: its place is free.
/// It has no answer, and for any other delivery it does nothing.
///
/// ```text
///  0             4
/// | channel u32 | token Token |
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Stopped {
    /// The request channel.
    pub channel: ChannelNumber,
    /// From the delivery.
    pub token: Token,
}

/// Broker to client: the answer to [`Settle`], [`Renew`], [`TakeBack`] or [`AddPart`].
///
/// ```text
///  0          4
/// | call u32 | answer Answer |
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Answered {
    /// From the question.
    pub call: Call,
    /// What became of it.
    pub answer: Answer,
}

/// What became of a settlement, a renewal, a delivery to take back or a part.
///
/// ```text
///  0       4
/// | 0 u32 |                       settled
/// | 1 u32 |                       renewed
/// | 2 u32 |                       taken_back
/// | 3 u32 |                       lease_lost
/// | 4 u32 | retry_after_ms u64 |  mailbox_busy
/// | 5 u32 | max_payload u64 |     too_large
/// | 6 u32 |                       invalid
/// | 7 u32 |                       cancelled
/// | 8 u32 |                       expired
/// | 9 u32 |                       part_kept
/// | 10 u32 |                      parts_full
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, BorrowDecode)]
#[non_exhaustive]
pub enum Answer {
    /// The settlement counts, now or when it came first.
    Settled,
    /// The lease begins anew.
    Renewed,
    /// The delivery is the service's again.
    TakenBack,
    /// The delivery is not the service's any more: stop working on it.
    LeaseLost,
    /// There is no room for a reply of this size now. The delivery goes on: settle again later.
    MailboxBusy {
        /// When to settle again, in milliseconds.
        retry_after_ms: u64,
    },
    /// The payload is over the channel's limit. The delivery goes on: settle in another way, or send smaller parts.
    TooLarge {
        /// The limit, in bytes: the channel's `max_payload`, or for a part its `parts_room`.
        max_payload: u64,
    },
    /// The settlement or part contradicts the contract. The delivery goes on: settle in another way.
    Invalid,
    /// The request was cancelled: stop working on it. After a settlement, the delivery counts as stopped.
    Cancelled,
    /// The request's deadline passed: stop working on it. After a settlement, the delivery counts as stopped.
    Expired,
    /// The part is kept, now or when it came first.
    PartKept,
    /// The request's unacknowledged parts fill the channel's `parts_room`: add this one again after [`PartsRoom`].
    PartsFull,
    /// The part was not kept, as one before it is missing: it is neither one that was kept nor the next.
    PartMissing {
        /// The number of the next part.
        next: u32,
    },
}

/// Client to broker: how far the work is. Latest wins. It has no answer.
///
/// ```text
///  0             4             32
/// | channel u32 | token Token | progress Progress |
/// ```
#[derive(Debug, Clone, PartialEq, Encode, BorrowDecode)]
pub struct ProgressReport {
    /// The request channel.
    pub channel: ChannelNumber,
    /// From the delivery.
    pub token: Token,
    /// The progress.
    pub progress: Progress,
}

/// Broker to client: stop working on a delivery.
///
/// ```text
///  0             4             32
/// | service u32 | token Token | reason StopReason u32 |
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Stop {
    /// The service that holds it.
    pub service: ServiceNumber,
    /// From the delivery.
    pub token: Token,
    /// Why.
    pub reason: StopReason,
}

/// Why a delivery is stopped.
///
/// ```text
///  0
/// | 0 u32 |  lease_lost
/// | 1 u32 |  broker_stopped
/// | 2 u32 |  cancelled
/// | 3 u32 |  expired
/// | 4 u32 |  attempt_timeout
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, BorrowDecode)]
#[non_exhaustive]
pub enum StopReason {
    /// Its lease ran out, or another connection took it back.
    LeaseLost,
    /// The broker stops and has ended the request.
    BrokerStopped,
    /// The request was cancelled. Answer with [`Stopped`] when the work has ended.
    Cancelled,
    /// The request's deadline passed. Answer with [`Stopped`] when the work has ended.
    Expired,
    /// The delivery took longer than the channel's `attempt_timeout`.
    AttemptTimeout,
}
