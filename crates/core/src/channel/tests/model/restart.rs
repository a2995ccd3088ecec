//! What the model says of a broker that begins again, and of damage: what was kept is as it was, and nothing is in flight.

use super::known::{Known, Model, Parts, Stage};
use super::*;

impl Model {
    /// Nothing is with a service, and nobody follows; every outcome goes into its mailbox again.
    pub(super) fn restart(&mut self, start: u64) {
        self.start = start;
        self.services.clear();
        self.followers.clear();
        self.stopping.clear();
        self.handed_out.clear();
        self.paused_until = Time::default();
        (self.stale, self.dropped_dead_letters, self.dropped_parts) = (0, 0, 0);
        for known in &mut self.requests {
            known.restart();
            if known.is_posted() {
                self.expected.push(format!("post {}", known.id));
            }
        }
        for letter in &mut self.letters {
            letter.reason = letter.kept_reason;
        }
    }

    /// It is dead, whatever it was; a delivery that it has was told to nobody.
    pub(super) fn damage(&mut self, id: u32) {
        self.stopping.retain(|there| there.id != id);
        let Some(nth) = self.find(id) else {
            for letter in self.letters.iter_mut().filter(|letter| letter.id == id) {
                letter.reason = DeadReason::Damaged;
            }
            return;
        };
        let (now, known) = (self.now, &mut self.requests[nth]);
        let Stage::Ended { outcome, at } = &mut known.stage else {
            known.attempts -= u32::from(known.is_held());
            let last = known.last_problem;
            return self.die(id, DeadReason::Damaged, last);
        };
        if outcome.starts_with("dead damaged") {
            return;
        }
        (*outcome, *at) = (format!("dead damaged after {}", known.attempts), now);
        known.fetched = false;
        self.letters.retain(|letter| letter.id != id);
        self.bury(id, DeadReason::Damaged, None);
        for follower in self.followers.iter_mut().filter(|follower| follower.id == id) {
            follower.told_outcome = false;
        }
        self.tell_outcome(id);
    }
}

impl Known {
    fn is_held(&self) -> bool {
        matches!(self.stage, Stage::InFlight(_) | Stage::Back { lost: Some(_), .. })
    }

    fn restart(&mut self) {
        self.settled.clear();
        self.fetched = false;
        self.parts.refused = None;
        if self.is_held() {
            self.attempts -= 1;
            self.stage = Stage::Waiting;
            if self.parts.last == 0 && !self.voided_parts {
                // Nothing is kept of the delivery that was cut off.
                self.deliveries -= 1;
            }
        }
        if self.parts.kept.is_empty() {
            self.parts = Parts { delivery: self.deliveries, ..Parts::default() };
        }
    }
}
