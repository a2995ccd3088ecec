//! Who gets the next request: services with credit take turns, and the oldest request goes first.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use roundtrip_protocol::{Hold, RequestId, ServiceNumber, Token};

use super::effect::Tell;
use super::places::Places;
use super::record::Record;
use super::request::{Delivery, Request, Stage};
use super::slots::Slot;
use super::{ServiceInstance, Step};
use crate::handles::{Handles, Peer, PeerId};
use crate::planted::{self, Fault};
use crate::time::Time;

/// How many deliveries one step hands out at most. Whether a connection has room is asked before its earlier deliveries
/// of the same step are put before it: so whoever finds so many among the effects applies them and comes back with
/// [`Channel::handle_deadline`](crate::Channel::handle_deadline).
pub const DELIVERIES_AT_ONCE: usize = 16;

type Key = (PeerId, ServiceNumber);

/// A delivery that a subscription holds: whose it is, and its place there.
pub(super) type Holding = (PeerId, ServiceNumber, Slot);

/// The services that take deliveries over connections, and whose turn it is.
#[derive(Debug)]
pub(super) struct Services<H: Handles> {
    subscriptions: BTreeMap<Key, Subscription<H>>,
    /// Those that may have credit, in the order of their turns.
    turns: VecDeque<Key>,
    subscribed: usize,
}

/// A service on one connection.
#[derive(Debug)]
struct Subscription<H: Handles> {
    peer: H::Peer,
    instance: ServiceInstance,
    hold: Hold,
    lease: Duration,
    credit: u32,
    held: Places<RequestId>,
    /// A service takes its deliveries back before it subscribes.
    subscribed: bool,
    has_turn: bool,
}

impl<H: Handles> Default for Services<H> {
    fn default() -> Self {
        Self { subscriptions: BTreeMap::new(), turns: VecDeque::new(), subscribed: 0 }
    }
}

impl<H: Handles> Services<H> {
    /// How many subscriptions there are.
    pub(super) fn count(&self) -> usize {
        self.subscribed
    }

    pub(super) fn is_empty(&self) -> bool {
        self.subscriptions.is_empty()
    }

    pub(super) fn subscribe(
        &mut self,
        peer: H::Peer,
        service: ServiceInstance,
        credit: u32,
        hold: Hold,
        lease: Duration,
    ) {
        let key = (peer.id(), service.service);
        let subscription = self.entry(peer, service, hold);
        subscription.hold = hold;
        subscription.lease = lease;
        subscription.credit = credit;
        if !std::mem::replace(&mut subscription.subscribed, true) {
            self.subscribed += 1;
        }
        self.queue_up(key);
    }

    pub(super) fn grant(&mut self, peer: PeerId, service: ServiceNumber, credit: u32) {
        if let Some(subscription) = self.subscriptions.get_mut(&(peer, service)) {
            subscription.credit = credit;
            self.queue_up((peer, service));
        }
    }

    /// The connection has room again.
    pub(super) fn resume(&mut self, peer: PeerId) {
        for key in self.keys(peer) {
            self.queue_up(key);
        }
    }

    /// Ends a subscription and gives back what it held.
    pub(super) fn remove(&mut self, peer: PeerId, service: ServiceNumber) -> Vec<RequestId> {
        let Some(subscription) = self.subscriptions.remove(&(peer, service)) else {
            return Vec::new();
        };
        self.subscribed -= usize::from(subscription.subscribed);
        self.turns.retain(|key| *key != (peer, service));
        subscription.held.iter().copied().collect()
    }

    /// The services of a connection.
    pub(super) fn of(&self, peer: PeerId) -> Vec<ServiceNumber> {
        self.keys(peer).into_iter().map(|(_, service)| service).collect()
    }

    /// A service holds a delivery that it took back. Returns its place there.
    pub(super) fn hold(&mut self, peer: H::Peer, service: ServiceInstance, hold: Hold, id: RequestId) -> Slot {
        self.entry(peer, service, hold).held.insert(id)
    }

    /// A service holds a delivery no longer.
    pub(super) fn let_go(&mut self, (peer, service, place): Holding) {
        if let Some(subscription) = self.subscriptions.get_mut(&(peer, service)) {
            subscription.held.remove(place);
            if subscription.is_over() {
                self.subscriptions.remove(&(peer, service));
            } else if !planted::is(Fault::LostWakeUp) {
                self.queue_up((peer, service));
            }
        }
    }

    /// The connections that services are on.
    pub(super) fn peers(&self) -> impl Iterator<Item = &H::Peer> {
        self.subscriptions.values().map(|subscription| &subscription.peer)
    }

    /// Whether a service has credit and room.
    fn could_take(&self) -> bool {
        let mut subscriptions = self.turns.iter().filter_map(|key| self.subscriptions.get(key));
        subscriptions.any(|subscription| subscription.wants_more() && subscription.peer.has_room())
    }

    /// The next service in turn that has credit and room.
    fn poll_turn(&mut self) -> Option<&mut Subscription<H>> {
        loop {
            let key = self.turns.pop_front()?;
            let Some(subscription) = self.subscriptions.get_mut(&key) else {
                continue;
            };
            if subscription.wants_more() && subscription.peer.has_room() {
                self.turns.push_back(key);
                return self.subscriptions.get_mut(&key);
            }
            subscription.has_turn = false;
        }
    }

    fn queue_up(&mut self, key: Key) {
        if let Some(subscription) = self.subscriptions.get_mut(&key)
            && subscription.wants_more()
            && !subscription.has_turn
        {
            subscription.has_turn = true;
            self.turns.push_back(key);
        }
    }

    fn entry(&mut self, peer: H::Peer, instance: ServiceInstance, hold: Hold) -> &mut Subscription<H> {
        self.subscriptions.entry((peer.id(), instance.service)).or_insert_with(|| Subscription {
            peer,
            instance,
            hold,
            lease: Duration::ZERO,
            credit: 0,
            held: Places::default(),
            subscribed: false,
            has_turn: false,
        })
    }

    fn keys(&self, peer: PeerId) -> Vec<Key> {
        let all = (peer, ServiceNumber(0))..=(peer, ServiceNumber(u32::MAX));
        self.subscriptions.range(all).map(|(key, _)| *key).collect()
    }
}

impl<H: Handles> Subscription<H> {
    fn wants_more(&self) -> bool {
        let beyond = usize::from(planted::is(Fault::CreditOffByOne));
        self.subscribed && self.held.len() < self.credit as usize + beyond
    }

    /// It was there only for what it took back.
    fn is_over(&self) -> bool {
        !self.subscribed && self.held.is_empty()
    }
}

impl<H: Handles> Step<'_, H> {
    /// Hands waiting requests to services, as long as there are both, and not too many in one step.
    pub(super) fn dispatch(&mut self) {
        self.channel.pace.opens_at = None;
        if self.channel.pace.has_stopped {
            return;
        }
        for _ in 0..DELIVERIES_AT_ONCE {
            let Some(slot) = self.channel.queue.first() else { return };
            if self.is_at_its_limit() {
                return;
            }
            let rate = self.channel.settings.rate;
            if let Some(opens_at) = self.channel.pace.closed_until(self.now.time, rate) {
                self.channel.pace.opens_at = self.channel.services.could_take().then_some(opens_at);
                return;
            }
            let Some(Request { id, .. }) = self.channel.requests.at(slot) else { return };
            let id = *id;
            let Some(subscription) = self.channel.services.poll_turn() else { return };
            let place = subscription.held.insert(id);
            let peer = subscription.peer.clone();
            let (service, hold, lease) = (subscription.instance, subscription.hold, subscription.lease);
            self.channel.pace.take(self.now.time, rate);
            self.deliver(id, &peer, (service, place), hold, lease);
        }
    }

    fn deliver(
        &mut self,
        id: RequestId,
        peer: &H::Peer,
        (service, place): (ServiceInstance, Slot),
        hold: Hold,
        lease: Duration,
    ) {
        let now = self.now.time;
        let attempt_timeout = self.channel.settings.attempt_timeout;
        if self.channel.requests.get_mut(&id).is_some_and(Request::catch_up) {
            // What is kept lags by one delivery at the most.
            self.keep(id, Record::of_move);
        }
        let Some(request) = self.channel.requests.get_mut(&id) else { return };
        self.channel.queue.remove(request.position);
        request.deliveries += 1;
        request.attempts += 1;
        let tell = Tell::Delivery {
            service: service.service,
            token: Token { start: self.channel.start, id, delivery: request.deliveries },
            attempt: request.attempts,
            lease,
            remaining: request.deadline.since(now),
            attempt_timeout,
            requester: request.requester.clone(),
            redrive_of: request.redrive_of(),
            request: request.message.clone(),
        };
        let delivery = Delivery {
            number: request.deliveries,
            service,
            place,
            hold,
            lease,
            renewed: now,
            timeout: attempt_timeout.map(|timeout| now + timeout),
            holder: Some(peer.clone()),
            progress: None,
            given_up: Time::NEVER,
            is_settled: false,
        };
        let due = delivery.due();
        self.channel.held += 1;
        self.enter(id, Stage::InFlight(Box::new(delivery)), due);
        self.keep_void_parts(id);
        self.tell(peer, tell);
        self.restart_parts(id);
    }

    /// The delivery is with its service no longer, and its place is free.
    pub(super) fn leave_service(&mut self, id: RequestId) {
        self.channel.held -= 1;
        let delivery = self.channel.requests.get(&id).and_then(|request| match &request.stage {
            Stage::InFlight(delivery) => delivery.holding(),
            _ => None,
        });
        if let Some(holding) = delivery {
            self.channel.services.let_go(holding);
        }
    }
}
