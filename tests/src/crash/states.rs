//! Where requests were when the broker was killed, and what else a run must have met to prove anything.

use std::fmt;

use super::ledger::Stage;

/// How many requests are where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) submitting: usize,
    pub(super) scheduled: usize,
    pub(super) waiting: usize,
    pub(super) in_flight: usize,
    pub(super) unacknowledged: usize,
}

impl Standing {
    pub(super) fn move_on(&mut self, from: Stage, to: Stage) {
        if let Some(count) = self.count(from) {
            *count -= 1;
        }
        if let Some(count) = self.count(to) {
            *count += 1;
        }
    }

    /// Whether some requests are in each state that a kill must meet.
    pub(super) const fn is_full(self) -> bool {
        self.waiting > 0 && self.in_flight > 0 && self.unacknowledged > 0
    }

    const fn count(&mut self, stage: Stage) -> Option<&mut usize> {
        match stage {
            Stage::Elsewhere | Stage::Acknowledged => None,
            Stage::Submitting => Some(&mut self.submitting),
            Stage::Scheduled => Some(&mut self.scheduled),
            Stage::Waiting => Some(&mut self.waiting),
            Stage::InFlight => Some(&mut self.in_flight),
            Stage::Unacknowledged => Some(&mut self.unacknowledged),
        }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { submitting, scheduled, waiting, in_flight, unacknowledged } = self;
        write!(
            out,
            "submitting {submitting}, scheduled {scheduled}, waiting {waiting}, in flight {in_flight}, \
             unacknowledged {unacknowledged}"
        )
    }
}

/// How often each thing happened over the whole run.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Met {
    /// Kills with an unanswered submission.
    pub(super) submitting: u64,
    /// Kills with a delayed request.
    pub(super) scheduled: u64,
    /// Starts that were killed before they were done.
    pub(super) starting: u64,
    /// Deliveries of what had been in flight at a kill.
    pub(super) delivered_again: u64,
    /// Deliveries beyond the first attempt.
    pub(super) tried_again: u64,
    /// Settlements by deliveries of a broker that was killed.
    pub(super) stale: u64,
    /// Outcomes that were told more than once.
    pub(super) told_again: u64,
    /// Acknowledged requests that were asked for and not known.
    pub(super) gone: u64,
    /// Submissions that a key led to an earlier request.
    pub(super) duplicates: u64,
    /// Requests that were cancelled.
    pub(super) cancelled: u64,
    /// Requests that had their outcome before they could be.
    pub(super) cancelled_late: u64,
    /// Outcomes.
    pub(super) expired: u64,
    /// Outcomes.
    pub(super) dead: u64,
    /// Dead letters that became requests.
    pub(super) redriven: u64,
    /// Parts that were read.
    pub(super) parts: u64,
    /// Parts that another delivery made void.
    pub(super) restarted: u64,
}

impl Met {
    pub(super) const fn counts(&self) -> [(&'static str, u64); 16] {
        [
            ("submitting", self.submitting),
            ("scheduled", self.scheduled),
            ("starting", self.starting),
            ("delivered_again", self.delivered_again),
            ("tried_again", self.tried_again),
            ("stale", self.stale),
            ("told_again", self.told_again),
            ("gone", self.gone),
            ("duplicates", self.duplicates),
            ("cancelled", self.cancelled),
            ("cancelled_late", self.cancelled_late),
            ("expired", self.expired),
            ("dead", self.dead),
            ("redriven", self.redriven),
            ("parts", self.parts),
            ("restarted", self.restarted),
        ]
    }

    /// What never happened.
    pub(super) fn missing(&self) -> Vec<&'static str> {
        self.counts().into_iter().filter(|(_, count)| *count == 0).map(|(name, _)| name).collect()
    }
}

impl fmt::Display for Met {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("coverage")?;
        self.counts().iter().try_for_each(|(name, count)| write!(out, " {name}={count}"))
    }
}
