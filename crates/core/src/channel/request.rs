//! A request as its channel keeps it.

use std::time::Duration;

use roundtrip_protocol::{Hold, Progress, RequestId, RequesterName, ServiceNumber};

use super::effect::Outcome;
use super::follow::Follower;
use super::key::Key;
use super::part::Parts;
use super::queue::Position;
use super::record::Accepted;
use super::{ServiceInstance, Submission};
use crate::handles::{Handles, Peer, PeerId};
use crate::time::Time;

/// A request from its acceptance until it is gone.
#[derive(Debug)]
pub(super) struct Request<H: Handles> {
    pub(super) requester: RequesterName,
    pub(super) message: H::Request,
    /// How many bytes its payload has.
    pub(super) bytes: usize,
    pub(super) place: H::Place,
    pub(super) key: Option<Box<Key>>,
    pub(super) redrive_of: Option<RequestId>,
    pub(super) accepted: Time,
    pub(super) deadline: Time,
    /// Its place in the queue, now and whenever it comes back.
    pub(super) position: Position,
    /// Deliveries so far, counted or not.
    pub(super) deliveries: u32,
    /// Deliveries so far that count.
    pub(super) attempts: u32,
    /// Deliveries so far that were released.
    pub(super) releases: u32,
    /// What the last failed attempt said.
    pub(super) last_problem: Option<H::Answer>,
    pub(super) settled: Settled,
    pub(super) parts: Option<Box<Parts<H>>>,
    pub(super) followers: Vec<Follower<H>>,
    /// When it next needs attention: the earlier of its deadline and what its stage waits for.
    pub(super) due: Option<Time>,
    pub(super) stage: Stage<H>,
}

impl<H: Handles> Request<H> {
    pub(super) fn new(submission: Submission<H>, accepted: Time, deadline: Time) -> Self {
        let Submission { id: _, requester, request, bytes, place, priority, deadline: _, delay: _, key } = submission;
        Self {
            requester,
            message: request,
            bytes,
            place,
            key: key.map(Box::new),
            redrive_of: None,
            accepted,
            deadline,
            position: Position { priority, order: 0 },
            deliveries: 0,
            attempts: 0,
            releases: 0,
            last_problem: None,
            settled: Settled::default(),
            parts: None,
            followers: Vec::new(),
            due: None,
            stage: Stage::Waiting,
        }
    }

    /// As it was accepted, before it waits anywhere.
    pub(super) fn restored(accepted: Accepted<H>) -> Self {
        let Accepted { id, requester, request, bytes, place, priority, key, redrive_of, accepted, deadline, .. } =
            accepted;
        let submission = Submission { bytes, priority, key, ..Submission::new(id, requester, request, place) };
        Self { redrive_of, ..Self::new(submission, accepted, deadline) }
    }

    /// The number of the delivery in flight, if it is settled and has not left its service yet.
    pub(super) fn settled_now(&self) -> Option<u32> {
        match &self.stage {
            Stage::InFlight(delivery) => Some(delivery.number).filter(|number| self.settled.contains(*number)),
            _ => None,
        }
    }

    pub(super) const fn has_ended(&self) -> bool {
        matches!(self.stage, Stage::Ended { .. })
    }
}

/// Which deliveries were settled: a settlement, repeated, is answered the same again.
///
/// Most requests are settled once, so the last one needs no memory of its own.
#[derive(Debug, Default)]
pub(super) struct Settled {
    last: Option<u32>,
    earlier: Vec<u32>,
}

impl Settled {
    pub(super) fn insert(&mut self, delivery: u32) {
        self.earlier.extend(self.last.replace(delivery));
    }

    pub(super) fn contains(&self, delivery: u32) -> bool {
        self.last == Some(delivery) || self.earlier.contains(&delivery)
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
    InFlight(Delivery<H>),
    /// The lease is lost; until the backoff is over the service may take the delivery back.
    Lost {
        delivery: Delivery<H>,
        /// When it is.
        until: Time,
    },
    /// Settled for another attempt, which comes later.
    BackingOff,
    /// It has its outcome.
    Ended {
        outcome: Outcome<H>,
        since: Time,
        /// The start number of the broker and the delivery that settled it, if one did.
        settled_by: Option<(u64, u32)>,
        /// It is not kept for its requester any more, and known only by its key.
        is_acknowledged: bool,
        /// It is in a mailbox, where it waits to be acknowledged.
        is_posted: bool,
    },
}

/// One hand-over of a request to a service.
#[derive(Debug)]
pub(super) struct Delivery<H: Handles> {
    pub(super) number: u32,
    pub(super) service: ServiceInstance,
    pub(super) hold: Hold,
    pub(super) lease: Duration,
    /// When the lease was last begun or renewed, other than by signs of life of the connection.
    pub(super) renewed: Time,
    /// When `attempt_timeout` has passed.
    pub(super) timeout: Option<Time>,
    /// The connection it was handed over or taken back on, while that is there.
    pub(super) holder: Option<H::Peer>,
    pub(super) progress: Option<Progress>,
}

impl<H: Handles> Delivery<H> {
    /// The subscription that holds it, if one does.
    pub(super) fn subscription(&self) -> Option<(PeerId, ServiceNumber)> {
        self.holder.as_ref().map(|peer| (peer.id(), self.service.service))
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
