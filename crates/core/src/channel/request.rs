//! A request as its channel keeps it.
//!
//! A channel may hold a million that wait, so what few of them have is boxed: a request that waits has nothing else than
//! what every request has.

use std::time::Duration;

use roundtrip_protocol::{Hold, Progress, RequestId, RequesterName};

use super::dispatch::Holding;
use super::effect::Outcome;
use super::followers::FollowerList;
use super::key::Key;
use super::part::Parts;
use super::queue::Position;
use super::record::Accepted;
use super::slots::Slot;
use super::{ServiceInstance, Submission};
use crate::handles::{Handles, Peer};
use crate::time::Time;

/// A request from its acceptance until it is gone.
#[derive(Debug)]
pub(super) struct Request<H: Handles> {
    pub(super) id: RequestId,
    pub(super) requester: RequesterName,
    pub(super) message: H::Request,
    /// How many bytes its payload has.
    pub(super) bytes: usize,
    pub(super) place: H::Place,
    pub(super) accepted: Time,
    pub(super) deadline: Time,
    /// Its place in the queue, now and whenever it comes back.
    pub(super) position: Position,
    /// Deliveries so far, counted or not.
    pub(super) deliveries: u32,
    /// Deliveries so far that count.
    pub(super) attempts: u32,
    pub(super) followers: FollowerList<H>,
    /// When it next needs attention: the earlier of its deadline and what its stage waits for. [`Time::NEVER`]: it needs
    /// none.
    pub(super) due: Time,
    pub(super) stage: Stage<H>,
    rare: Option<Box<Rare<H>>>,
}

/// What few requests have.
#[derive(Debug)]
pub(super) struct Rare<H: Handles> {
    pub(super) key: Option<Key>,
    pub(super) redrive_of: Option<RequestId>,
    /// Deliveries so far that were released.
    pub(super) releases: u32,
    /// What the last failed attempt said.
    pub(super) last_problem: Option<H::Answer>,
    /// Deliveries that were settled for another attempt: a settlement, repeated, is answered the same again.
    pub(super) settled: Vec<u32>,
    pub(super) parts: Option<Parts<H>>,
    /// It has had more deliveries than is kept, within this start of the broker.
    pub(super) is_ahead: bool,
}

impl<H: Handles> Default for Rare<H> {
    fn default() -> Self {
        Self {
            key: None,
            redrive_of: None,
            releases: 0,
            last_problem: None,
            settled: Vec::new(),
            parts: None,
            is_ahead: false,
        }
    }
}

impl<H: Handles> Request<H> {
    pub(super) fn new(submission: Submission<H>, accepted: Time, deadline: Time) -> Self {
        let Submission { id, requester, request, bytes, place, priority, deadline: _, delay: _, key, .. } = submission;
        Self {
            id,
            requester,
            message: request,
            bytes,
            place,
            accepted,
            deadline,
            position: Position::new(priority, 0),
            deliveries: 0,
            attempts: 0,
            followers: FollowerList::default(),
            due: Time::NEVER,
            stage: Stage::Waiting,
            rare: key.map(|key| Box::new(Rare { key: Some(key), ..Rare::default() })),
        }
    }

    /// As it was accepted, before it waits anywhere.
    pub(super) fn restored(accepted: Accepted<H>) -> Self {
        let Accepted { id, requester, request, bytes, place, priority, key, redrive_of, accepted, deadline, .. } =
            accepted;
        let submission = Submission { bytes, priority, key, ..Submission::new(id, requester, request, place) };
        let restored = Self::new(submission, accepted, deadline);
        if redrive_of.is_some() { restored.redriven_of(redrive_of) } else { restored }
    }

    /// It was made of a dead letter.
    pub(super) fn redriven_of(mut self, letter: Option<RequestId>) -> Self {
        self.rare_mut().redrive_of = letter;
        self
    }

    pub(super) fn rare_mut(&mut self) -> &mut Rare<H> {
        self.rare.get_or_insert_default()
    }

    /// Its idempotency key.
    pub(super) fn key(&self) -> Option<&Key> {
        self.rare.as_ref()?.key.as_ref()
    }

    /// The dead letter that it was made of.
    pub(super) fn redrive_of(&self) -> Option<RequestId> {
        self.rare.as_ref()?.redrive_of
    }

    pub(super) fn releases(&self) -> u32 {
        self.rare.as_ref().map_or(0, |rare| rare.releases)
    }

    pub(super) fn last_problem(&self) -> Option<H::Answer> {
        self.rare.as_ref()?.last_problem.clone()
    }

    pub(super) fn parts(&self) -> Option<&Parts<H>> {
        self.rare.as_ref()?.parts.as_ref()
    }

    pub(super) fn parts_mut(&mut self) -> Option<&mut Parts<H>> {
        self.rare.as_mut()?.parts.as_mut()
    }

    pub(super) fn drop_void_parts(&mut self) {
        if let Some(rare) = &mut self.rare {
            rare.parts = None;
        }
    }

    /// Whether it has had more deliveries than is kept. From here on it has not: they are being kept.
    pub(super) fn catch_up(&mut self) -> bool {
        self.rare.as_mut().is_some_and(|rare| std::mem::take(&mut rare.is_ahead))
    }

    /// What its followers are told of, and they.
    pub(super) fn followed(&mut self) -> (&mut FollowerList<H>, Option<&Parts<H>>, Option<&Outcome<H>>) {
        let parts = self.rare.as_ref().and_then(|rare| rare.parts.as_ref());
        let parts = parts.filter(|parts| parts.delivery == self.deliveries);
        let outcome = match &self.stage {
            Stage::Ended(end) => Some(&end.outcome),
            _ => None,
        };
        (&mut self.followers, parts, outcome)
    }

    /// Whether a delivery of this start of the broker was settled for another attempt.
    pub(super) fn was_settled(&self, delivery: u32) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.settled.contains(&delivery))
    }

    /// Whether this delivery of a start of the broker settled it, finally.
    pub(super) fn was_ended_by(&self, start: u64, delivery: u32) -> bool {
        self.end().is_some_and(|end| end.settled_by == Some((start, delivery)))
    }

    /// How it ended.
    pub(super) const fn end(&self) -> Option<&End<H>> {
        if let Stage::Ended(end) = &self.stage { Some(end) } else { None }
    }

    /// How it ended.
    pub(super) const fn end_mut(&mut self) -> Option<&mut End<H>> {
        if let Stage::Ended(end) = &mut self.stage { Some(end) } else { None }
    }

    pub(super) const fn has_ended(&self) -> bool {
        matches!(self.stage, Stage::Ended(_))
    }
}

/// Where a request is.
#[derive(Debug)]
pub(super) enum Stage<H: Handles> {
    /// Its delay is not over.
    Scheduled {
        /// When it is.
        until: Time,
    },
    /// In the queue.
    Waiting,
    /// With a service.
    InFlight(Box<Delivery<H>>),
    /// The lease is lost; until the backoff is over the service may take the delivery back.
    Lost(Box<Delivery<H>>),
    /// Settled for another attempt, which comes later.
    BackingOff,
    /// It has its outcome.
    Ended(Box<End<H>>),
}

/// How a request ended.
#[derive(Debug)]
pub(super) struct End<H: Handles> {
    pub(super) outcome: Outcome<H>,
    pub(super) since: Time,
    /// The start number of the broker and the delivery that settled it, if one did.
    pub(super) settled_by: Option<(u64, u32)>,
    /// It is not kept for its requester any more, and known only by its key.
    pub(super) is_acknowledged: bool,
    /// It is in a mailbox, where it waits to be acknowledged.
    pub(super) is_posted: bool,
}

/// One hand-over of a request to a service.
#[derive(Debug)]
pub(super) struct Delivery<H: Handles> {
    pub(super) number: u32,
    pub(super) service: ServiceInstance,
    /// Its place among those that its subscription holds.
    pub(super) place: Slot,
    pub(super) hold: Hold,
    pub(super) lease: Duration,
    /// When the lease was last begun or renewed, other than by signs of life of the connection.
    pub(super) renewed: Time,
    /// When `attempt_timeout` has passed.
    pub(super) timeout: Option<Time>,
    /// The connection it was handed over or taken back on, while that is there.
    pub(super) holder: Option<H::Peer>,
    pub(super) progress: Option<Progress>,
    /// When it is given up, while it is lost.
    pub(super) given_up: Time,
    /// The service has ended it.
    pub(super) is_settled: bool,
}

impl<H: Handles> Delivery<H> {
    /// The subscription that holds it, if one does, and where.
    pub(super) fn holding(&self) -> Option<Holding> {
        self.holder.as_ref().map(|peer| (peer.id(), self.service.service, self.place))
    }

    /// When its lease ends, if nothing more is heard; never while a connection that needs no signs of life holds it.
    pub(super) fn lease_end(&self) -> Option<Time> {
        let heard = match (&self.holder, self.hold) {
            (Some(peer), Hold::Connection) => peer.last_heard().max(self.renewed),
            _ => self.renewed,
        };
        (heard < Time::NEVER).then(|| heard + self.lease)
    }

    /// When it needs attention.
    pub(super) fn due(&self) -> Option<Time> {
        [self.lease_end(), self.timeout].into_iter().flatten().min()
    }

    /// Whether `attempt_timeout` has passed.
    pub(super) fn is_timed_out(&self, now: Time) -> bool {
        self.timeout.is_some_and(|timeout| timeout <= now)
    }
}
