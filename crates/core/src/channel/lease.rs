//! What happens when a service dies, or seems to: leases end, deliveries are lost, taken back or given up.

use std::time::Duration;

use roundtrip_protocol::{Answer, Call, DeadReason, Hold, RequestId, ServiceNumber, StopReason, Token};

use super::effect::{Ending, Tell};
use super::request::Stage;
use super::settle::Standing;
use super::{ServiceInstance, Step};
use crate::handles::{Handles, Peer, PeerId};
use crate::time::Time;

impl<H: Handles> Step<'_, H> {
    /// The connection is gone: what it held is lost, what was taken by lease alone goes on without it.
    pub(super) fn peer_gone(&mut self, peer: PeerId) {
        for service in self.channel.services.of(peer) {
            for id in self.channel.services.remove(peer, service) {
                if self.held_by_lease_alone(id) { self.part_from_connection(id) } else { self.lose(id) }
            }
        }
        self.unfollow_all(peer);
    }

    /// The service ends its subscription: what it holds by connection goes back at once and uncounted.
    pub(super) fn unsubscribe(&mut self, peer: PeerId, service: ServiceNumber) {
        for id in self.channel.services.remove(peer, service) {
            if self.held_by_lease_alone(id) {
                self.part_from_connection(id);
                continue;
            }
            if let Some(request) = self.channel.requests.get_mut(&id) {
                request.attempts -= 1;
            }
            self.channel.in_flight -= 1;
            self.requeue(id);
        }
    }

    fn held_by_lease_alone(&self, id: RequestId) -> bool {
        let stage = self.channel.requests.get(&id).map(|request| &request.stage);
        matches!(stage, Some(Stage::InFlight(delivery)) if delivery.hold == Hold::Lease)
    }

    fn part_from_connection(&mut self, id: RequestId) {
        if let Some(request) = self.channel.requests.get_mut(&id)
            && let Stage::InFlight(delivery) = &mut request.stage
        {
            delivery.holder = None;
        }
    }

    /// Begins a lease at the latest sign of life.
    pub(super) fn begin_lease(&mut self, id: RequestId) {
        let end = self.lease_end(id, self.now.time);
        self.set_due(id, end);
    }

    /// When a lease ends that was last renewed by itself at `renewed`; never while a connection that holds it lives.
    fn lease_end(&self, id: RequestId, renewed: Time) -> Option<Time> {
        let stage = &self.channel.requests.get(&id)?.stage;
        let Stage::InFlight(delivery) = stage else {
            return None;
        };
        let heard = match (&delivery.holder, delivery.hold) {
            (Some(peer), Hold::Connection) => peer.last_heard().max(renewed),
            _ => renewed,
        };
        (heard < Time::NEVER).then(|| heard + self.channel.settings.lease)
    }

    /// A lease seems to have ended. A connection may have been heard since: then it goes on.
    pub(super) fn lease_is_due(&mut self, id: RequestId) {
        match self.lease_end(id, Time::default()) {
            Some(end) if end <= self.now.time => {
                let told = self.stop_of(id, StopReason::LeaseLost);
                self.lose(id);
                self.tell_stop(told);
            }
            later => self.set_due(id, later),
        }
    }

    /// What the service that holds the request is to be told when the request is taken from it.
    pub(super) fn stop_of(&self, id: RequestId, reason: StopReason) -> Option<(H::Peer, Tell<H>)> {
        let Stage::InFlight(delivery) = &self.channel.requests.get(&id)?.stage else {
            return None;
        };
        let token = Token { start: self.channel.start, id, delivery: delivery.number };
        let service = delivery.service.service;
        delivery.holder.clone().map(|peer| (peer, Tell::Stop { service, token, reason }))
    }

    /// Tells it, after the change that it is told of.
    pub(super) fn tell_stop(&mut self, told: Option<(H::Peer, Tell<H>)>) {
        if let Some((peer, tell)) = told {
            self.tell(&peer, tell);
        }
    }

    /// The lease is over: the request backs off, and until that is over the service may take the delivery back.
    fn lose(&mut self, id: RequestId) {
        let Some(request) = self.channel.requests.get_mut(&id) else {
            return;
        };
        let stage = std::mem::replace(&mut request.stage, Stage::BackingOff);
        let Stage::InFlight(mut delivery) = stage else {
            request.stage = stage;
            return;
        };
        let (attempts, order) = (request.attempts, request.order);
        self.leave_service(id, &delivery);
        delivery.holder = None;
        if let Some(request) = self.channel.requests.get_mut(&id) {
            request.stage = Stage::Lost(delivery);
        }
        let until = self.now.time + self.backoff(attempts, order);
        self.set_due(id, Some(until));
        self.change();
    }

    /// Nobody took the delivery back in time: the request waits again, or is dead.
    pub(super) fn give_up(&mut self, id: RequestId) {
        let Some(request) = self.channel.requests.get_mut(&id) else {
            return;
        };
        if request.attempts >= self.channel.settings.max_attempts {
            let last = request.last_problem.clone();
            self.end(id, Ending::Dead { reason: DeadReason::AttemptsExhausted, last });
        } else {
            self.requeue(id);
        }
    }

    /// A service shows that it still works on a delivery.
    pub(super) fn take_back(&mut self, peer: &H::Peer, call: Call, service: ServiceInstance, token: Token) {
        let answer = self.taken_back(peer, service, token);
        self.tell(peer, Tell::Answered { call, answer });
    }

    fn taken_back(&mut self, peer: &H::Peer, service: ServiceInstance, token: Token) -> Answer {
        let id = token.id;
        let request = match self.standing(token) {
            Standing::Current(request) | Standing::Lost(request) => request,
            Standing::Settled => return Answer::Settled,
            Standing::Stale => return Answer::LeaseLost,
        };
        let (Stage::Lost(delivery) | Stage::InFlight(delivery)) = &mut request.stage else {
            return Answer::LeaseLost;
        };
        if delivery.hold == Hold::Connection && delivery.service != service {
            return Answer::LeaseLost;
        }
        let hold = delivery.hold;
        let former_service = std::mem::replace(&mut delivery.service, service).service;
        let former_holder = delivery.holder.replace(peer.clone());
        let stage = std::mem::replace(&mut request.stage, Stage::Waiting);
        let was_lost = matches!(stage, Stage::Lost(_));
        request.stage = match stage {
            Stage::Lost(delivery) => Stage::InFlight(delivery),
            held => held,
        };
        self.channel.in_flight += usize::from(was_lost);
        if let Some(former) = &former_holder {
            self.channel.services.let_go((former.id(), former_service), id);
        }
        self.channel.services.hold(peer.clone(), service, hold, id);
        self.begin_lease(id);
        self.change();
        if let Some(former) = former_holder.filter(|former| former.id() != peer.id()) {
            self.tell(&former, Tell::Stop { service: former_service, token, reason: StopReason::LeaseLost });
        }
        Answer::TakenBack
    }

    /// A sign of life for one delivery, over any connection.
    pub(super) fn renew(&mut self, peer: &H::Peer, call: Call, token: Token) {
        let answer = match self.standing(token) {
            Standing::Settled => Answer::Settled,
            Standing::Current(_) => {
                self.begin_lease(token.id);
                Answer::Renewed
            }
            Standing::Lost(_) | Standing::Stale => Answer::LeaseLost,
        };
        self.tell(peer, Tell::Answered { call, answer });
    }

    /// How long to wait after a number of counted attempts. Jitter only lengthens it, by up to a half.
    pub(super) fn backoff(&self, attempts: u32, order: u64) -> Duration {
        let settings = &self.channel.settings;
        let doubled = 2_u32.saturating_pow(attempts.saturating_sub(1));
        let plain = settings.backoff_first.saturating_mul(doubled).min(settings.backoff_max);
        let spread = (self.now.random ^ order).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48;
        plain.saturating_add(plain.mul_f64(spread as f64 / f64::from(u16::MAX) / 2.0))
    }
}
