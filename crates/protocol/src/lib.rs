//! The words, frames, limits and codes of the Roundtrip wire protocol, version 1.
//!
//! This crate says what travels between a broker and its clients and how it is laid out in bytes. It never reads or
//! writes a socket, keeps no state and knows no clock. `docs/wire-v1.md` is the normative text; the golden vectors
//! under `tests/` pin every byte.
//!
//! A frame is a [`Header`], which says what is meant, and a payload of opaque bytes that nobody here parses:
//!
//! ```text
//!  0               4      5              8
//! +---------------+------+--------------+----------------+-----------------+
//! | length   u32  | type | header   u24 | header         | payload         |
//! +---------------+------+--------------+----------------+-----------------+
//! ```
//!
//! All integers are little-endian; `length` counts everything after itself. A header is its fields in order, without
//! gaps: integers at their width, `bool` a byte, `id` 16 bytes, `text` and `name` a u64 length and UTF-8, `option` a
//! byte 0 or 1 before what there is, `list` a u64 count, a choice its u32 number and then its own fields. Each frame's
//! documentation draws its header so, with the offset above each field while that is fixed. Bytes beyond the fields
//! that a receiver knows are skipped. A header has at most [`MAX_HEADER`] bytes, that of the first frame
//! [`HELLO_LIMIT`].

mod code;
mod encoding;
mod frame;
mod identity;
mod limits;
mod message;
mod name;
mod outcome;
mod text;

pub use code::{ErrorCode, Refusal, RefusalCode};
pub use encoding::{DecodeError, PREFIX_LEN, Prefix, decode_header, encode_prefix_and_header};
pub use frame::{
    Accepted, Acknowledge, AcknowledgeParts, Acknowledged, Acknowledgement, AddPart, Answer, Answered, Attach, Bind,
    Bound, Cancel, Cancellation, Cancelled, CaughtUp, ChannelFigures, Channels, Close, CloseMailbox, Credit,
    DeadLetter, DeadLetterContent, DeadLetterEntry, DeadLetters, Delivery, Detach, Drain, DrainAnswered, Duplicate,
    Error, FollowParts, Frame, Goodbye, Header, Hello, Hold, Introduce, ListChannels, ListDeadLetters, MailboxClosed,
    MailboxEnd, MailboxOpened, OpenMailbox, OpenMode, Opening, Outcome, Part, PartsFrom, PartsRoom, PartsWindow, Ping,
    Pong, ProgressReport, ProgressUpdate, PurgeDeadLetter, Purged, ReadDeadLetter, Redrive, RedriveDeadLetter,
    Redriven, Refused, Renew, Reply, ReplyTo, RequestDrain, Settle, State, Stop, StopReason, Stopped, Submit,
    Subscribe, Subscribed, TakeBack, Unsubscribe, Unsubscribed, Welcome, Window,
};
pub use identity::{
    Call, ChannelNumber, InstanceId, MailboxNumber, RequestId, RequesterNumber, ServiceNumber, Ticket, TicketError,
    TicketNumber, Token,
};
pub use limits::{DEFAULT_PRIORITY, HELLO_LIMIT, Limits, MAX_HEADER, MAX_KEY, MAX_PRIORITY, VERSION};
pub use message::{Headers, Label, Progress};
pub use name::{ChannelName, MAX_NAME, NameError, RequesterName};
pub use outcome::{DeadReason, Ending, OutcomeKind, Problem, RequestState, Settlement};
pub use text::Text;
