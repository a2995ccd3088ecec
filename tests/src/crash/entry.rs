//! What the parties tell, one line each.

use serde::{Deserialize, Serialize};

/// A line: when it was written, by the [clock](now) that all processes of the machine share, and what it says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) at: u64,
    pub(super) entry: Entry,
}

/// What happened to a request. Every `id` is its id, every `asked` the time before which the broker cannot have said it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Entry {
    /// The requester is about to submit it.
    Submitting { id: String },
    /// What was submitted `under` an id was accepted, or was known under its key.
    Accepted { id: String, under: String, key: Option<String> },
    /// The requester was told the outcome.
    Told { id: String, outcome: String, attempts: u32, asked: u64 },
    /// The broker does not know it, or the outcome that it told.
    Unknown { id: String },
    /// The broker says otherwise than it must.
    Wrong { id: String, why: String },
    /// The requester is about to acknowledge the outcome.
    Acknowledging { id: String },
    /// The broker has confirmed the acknowledgement.
    Acknowledged { id: String },
    /// The broker does not know it, as it should be after the acknowledgement.
    Gone { id: String },
    /// The requester asked to cancel it, and was told this kind of outcome.
    Cancelled { id: String, outcome: String },
    /// The requester read the next part.
    Part { id: String, text: String },
    /// The parts so far are void.
    Restarted { id: String },
    /// The service got it.
    Taken { id: String, attempt: u32, asked: u64 },
    /// The service is about to give it back for another attempt.
    Returned { id: String },
    /// The broker has confirmed the service's settlement.
    Settled { id: String, outcome: String },
    /// The broker has refused the service's settlement.
    Stale { id: String },
    /// The requester is about to make a new request of its dead letter.
    Redriving { id: String },
    /// The new request was accepted.
    Redriven { id: String, new: String },
    /// Its dead letter is there at the end.
    Letter { id: String },
}

impl Entry {
    /// The ids of the requests that it speaks of.
    pub(super) fn ids(&self) -> impl Iterator<Item = &String> {
        let (id, other) = match self {
            Self::Accepted { id, under, .. } => (id, Some(under)),
            Self::Redriven { id, new } => (id, Some(new)),
            Self::Submitting { id }
            | Self::Told { id, .. }
            | Self::Unknown { id }
            | Self::Wrong { id, .. }
            | Self::Acknowledging { id }
            | Self::Acknowledged { id }
            | Self::Gone { id }
            | Self::Cancelled { id, .. }
            | Self::Part { id, .. }
            | Self::Restarted { id }
            | Self::Taken { id, .. }
            | Self::Returned { id }
            | Self::Settled { id, .. }
            | Self::Stale { id }
            | Self::Redriving { id }
            | Self::Letter { id } => (id, None),
        };
        std::iter::once(id).chain(other.filter(|other| *other != id))
    }
}

/// Nanoseconds of the machine's clock that is never set: the same for all processes.
pub(super) fn now() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}
