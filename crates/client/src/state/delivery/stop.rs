//! Stopping: the work on a delivery is no longer wanted, and the broker is told when it has ended.
//!
//! A cancelled or expired delivery keeps its place at the broker until the service says `stopped`, so that what the
//! service depends on never has more work than the channel allows. For every other reason the place is free already.

use roundtrip_protocol::{Answer, Header, Stop, StopReason, Stopped};
use tokio::time::Instant;

use super::part::PartFailure;
use super::settlement::SettleFailure;
use super::{DeliveryKey, Phase};
use crate::state::ClientState;

impl ClientState {
    pub(in crate::state) fn handle_stop(&mut self, stop: &Stop) {
        if let Some(key) = self.delivery_of(stop.token) {
            self.stop_delivery(key, stop.reason);
        }
    }

    /// When the first handler is told to stop though the broker said nothing: it may be out of reach. Whether the
    /// request has expired is for the broker's clock to say, so that nothing else changes here.
    pub(in crate::state) fn next_delivery_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    pub(in crate::state) fn pass_delivery_deadlines(&mut self, now: Instant) {
        while let Some(&(at, key)) = self.deadlines.first() {
            if at > now {
                return;
            }
            self.deadlines.pop_first();
            let Some(entry) = self.deliveries.entry(key.0).filter(|entry| entry.is_running()) else { continue };
            if let Some((_, reason)) = entry.until {
                let service = entry.service;
                self.tell_stopped(service, key, reason);
            }
        }
    }

    /// The work on a delivery is no longer wanted.
    pub(super) fn stop_delivery(&mut self, key: DeliveryKey, reason: StopReason) {
        let Some(entry) = self.deliveries.entry_mut(key.0) else { return };
        let service = entry.service;
        let keeps_its_place = matches!(reason, StopReason::Cancelled | StopReason::Expired);
        match &entry.phase {
            Phase::Settled | Phase::Gone(_) => {}
            // The answer to the settlement says the same and ends it.
            Phase::Settling(kept) if keeps_its_place && kept.is_on_wire() => {}
            Phase::Settling(_) if keeps_its_place => {
                entry.phase = Phase::Stopping { reason, unsaid: false };
                self.end_stopping(key);
            }
            Phase::Running if keeps_its_place => {
                entry.phase = Phase::Stopping { reason, unsaid: false };
                entry.wakers.wake_into(&mut self.woken);
                self.end_parts(key, PartFailure::Stopped(reason));
                self.tell_stopped(service, key, reason);
            }
            Phase::Stopping { .. } if keeps_its_place => {}
            phase => {
                let was_running = matches!(phase, Phase::Running);
                self.end_delivery(key, Phase::Gone(SettleFailure::Stopped(reason)));
                if was_running {
                    self.tell_stopped(service, key, reason);
                }
            }
        }
    }

    /// The work on a delivery that was stopped has ended: it is over when the broker has been told.
    pub(super) fn end_stopping(&mut self, key: DeliveryKey) {
        let is_open = self.line.is_open();
        let Some(entry) = self.deliveries.entry_mut(key.0) else { return };
        let (channel, token) = (entry.channel, entry.token);
        let Phase::Stopping { reason, unsaid } = &mut entry.phase else { return };
        if !is_open {
            *unsaid = true;
            let reason = *reason;
            entry.wakers.wake_into(&mut self.woken);
            self.end_parts(key, PartFailure::Stopped(reason));
            return;
        }
        let over = Phase::Gone(SettleFailure::Stopped(*reason));
        self.push_bind(channel);
        self.push(Header::from(Stopped { channel, token }));
        self.end_delivery(key, over);
    }

    /// Says what could not be said before there was a connection.
    pub(in crate::state) fn say_what_stopped(&mut self) {
        for number in self.deliveries.numbers() {
            let entry = self.deliveries.entry(number);
            if entry.is_some_and(|entry| matches!(entry.phase, Phase::Stopping { unsaid: true, .. })) {
                self.end_stopping(DeliveryKey(number));
            }
        }
    }
}

/// Why a delivery is not the service's any more, by the answer to a question about it.
pub(super) fn reason_in(answer: Answer) -> StopReason {
    match answer {
        Answer::Cancelled => StopReason::Cancelled,
        Answer::Expired => StopReason::Expired,
        _ => StopReason::LeaseLost,
    }
}
