//! What the model knows: flat lists, looked through from end to end each time.

use std::collections::BTreeSet;

use super::*;

pub(super) struct Model {
    pub(super) settings: Settings,
    /// The broker's start number.
    pub(super) start: u64,
    pub(super) now: Time,
    pub(super) requests: Vec<Known>,
    pub(super) stopping: Vec<Stopping>,
    pub(super) services: Vec<Subscribed>,
    pub(super) followers: Vec<Following>,
    pub(super) letters: Vec<Letter>,
    /// When each delivery was handed out.
    pub(super) handed_out: Vec<Time>,
    pub(super) paused_until: Time,
    pub(super) stale: u64,
    pub(super) dropped_dead_letters: u64,
    pub(super) dropped_parts: u64,
    /// How many requests began to wait.
    pub(super) queued: u64,
    /// Ids whose requests are gone.
    pub(super) gone: BTreeSet<u32>,
    /// What is to be told in this step.
    pub(super) expected: Vec<String>,
}

/// A request that was accepted and is not gone.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) id: u32,
    pub(super) requester: String,
    pub(super) place: TestPlace,
    pub(super) bytes: usize,
    pub(super) priority: u8,
    pub(super) key: Option<Key>,
    pub(super) redrive_of: Option<u32>,
    pub(super) accepted: Time,
    pub(super) deadline: Time,
    /// How many requests began to wait before it did.
    pub(super) order: u64,
    pub(super) deliveries: u32,
    pub(super) attempts: u32,
    pub(super) releases: u32,
    pub(super) last_problem: Option<u32>,
    /// Its deliveries that were settled.
    pub(super) settled: Vec<u32>,
    /// The start of the broker and the delivery that settled it, if one did.
    pub(super) settled_by: Option<(u64, u32)>,
    pub(super) parts: Parts,
    /// The latest delivery made parts void that were kept: that is kept, and so is its number.
    pub(super) voided_parts: bool,
    /// In no mailbox and under no key, somebody was told the outcome and detached: it may go where room is short.
    pub(super) fetched: bool,
    pub(super) acknowledged: bool,
    pub(super) stage: Stage,
}

#[derive(Debug, Clone)]
pub(super) enum Stage {
    Scheduled(Time),
    Waiting,
    InFlight(Held),
    /// Until its backoff is over the delivery may be taken back, if one was lost.
    Back {
        until: Moment,
        lost: Option<Held>,
    },
    Ended {
        outcome: String,
        at: Time,
    },
}

/// When a backoff is over: between two moments, until the model learns from the channel at which.
#[derive(Debug, Clone, Copy)]
pub(super) enum Moment {
    Between(Time, Time),
    At(Time),
}

#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) delivery: u32,
    pub(super) service: ServiceInstance,
    pub(super) hold: Hold,
    pub(super) lease: Duration,
    pub(super) holder: Option<TestPeer>,
    pub(super) handed_over: Time,
    pub(super) renewed: Time,
    pub(super) progress: bool,
}

/// A delivery whose request was cancelled or expired under it.
#[derive(Debug)]
pub(super) struct Stopping {
    pub(super) id: u32,
    pub(super) held: Held,
    pub(super) answer: &'static str,
    pub(super) until: Moment,
}

#[derive(Debug)]
pub(super) struct Subscribed {
    pub(super) peer: TestPeer,
    pub(super) service: ServiceInstance,
    pub(super) credit: u32,
    pub(super) hold: Hold,
    pub(super) lease: Duration,
}

#[derive(Debug)]
pub(super) struct Following {
    pub(super) peer: TestPeer,
    pub(super) ticket: u32,
    pub(super) id: u32,
    pub(super) told_outcome: bool,
    pub(super) parts: Option<FollowingParts>,
}

#[derive(Debug)]
pub(super) struct FollowingParts {
    pub(super) next: u32,
    pub(super) window: u32,
}

/// The parts of the latest delivery.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pub(super) delivery: u32,
    /// The last number that was kept, now or before.
    pub(super) last: u32,
    /// Number and bytes.
    pub(super) kept: Vec<(u32, usize)>,
    /// The bytes of the part that there was no room for.
    pub(super) refused: Option<usize>,
}

impl Parts {
    /// The number of the first one that is kept, or of the next one that will be.
    pub(super) fn first(&self) -> u32 {
        self.kept.first().map_or(self.last + 1, |(number, _)| *number)
    }

    pub(super) fn bytes(&self) -> usize {
        self.kept.iter().map(|(_, bytes)| bytes).sum()
    }
}

#[derive(Debug)]
pub(super) struct Letter {
    pub(super) id: u32,
    pub(super) requester: String,
    pub(super) place: TestPlace,
    pub(super) bytes: usize,
    pub(super) priority: u8,
    pub(super) reason: DeadReason,
    /// The reason that outlives the broker.
    pub(super) kept_reason: DeadReason,
    pub(super) attempts: u32,
    pub(super) deliveries: u32,
    pub(super) accepted: Time,
    pub(super) died: Time,
    pub(super) last: Option<u32>,
}

impl Known {
    pub(super) fn held(&self) -> Option<&Held> {
        if let Stage::InFlight(held) = &self.stage { Some(held) } else { None }
    }

    pub(super) fn is_open(&self) -> bool {
        !matches!(self.stage, Stage::Ended { .. })
    }

    pub(super) fn is_waiting(&self) -> bool {
        matches!(self.stage, Stage::Waiting)
    }

    /// Whether its outcome is in a mailbox.
    pub(super) fn is_posted(&self) -> bool {
        !self.is_open() && self.place.has_mailbox() && !self.acknowledged
    }

    /// Whether it goes out before another one that waits.
    pub(super) fn goes_before(&self, other: &Self) -> bool {
        (self.priority, other.order) > (other.priority, self.order)
    }
}

impl Held {
    pub(super) fn by(&self, peer: PeerId, service: ServiceNumber) -> bool {
        self.holder.as_ref().is_some_and(|holder| holder.id == peer) && self.service.service == service
    }

    pub(super) fn lease_end(&self) -> Time {
        match (&self.holder, self.hold) {
            (Some(peer), Hold::Connection) => peer.last_heard().max(self.renewed) + self.lease,
            _ => self.renewed + self.lease,
        }
    }
}

impl Moment {
    /// Learns the moment from the channel.
    fn learn(&mut self, at: Time) {
        if let Self::Between(earliest, latest) = *self {
            assert!(earliest <= at && at <= latest, "a backoff of {earliest:?} to {latest:?} ends at {at:?}");
            *self = Self::At(at);
        }
    }
}

impl Model {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            start: START,
            now: Time::default(),
            requests: Vec::new(),
            stopping: Vec::new(),
            services: Vec::new(),
            followers: Vec::new(),
            letters: Vec::new(),
            handed_out: Vec::new(),
            paused_until: Time::default(),
            stale: 0,
            dropped_dead_letters: 0,
            dropped_parts: 0,
            queued: 0,
            gone: BTreeSet::new(),
            expected: Vec::new(),
        }
    }

    pub(super) fn find(&self, id: u32) -> Option<usize> {
        self.requests.iter().position(|known| known.id == id)
    }

    pub(super) fn known(&self, id: u32) -> Option<&Known> {
        self.requests.iter().find(|known| known.id == id)
    }

    pub(super) fn known_mut(&mut self, id: u32) -> &mut Known {
        self.requests.iter_mut().find(|known| known.id == id).expect("a request that is known")
    }

    pub(super) fn ids(&self) -> Vec<u32> {
        self.requests.iter().map(|known| known.id).collect()
    }

    pub(super) fn count(&self, which: impl Fn(&Known) -> bool) -> usize {
        self.requests.iter().filter(|known| which(known)).count()
    }

    /// Those that count against the channel's capacity.
    pub(super) fn waiting(&self) -> usize {
        self.count(|known| matches!(known.stage, Stage::Scheduled(_) | Stage::Waiting | Stage::Back { lost: None, .. }))
    }

    /// Those that count against `max_in_flight`.
    pub(super) fn in_flight(&self) -> usize {
        self.count(|known| matches!(known.stage, Stage::InFlight(_) | Stage::Back { lost: Some(_), .. }))
            + self.stopping.len()
    }

    /// What a service holds of its credit.
    pub(super) fn holds(&self, peer: PeerId, service: ServiceNumber) -> usize {
        self.count(|known| known.held().is_some_and(|held| held.by(peer, service)))
            + self.stopping.iter().filter(|stopping| stopping.held.by(peer, service)).count()
    }

    pub(super) fn figures(&self) -> Figures {
        let scheduled = self.count(|known| matches!(known.stage, Stage::Scheduled(_)));
        Figures {
            open: self.count(Known::is_open),
            waiting: self.waiting() - scheduled,
            scheduled,
            in_flight: self.in_flight(),
            services: self.services.len(),
            retained: self.count(|known| !known.is_open()),
            dead: self.letters.len(),
            keys: self.count(|known| known.key.is_some()),
            oldest: self.oldest(),
            paused_until: Some(self.paused_until).filter(|until| *until > self.now),
            stale: self.stale,
            dropped_dead_letters: self.dropped_dead_letters,
            dropped_parts: self.dropped_parts,
        }
    }

    /// Of those that are first in the queue of their priority, the one that was accepted first.
    fn oldest(&self) -> Option<Time> {
        let waiting = || self.requests.iter().filter(|known| known.is_waiting());
        let is_first =
            |known: &&Known| !waiting().any(|other| other.priority == known.priority && other.order < known.order);
        waiting().filter(is_first).map(|known| known.accepted).min()
    }

    /// Learns from the channel when what began to back off in this step comes back.
    pub(super) fn learn(&mut self, channel: &Channel<Numbers>) {
        for known in &mut self.requests {
            if let Stage::Back { until, lost } = &mut known.stage {
                let request = channel.requests.get(&request(known.id)).expect("it is known");
                let (due, deadline) = (request.due, known.deadline);
                match &request.stage {
                    super::super::Stage::Lost(delivery) => until.learn(delivery.given_up),
                    // It expires before it would come back.
                    _ if lost.is_none() && due == deadline => *until = Moment::At(deadline),
                    _ => until.learn(due),
                }
            }
        }
        for stopping in &mut self.stopping {
            if let Moment::Between(..) = stopping.until {
                let mut due = channel.stopping_due.iter();
                let found = due.find(|(_, id)| *id == request(stopping.id)).map(|(at, _)| *at);
                stopping.until.learn(found.expect("what stops stops some time"));
            }
        }
    }
}
