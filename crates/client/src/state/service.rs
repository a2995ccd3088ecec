//! Subscriptions: who takes deliveries from which channel, and how it stops.

use std::collections::VecDeque;
use std::task::{Poll, Waker};
use std::time::Duration;

use roundtrip_protocol::{
    ChannelName, ChannelNumber, Credit, Header, Hold, Refusal, ServiceNumber, StopReason, Subscribe, Unsubscribe,
};
use tokio::time::Instant;

use super::ClientState;
use super::crew::{Crew, WorkerKey};
use super::delivery::{DeliveryKey, Handed};
use super::timers::Due;
use super::wakers::Wakers;
use crate::failure::whole_millis;

/// What a service is told.
#[derive(Debug)]
pub(crate) enum ServiceEvent {
    /// Not where handlers run: there a worker takes it.
    Delivery(Box<Handed>),
    /// The work on a delivery is no longer wanted. Not where handlers run: there the handler is told.
    #[allow(dead_code, reason = "read by the simulator and by tests")]
    Stopped { delivery: DeliveryKey, reason: StopReason },
    /// A worker is missing: it is to be made under this number.
    Missing(WorkerKey),
    /// Nothing more comes: as wished, or refused.
    Ended(Result<(), Refusal>),
    /// The client is closed.
    Closed,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Wire {
    Off,
    On,
    Leaving,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Mode {
    Taking,
    /// Takes nothing new and ends when all it holds is settled.
    Draining,
    /// A puller has enough: what is on its way is still its own.
    Stopping,
    /// Nobody is there any more.
    Abandoned,
}

pub(super) struct ServiceEntry {
    channel: ChannelNumber,
    credit: u32,
    hold: Hold,
    lease_ms: Option<u64>,
    wire: Wire,
    mode: Mode,
    restores: bool,
    /// How many deliveries are not over.
    holds: u32,
    refused: bool,
    events: VecDeque<ServiceEvent>,
    wakers: Wakers,
    /// Where handlers run.
    pub(super) crew: Option<Crew>,
}

impl ServiceEntry {
    pub(super) fn channel(&self) -> ChannelNumber {
        self.channel
    }

    pub(super) fn hold(&self) -> Hold {
        self.hold
    }

    pub(super) fn takes(&self) -> bool {
        matches!(self.mode, Mode::Taking | Mode::Stopping)
    }

    pub(super) fn gives_back_by_itself(&self) -> bool {
        self.hold == Hold::Connection && self.wire == Wire::Leaving
    }

    pub(super) fn note_held(&mut self) {
        self.holds += 1;
    }
}

impl ClientState {
    /// Takes deliveries, `credit` at once, with the lease that is wished for or the channel's own.
    pub(crate) fn open_service(
        &mut self,
        channel: &ChannelName,
        credit: u32,
        hold: Hold,
        lease: Option<Duration>,
    ) -> ServiceNumber {
        let service = ServiceNumber(self.next_service);
        self.next_service += 1;
        let entry = ServiceEntry {
            channel: self.names.channel(channel),
            credit,
            hold,
            lease_ms: lease.map(|lease| whole_millis(lease).max(1)),
            wire: Wire::Off,
            mode: Mode::Taking,
            restores: false,
            holds: 0,
            refused: false,
            events: VecDeque::new(),
            wakers: Wakers::default(),
            crew: None,
        };
        self.services.insert(service, entry);
        self.subscribe(service);
        service
    }

    pub(crate) fn poll_service(&mut self, service: ServiceNumber, waker: &Waker) -> Poll<ServiceEvent> {
        if self.line.is_closed() {
            return Poll::Ready(ServiceEvent::Closed);
        }
        let Some(entry) = self.services.get_mut(&service) else { return Poll::Ready(ServiceEvent::Ended(Ok(()))) };
        match entry.events.pop_front() {
            Some(event) => Poll::Ready(event),
            None => {
                entry.wakers.register(waker);
                Poll::Pending
            }
        }
    }

    /// Takes nothing new; ends when everything held is settled.
    pub(crate) fn drain_service(&mut self, service: ServiceNumber) {
        let Some(entry) = self.services.get_mut(&service).filter(|entry| entry.mode == Mode::Taking) else { return };
        entry.mode = Mode::Draining;
        self.lower_credit(service);
        self.leave_when_idle(service);
    }

    /// A puller has enough. What comes until the subscription has ended is still handed to it.
    pub(crate) fn stop_taking(&mut self, service: ServiceNumber) {
        let Some(entry) = self.services.get_mut(&service).filter(|entry| entry.mode == Mode::Taking) else { return };
        entry.mode = Mode::Stopping;
        self.leave(service);
    }

    /// Nobody is there to take or to settle any more. What was not settled is given back.
    pub(crate) fn end_service(&mut self, service: ServiceNumber) {
        let Some(entry) = self.services.get_mut(&service).filter(|entry| entry.mode != Mode::Abandoned) else { return };
        entry.mode = Mode::Abandoned;
        let unread = std::mem::take(&mut entry.events);
        let not_begun = entry.crew.take().map(|mut crew| crew.forget_deliveries());
        let (hold, is_on) = (entry.hold, entry.wire == Wire::On);
        if hold == Hold::Connection && is_on && self.line.is_open() && !self.has_unsent_settlement(service) {
            self.leave(service);
            self.give_back_running(service);
        } else if hold == Hold::Connection {
            // Work that is done must not be given back with the rest, or there is no subscription to end.
            self.lower_credit(service);
            self.release_running(service);
        }
        for event in unread {
            if let ServiceEvent::Delivery(handed) = event {
                self.release_delivery(handed.key);
            }
        }
        not_begun.into_iter().flatten().for_each(|delivery| self.release_delivery(delivery));
        self.abandon_handlers(service);
        self.leave_when_idle(service);
    }

    pub(super) fn handle_subscribed(&mut self, service: ServiceNumber) {
        if let Some(entry) = self.services.get_mut(&service) {
            self.restore.note_answer(&mut entry.restores);
        }
        self.advance_restore();
    }

    pub(super) fn handle_unsubscribed(&mut self, now: Instant, service: ServiceNumber, refusal: Option<Refusal>) {
        let Some(entry) = self.services.get_mut(&service) else { return };
        entry.wire = Wire::Off;
        self.restore.note_answer(&mut entry.restores);
        let passing = refusal.as_ref().and_then(|refusal| refusal.retry_after_ms);
        match (refusal, passing) {
            (Some(_), Some(after)) if entry.mode == Mode::Taking && entry.hold == Hold::Connection => {
                entry.refused = true;
                self.timers.set(now + Duration::from_millis(after), Due::Subscription(service));
                self.changed = true;
            }
            (Some(refusal), _) => self.tell_service(service, ServiceEvent::Ended(Err(refusal))),
            (None, _) => self.tell_service(service, ServiceEvent::Ended(Ok(()))),
        }
        self.forget_idle_service(service);
        self.advance_restore();
    }

    pub(super) fn subscribe_again(&mut self, service: ServiceNumber) {
        if let Some(entry) = self.services.get_mut(&service) {
            entry.refused = false;
            self.subscribe(service);
        }
    }

    pub(super) fn subscribe_all(&mut self) {
        for service in self.services.keys().copied().collect::<Vec<_>>() {
            self.subscribe(service);
            if let Some(entry) = self.services.get_mut(&service).filter(|entry| entry.wire == Wire::On) {
                self.restore.wait_for(&mut entry.restores);
            }
        }
    }

    pub(super) fn forget_subscriptions(&mut self) {
        for service in self.services.keys().copied().collect::<Vec<_>>() {
            let Some(entry) = self.services.get_mut(&service) else { continue };
            entry.restores = false;
            entry.refused = false;
            let was = std::mem::replace(&mut entry.wire, Wire::Off);
            if was == Wire::Leaving || entry.mode == Mode::Stopping {
                self.tell_service(service, ServiceEvent::Ended(Ok(())));
            }
            self.forget_idle_service(service);
        }
    }

    pub(super) fn tell_service(&mut self, service: ServiceNumber, event: ServiceEvent) {
        if let Some(entry) = self.services.get_mut(&service).filter(|entry| entry.mode != Mode::Abandoned) {
            entry.events.push_back(event);
            entry.wakers.wake_into(&mut self.woken);
        }
    }

    /// One delivery less that is not over.
    pub(super) fn note_delivery_over(&mut self, service: ServiceNumber) {
        if let Some(entry) = self.services.get_mut(&service) {
            entry.holds -= 1;
            self.leave_when_idle(service);
        }
    }

    pub(super) fn end_services(&mut self) {
        for entry in self.services.values_mut() {
            entry.events.clear();
            entry.wakers.wake_into(&mut self.woken);
        }
    }

    fn subscribe(&mut self, service: ServiceNumber) {
        let Some(entry) = self.services.get_mut(&service) else { return };
        let wants = entry.mode == Mode::Taking && entry.wire == Wire::Off && !entry.refused;
        if !wants || !self.line.is_open() {
            return;
        }
        entry.wire = Wire::On;
        let (channel, credit, hold, lease_ms) = (entry.channel, entry.credit, entry.hold, entry.lease_ms);
        self.push_bind(channel);
        self.push(Header::from(Subscribe { service, channel, credit, hold, lease_ms }));
    }

    fn lower_credit(&mut self, service: ServiceNumber) {
        if let Some(entry) = self.services.get_mut(&service).filter(|entry| entry.wire == Wire::On && entry.credit > 0)
        {
            entry.credit = 0;
            self.push(Header::from(Credit { service, credit: 0 }));
        }
    }

    fn leave_when_idle(&mut self, service: ServiceNumber) {
        let Some(entry) = self.services.get(&service) else { return };
        let wants_to_leave = matches!(entry.mode, Mode::Draining | Mode::Abandoned) && entry.holds == 0;
        if wants_to_leave || (entry.mode == Mode::Abandoned && entry.hold == Hold::Lease) {
            self.leave(service);
        }
    }

    /// Ends the subscription; what its end gives back is gone.
    fn leave(&mut self, service: ServiceNumber) {
        let Some(entry) = self.services.get_mut(&service) else { return };
        match entry.wire {
            Wire::On => {
                entry.wire = Wire::Leaving;
                self.push(Header::from(Unsubscribe { service }));
            }
            Wire::Off => {
                self.tell_service(service, ServiceEvent::Ended(Ok(())));
                self.forget_idle_service(service);
            }
            Wire::Leaving => {}
        }
    }

    fn forget_idle_service(&mut self, service: ServiceNumber) {
        let is_idle =
            |entry: &ServiceEntry| entry.mode == Mode::Abandoned && entry.wire == Wire::Off && entry.holds == 0;
        if self.services.get(&service).is_some_and(is_idle) {
            self.services.remove(&service);
        }
    }
}
