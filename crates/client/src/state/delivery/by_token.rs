//! Deliveries that are known by their tokens alone: taken by lease, maybe by another process, and left to that lease.

use roundtrip_protocol::{ChannelName, Hold, StopReason, Token};

use super::part::Parts;
use super::settlement::SettleFailure;
use super::{DeliveryEntry, DeliveryKey, Phase};
use crate::state::ClientState;
use crate::state::wakers::Wakers;

impl ClientState {
    /// What a token stands for. Whether it still does is for the broker to say.
    pub(crate) fn hold_by_token(&mut self, channel: &ChannelName, token: Token) -> DeliveryKey {
        let entry = DeliveryEntry {
            service: None,
            channel: self.names.channel(channel),
            token,
            hold: Hold::Lease,
            lease_ms: 0,
            until: None,
            phase: Phase::Running,
            rejected: None,
            progress: None,
            parts: Parts::behind(None),
            held: true,
            is_left: true,
            stop: None,
            wakers: Wakers::default(),
        };
        DeliveryKey(self.deliveries.insert(entry))
    }

    /// The next part of the delivery comes behind the one with this number.
    pub(crate) fn go_on_behind_part(&mut self, key: DeliveryKey, number: u32) {
        if let Some(entry) = self.deliveries.entry_mut(key.0).filter(|entry| entry.parts.are_kept()) {
            entry.parts = Parts::behind(Some(number));
        }
    }

    /// When nobody here holds the delivery any more, its lease goes on.
    pub(crate) fn leave_to_lease(&mut self, key: DeliveryKey) {
        if let Some(entry) = self.deliveries.entry_mut(key.0) {
            entry.is_left = true;
        }
    }

    /// Who held the delivery by hand does no more: it is given back, or left to its lease.
    pub(crate) fn let_go_of_delivery(&mut self, key: DeliveryKey) {
        match self.deliveries.entry(key.0).map(|entry| entry.is_left) {
            Some(true) => self.leave_delivery(key),
            Some(false) => self.release_delivery(key),
            None => {}
        }
    }

    /// Nobody here holds the delivery any more: its lease goes on. A settlement that may have reached the broker still
    /// counts there, and one that did not is for whoever shows the token next.
    fn leave_delivery(&mut self, key: DeliveryKey) {
        self.report_progress_now(key);
        let Some(entry) = self.deliveries.entry_mut(key.0) else { return };
        entry.held = false;
        match &entry.phase {
            Phase::Settling(kept) if kept.is_on_wire() => {}
            Phase::Settled | Phase::Gone(_) => drop(self.deliveries.remove(key.0)),
            _ => self.end_delivery(key, Phase::Gone(SettleFailure::Stopped(StopReason::LeaseLost))),
        }
    }
}
