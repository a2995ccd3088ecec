//! How the parts of a request are followed, sent and acknowledged.

use bincode::{BorrowDecode, Encode};

use crate::identity::{RequesterNumber, TicketNumber};
use crate::message::Label;

/// Client to broker: send the parts of a followed request, from a place on. Answered by [`PartsFrom`]; for a number that
/// stands for nothing it does nothing: a refusal may have crossed it.
///
/// The broker sends [`Part`]s of the request's latest delivery in order, at most `window` until [`PartsWindow`] allows
/// more, and [`Outcome`](crate::Outcome) behind the last of them, even if that was told before. Sent again for the same
/// ticket, it
/// begins anew.
///
/// ```text
///  0            4              8            12
/// | ticket u32 | delivery u32 | after u32 | window u32 |
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, BorrowDecode)]
pub struct FollowParts {
    /// The ticket.
    pub ticket: TicketNumber,
    /// The delivery whose parts the client has; 0: none.
    pub delivery: u32,
    /// The last of them; 0: none.
    pub after: u32,
    /// How many parts may be sent.
    pub window: u32,
}

/// Client to broker: so many parts more may be sent. It has no answer, and for a number that stands for nothing it does
/// nothing.
///
/// ```text
///  0            4
/// | ticket u32 | more u32 |
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, BorrowDecode)]
pub struct PartsWindow {
    /// The ticket.
    pub ticket: TicketNumber,
    /// How many more.
    pub more: u32,
}

/// Client to broker: the parts of a delivery up to a number were handled and may be forgotten. It counts under the name
/// of the request's requester, or from anybody where the request has no mailbox. Otherwise, and for a number that
/// stands for nothing, it does nothing. It has no answer.
///
/// ```text
///  0            4               8              12
/// | ticket u32 | requester u32 | delivery u32 | through u32 |
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, BorrowDecode)]
pub struct AcknowledgeParts {
    /// The ticket.
    pub ticket: TicketNumber,
    /// Under whose name.
    pub requester: RequesterNumber,
    /// The delivery.
    pub delivery: u32,
    /// The number of the last one that was handled.
    pub through: u32,
}

/// Broker to client: an interim result of a request whose parts are followed; the payload is the part's.
///
/// ```text
///  0            4              8            12
/// | ticket u32 | delivery u32 | number u32 | label Label |
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Part {
    /// The ticket.
    pub ticket: TicketNumber,
    /// The delivery that it is of.
    pub delivery: u32,
    /// Its number within the delivery: 1, 2, 3 …
    pub number: u32,
    /// About the payload.
    pub label: Label,
}

/// Broker to client: where parts go on. The answer to [`FollowParts`], and later whenever the next part is not the one
/// that follows the last.
///
/// ```text
///  0            4              8
/// | ticket u32 | delivery u32 | first u32 |
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, BorrowDecode)]
pub struct PartsFrom {
    /// The ticket.
    pub ticket: TicketNumber,
    /// The delivery whose parts come: if it is another one than before, the parts before are void.
    pub delivery: u32,
    /// The number of the next part that comes: those before it are gone. 1 for a new delivery.
    pub first: u32,
}
