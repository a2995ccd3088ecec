//! What happened over all runs: a simulator that never sees something proves nothing about it.

use std::fmt;
use std::ops::AddAssign;

/// How often each thing happened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Deliveries of a request beyond its first.
    pub redelivered: u64,
    /// Deliveries that were lost and taken back.
    pub taken_back: u64,
    /// Outcomes.
    pub expired: u64,
    /// Outcomes.
    pub cancelled: u64,
    /// Outcomes.
    pub dead: u64,
    /// Settlements by deliveries that counted no more.
    pub stale: u64,
    /// Mailboxes that another holder took.
    pub mailbox_taken: u64,
    /// Submissions that an idempotency key led to an earlier request.
    pub duplicates: u64,
    /// Streams of parts that began again with a new delivery.
    pub restarted: u64,
    /// Settlements that paused a channel.
    pub throttled: u64,
}

impl Coverage {
    fn counts(&self) -> [(&'static str, u64); 10] {
        [
            ("redelivered", self.redelivered),
            ("taken_back", self.taken_back),
            ("expired", self.expired),
            ("cancelled", self.cancelled),
            ("dead", self.dead),
            ("stale", self.stale),
            ("mailbox_taken", self.mailbox_taken),
            ("duplicates", self.duplicates),
            ("restarted", self.restarted),
            ("throttled", self.throttled),
        ]
    }

    /// What never happened.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        self.counts().into_iter().filter(|(_, count)| *count == 0).map(|(name, _)| name).collect()
    }
}

impl AddAssign for Coverage {
    fn add_assign(&mut self, other: Self) {
        self.redelivered += other.redelivered;
        self.taken_back += other.taken_back;
        self.expired += other.expired;
        self.cancelled += other.cancelled;
        self.dead += other.dead;
        self.stale += other.stale;
        self.mailbox_taken += other.mailbox_taken;
        self.duplicates += other.duplicates;
        self.restarted += other.restarted;
        self.throttled += other.throttled;
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("coverage")?;
        self.counts().iter().try_for_each(|(name, count)| write!(out, " {name}={count}"))
    }
}
