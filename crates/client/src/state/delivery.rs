//! Deliveries: what handlers and pullers hold, from the hand-over until the broker is owed nothing for it any more.
//!
//! Here: who holds one, and how it ends. How it is settled, stopped, taken back, and what is told of it meanwhile, have
//! files of their own.

mod by_token;
mod part;
mod progress;
mod settlement;
mod stop;
mod take_back;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use roundtrip_protocol::{
    ChannelName, ChannelNumber, Delivery, Hold, Label, Progress, RequestId, RequesterName, ServiceNumber, StopReason,
    Text, Token,
};
use tokio::time::Instant;

use self::part::Parts;
use self::settlement::Kept;
use super::ClientState;
use super::wakers::Wakers;
use crate::stop::StopSignal;

pub(super) use self::part::{ADD_PART_TYPE, PartEntry};
pub(crate) use self::part::{PartFailure, PartKey};
pub(super) use self::settlement::SETTLE_TYPE;
pub(crate) use self::settlement::SettleFailure;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DeliveryKey(pub(super) u32);

/// A request, handed to whoever works on it.
#[derive(Debug)]
pub(crate) struct Handed {
    pub(crate) key: DeliveryKey,
    pub(crate) token: Token,
    pub(crate) channel: ChannelName,
    pub(crate) attempt: u32,
    pub(crate) lease: Duration,
    /// When the request's deadline or the channel's `attempt_timeout` passes, whichever is first.
    pub(crate) until: Option<Instant>,
    pub(crate) requester: RequesterName,
    pub(crate) redrive_of: Option<RequestId>,
    pub(crate) operation: Text,
    pub(crate) label: Label,
    pub(crate) payload: Bytes,
}

enum Phase {
    Running,
    Settling(Kept),
    /// The request has its outcome. The broker keeps the delivery's place until the work on it has ended.
    Stopping {
        reason: StopReason,
        /// Whether the work has ended, and only a connection is missing to say so.
        unsaid: bool,
    },
    Settled,
    Gone(SettleFailure),
}

pub(super) struct DeliveryEntry {
    /// Whose it is; nobody's here if it is known by its token alone.
    service: Option<ServiceNumber>,
    channel: ChannelNumber,
    token: Token,
    hold: Hold,
    lease_ms: u64,
    /// When its handler is told to stop without a word of the broker, and why.
    until: Option<(Instant, StopReason)>,
    phase: Phase,
    rejected: Option<SettleFailure>,
    progress: Option<Progress>,
    parts: Parts,
    held: bool,
    /// Whether it is left to its lease when nobody here holds it any more, instead of given back.
    is_left: bool,
    /// How its handler is told to stop, while one works on it.
    pub(super) stop: Option<Arc<StopSignal>>,
    wakers: Wakers,
}

impl DeliveryEntry {
    fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Settled | Phase::Gone(_))
    }

    fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running)
    }
}

impl ClientState {
    pub(super) fn handle_delivery(&mut self, now: Instant, frame: Delivery, payload: Bytes) {
        let until = until(now, &frame);
        let Delivery { service, token, attempt, lease_ms, requester, redrive_of, operation, label, .. } = frame;
        let Some(entry) = self.services.get_mut(&service) else { return };
        let (channel, hold) = (entry.channel(), entry.hold());
        let is_wanted = entry.takes();
        if !is_wanted && entry.gives_back_by_itself() {
            return; // The end of the subscription gives it back.
        }
        entry.note_held();
        let key = DeliveryKey(self.deliveries.insert(DeliveryEntry {
            service: Some(service),
            channel,
            token,
            hold,
            lease_ms,
            until,
            phase: Phase::Running,
            rejected: None,
            progress: None,
            parts: Parts::behind(Some(0)),
            held: is_wanted,
            is_left: false,
            stop: None,
            wakers: Wakers::default(),
        }));
        if hold == Hold::Connection {
            *self.leases.entry(lease_ms).or_default() += 1;
            self.deadlines.extend(until.map(|(at, _)| (at, key)));
        }
        if !is_wanted {
            self.give_back(key);
            return;
        }
        let handed = Handed {
            key,
            token,
            channel: self.names.channel_name(channel).clone(),
            attempt,
            lease: Duration::from_millis(lease_ms),
            until: until.map(|(at, _)| at),
            requester,
            redrive_of,
            operation,
            label,
            payload,
        };
        self.hand_over(service, handed);
    }

    /// Nobody holds the delivery any more. One that was not settled is given back.
    pub(crate) fn release_delivery(&mut self, key: DeliveryKey) {
        let Some(entry) = self.deliveries.entry_mut(key.0) else { return };
        entry.held = false;
        entry.stop = None;
        match entry.phase {
            Phase::Running => self.give_back(key),
            Phase::Stopping { .. } => self.end_stopping(key),
            Phase::Settling(_) => {}
            Phase::Settled | Phase::Gone(_) => drop(self.deliveries.remove(key.0)),
        }
    }

    /// Ends what a subscription held, where its end gives it back.
    pub(super) fn give_back_running(&mut self, service: ServiceNumber) {
        for key in self.at_work_for(service) {
            self.end_delivery(key, Phase::Gone(SettleFailure::Stopped(StopReason::LeaseLost)));
        }
    }

    /// Gives back one by one what a service held.
    pub(super) fn release_running(&mut self, service: ServiceNumber) {
        for key in self.at_work_for(service) {
            match self.deliveries.entry(key.0) {
                Some(entry) if entry.is_running() => self.give_back(key),
                _ => self.end_stopping(key),
            }
        }
    }

    /// The service has ended before its handlers: they are told, without a reason.
    pub(super) fn abandon_handlers(&mut self, service: ServiceNumber) {
        let handlers = self.deliveries.iter().filter(|(_, entry)| entry.service == Some(service));
        self.stopped.extend(handlers.filter_map(|(_, entry)| Some((entry.stop.clone()?, None))));
    }

    pub(super) fn end_deliveries(&mut self) {
        self.leases.clear();
        self.deadlines.clear();
        self.reporting.clear();
        for number in self.deliveries.numbers() {
            self.end_parts(DeliveryKey(number), PartFailure::Closed);
            let Some(entry) = self.deliveries.entry_mut(number) else { continue };
            if !entry.is_over() {
                entry.phase = Phase::Gone(SettleFailure::Closed);
            }
            entry.wakers.wake_into(&mut self.woken);
            if !entry.held {
                self.deliveries.remove(number);
            }
        }
    }

    /// The deliveries of a service that handlers still work on.
    fn at_work_for(&self, service: ServiceNumber) -> Vec<DeliveryKey> {
        let is_at_work = |(_, entry): &(u32, &DeliveryEntry)| {
            entry.service == Some(service)
                && entry.hold == Hold::Connection
                && matches!(entry.phase, Phase::Running | Phase::Stopping { .. })
        };
        self.deliveries.iter().filter(is_at_work).map(|(number, _)| DeliveryKey(number)).collect()
    }

    fn delivery_of(&self, token: Token) -> Option<DeliveryKey> {
        let found = self.deliveries.iter().find(|(_, entry)| entry.token == token && !entry.is_over());
        found.map(|(number, _)| DeliveryKey(number))
    }

    fn end_delivery(&mut self, key: DeliveryKey, phase: Phase) {
        self.end_parts(key, PartFailure::after(&phase));
        let Some(entry) = self.deliveries.entry_mut(key.0) else { return };
        let (service, lease_ms, until, hold) = (entry.service, entry.lease_ms, entry.until, entry.hold);
        entry.phase = phase;
        entry.wakers.wake_into(&mut self.woken);
        if !entry.held {
            self.deliveries.remove(key.0);
        }
        if hold == Hold::Connection {
            self.forget_lease(lease_ms);
            if let Some((at, _)) = until {
                self.deadlines.remove(&(at, key));
            }
        }
        if let Some(service) = service {
            self.note_delivery_over(service);
        }
    }

    fn forget_lease(&mut self, lease_ms: u64) {
        let Some(count) = self.leases.get_mut(&lease_ms) else { return };
        *count -= 1;
        if *count == 0 {
            self.leases.remove(&lease_ms);
        }
    }
}

/// When the work on a delivery is no longer wanted, by this end's clock. A time beyond the clock's end never comes.
fn until(now: Instant, delivery: &Delivery) -> Option<(Instant, StopReason)> {
    let after = |millis, reason| Some((now.checked_add(Duration::from_millis(millis))?, reason));
    let expired = after(delivery.remaining_ms, StopReason::Expired);
    let timeout = delivery.attempt_ms.and_then(|millis| after(millis, StopReason::AttemptTimeout));
    expired.into_iter().chain(timeout).min_by_key(|(at, _)| *at)
}
