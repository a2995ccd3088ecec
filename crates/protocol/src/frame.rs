//! The frames of version 1: what each one says, and its type number.

mod connection;
mod dead_letter;
mod delivery;
mod figures;
mod mailbox;
mod part;
mod request;

use std::fmt;

use bytes::Bytes;

pub use connection::{
    Bind, Bound, Close, Drain, DrainAnswered, Error, Goodbye, Hello, Introduce, Ping, Pong, RequestDrain, Welcome,
};
pub use dead_letter::{
    DeadLetter, DeadLetterContent, DeadLetterEntry, DeadLetters, ListDeadLetters, PurgeDeadLetter, Purged,
    ReadDeadLetter, Redrive, RedriveDeadLetter, Redriven,
};
pub use delivery::{
    AddPart, Answer, Answered, Credit, Delivery, Hold, PartsRoom, ProgressReport, Renew, Settle, Stop, StopReason,
    Stopped, Subscribe, Subscribed, TakeBack, Unsubscribe, Unsubscribed,
};
pub use figures::{ChannelFigures, Channels, ListChannels};
pub use mailbox::{
    CaughtUp, CloseMailbox, MailboxClosed, MailboxEnd, MailboxOpened, OpenMailbox, OpenMode, Opening, Reply, Window,
};
pub use part::{AcknowledgeParts, FollowParts, Part, PartsFrom, PartsWindow};
pub use request::{
    Accepted, Acknowledge, Acknowledged, Acknowledgement, Attach, Cancel, Cancellation, Cancelled, Detach, Duplicate,
    Outcome, ProgressUpdate, Refused, ReplyTo, State, Submit,
};

use crate::encoding::{DecodeError, read, write};

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
    0x0c RequestDrain,
    0x0d DrainAnswered,
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
    0x1a Cancel,
    0x1b Cancelled,
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
    0x2c Stopped,
    0x2d AddPart,
    0x2e PartsRoom,
    0x30 OpenMailbox,
    0x31 MailboxOpened,
    0x32 Window,
    0x33 CloseMailbox,
    0x34 MailboxClosed,
    0x35 Reply,
    0x36 CaughtUp,
    0x40 ListChannels,
    0x41 Channels,
    0x42 ListDeadLetters,
    0x43 DeadLetters,
    0x44 ReadDeadLetter,
    0x45 DeadLetter,
    0x46 RedriveDeadLetter,
    0x47 Redriven,
    0x48 PurgeDeadLetter,
    0x49 Purged,
    0x50 FollowParts,
    0x51 PartsWindow,
    0x52 AcknowledgeParts,
    0x53 Part,
    0x54 PartsFrom,
}
