//! What the model does as time passes, and when.

use super::known::{Held, Known, Letter, Model, Moment, Stage, Stopping};
use super::*;

/// Something that happens to one of the things in the model's lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    Deadline(usize),
    DelayOver(usize),
    AttemptTimeout(usize),
    LeaseEnd(usize),
    BackoffOver(usize),
    RetentionOver(usize),
    PlaceFree(usize),
    LetterTooOld(usize),
}

impl Model {
    /// All that is due, in order of time; a deadline that is due goes before anything else of its request.
    pub(super) fn do_what_is_due(&mut self) {
        loop {
            let due = self.happenings().into_iter().filter(|(at, _)| *at <= self.now);
            let next = due.min_by_key(|(at, what)| match *what {
                Happening::DelayOver(nth)
                | Happening::AttemptTimeout(nth)
                | Happening::LeaseEnd(nth)
                | Happening::BackoffOver(nth)
                    if self.requests[nth].deadline <= self.now =>
                {
                    (Time::NEVER, *what)
                }
                _ => (*at, *what),
            });
            let Some((_, what)) = next else { return };
            self.happen(what);
        }
    }

    fn happenings(&self) -> Vec<(Time, Happening)> {
        let mut all = Vec::new();
        for (nth, known) in self.requests.iter().enumerate() {
            if known.is_open() {
                all.push((known.deadline, Happening::Deadline(nth)));
            }
            match &known.stage {
                Stage::Scheduled(until) => all.push((*until, Happening::DelayOver(nth))),
                Stage::Waiting => {}
                Stage::InFlight(held) => {
                    let timeout = self.timeout(held);
                    if timeout > self.now {
                        all.push((held.lease_end(), Happening::LeaseEnd(nth)));
                    }
                    all.push((timeout, Happening::AttemptTimeout(nth)));
                }
                Stage::Back { until, .. } => {
                    if let Moment::At(until) = until {
                        all.push((*until, Happening::BackoffOver(nth)));
                    }
                }
                Stage::Ended { at, .. } => all.push((*at + self.settings.retention, Happening::RetentionOver(nth))),
            }
        }
        for (nth, stopping) in self.stopping.iter().enumerate() {
            if let Moment::At(until) = stopping.until {
                all.push((until, Happening::PlaceFree(nth)));
            }
        }
        for (nth, letter) in self.letters.iter().enumerate() {
            all.push((letter.died + self.settings.dead_letter_age, Happening::LetterTooOld(nth)));
        }
        all.retain(|(at, _)| *at < Time::NEVER);
        all
    }

    fn happen(&mut self, what: Happening) {
        match what {
            Happening::Deadline(nth) => self.end_under_way(self.requests[nth].id, "expired"),
            Happening::DelayOver(nth) => self.begin_to_wait(nth),
            Happening::AttemptTimeout(nth) => self.lose(nth, Some("AttemptTimeout")),
            Happening::LeaseEnd(nth) => self.lose(nth, Some("LeaseLost")),
            Happening::BackoffOver(nth) => {
                let known = &mut self.requests[nth];
                let lost = matches!(known.stage, Stage::Back { lost: Some(_), .. });
                if lost && known.attempts >= self.settings.max_attempts {
                    let (id, last) = (known.id, known.last_problem);
                    return self.die(id, DeadReason::AttemptsExhausted, last);
                }
                known.stage = Stage::Waiting;
            }
            Happening::RetentionOver(nth) => self.forget(self.requests[nth].id),
            Happening::PlaceFree(nth) => drop(self.stopping.remove(nth)),
            Happening::LetterTooOld(nth) => {
                self.dropped_dead_letters += 1;
                self.drop_letter(nth);
            }
        }
    }

    /// When the channel has to be back at the latest, if it has to.
    pub(super) fn next_deadline(&self) -> Option<Time> {
        let dispatch = (self.someone_could_take() && self.in_flight_has_room()).then(|| self.dispatch_opens());
        self.happenings().into_iter().map(|(at, _)| at).chain(dispatch).min()
    }

    /// When `attempt_timeout` ends a delivery.
    pub(super) fn timeout(&self, held: &Held) -> Time {
        self.settings.attempt_timeout.map_or(Time::NEVER, |timeout| held.handed_over + timeout)
    }

    pub(super) fn begin_to_wait(&mut self, nth: usize) {
        let known = &mut self.requests[nth];
        known.stage = Stage::Waiting;
        known.order = self.queued;
        self.queued += 1;
    }

    /// A delivery in flight is lost; the connection that holds it is told why, if it is there.
    pub(super) fn lose(&mut self, nth: usize, told: Option<&str>) {
        let known = &mut self.requests[nth];
        let Stage::InFlight(held) = &mut known.stage else { panic!("request {} is not in flight", known.id) };
        let holder = held.holder.take();
        if let (Some(holder), Some(reason)) = (holder, told) {
            self.expected.push(format!("{} stop {}/{} {reason}", holder.id.0, known.id, held.delivery));
        }
        let (attempts, lost) = (known.attempts, Some(held.clone()));
        self.back_off(nth, attempts, Duration::ZERO, lost);
    }

    pub(super) fn back_off(&mut self, nth: usize, attempts: u32, at_least: Duration, lost: Option<Held>) {
        let mut plain = self.settings.backoff_first;
        for _ in 1..attempts {
            plain = (plain * 2).min(self.settings.backoff_max);
        }
        let (earliest, latest) = (self.now + plain.max(at_least), self.now + (plain * 3 / 2).max(at_least));
        self.requests[nth].stage = Stage::Back { until: Moment::Between(earliest, latest), lost };
    }

    /// Cancelled or expired, wherever it is: a delivery is told to stop and keeps its place until it has.
    pub(super) fn end_under_way(&mut self, id: u32, outcome: &'static str) {
        let known = self.known(id).expect("a request that is known");
        let (stage, attempts) = (known.stage.clone(), known.attempts);
        let (answer, reason) = if outcome == "expired" { ("Expired", "Expired") } else { ("Cancelled", "Cancelled") };
        let (held, until) = match stage {
            Stage::InFlight(held) => {
                let end = held.lease_end().min(self.timeout(&held));
                (Some(held), Moment::At(end))
            }
            Stage::Back { lost, until } => (lost, until),
            _ => (None, Moment::At(self.now)),
        };
        if let Some(held) = held {
            if let Some(holder) = &held.holder {
                self.expected.push(format!("{} stop {id}/{} {reason}", holder.id.0, held.delivery));
            }
            self.stopping.push(Stopping { id, held, answer, until });
        }
        self.end(id, format!("{outcome} after {attempts}"));
        self.spend(id);
    }

    /// The one outcome of a request.
    pub(super) fn end(&mut self, id: u32, outcome: String) {
        let now = self.now;
        let known = self.known_mut(id);
        assert!(known.is_open(), "request {id} ends once");
        known.stage = Stage::Ended { outcome, at: now };
        if known.place.has_mailbox() {
            self.expected.push(format!("post {id}"));
        }
        self.tell_outcome(id);
    }

    pub(super) fn spend(&mut self, message: u32) {
        self.expected.push(format!("spend {message}"));
    }

    /// The outcome is dead, and the request moves whole to the dead letters.
    pub(super) fn die(&mut self, id: u32, reason: DeadReason, last: Option<u32>) {
        let said = last.map(|last| format!(" last {last}")).unwrap_or_default();
        let attempts = self.known_mut(id).attempts;
        self.end(id, format!("dead {}{said} after {attempts}", reason.as_str()));
        self.bury(id, reason, last);
    }

    pub(super) fn bury(&mut self, id: u32, reason: DeadReason, last: Option<u32>) {
        let Known { attempts, deliveries, priority, bytes, accepted, .. } = *self.known_mut(id);
        let (requester, place) = (self.known_mut(id).requester.clone(), self.known_mut(id).place.clone());
        self.letters.push(Letter {
            id,
            requester,
            place,
            bytes,
            priority,
            reason,
            kept_reason: reason,
            attempts,
            deliveries,
            accepted,
            died: self.now,
            last,
        });
        while self.letters.len() > self.settings.max_dead_letters
            || self.letters.iter().map(|letter| letter.bytes).sum::<usize>() > self.settings.max_dead_letter_bytes
        {
            self.dropped_dead_letters += 1;
            self.drop_letter(0);
        }
    }

    pub(super) fn drop_letter(&mut self, nth: usize) {
        let letter = self.letters.remove(nth);
        self.spend(letter.id);
    }

    /// A request that has its outcome is gone. Nobody who follows it is left waiting for the outcome.
    pub(super) fn forget(&mut self, id: u32) {
        self.drop_parts(id);
        let nth = self.find(id).expect("a request that is known");
        if self.requests[nth].is_posted() {
            self.expected.push(format!("unpost {id}"));
        }
        self.requests.remove(nth);
        self.followers.retain(|follower| follower.id != id);
        self.gone.insert(id);
    }
}
