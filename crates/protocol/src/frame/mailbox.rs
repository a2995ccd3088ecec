//! What a reader of a mailbox says and is sent.

use bincode::{BorrowDecode, Encode};

use crate::code::Refusal;
use crate::identity::{MailboxNumber, RequestId, RequesterNumber};
use crate::name::ChannelName;
use crate::outcome::Ending;
use crate::text::Text;

/// Client to broker: read a mailbox. Answered by [`MailboxOpened`].
///
/// ```text
///  0             4               8
/// | mailbox u32 | requester u32 | reply_channel name | mode OpenMode u32 | window u32 |
/// ```
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
///
/// ```text
///  0
/// | 0 u32 |  take
/// | 1 u32 |  if_free
/// | 2 u32 |  follow
/// ```
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
///
/// ```text
///  0             4
/// | mailbox u32 | opening Opening |
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct MailboxOpened {
    /// From the question.
    pub mailbox: MailboxNumber,
    /// What became of it.
    pub opening: Opening,
}

/// What became of opening a mailbox.
///
/// ```text
///  0       4
/// | 0 u32 |            opened
/// | 1 u32 |            held
/// | 2 u32 | Refusal |  refused
/// ```
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
///
/// ```text
///  0             4
/// | mailbox u32 | more u32 |
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Window {
    /// The mailbox.
    pub mailbox: MailboxNumber,
    /// How many more.
    pub more: u32,
}

/// Client to broker: stop reading. Answered by [`MailboxClosed`].
///
/// ```text
///  0
/// | mailbox u32 |
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct CloseMailbox {
    /// The mailbox.
    pub mailbox: MailboxNumber,
}

/// Broker to client: the mailbox is not open here any more. The number stands for nothing again.
///
/// ```text
///  0             4
/// | mailbox u32 | reason MailboxEnd u32 |
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct MailboxClosed {
    /// The mailbox.
    pub mailbox: MailboxNumber,
    /// Why.
    pub reason: MailboxEnd,
}

/// Why a mailbox is not open any more.
///
/// ```text
///  0
/// | 0 u32 |  closed
/// | 1 u32 |  taken
/// | 2 u32 |  ended
/// ```
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
/// Outcomes of requests that this connection submitted or attached, and has not detached from, come as
/// [`Outcome`](crate::Outcome) alone.
///
/// ```text
///  0             4
/// | mailbox u32 | channel name | id | redrive_of option id | operation text | attempts u32 | ending Ending |
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Reply {
    /// The mailbox.
    pub mailbox: MailboxNumber,
    /// The request channel.
    pub channel: ChannelName,
    /// The request's id.
    pub id: RequestId,
    /// The dead letter that the request was made of, if it was.
    pub redrive_of: Option<RequestId>,
    /// The name of what was asked for; may be empty.
    pub operation: Text,
    /// Counted attempts.
    pub attempts: u32,
    /// How it ended; the payload belongs to it.
    pub ending: Ending,
}

/// Broker to client: all that was in the mailbox when it was opened has been sent. Sent once an opening.
///
/// ```text
///  0
/// | mailbox u32 |
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct CaughtUp {
    /// The mailbox.
    pub mailbox: MailboxNumber,
}
