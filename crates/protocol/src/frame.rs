//! The frames of version 1: what each one says, and its type number.

use std::fmt;

use bincode::{BorrowDecode, Encode};
use bytes::Bytes;

use crate::code::{ErrorCode, Refusal};
use crate::encoding::{DecodeError, read, write};
use crate::identity::{
    Call, ChannelNumber, InstanceId, MailboxNumber, RequestId, RequesterNumber, ServiceNumber, TicketNumber, Token,
};
use crate::message::{Label, Progress};
use crate::name::{ChannelName, RequesterName};
use crate::outcome::{Ending, RequestState, Settlement};

/// One message of the protocol: a header that says what is meant, and opaque bytes.
#[derive(Clone, PartialEq)]
pub struct Frame {
    /// What is meant.
    pub header: Header,
    /// The payload; empty for the frames that have none.
    pub payload: Bytes,
}

impl Frame {
    /// A frame with a payload.
    pub fn new(header: impl Into<Header>, payload: Bytes) -> Self {
        Self { header: header.into(), payload }
    }
}

/// Tells the payload's length alone: it may hold patients' data.
impl fmt::Debug for Frame {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?} + {} bytes", self.header, self.payload.len())
    }
}

impl<H: Into<Header>> From<H> for Frame {
    fn from(header: H) -> Self {
        Self { header: header.into(), payload: Bytes::new() }
    }
}

macro_rules! frames {
    ($($number:literal $name:ident,)*) => {
        /// The header of a frame: one variant a type.
        #[derive(Debug, Clone, PartialEq)]
        #[non_exhaustive]
        pub enum Header {
            $(#[doc = concat!("Type ", stringify!($number), ".")] $name($name),)*
        }

        impl Header {
            /// All type numbers with their names, in order.
            pub const TYPES: &'static [(u8, &'static str)] = &[$(($number, stringify!($name)),)*];

            /// The type number on the wire.
            #[must_use]
            pub const fn type_number(&self) -> u8 {
                match self {
                    $(Self::$name(_) => $number,)*
                }
            }

            /// The name of the frame, for messages and logs.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => stringify!($name),)*
                }
            }

            pub(crate) fn write(&self, to: &mut bytes::BytesMut) {
                match self {
                    $(Self::$name(fields) => write(fields, to),)*
                }
            }

            pub(crate) fn read(type_number: u8, from: &[u8]) -> Result<Self, DecodeError> {
                match type_number {
                    $($number => read::<$name>(stringify!($name), from).map(Self::$name),)*
                    _ => Err(DecodeError::UnknownType(type_number)),
                }
            }
        }

        $(impl From<$name> for Header {
            fn from(fields: $name) -> Self {
                Self::$name(fields)
            }
        })*
    };
}

frames! {
    0x01 Hello,
    0x02 Welcome,
    0x03 Error,
    0x04 Ping,
    0x05 Pong,
    0x06 Close,
    0x07 Drain,
    0x08 Bind,
    0x09 Bound,
    0x0a Introduce,
    0x0b Goodbye,
    0x10 Submit,
    0x11 Accepted,
    0x12 Refused,
    0x13 Attach,
    0x14 State,
    0x15 Detach,
    0x16 Outcome,
    0x17 ProgressUpdate,
    0x18 Acknowledge,
    0x19 Acknowledged,
    0x20 Subscribe,
    0x21 Subscribed,
    0x22 Credit,
    0x23 Unsubscribe,
    0x24 Unsubscribed,
    0x25 Delivery,
    0x26 Settle,
    0x27 Renew,
    0x28 TakeBack,
    0x29 Answered,
    0x2a ProgressReport,
    0x2b Stop,
    0x30 OpenMailbox,
    0x31 MailboxOpened,
    0x32 Window,
    0x33 CloseMailbox,
    0x34 MailboxClosed,
    0x35 Reply,
    0x36 CaughtUp,
    0x40 ListChannels,
    0x41 Channels,
}

/// Client to broker, first: who is there and what it speaks. Answered by [`Welcome`] or [`Error`].
///
/// This frame keeps its shape in every version.
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
    /// The largest payload that the client takes, in bytes.
    pub max_payload: u64,
}

/// Broker to client, first: the handshake is done.
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Welcome {
    /// The version that both ends speak from here on.
    pub version: u16,
    /// Name and version of the broker's software, for people.
    pub software: String,
    /// The broker's start number, as in its tokens.
    pub start: u64,
    /// The longest header that the broker takes, in bytes.
    pub max_header: u32,
    /// The largest payload that the broker takes, in bytes. Channels may set lower limits.
    pub max_payload: u64,
    /// How many tickets, deliveries, and services, mailboxes and names (each) the connection may have at once.
    pub max_open: u32,
    /// Each end sends something at least this often, in milliseconds; 0: nobody has to.
    pub heartbeat_ms: u32,
}

/// Either way: something is wrong with the connection or a frame.
///
/// This frame keeps its shape in every version: it answers a [`Hello`] whose versions are unknown.
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
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Ping {
    /// Comes back in the answer.
    pub nonce: u64,
}

/// Either way: the answer to [`Ping`].
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
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Drain {
    /// How long, in milliseconds.
    pub remaining_ms: u64,
}

/// Client to broker: from here on `number` stands for this channel. Answered by [`Bound`], not to be waited for.
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
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Bound {
    /// From the question.
    pub number: ChannelNumber,
    /// Why not, if not.
    pub refusal: Option<Refusal>,
}

/// Client to broker: from here on `number` stands for this requester. It has no answer.
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
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Goodbye {
    /// The requester.
    pub requester: RequesterNumber,
}

/// Client to broker: a request. Answered by [`Accepted`] or [`Refused`]; the payload is the request's.
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
    /// Where the reply goes, if not to the channel's own reply channel.
    pub reply_channel: Option<ChannelName>,
    /// The name of what is asked for; may be empty.
    pub operation: String,
    /// About the payload.
    pub label: Label,
}

/// Broker to client: the request was accepted and will have exactly one outcome.
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Accepted {
    /// From the question.
    pub ticket: TicketNumber,
    /// How many services the channel has.
    pub services: u32,
}

/// Broker to client: the submission or attachment was refused; the number stands for nothing again.
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
#[derive(Debug, Clone, PartialEq, Encode, BorrowDecode)]
pub struct State {
    /// From the question.
    pub ticket: TicketNumber,
    /// Where the request is.
    pub state: RequestState,
    /// How many services the channel has.
    pub services: u32,
    /// The latest progress of the delivery in flight.
    pub progress: Option<Progress>,
}

/// Client to broker: stop following. The number stands for nothing from here on. It has no answer; frames with the
/// number may still be under way, so the client uses it again only after a [`Pong`] to a later [`Ping`]. An outcome
/// that was sent and not acknowledged is offered to the connection's mailbox again. For a number that stands for
/// nothing it does nothing.
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Detach {
    /// The ticket.
    pub ticket: TicketNumber,
}

/// Broker to client: the outcome of a submitted or attached request, once. The number goes on to stand for the ticket
/// until [`Detach`], so that an opened mailbox does not tell the outcome a second time meanwhile.
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
#[derive(Debug, Clone, PartialEq, Encode, BorrowDecode)]
pub struct ProgressUpdate {
    /// The ticket.
    pub ticket: TicketNumber,
    /// The progress.
    pub progress: Progress,
}

/// Client to broker: the outcome was handled and may be forgotten. Answered by [`Acknowledged`].
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
}

/// Broker to client: the answer to [`Acknowledge`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Acknowledged {
    /// From the question.
    pub call: Call,
    /// What became of it.
    pub result: Acknowledgement,
}

/// What became of an acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, BorrowDecode)]
#[non_exhaustive]
pub enum Acknowledgement {
    /// The outcome is gone, now or before.
    Done,
    /// The request has no outcome yet: nothing was done.
    NoOutcomeYet,
    /// The request belongs to another requester name: nothing was done.
    Forbidden,
}

/// Client to broker: take deliveries from a channel. Answered by [`Subscribed`] or, for a refused channel, by
/// [`Unsubscribed`].
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
}

/// What holds a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, BorrowDecode)]
pub enum Hold {
    /// Any sign of life of the connection; its end ends the lease.
    Connection,
    /// [`Renew`] alone, over any connection.
    Lease,
}

/// Broker to client: the subscription stands.
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Subscribed {
    /// From the question.
    pub service: ServiceNumber,
    /// The channel's lease, in milliseconds.
    pub lease_ms: u64,
}

/// Client to broker: change how many deliveries a service holds at once; 0 is allowed. It has no answer.
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Credit {
    /// The service.
    pub service: ServiceNumber,
    /// How many deliveries it holds at once.
    pub credit: u32,
}

/// Client to broker: no more deliveries; what is held by connection goes back at once and uncounted. Answered by
/// [`Unsubscribed`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Unsubscribe {
    /// The service.
    pub service: ServiceNumber,
}

/// Broker to client: there is no subscription (any more), and no delivery of it comes.
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Unsubscribed {
    /// The service.
    pub service: ServiceNumber,
    /// Why, if the client did not ask for it.
    pub refusal: Option<Refusal>,
}

/// Broker to client: a request, handed over. The payload is the request's.
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
    /// Who asks.
    pub requester: RequesterName,
    /// The name of what is asked for; may be empty.
    pub operation: String,
    /// About the payload.
    pub label: Label,
}

/// Client to broker: the end of a delivery. Answered by [`Answered`].
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

/// Broker to client: the answer to [`Settle`], [`Renew`] or [`TakeBack`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Answered {
    /// From the question.
    pub call: Call,
    /// What became of it.
    pub answer: Answer,
}

/// What became of a settlement, a renewal or a delivery to take back.
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
    /// The payload is over the channel's limit. The delivery goes on: settle in another way.
    TooLarge {
        /// The channel's `max_payload`, in bytes.
        max_payload: u64,
    },
    /// The settlement contradicts the contract. The delivery goes on: settle in another way.
    Invalid,
}

/// Client to broker: how far the work is. Latest wins. It has no answer.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, BorrowDecode)]
#[non_exhaustive]
pub enum StopReason {
    /// Its lease ran out, or another connection took it back.
    LeaseLost,
    /// The broker stops and has ended the request.
    BrokerStopped,
}

/// Client to broker: read a mailbox. Answered by [`MailboxOpened`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct OpenMailbox {
    /// A number that stands for no mailbox yet.
    pub mailbox: MailboxNumber,
    /// Whose.
    pub requester: RequesterNumber,
    /// On which reply channel.
    pub reply_channel: ChannelName,
    /// How.
    pub mode: OpenMode,
    /// How many replies may be sent before [`Window`] allows more.
    pub window: u32,
}

/// How a mailbox is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, BorrowDecode)]
pub enum OpenMode {
    /// Become the holder, whoever holds it.
    Take,
    /// Become the holder if nobody else is.
    IfFree,
    /// Be sent what is there and what comes, and disturb nobody.
    Follow,
}

/// Broker to client: the answer to [`OpenMailbox`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct MailboxOpened {
    /// From the question.
    pub mailbox: MailboxNumber,
    /// What became of it.
    pub opening: Opening,
}

/// What became of opening a mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
#[non_exhaustive]
pub enum Opening {
    /// It is open; replies follow.
    Opened,
    /// Another connection holds it, and it should only be opened if free. The number stands for nothing again.
    Held,
    /// It was refused. The number stands for nothing again.
    Refused(Refusal),
}

/// Client to broker: so many replies more may be sent. It has no answer.
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Window {
    /// The mailbox.
    pub mailbox: MailboxNumber,
    /// How many more.
    pub more: u32,
}

/// Client to broker: stop reading. Answered by [`MailboxClosed`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct CloseMailbox {
    /// The mailbox.
    pub mailbox: MailboxNumber,
}

/// Broker to client: the mailbox is not open here any more. The number stands for nothing again.
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct MailboxClosed {
    /// The mailbox.
    pub mailbox: MailboxNumber,
    /// Why.
    pub reason: MailboxEnd,
}

/// Why a mailbox is not open any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, BorrowDecode)]
#[non_exhaustive]
pub enum MailboxEnd {
    /// The client asked for it.
    Closed,
    /// Another holder took it: do not reopen it by yourself.
    Taken,
    /// The mailbox is gone: its unnamed requester said goodbye.
    Ended,
}

/// Broker to client: an outcome in an opened mailbox.
///
/// Outcomes of requests that this connection submitted or attached, and has not detached from, come as [`Outcome`]
/// alone.
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Reply {
    /// The mailbox.
    pub mailbox: MailboxNumber,
    /// The request channel.
    pub channel: ChannelName,
    /// The request's id.
    pub id: RequestId,
    /// The name of what was asked for; may be empty.
    pub operation: String,
    /// Counted attempts.
    pub attempts: u32,
    /// How it ended; the payload belongs to it.
    pub ending: Ending,
}

/// Broker to client: all that was in the mailbox when it was opened has been sent. Sent once an opening.
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct CaughtUp {
    /// The mailbox.
    pub mailbox: MailboxNumber,
}

/// Client to broker: the channels and their figures. Answered by one or more [`Channels`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct ListChannels {
    /// For the answer.
    pub call: Call,
}

/// Broker to client: a part of the answer to [`ListChannels`], sorted by name over all parts.
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
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct ChannelFigures {
    /// The channel.
    pub channel: ChannelName,
    /// Requests in the queue or backing off.
    pub waiting: u64,
    /// Deliveries with services.
    pub in_flight: u64,
    /// Subscriptions.
    pub services: u32,
    /// Outcomes kept until they are acknowledged.
    pub retained: u64,
}
