//! What the broker said and did, kept outside of it, and what of that contradicts itself.
//!
//! Lines of one party come in the order in which it wrote them. Between parties nothing is said about the order but by
//! the shared clock, and only where one thing had ended before the other began.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::entry::{Entry, Line, now};
use super::load::Load;
use super::service::whole_parts;
use super::states::{Met, Standing};

/// All requests that anybody spoke of.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    lives: HashMap<String, Life>,
    keys: HashMap<String, String>,
    standing: Standing,
    accepted: usize,
    /// Those accepted after `since`.
    accepted_since: usize,
    since: u64,
    faults: BTreeMap<(Fault, String), &'static str>,
    /// Ids of dead letters that are there at the end.
    letters: BTreeSet<String>,
    /// When the broker was killed.
    kills: Vec<u64>,
    pub(super) met: Met,
}

/// What can be wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    Lost,
    Resurrected,
    Doubled,
}

/// One request.
#[derive(Debug, Default)]
struct Life {
    is_submitting: bool,
    is_accepted: bool,
    is_keyed: bool,
    is_scheduled: bool,
    is_in_flight: bool,
    /// It was in flight when the broker was killed.
    is_cut_off: bool,
    settled: Option<String>,
    cancelled: Option<String>,
    told: Option<Told>,
    is_unknown: bool,
    is_acknowledging: bool,
    acknowledged: Option<u64>,
    parts: Vec<String>,
    /// Its dead letter may be a new request.
    is_redriving: bool,
    /// Its dead letter is a new request.
    is_redriven: bool,
    /// What was told of it, for whoever wonders.
    history: Vec<(u64, String)>,
}

#[derive(Debug, PartialEq)]
struct Told {
    outcome: String,
    attempts: u32,
    at: u64,
}

/// Where a request is, as far as the ledger knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nobody spoke of it as of one that is open.
    Elsewhere,
    Submitting,
    Scheduled,
    Waiting,
    InFlight,
    Unacknowledged,
    Acknowledged,
}

impl Ledger {
    /// Enters a line of a party.
    pub(super) fn enter(&mut self, load: Load, Line { at, entry }: Line) {
        for id in entry.ids() {
            self.lives.entry(id.clone()).or_default().history.push((at, format!("{} {entry:?}", load.name())));
        }
        match entry {
            Entry::Submitting { id } => self.change(&id, |life| {
                life.is_submitting = true;
                life.is_scheduled = load == Load::Scheduled;
            }),
            Entry::Accepted { id, under, key } => self.accept(at, &id, &under, key),
            Entry::Told { id, outcome, attempts, asked } => self.tell(&id, asked, Told { outcome, attempts, at }),
            Entry::Unknown { id } => {
                let was_acknowledging = self.lives.get(&id).is_some_and(|life| life.is_acknowledging);
                if !was_acknowledging {
                    self.blame(Fault::Lost, &id, "the broker knows it no more");
                }
                self.change(&id, |life| life.is_unknown = true);
            }
            Entry::Wrong { id, .. } => {
                self.blame(Fault::Lost, &id, "what came of it is not what had to come of it");
            }
            Entry::Acknowledging { id } => self.change(&id, |life| life.is_acknowledging = true),
            Entry::Acknowledged { id } => self.change(&id, |life| {
                life.acknowledged.get_or_insert(at);
            }),
            Entry::Gone { .. } => self.met.gone += 1,
            Entry::Cancelled { id, outcome } => self.cancel(&id, outcome),
            Entry::Part { id, text } => {
                self.met.parts += 1;
                self.change(&id, |life| life.parts.push(text));
            }
            Entry::Restarted { id } => {
                self.met.restarted += 1;
                self.change(&id, |life| life.parts.clear());
            }
            Entry::Taken { id, attempt, asked } => self.take(&id, attempt, asked),
            Entry::Settled { id, outcome } => self.settle(&id, outcome),
            Entry::Returned { id } => self.change(&id, |life| life.is_in_flight = false),
            Entry::Stale { .. } => self.met.stale += 1,
            Entry::Redriving { id } => self.change(&id, |life| life.is_redriving = true),
            Entry::Redriven { id, new } => {
                self.met.redriven += 1;
                self.change(&id, |life| life.is_redriven = true);
                self.accept(at, &new, &new, None);
            }
            Entry::Letter { id } => {
                self.letters.insert(id);
            }
        }
    }

    fn accept(&mut self, at: u64, id: &str, under: &str, key: Option<String>) {
        let is_keyed = key.is_some();
        if let Some(key) = key {
            let first = self.keys.entry(key).or_insert_with(|| id.to_owned()).clone();
            if first != id {
                self.blame(Fault::Doubled, id, "its key made another request before");
            }
        }
        if under != id {
            self.met.duplicates += 1;
            self.change(under, |life| life.is_submitting = false);
        }
        let was_accepted = self.lives.get(id).is_some_and(|life| life.is_accepted);
        if !was_accepted {
            self.accepted += 1;
            self.accepted_since += usize::from(at > self.since);
        }
        self.change(id, |life| {
            life.is_accepted = true;
            life.is_keyed |= is_keyed;
        });
    }

    fn take(&mut self, id: &str, attempt: u32, asked: u64) {
        let life = self.life(id);
        let (was_cut_off, was_settled) = (life.is_cut_off, life.settled.is_some());
        let was_told = life.told.as_ref().is_some_and(|told| asked > told.at);
        self.met.tried_again += u64::from(attempt > 1);
        self.met.delivered_again += u64::from(was_cut_off);
        // A service takes one batch after the other, and tells of each before it works on it.
        if was_settled || was_told {
            self.blame(Fault::Resurrected, id, "it was delivered after its outcome");
        }
        self.change(id, |life| {
            life.is_in_flight = true;
            life.is_cut_off = false;
        });
    }

    fn settle(&mut self, id: &str, outcome: String) {
        let life = self.life(id);
        let was_settled = life.settled.is_some();
        let differs = life.told.as_ref().is_some_and(|told| told.outcome != outcome);
        if was_settled {
            self.blame(Fault::Doubled, id, "two deliveries settled it");
        }
        if differs {
            self.blame(Fault::Lost, id, "its requester was told another outcome than settled it");
        }
        self.change(id, |life| {
            life.is_in_flight = false;
            life.settled = Some(outcome);
        });
    }

    fn cancel(&mut self, id: &str, outcome: String) {
        let is_cancelled = outcome == "cancelled";
        self.met.cancelled += u64::from(is_cancelled);
        self.met.cancelled_late += u64::from(!is_cancelled);
        let life = self.life(id);
        let differs = life.told.as_ref().is_some_and(|told| kind_of(&told.outcome) != outcome);
        if differs || is_cancelled && life.settled.is_some() {
            self.blame(Fault::Doubled, id, "whoever cancelled it was told another outcome");
        }
        self.change(id, |life| life.cancelled = Some(outcome));
    }

    fn tell(&mut self, id: &str, asked: u64, told: Told) {
        let kind = kind_of(&told.outcome);
        self.met.expired += u64::from(kind == "expired");
        self.met.dead += u64::from(kind == "dead");
        let life = self.life(id);
        let was_told = life.told.is_some();
        let before = life.told.as_ref();
        let mut faults = Vec::new();
        if before.is_some_and(|before| (&before.outcome, before.attempts) != (&told.outcome, told.attempts)) {
            faults.push((Fault::Doubled, "its requester was told two outcomes"));
        }
        if life.cancelled.as_ref().is_some_and(|cancelled| cancelled != kind) {
            faults.push((Fault::Doubled, "whoever cancelled it was told another outcome"));
        }
        if life.settled.as_ref().is_some_and(|settled| *settled != told.outcome) {
            faults.push((Fault::Lost, "its requester was told another outcome than settled it"));
        }
        if !life.is_keyed && life.acknowledged.is_some_and(|acknowledged| asked > acknowledged) {
            faults.push((Fault::Resurrected, "its outcome was told again after its acknowledgement"));
        }
        self.met.told_again += u64::from(was_told);
        faults.into_iter().for_each(|(fault, why)| self.blame(fault, id, why));
        self.change(id, |life| {
            life.is_in_flight = false;
            life.told.get_or_insert(told);
        });
    }

    /// From now on acceptances count that are after `since`.
    pub(super) fn begin(&mut self, since: u64) {
        (self.since, self.accepted_since) = (since, 0);
    }

    /// How many requests were accepted since then.
    pub(super) fn accepted_since(&self) -> usize {
        self.accepted_since
    }

    /// Where the requests are.
    pub(super) fn standing(&self) -> Standing {
        self.standing
    }

    /// The broker was killed: what was in flight is so no more.
    pub(super) fn cut_off(&mut self) {
        self.kills.push(now());
        let in_flight: Vec<String> =
            self.lives.iter().filter(|(_, life)| life.is_in_flight).map(|(id, _)| id.clone()).collect();
        for id in in_flight {
            self.change(&id, |life| {
                life.is_in_flight = false;
                life.is_cut_off = true;
            });
        }
    }

    /// Nothing more will be told: what is missing is lost.
    pub(super) fn close(&mut self) {
        let mut faults = Vec::new();
        for (id, life) in &self.lives {
            if life.is_accepted && life.told.is_none() {
                faults.push((Fault::Lost, id.clone(), "it was accepted and has no outcome"));
            }
            let whole = life.told.as_ref().and_then(|told| whole_parts(&told.outcome));
            if whole.is_some_and(|whole| whole != life.parts) {
                faults.push((Fault::Lost, id.clone(), "its parts are not those of the delivery that settled it"));
            }
            let is_dead = life.told.as_ref().is_some_and(|told| kind_of(&told.outcome) == "dead");
            match self.letters.contains(id) {
                false if is_dead && !life.is_redriving => {
                    faults.push((Fault::Lost, id.clone(), "its dead letter is gone"));
                }
                true if life.is_redriven => {
                    faults.push((Fault::Resurrected, id.clone(), "its dead letter is there after it was redriven"));
                }
                true if !is_dead => {
                    faults.push((Fault::Doubled, id.clone(), "it has a dead letter and another outcome"));
                }
                _ => {}
            }
        }
        faults.into_iter().for_each(|(fault, id, why)| self.blame(fault, &id, why));
    }

    /// What the broker has when everything is acknowledged.
    pub(super) fn leftover(&mut self, left: &[String]) {
        for what in left {
            self.blame(Fault::Resurrected, what, "everything was acknowledged");
        }
    }

    /// How many idempotency keys led to a request.
    pub(super) fn keys(&self) -> u64 {
        self.keys.len() as u64
    }

    /// How many requests were accepted.
    pub(super) fn accepted(&self) -> usize {
        self.accepted
    }

    /// How many requests have such a fault.
    pub(super) fn count(&self, fault: Fault) -> usize {
        self.faults.keys().filter(|(found, _)| *found == fault).count()
    }

    /// The faults, in words, each with what was told of its request, in milliseconds since the first kill.
    pub(super) fn faults(&self) -> impl Iterator<Item = String> {
        self.faults.iter().map(|((fault, id), why)| {
            let told = self.lives.get(id).map(|life| self.history(life)).unwrap_or_default();
            format!("{fault:?}: {id}: {why}{told}")
        })
    }

    fn history(&self, life: &Life) -> String {
        let span = life.history.iter().map(|(at, _)| *at);
        let span = span.clone().min().unwrap_or(0)..=span.max().unwrap_or(0);
        let kills = self.kills.iter().filter(|at| span.contains(at)).map(|at| (*at, "the broker is dead"));
        let mut lines: Vec<_> = life.history.iter().map(|(at, told)| (*at, told.as_str())).chain(kills).collect();
        lines.sort_by_key(|(at, _)| *at);
        let first = self.kills.first().copied().unwrap_or(0);
        let line = |(at, told): (u64, &str)| format!("\n    {:.1} {told}", (at as f64 - first as f64) / 1e6);
        lines.into_iter().map(line).collect()
    }

    fn life(&mut self, id: &str) -> &Life {
        self.lives.entry(id.to_owned()).or_default()
    }

    fn blame(&mut self, fault: Fault, id: &str, why: &'static str) {
        self.faults.entry((fault, id.to_owned())).or_insert(why);
    }

    fn change(&mut self, id: &str, change: impl FnOnce(&mut Life)) {
        let life = self.lives.entry(id.to_owned()).or_default();
        let before = life.stage();
        change(life);
        self.standing.move_on(before, life.stage());
    }
}

impl Life {
    fn stage(&self) -> Stage {
        if self.acknowledged.is_some() {
            Stage::Acknowledged
        } else if self.is_unknown {
            Stage::Elsewhere
        } else if self.told.is_some() || self.settled.is_some() {
            Stage::Unacknowledged
        } else if self.is_in_flight {
            Stage::InFlight
        } else if self.is_accepted {
            if self.is_scheduled && !self.is_cut_off { Stage::Scheduled } else { Stage::Waiting }
        } else if self.is_submitting {
            Stage::Submitting
        } else {
            Stage::Elsewhere
        }
    }
}

fn kind_of(outcome: &str) -> &str {
    outcome.split(':').next().unwrap_or(outcome)
}
