//! How a request ends, how a delivery ends, and where a request is until then.

use std::fmt;

use bincode::{BorrowDecode, Encode};

use crate::message::Label;

/// What went wrong, for a program (`code`) and for a person (`message`).
///
/// The message may hold patients' data, so `Debug` leaves it out.
///
/// ```text
///  0
/// | code text | message text |
/// ```
#[derive(Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Problem {
    /// A word in `snake_case`, such as `broker_stopped`.
    pub code: String,
    /// One sentence.
    pub message: String,
}

impl Problem {
    /// A problem from its code and message.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into() }
    }

    /// How many bytes its texts have together.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.code.len() + self.message.len()
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Problem({})", self.code)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.code, self.message)
    }
}

/// How a service ends a delivery.
///
/// ```text
///  0       4
/// | 0 u32 | Label |                                        reply
/// | 1 u32 | problem Problem | content_type option text |   fail
/// | 2 u32 | problem Problem | retry_after_ms option u64 |  retry
/// | 3 u32 | Problem |                                      reject
/// | 4 u32 |                                                release
/// | 5 u32 | retry_after_ms u64 |                           throttle
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub enum Settlement {
    /// The answer; the frame's payload is the reply's.
    Reply(Label),
    /// A final failure. Where a content type is given, the frame's payload is the service's typed error.
    Fail {
        /// What went wrong.
        problem: Problem,
        /// The media type of the typed error in the payload, if there is one.
        content_type: Option<String>,
    },
    /// A failure that another attempt may mend: counted.
    Retry {
        /// What went wrong.
        problem: Problem,
        /// The earliest time for the next attempt, in milliseconds from now.
        retry_after_ms: Option<u64>,
    },
    /// Poison: no other attempt, straight to `dead`.
    Reject(Problem),
    /// Given back, not counted.
    Release,
    /// Given back, not counted, and the channel hands out nothing for a while: what the service depends on is at its
    /// limit.
    Throttle {
        /// How long, in milliseconds from now; the channel's `max_throttle` is the longest.
        retry_after_ms: u64,
    },
}

/// Why a request is dead.
///
/// ```text
///  0
/// | 0 u32 |  attempts_exhausted
/// | 1 u32 |  rejected
/// | 2 u32 |  releases_exhausted
/// | 3 u32 |  damaged
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, BorrowDecode)]
#[non_exhaustive]
pub enum DeadReason {
    /// The last allowed attempt failed or was lost.
    AttemptsExhausted,
    /// A service rejected it.
    Rejected,
    /// It was given back more often than the channel allows.
    ReleasesExhausted,
    /// What a durable channel kept of it was damaged on its disk.
    Damaged,
}

impl DeadReason {
    /// The word that programs and people see.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AttemptsExhausted => "attempts_exhausted",
            Self::Rejected => "rejected",
            Self::ReleasesExhausted => "releases_exhausted",
            Self::Damaged => "damaged",
        }
    }
}

/// The one final state of a request, as it travels. The frame's payload belongs to it.
///
/// ```text
///  0       4
/// | 0 u32 | Label |                                        replied
/// | 1 u32 | problem Problem | content_type option text |   failed
/// | 2 u32 | reason DeadReason u32 | last option Problem |  dead
/// | 3 u32 |                                                expired
/// | 4 u32 |                                                cancelled
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub enum Ending {
    /// The service answered; the payload is its reply.
    Replied(Label),
    /// A service, or the broker, failed it finally.
    Failed {
        /// What went wrong.
        problem: Problem,
        /// The media type of the service's typed error in the payload, if there is one.
        content_type: Option<String>,
    },
    /// Attempts used up, or rejected.
    Dead {
        /// Why.
        reason: DeadReason,
        /// What the last attempt failed with, if it said so.
        last: Option<Problem>,
    },
    /// Its deadline passed.
    Expired,
    /// Somebody cancelled it.
    Cancelled,
}

impl Ending {
    /// Which of the outcomes it is.
    #[must_use]
    pub const fn kind(&self) -> OutcomeKind {
        match self {
            Self::Replied(_) => OutcomeKind::Replied,
            Self::Failed { .. } => OutcomeKind::Failed,
            Self::Dead { .. } => OutcomeKind::Dead,
            Self::Expired => OutcomeKind::Expired,
            Self::Cancelled => OutcomeKind::Cancelled,
        }
    }
}

/// Which final state a request reached.
///
/// ```text
///  0
/// | 0 u32 |  replied
/// | 1 u32 |  failed
/// | 2 u32 |  dead
/// | 3 u32 |  expired
/// | 4 u32 |  cancelled
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, BorrowDecode)]
#[non_exhaustive]
pub enum OutcomeKind {
    /// A service answered.
    Replied,
    /// A final failure.
    Failed,
    /// Attempts used up, or rejected.
    Dead,
    /// Its deadline passed.
    Expired,
    /// Somebody cancelled it.
    Cancelled,
}

impl OutcomeKind {
    /// The word that programs and people see.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Replied => "replied",
            Self::Failed => "failed",
            Self::Dead => "dead",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for OutcomeKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.as_str())
    }
}

/// Where a request is.
///
/// ```text
///  0       4
/// | 0 u32 |                               waiting
/// | 1 u32 | delivery u32 | attempt u32 |  in_flight
/// | 2 u32 |                               backing_off
/// | 3 u32 | OutcomeKind u32 |             ended
/// | 4 u32 | in_ms u64 |                   scheduled
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, BorrowDecode)]
#[non_exhaustive]
pub enum RequestState {
    /// In the queue.
    Waiting,
    /// With a service.
    InFlight {
        /// The delivery: 1, 2, 3 …
        delivery: u32,
        /// The attempt that it counts as.
        attempt: u32,
    },
    /// Between two deliveries, until its backoff is over.
    BackingOff,
    /// It has its outcome.
    Ended(OutcomeKind),
    /// Its delay is not over.
    Scheduled {
        /// When it begins to wait, in milliseconds from now.
        in_ms: u64,
    },
}
