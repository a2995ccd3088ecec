//! Why something was refused, and what went wrong with a connection.

use std::fmt;

use bincode::{BorrowDecode, Encode};

macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $number:literal $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
            /// A code of a later version of the protocol.
            Other(u16),
        }

        impl $name {
            /// All codes that this version knows.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The number on the wire.
            #[must_use]
            pub const fn number(self) -> u16 {
                match self {
                    $(Self::$variant => $number,)*
                    Self::Other(number) => number,
                }
            }

            /// The name that programs and people see.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Other(_) => "unknown_code",
                }
            }
        }

        impl From<u16> for $name {
            fn from(number: u16) -> Self {
                match number {
                    $($number => Self::$variant,)*
                    other => Self::Other(other),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.pad(self.as_str())
            }
        }

        impl Encode for $name {
            fn encode<E: bincode::enc::Encoder>(&self, encoder: &mut E) -> Result<(), bincode::error::EncodeError> {
                self.number().encode(encoder)
            }
        }

        impl<'de, C> BorrowDecode<'de, C> for $name {
            fn borrow_decode<D: bincode::de::BorrowDecoder<'de, Context = C>>(
                decoder: &mut D,
            ) -> Result<Self, bincode::error::DecodeError> {
                u16::borrow_decode(decoder).map(Self::from)
            }
        }
    };
}

codes! {
    /// Why a submission, a bind, an attach or a mailbox was refused. Two bytes on the wire.
    RefusalCode {
        /// No such channel, and this broker makes none on first use.
        UnknownChannel = 1 "unknown_channel",
        /// The channel has no place for another request, or for another idempotency key; the message says which.
        ChannelFull = 2 "channel_full",
        /// The requester's mailbox has no free place.
        MailboxFull = 3 "mailbox_full",
        /// The payload is over the channel's `max_payload`.
        TooLarge = 4 "too_large",
        /// The broker has no memory, or no more channels, mailboxes, tickets or connections to give.
        BrokerFull = 5 "broker_full",
        /// The broker is stopping.
        Draining = 6 "draining",
        /// Something in the frame contradicts the contract; the message says what.
        Invalid = 7 "invalid",
        /// The broker does not know this ticket: never accepted, or acknowledged, or past its retention.
        UnknownTicket = 8 "unknown_ticket",
        /// The ticket belongs to another requester name, or this is not allowed to the asker.
        Forbidden = 9 "forbidden",
        /// The channel lists the operations that it takes, and this is none of them.
        UnknownOperation = 10 "unknown_operation",
        /// The channel has no service now, and its policy is to refuse then.
        NoService = 11 "no_service",
        /// The idempotency key belongs to a request with another operation, content type or payload.
        KeyConflict = 12 "key_conflict",
        /// The channel is durable, and its disk does not keep anything now.
        Storage = 13 "storage",
        /// The channel lists the content types that it takes, and this is none of them.
        UnknownContentType = 14 "unknown_content_type",
    }
}

codes! {
    /// What went wrong with a connection. Two bytes on the wire.
    ErrorCode {
        /// The two ends speak no version in common.
        UnsupportedVersion = 1 "unsupported_version",
        /// The first frame was not the one that opens a connection.
        HandshakeExpected = 2 "handshake_expected",
        /// A frame's lengths contradict each other, or its header does not decode.
        MalformedFrame = 3 "malformed_frame",
        /// A frame type that this end does not know. The frame was skipped and the connection goes on.
        UnknownFrame = 4 "unknown_frame",
        /// A frame of a known type that this end does not take now. It was skipped and the connection goes on.
        UnexpectedFrame = 5 "unexpected_frame",
        /// A frame over the connection's limits.
        FrameTooLarge = 6 "frame_too_large",
        /// A later connection of the same client instance took over.
        Superseded = 7 "superseded",
        /// A frame used a number that stands for nothing, or took one that is in use.
        BadNumber = 8 "bad_number",
        /// More open tickets, deliveries, services, mailboxes or names than a connection may have.
        TooMany = 9 "too_many",
        /// Nothing was heard for too long.
        Silent = 10 "silent",
        /// What was sent was not read for too long.
        SlowReader = 11 "slow_reader",
        /// The broker has no place for another connection.
        BrokerFull = 12 "broker_full",
        /// The broker stops now.
        Stopping = 13 "stopping",
        /// A disk did not keep what a durable channel decided, and the channel begins again with what is on it. Connect
        /// again, and ask again what was not answered.
        Storage = 14 "storage",
    }
}

/// A refusal: nothing was kept.
///
/// ```text
///  0          2
/// | code u16 | message text | retry_after_ms option u64 |
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Refusal {
    /// Why.
    pub code: RefusalCode,
    /// What was expected, what came, what to do. Names limits, never payloads or header values.
    pub message: String,
    /// When to try again, in milliseconds; none where trying again does not help.
    pub retry_after_ms: Option<u64>,
}

impl Refusal {
    /// A refusal that trying again does not mend.
    pub fn new(code: RefusalCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retry_after_ms: None }
    }

    /// A refusal that passes, and when to try again.
    pub fn passing(code: RefusalCode, message: impl Into<String>, retry_after_ms: u64) -> Self {
        Self { code, message: message.into(), retry_after_ms: Some(retry_after_ms) }
    }
}
