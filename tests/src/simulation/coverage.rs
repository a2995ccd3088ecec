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
    /// Times that the broker's process was killed.
    pub kills: u64,
    /// Starts of a broker that found something on its disk.
    pub recoveries: u64,
    /// Commits that failed, of which nothing was there.
    pub lost_commits: u64,
    /// Commits that failed, and were there.
    pub unsure_commits: u64,
    /// Readings of the disk that failed.
    pub failed_readings: u64,
    /// Messages, answers and parts that were damaged on disk.
    pub damaged: u64,
    /// Requests that waited when they were recovered.
    pub recovered_waiting: u64,
    /// Requests that backed off when they were recovered.
    pub recovered_backing_off: u64,
    /// Requests that were delayed when they were recovered.
    pub recovered_scheduled: u64,
    /// Outcomes that were recovered.
    pub recovered_ended: u64,
    /// Dead letters that were recovered.
    pub recovered_letters: u64,
    /// Parts that were recovered.
    pub recovered_parts: u64,
}

impl Coverage {
    fn counts(&self) -> [(&'static str, u64); 22] {
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
            ("kills", self.kills),
            ("recoveries", self.recoveries),
            ("lost_commits", self.lost_commits),
            ("unsure_commits", self.unsure_commits),
            ("failed_readings", self.failed_readings),
            ("damaged", self.damaged),
            ("recovered_waiting", self.recovered_waiting),
            ("recovered_backing_off", self.recovered_backing_off),
            ("recovered_scheduled", self.recovered_scheduled),
            ("recovered_ended", self.recovered_ended),
            ("recovered_letters", self.recovered_letters),
            ("recovered_parts", self.recovered_parts),
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
        self.kills += other.kills;
        self.recoveries += other.recoveries;
        self.lost_commits += other.lost_commits;
        self.unsure_commits += other.unsure_commits;
        self.failed_readings += other.failed_readings;
        self.damaged += other.damaged;
        self.recovered_waiting += other.recovered_waiting;
        self.recovered_backing_off += other.recovered_backing_off;
        self.recovered_scheduled += other.recovered_scheduled;
        self.recovered_ended += other.recovered_ended;
        self.recovered_letters += other.recovered_letters;
        self.recovered_parts += other.recovered_parts;
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("coverage")?;
        self.counts().iter().try_for_each(|(name, count)| write!(out, " {name}={count}"))
    }
}
