//! A request as its channel keeps it.

use roundtrip_protocol::{Hold, Progress, RequesterName, ServiceNumber};

use super::ServiceInstance;
use super::effect::Outcome;
use super::follow::Follower;
use crate::handles::{Handles, Peer, PeerId};
use crate::time::Time;

/// A request from its acceptance until it is gone.
#[derive(Debug)]
pub(super) struct Request<H: Handles> {
    pub(super) requester: RequesterName,
    pub(super) message: H::Request,
    pub(super) place: H::Place,
    /// Its place in the queue, now and whenever it comes back.
    pub(super) order: u64,
    /// Deliveries so far, counted or not.
    pub(super) deliveries: u32,
    /// Deliveries so far that count.
    pub(super) attempts: u32,
    /// Deliveries so far that were given back uncounted.
    pub(super) releases: u32,
    /// What the last failed attempt said.
    pub(super) last_problem: Option<H::Answer>,
    pub(super) settled: Settled,
    pub(super) followers: Vec<Follower<H>>,
    pub(super) due: Option<Time>,
    pub(super) stage: Stage<H>,
}

impl<H: Handles> Request<H> {
    pub(super) fn new(requester: RequesterName, message: H::Request, place: H::Place, order: u64) -> Self {
        Self {
            requester,
            message,
            place,
            order,
            deliveries: 0,
            attempts: 0,
            releases: 0,
            last_problem: None,
            settled: Settled::default(),
            followers: Vec::new(),
            due: None,
            stage: Stage::Waiting,
        }
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
    /// In the queue.
    Waiting,
    /// With a service.
    InFlight(Delivery<H>),
    /// The lease is lost; until it is due the service may take the delivery back.
    Lost(Delivery<H>),
    /// Settled for another attempt, which is due later.
    BackingOff,
    /// It has its outcome.
    Ended(Outcome<H>),
}

/// One hand-over of a request to a service.
#[derive(Debug)]
pub(super) struct Delivery<H: Handles> {
    pub(super) number: u32,
    pub(super) service: ServiceInstance,
    pub(super) hold: Hold,
    /// The connection it was handed over or taken back on, while that is there.
    pub(super) holder: Option<H::Peer>,
    pub(super) progress: Option<Progress>,
}

impl<H: Handles> Delivery<H> {
    /// The subscription that holds it, if one does.
    pub(super) fn subscription(&self) -> Option<(PeerId, ServiceNumber)> {
        self.holder.as_ref().map(|peer| (peer.id(), self.service.service))
    }
}
