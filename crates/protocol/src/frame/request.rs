//! What a requester says of its requests and is told of them, from submission to acknowledgement.

use bincode::{BorrowDecode, Encode};

use crate::code::Refusal;
use crate::identity::{Call, ChannelNumber, RequestId, RequesterNumber, TicketNumber};
use crate::message::{Label, Progress};
use crate::name::{ChannelName, RequesterName};
use crate::outcome::{Ending, OutcomeKind, RequestState};
use crate::text::Text;

/// Client to broker: a request. Answered by [`Accepted`], if that is asked for, or [`Refused`]; the payload is the
/// request's.
///
/// ```text
///  0            4             8    24              28
/// | ticket u32 | channel u32 | id | requester u32 | reply ReplyTo | accepted bool | priority u8 |
/// | deadline_ms option u64 | delay_ms u64 | key option text | operation text | label Label |
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Submit {
    /// A number that stands for no ticket yet.
    pub ticket: TicketNumber,
    /// The request channel.
    pub channel: ChannelNumber,
    /// The request's id. The same id is the same request.
    pub id: RequestId,
    /// Who asks.
    pub requester: RequesterNumber,
    /// Where the reply goes.
    pub reply: ReplyTo,
    /// Whether it is answered by [`Accepted`]. Without that, what is told of the request first implies it, and only a
    /// repetition is answered so.
    pub accepted: bool,
    /// 0 to 9; 9 goes first. A client whose user has no wish sends [`DEFAULT_PRIORITY`](crate::DEFAULT_PRIORITY).
    pub priority: u8,
    /// How long after its acceptance the request expires, in milliseconds, at least 1; none: the channel's
    /// `default_deadline`, counted from the end of the delay.
    pub deadline_ms: Option<u64>,
    /// How long after its acceptance the request begins to wait for a service, in milliseconds; 0: at once.
    pub delay_ms: u64,
    /// The idempotency key: the same key is the same request. 1 to [`MAX_KEY`](crate::MAX_KEY) bytes.
    pub key: Option<String>,
    /// The name of what is asked for; may be empty.
    pub operation: Text,
    /// About the payload.
    pub label: Label,
}

/// Where the reply of a request goes.
///
/// ```text
///  0       4
/// | 0 u32 |                      the channel's own reply channel
/// | 1 u32 | reply_channel name | on this one
/// | 2 u32 |                      nowhere: one-way
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, BorrowDecode)]
pub enum ReplyTo {
    /// Into the requester's mailbox on the channel's own reply channel.
    #[default]
    Own,
    /// Into the requester's mailbox on this reply channel.
    On(ChannelName),
    /// Into no mailbox: the outcome stays under its ticket until the channel's retention passes.
    Nowhere,
}

/// Broker to client: the request was accepted and will have exactly one outcome.
///
/// With `duplicate`, the submission's idempotency key was there before: the number stands for the first request from
/// here on, and nothing new was accepted.
///
/// ```text
///  0            4              8
/// | ticket u32 | services u32 | duplicate option Duplicate |
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Accepted {
    /// From the question.
    pub ticket: TicketNumber,
    /// How many services the channel has.
    pub services: u32,
    /// The request that came first under the submission's idempotency key, if this is not the first.
    pub duplicate: Option<Duplicate>,
}

/// The first request under an idempotency key, and its return address.
///
/// ```text
///  0    16
/// | id | requester name | reply_channel option name |
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Duplicate {
    /// The request's id.
    pub id: RequestId,
    /// Who asked first.
    pub requester: RequesterName,
    /// Where its reply goes; none if it is in no mailbox.
    pub reply_channel: Option<ChannelName>,
}

/// Broker to client: the submission or attachment was refused; the number stands for nothing again.
///
/// ```text
///  0            4
/// | ticket u32 | refusal Refusal |
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Refused {
    /// From the question.
    pub ticket: TicketNumber,
    /// Why.
    pub refusal: Refusal,
}

/// Client to broker: follow a request by its ticket. Answered by [`State`] or [`Refused`].
///
/// Reading the state and beginning to follow is one step: if the request had no outcome in that answer, [`Outcome`]
/// comes when it has one; if it had, [`Outcome`] comes right behind.
///
/// ```text
///  0            4             8
/// | ticket u32 | channel u32 | id |
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Attach {
    /// A number that stands for no ticket yet.
    pub ticket: TicketNumber,
    /// The request channel.
    pub channel: ChannelNumber,
    /// The request's id.
    pub id: RequestId,
}

/// Broker to client: the answer to [`Attach`].
///
/// ```text
///  0            4
/// | ticket u32 | state RequestState | ahead u64 | services u32 | attempts u32 | remaining_ms option u64 |
/// | redrive_of option id | progress option Progress |
/// ```
#[derive(Debug, Clone, PartialEq, Encode, BorrowDecode)]
pub struct State {
    /// From the question.
    pub ticket: TicketNumber,
    /// Where the request is.
    pub state: RequestState,
    /// About how many requests go before it; 0 unless it waits.
    pub ahead: u64,
    /// How many services the channel has.
    pub services: u32,
    /// Counted attempts so far.
    pub attempts: u32,
    /// What remains until the deadline, in milliseconds; none when it has its outcome.
    pub remaining_ms: Option<u64>,
    /// The dead letter that the request was made of, if it was.
    pub redrive_of: Option<RequestId>,
    /// The latest progress of the delivery in flight.
    pub progress: Option<Progress>,
}

/// Client to broker: stop following. The number stands for nothing from here on. It has no answer; frames with the
/// number may still be under way, so the client uses it again only after a [`Pong`](crate::Pong) to a later
/// [`Ping`](crate::Ping). An outcome that was sent and not acknowledged is offered to the connection's mailbox again.
/// For a number that stands for nothing it does nothing.
///
/// ```text
///  0
/// | ticket u32 |
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Detach {
    /// The ticket.
    pub ticket: TicketNumber,
}

/// Broker to client: the outcome of a submitted or attached request, once, and once more after each
/// [`FollowParts`](crate::FollowParts). The
/// number goes on to stand for the ticket until [`Detach`], so that an opened mailbox does not tell the outcome a second
/// time meanwhile.
///
/// ```text
///  0            4              8
/// | ticket u32 | attempts u32 | ending Ending |
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Outcome {
    /// The ticket.
    pub ticket: TicketNumber,
    /// Counted attempts.
    pub attempts: u32,
    /// How it ended; the payload belongs to it.
    pub ending: Ending,
}

/// Broker to client: the latest progress of a submitted or attached request.
///
/// ```text
///  0            4
/// | ticket u32 | progress Progress |
/// ```
#[derive(Debug, Clone, PartialEq, Encode, BorrowDecode)]
pub struct ProgressUpdate {
    /// The ticket.
    pub ticket: TicketNumber,
    /// The progress.
    pub progress: Progress,
}

/// Client to broker: end a request by its ticket. Answered by [`Cancelled`].
///
/// ```text
///  0          4             8
/// | call u32 | channel u32 | id |
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Cancel {
    /// For the answer.
    pub call: Call,
    /// The request channel.
    pub channel: ChannelNumber,
    /// The request's id.
    pub id: RequestId,
}

/// Broker to client: the answer to [`Cancel`].
///
/// ```text
///  0          4
/// | call u32 | result Cancellation |
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Cancelled {
    /// From the question.
    pub call: Call,
    /// What became of it.
    pub result: Cancellation,
}

/// What became of a cancellation.
///
/// ```text
///  0       4
/// | 0 u32 |                     cancelled
/// | 1 u32 | OutcomeKind u32 |   ended before
/// | 2 u32 |                     unknown_ticket
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, BorrowDecode)]
#[non_exhaustive]
pub enum Cancellation {
    /// The outcome is `cancelled`, from here on.
    Cancelled,
    /// Another outcome was first, or the request was cancelled before.
    Ended(OutcomeKind),
    /// The broker does not know this ticket.
    UnknownTicket,
}

/// Client to broker: the outcome was handled and may be forgotten. Answered by [`Acknowledged`]. With a ticket it is a
/// [`Detach`] too, which comes right behind it.
///
/// ```text
///  0          4             8    24              28
/// | call u32 | channel u32 | id | requester u32 | ticket option u32 |
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Acknowledge {
    /// For the answer.
    pub call: Call,
    /// The request channel.
    pub channel: ChannelNumber,
    /// The request's id.
    pub id: RequestId,
    /// The requester under whose name the outcome stands.
    pub requester: RequesterNumber,
    /// The ticket number to detach from, if the connection follows the request and is to follow it no more.
    pub ticket: Option<TicketNumber>,
}

/// Broker to client: the answer to [`Acknowledge`].
///
/// ```text
///  0          4
/// | call u32 | result Acknowledgement u32 |
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Acknowledged {
    /// From the question.
    pub call: Call,
    /// What became of it.
    pub result: Acknowledgement,
}

/// What became of an acknowledgement.
///
/// ```text
///  0
/// | 0 u32 |  done
/// | 1 u32 |  no_outcome_yet
/// | 2 u32 |  forbidden
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, BorrowDecode)]
#[non_exhaustive]
pub enum Acknowledgement {
    /// The outcome is acknowledged, now or before: it is in no mailbox, and gone unless an idempotency key keeps it.
    Done,
    /// The request has no outcome yet: nothing was done.
    NoOutcomeYet,
    /// The request belongs to another requester name: nothing was done.
    Forbidden,
}
