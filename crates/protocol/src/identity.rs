//! What names one thing among many: requests, tickets, tokens, and the small numbers of a connection.

use std::fmt;
use std::str::FromStr;

use bincode::{BorrowDecode, Encode};
use uuid::Uuid;

use crate::name::{ChannelName, NameError};

/// The id of a request: a UUIDv7 that the client makes. 16 bytes in network order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, BorrowDecode)]
pub struct RequestId([u8; 16]);

impl RequestId {
    /// An id from its 16 bytes in network order.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes in network order.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Uuid::from_bytes(self.0).hyphenated(), out)
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl FromStr for RequestId {
    type Err = TicketError;

    fn from_str(text: &str) -> Result<Self, TicketError> {
        Uuid::parse_str(text).map(|id| Self(id.into_bytes())).map_err(|_| TicketError::RequestId)
    }
}

/// What a requester keeps of an accepted request: its channel and id, written `channel:id`.
///
/// A ticket is a name, not a secret. It can be stored, before the submission too, and attached to from anywhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket {
    /// The request channel.
    pub channel: ChannelName,
    /// The request's id.
    pub id: RequestId,
}

impl fmt::Display for Ticket {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.channel, self.id)
    }
}

/// Why a text is not a ticket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TicketError {
    /// No colon.
    #[error("a ticket is written CHANNEL:ID; this text has no colon")]
    NoColon,
    /// The part before the colon is not a channel name.
    #[error("a ticket is written CHANNEL:ID; its channel is wrong: {0}")]
    Channel(#[from] NameError),
    /// The part after the colon is not a request id.
    #[error("a ticket is written CHANNEL:ID, where ID is a UUID such as 0190d5a3-7b1e-7cc0-8000-3c5f1f6a2b11")]
    RequestId,
}

impl FromStr for Ticket {
    type Err = TicketError;

    fn from_str(text: &str) -> Result<Self, TicketError> {
        let (channel, id) = text.split_once(':').ok_or(TicketError::NoColon)?;
        Ok(Self { channel: channel.parse()?, id: id.parse()? })
    }
}

/// What a service shows to settle a delivery. No token exists twice.
///
/// ```text
///  0           8    24
/// | start u64 | id | delivery u32 |
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, BorrowDecode)]
pub struct Token {
    /// The start number of the broker that handed the work out.
    pub start: u64,
    /// The request.
    pub id: RequestId,
    /// The delivery of that request: 1, 2, 3 …
    pub delivery: u32,
}

/// A client instance: one `Client` with its clones. 16 random bytes that the client makes once.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Encode, BorrowDecode)]
pub struct InstanceId([u8; 16]);

impl InstanceId {
    /// An instance id from its 16 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for InstanceId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Uuid::from_bytes(self.0).simple(), out)
    }
}

macro_rules! number {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, BorrowDecode)]
        pub struct $name(pub u32);

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, out)
            }
        }
    )*};
}

number! {
    /// Stands for a channel name on one connection, from its [`Bind`](crate::Bind) on.
    ChannelNumber,
    /// Stands for a requester name on one connection, from its [`Introduce`](crate::Introduce) on.
    RequesterNumber,
    /// Stands for a ticket on one connection, from its [`Submit`](crate::Submit) or [`Attach`](crate::Attach) on.
    TicketNumber,
    /// A service of a client instance. It keeps its number over all connections of the instance.
    ServiceNumber,
    /// Stands for an opened mailbox on one connection, from its [`OpenMailbox`](crate::OpenMailbox) on.
    MailboxNumber,
    /// Ties an answer to its question on one connection. The client chooses it and may use it again once answered.
    Call,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_reads_what_it_writes() {
        let text = "patient_summary_request:0190d5a3-7b1e-7cc0-8000-3c5f1f6a2b11";
        let ticket: Ticket = text.parse().unwrap();
        assert_eq!(ticket.channel.as_str(), "patient_summary_request");
        assert_eq!(ticket.to_string(), text);
    }

    #[test]
    fn a_text_that_is_no_ticket_is_refused_with_what_is_wrong() {
        assert_eq!("abc".parse::<Ticket>(), Err(TicketError::NoColon));
        assert_eq!("a b:x".parse::<Ticket>(), Err(NameError::Character { at: 1, found: ' ' }.into()));
        assert_eq!("a:x".parse::<Ticket>(), Err(TicketError::RequestId));
    }
}
