//! What happens when a service dies, or seems to: leases end, deliveries are lost, taken back or given up.

use std::time::Duration;

use roundtrip_protocol::{Answer, Call, DeadReason, Hold, RequestId, ServiceNumber, StopReason, Token};

use super::effect::{Ending, Tell};
use super::record::Record;
use super::request::Stage;
use super::settle::Standing;
use super::{ServiceInstance, Step};
use crate::handles::{Handles, Peer, PeerId};
use crate::planted::{self, Fault};

impl<H: Handles> Step<'_, H> {
    /// The connection is gone: what it held is lost, what was taken by lease alone goes on without it.
    pub(super) fn peer_gone(&mut self, peer: PeerId) {
        for service in self.channel.services.of(peer) {
            for id in self.channel.services.remove(peer, service) {
                match self.part_from(id) {
                    Parted::Held => self.lose(id),
                    Parted::HeldByLease => {}
                    Parted::Stopping => self.end_stopping(id),
                }
            }
        }
        self.unfollow_all(peer);
    }

    /// The service ends its subscription: what it holds by connection goes back at once and uncounted.
    pub(super) fn unsubscribe(&mut self, peer: PeerId, service: ServiceNumber) {
        for id in self.channel.services.remove(peer, service) {
            match self.part_from(id) {
                Parted::Held => {
                    self.channel.held -= 1;
                    self.give_back(id);
                }
                Parted::HeldByLease => {}
                Parted::Stopping => self.end_stopping(id),
            }
        }
    }

    /// A subscription that held a delivery is gone. What was taken by lease alone goes on without it.
    fn part_from(&mut self, id: RequestId) -> Parted {
        let (delivery, otherwise) = match self.channel.stopping.get_mut(&id) {
            Some(stopping) => (&mut stopping.delivery, Parted::Stopping),
            None => match self.channel.requests.get_mut(&id).map(|request| &mut request.stage) {
                Some(Stage::InFlight(delivery)) => (delivery, Parted::Held),
                _ => return Parted::HeldByLease,
            },
        };
        if delivery.hold == Hold::Connection {
            return otherwise;
        }
        delivery.holder = None;
        Parted::HeldByLease
    }

    /// The delivery needs attention: its time is over, or its lease seems to be. A connection may have been heard
    /// since: then it goes on.
    pub(super) fn delivery_is_due(&mut self, id: RequestId) {
        let now = self.now.time;
        let Some(Stage::InFlight(delivery)) = self.channel.requests.get(&id).map(|request| &request.stage) else {
            return;
        };
        let (is_timed_out, due) = (delivery.is_timed_out(now), delivery.due());
        if due.is_none_or(|due| due > now) {
            return self.set_due(id, due);
        }
        let reason = if is_timed_out { StopReason::AttemptTimeout } else { StopReason::LeaseLost };
        let told = self.stop_of(id, reason);
        self.lose(id);
        self.tell_stop(told);
    }

    /// The lease is over: the request backs off, and until that is over the service may take the delivery back.
    fn lose(&mut self, id: RequestId) {
        let Some(request) = self.channel.requests.get_mut(&id) else { return };
        let (attempts, order) = (request.attempts, request.position.order());
        let Stage::InFlight(mut delivery) = std::mem::replace(&mut request.stage, Stage::BackingOff) else { return };
        if let Some(holding) = delivery.holding() {
            self.channel.services.let_go(holding);
        }
        delivery.holder = None;
        let backoff = self.backoff(attempts, order);
        let until = if planted::is(Fault::BackoffSkipped) { self.now.time } else { self.now.time + backoff };
        delivery.given_up = until;
        self.enter(id, Stage::Lost(delivery), Some(until));
    }

    /// Nobody took the delivery back in time: its place is free, and the request waits again, or is dead.
    pub(super) fn give_up(&mut self, id: RequestId) {
        self.channel.held -= 1;
        let Some(request) = self.channel.requests.get_mut(&id) else { return };
        // Its place is free from here on, whatever becomes of it.
        request.stage = Stage::BackingOff;
        if request.attempts >= self.channel.settings.max_attempts {
            let last = request.last_problem();
            self.end(id, Ending::Dead { reason: DeadReason::AttemptsExhausted, last });
        } else {
            self.wait(id);
            self.keep(id, Record::of_move);
        }
    }

    /// The delivery does not count, and the request waits again at once.
    pub(super) fn give_back(&mut self, id: RequestId) {
        if let Some(request) = self.channel.requests.get_mut(&id) {
            request.attempts -= 1;
        }
        self.wait(id);
        self.keep(id, Record::of_move);
    }

    /// A service shows that it still works on a delivery.
    pub(super) fn take_back(&mut self, peer: &H::Peer, call: Call, service: ServiceInstance, token: Token) {
        let answer = self.taken_back(peer, service, token);
        self.tell(peer, Tell::Answered { call, answer });
    }

    fn taken_back(&mut self, peer: &H::Peer, service: ServiceInstance, token: Token) -> Answer {
        let (id, now) = (token.id, self.now.time);
        let request = match self.standing(token) {
            Standing::Current(request) | Standing::Lost(request) => request,
            Standing::Stopping(why) => return why.answer(),
            Standing::Settled => return Answer::Settled,
            Standing::Stale => return Answer::LeaseLost,
        };
        let delivery = match &mut request.stage {
            Stage::Lost(delivery) | Stage::InFlight(delivery) => delivery,
            _ => return Answer::LeaseLost,
        };
        if delivery.is_timed_out(now) || (delivery.hold == Hold::Connection && delivery.service != service) {
            return Answer::LeaseLost;
        }
        let (hold, former) = (delivery.hold, delivery.holding());
        let former_service = std::mem::replace(&mut delivery.service, service).service;
        let former_holder = delivery.holder.replace(peer.clone());
        delivery.renewed = now;
        let due = delivery.due();
        let stage = match std::mem::replace(&mut request.stage, Stage::BackingOff) {
            Stage::Lost(delivery) => Stage::InFlight(delivery),
            held => held,
        };
        self.enter(id, stage, due);
        if let Some(former) = former {
            self.channel.services.let_go(former);
        }
        let place = self.channel.services.hold(peer.clone(), service, hold, id);
        if let Some(Stage::InFlight(delivery)) = self.channel.requests.get_mut(&id).map(|request| &mut request.stage) {
            delivery.place = place;
        }
        if let Some(former) = former_holder.filter(|former| former.id() != peer.id()) {
            self.tell(&former, Tell::Stop { service: former_service, token, reason: StopReason::LeaseLost });
        }
        Answer::TakenBack
    }

    /// A sign of life for one delivery, over any connection.
    pub(super) fn renew(&mut self, peer: &H::Peer, call: Call, token: Token) {
        let now = self.now.time;
        let answer = match self.standing(token) {
            Standing::Settled => Answer::Settled,
            Standing::Current(request) => {
                if let Stage::InFlight(delivery) = &mut request.stage
                    && !planted::is(Fault::LeaseNotRenewed)
                {
                    delivery.renewed = now;
                    let due = delivery.due();
                    self.set_due(token.id, due);
                }
                Answer::Renewed
            }
            Standing::Stopping(why) => why.answer(),
            Standing::Lost(_) | Standing::Stale => {
                self.channel.stale += 1;
                Answer::LeaseLost
            }
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

/// What became of a delivery whose subscription is gone.
enum Parted {
    /// It was held by the subscription.
    Held,
    /// It goes on by its lease, or is none any more.
    HeldByLease,
    /// Its request has ended, and it was still stopping.
    Stopping,
}
