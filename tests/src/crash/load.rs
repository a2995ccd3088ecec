//! The loads: what is asked of the broker, each on a channel of its own.

use std::fmt::Write;
use std::time::Duration;

/// One kind of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Load {
    /// Answered at once.
    Fast,
    /// At work for a while, so that the broker dies meanwhile; some are cancelled.
    Slow,
    /// Read from the mailbox, and acknowledged late.
    Late,
    /// Submitted several times under the same idempotency key.
    Keyed,
    /// Delayed.
    Scheduled,
    /// Failed and tried again, failed finally, rejected, dead, redriven.
    Retried,
    /// With parts.
    Parted,
    /// Without a service until the end; some are cancelled, some expire.
    Parked,
}

impl Load {
    pub(super) const ALL: [Self; 8] =
        [Self::Fast, Self::Slow, Self::Late, Self::Keyed, Self::Scheduled, Self::Retried, Self::Parted, Self::Parked];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Slow => "slow",
            Self::Late => "late",
            Self::Keyed => "keyed",
            Self::Scheduled => "scheduled",
            Self::Retried => "retried",
            Self::Parted => "parted",
            Self::Parked => "parked",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|load| load.name() == name)
    }

    /// The name of its request channel.
    pub(super) fn channel(self) -> String {
        format!("{}_request", self.name())
    }

    /// How many requests its requester carries at once, from their submission to their acknowledgement.
    pub(super) const fn at_once(self) -> u32 {
        match self {
            Self::Slow | Self::Scheduled => 16,
            Self::Late => 2,
            _ => 8,
        }
    }

    /// How long its requester rests before the next one, in milliseconds.
    pub(super) const fn pause(self) -> (u64, u64) {
        match self {
            Self::Parked => (300, 900),
            _ => (1, 60),
        }
    }

    /// How long its service works, in milliseconds.
    pub(super) const fn work(self) -> (u64, u64) {
        match self {
            Self::Slow => (100, 500),
            Self::Parted => (0, 60),
            _ => (0, 5),
        }
    }
}

/// How many counted attempts a request has.
pub(super) const MAX_ATTEMPTS: u32 = 3;

/// The broker's file: all channels, and room for everything that a long run leaves.
pub(super) fn configuration() -> String {
    let retention = Duration::from_secs(24 * 3600).as_secs();
    let mut text = format!(
        "mailbox_capacity = 1_000_000\ndrain_timeout = \"2s\"\n[defaults]\ncapacity = 1_000_000\nmax_keys = 1_000_000\n\
         max_dead_letters = 1_000_000\nmax_dead_letter_bytes = \"8GiB\"\nretention = \"{retention}s\"\n\
         max_attempts = {MAX_ATTEMPTS}\nbackoff = {{ first = \"20ms\", max = \"200ms\" }}\n"
    );
    for load in Load::ALL {
        // A String takes everything that is written.
        write!(text, "[[channel]]\nname = \"{}\"\n", load.channel()).ok();
    }
    text
}
