//! Settlements: each is kept, and sent again over each new connection, until the broker has answered it.
//!
//! One that gives the request its outcome is not sent before all parts of the delivery are kept.

use std::task::{Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use roundtrip_protocol::{Answer, Call, Frame, Problem, ServiceNumber, Settle, Settlement, StopReason, Token};
use tokio::time::Instant;

use super::part::PartFailure;
use super::stop::reason_in;
use super::{DeliveryEntry, DeliveryKey, Phase};
use crate::state::ClientState;
use crate::state::question::Question;
use crate::state::timers::Due;

/// The type number of `Settle`.
pub(in crate::state) const SETTLE_TYPE: u8 = 0x26;

/// What of a header's limit is left to everything but the sender's texts.
pub(super) const HEADER_REST: usize = 8 * 1024;

/// Why a settlement did not count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum SettleFailure {
    Stopped(StopReason),
    TooLarge {
        limit: u64,
    },
    /// Only of a delivery that is known by its token alone: every other settles again by itself.
    MailboxBusy {
        retry_after: Duration,
    },
    Invalid,
    SettledBefore,
    Closed,
}

/// A settlement that is not answered yet.
pub(super) struct Kept {
    settlement: Settlement,
    payload: Bytes,
    call: Option<Call>,
    /// Whether nobody is there to settle in another way, should the broker not take it.
    by_itself: bool,
    /// Whether the broker has no room for it now.
    waits: bool,
}

impl Kept {
    pub(super) fn is_on_wire(&self) -> bool {
        self.call.is_some()
    }
}

impl DeliveryEntry {
    pub(in crate::state) fn waits_for_room(&self, token: Token) -> bool {
        self.token == token && matches!(&self.phase, Phase::Settling(kept) if kept.waits)
    }
}

impl ClientState {
    /// Ends a delivery. The settlement is kept, and sent until it is answered; nobody waits for that.
    pub(crate) fn settle(&mut self, key: DeliveryKey, settlement: Settlement, payload: Bytes) {
        match self.deliveries.entry(key.0).map(|entry| &entry.phase) {
            Some(Phase::Running) => self.keep_settlement(key, settlement, payload, true),
            Some(Phase::Stopping { .. }) => self.end_stopping(key), // Nobody wants the result any more.
            _ => {}
        }
    }

    /// Ends a delivery for one who waits for the answer.
    pub(crate) fn settle_by_hand(
        &mut self,
        key: DeliveryKey,
        settlement: Settlement,
        payload: Bytes,
    ) -> Result<(), SettleFailure> {
        let limits = self.line.peer_limits();
        let Some(entry) = self.deliveries.entry_mut(key.0) else { return Err(SettleFailure::SettledBefore) };
        match entry.phase {
            Phase::Running => {}
            Phase::Settling(_) | Phase::Settled => return Err(SettleFailure::SettledBefore),
            Phase::Gone(failure) => return Err(failure),
            Phase::Stopping { reason, .. } => {
                self.end_stopping(key);
                return Err(SettleFailure::Stopped(reason));
            }
        }
        if let Some(limits) = limits.filter(|limits| payload.len() > limits.max_payload) {
            return Err(SettleFailure::TooLarge { limit: limits.max_payload as u64 });
        }
        entry.rejected = None;
        self.keep_settlement(key, settlement, payload, false);
        Ok(())
    }

    pub(crate) fn poll_settled(&mut self, key: DeliveryKey, waker: &Waker) -> Poll<Result<(), SettleFailure>> {
        let Some(entry) = self.deliveries.entry_mut(key.0) else {
            return Poll::Ready(Err(SettleFailure::SettledBefore));
        };
        match (&entry.phase, entry.rejected) {
            (Phase::Settled, _) => Poll::Ready(Ok(())),
            (Phase::Gone(failure), _) => Poll::Ready(Err(*failure)),
            (Phase::Stopping { reason, .. }, _) => Poll::Ready(Err(SettleFailure::Stopped(*reason))),
            (Phase::Running, Some(failure)) => Poll::Ready(Err(failure)),
            _ => {
                entry.wakers.register(waker);
                Poll::Pending
            }
        }
    }

    /// A sign of life for one delivery.
    pub(crate) fn renew(&mut self, key: DeliveryKey) -> Result<Call, SettleFailure> {
        let Some(entry) = self.deliveries.entry(key.0) else { return Err(SettleFailure::SettledBefore) };
        match entry.phase {
            Phase::Running | Phase::Settling(_) => Ok(self.ask_to_renew(entry.channel, entry.token)),
            Phase::Stopping { reason, .. } => Err(SettleFailure::Stopped(reason)),
            Phase::Settled => Err(SettleFailure::SettledBefore),
            Phase::Gone(failure) => Err(failure),
        }
    }

    pub(in crate::state) fn handle_settle_answer(
        &mut self,
        now: Instant,
        key: DeliveryKey,
        token: Token,
        call: Call,
        answer: Answer,
    ) {
        let Some(entry) = self.deliveries.entry_mut(key.0).filter(|entry| entry.token == token) else { return };
        let Phase::Settling(kept) = &mut entry.phase else { return };
        if kept.call != Some(call) {
            return;
        }
        kept.call = None;
        match answer {
            Answer::Settled => self.end_delivery(key, Phase::Settled),
            Answer::MailboxBusy { retry_after_ms } if entry.service.is_none() => {
                let retry_after = Duration::from_millis(retry_after_ms);
                self.reject_settlement(key, SettleFailure::MailboxBusy { retry_after });
            }
            Answer::MailboxBusy { retry_after_ms } => {
                kept.waits = true;
                self.timers.set(now + Duration::from_millis(retry_after_ms), Due::Settlement(key, token));
                self.changed = true;
            }
            Answer::TooLarge { max_payload } => {
                self.reject_settlement(key, SettleFailure::TooLarge { limit: max_payload });
            }
            Answer::Invalid => self.reject_settlement(key, SettleFailure::Invalid),
            // Cancelled and expired count as stopped, so that nothing more is owed for it.
            _ => self.end_delivery(key, Phase::Gone(SettleFailure::Stopped(reason_in(answer)))),
        }
    }

    pub(in crate::state) fn settle_again(&mut self, key: DeliveryKey, token: Token) {
        if let Some(entry) = self.deliveries.entry_mut(key.0).filter(|entry| entry.waits_for_room(token)) {
            if let Phase::Settling(kept) = &mut entry.phase {
                kept.waits = false;
            }
            self.send_settlement(key);
        }
    }

    pub(in crate::state) fn send_kept_settlements(&mut self) {
        for number in self.deliveries.numbers() {
            let Some(entry) = self.deliveries.entry_mut(number) else { continue };
            let Phase::Settling(kept) = &mut entry.phase else { continue };
            kept.waits = false;
            kept.call = None;
            self.send_settlement(DeliveryKey(number));
            if let Some(call) = self.deliveries.entry(number).and_then(|entry| match &entry.phase {
                Phase::Settling(kept) => kept.call,
                _ => None,
            }) {
                self.restore_waits_for_call(call);
            }
        }
    }

    pub(in crate::state) fn has_kept_settlements(&self) -> bool {
        self.deliveries.iter().any(|(_, entry)| matches!(entry.phase, Phase::Settling(_)))
    }

    /// Whether the end of the subscription would give back work that is done and waits for room, or for its parts.
    pub(in crate::state) fn has_unsent_settlement(&self, service: ServiceNumber) -> bool {
        let is_unsent = |entry: &DeliveryEntry| matches!(&entry.phase, Phase::Settling(kept) if !kept.is_on_wire());
        self.deliveries.iter().any(|(_, entry)| entry.service == Some(service) && is_unsent(entry))
    }

    pub(in crate::state) fn largest_kept_settlement(&self) -> Option<(usize, DeliveryKey)> {
        let kept = self.deliveries.iter().filter_map(|(number, entry)| match &entry.phase {
            Phase::Settling(kept) if kept.is_on_wire() => Some((kept.payload.len(), number)),
            _ => None,
        });
        kept.max().map(|(bytes, number)| (bytes, DeliveryKey(number)))
    }

    pub(in crate::state) fn give_up_settlement(&mut self, key: DeliveryKey) {
        self.reject_settlement(key, SettleFailure::TooLarge { limit: 0 });
    }

    pub(super) fn give_back(&mut self, key: DeliveryKey) {
        self.keep_settlement(key, Settlement::Release, Bytes::new(), true);
    }

    fn keep_settlement(&mut self, key: DeliveryKey, settlement: Settlement, payload: Bytes, by_itself: bool) {
        if !ends_the_request(&settlement) {
            self.end_parts(key, PartFailure::Settled); // The next delivery begins again at its first part.
        }
        if let Some(entry) = self.deliveries.entry_mut(key.0) {
            entry.phase = Phase::Settling(Kept { settlement, payload, call: None, by_itself, waits: false });
            self.send_settlement(key);
        }
    }

    /// Sends the settlement of a delivery whose parts are all kept; one with parts is sent when they are.
    pub(super) fn send_settlement(&mut self, key: DeliveryKey) {
        let (true, Some(limits)) = (self.line.is_open(), self.line.peer_limits()) else { return };
        let Some(entry) = self.deliveries.entry(key.0).filter(|entry| entry.parts.are_kept()) else { return };
        let (channel, token) = (entry.channel, entry.token);
        let Phase::Settling(kept) = &entry.phase else { return };
        if kept.is_on_wire() || kept.waits {
            return;
        }
        let texts = texts(&kept.settlement);
        let is_too_large = kept.payload.len() > limits.max_payload || texts + HEADER_REST > limits.max_header;
        if is_too_large {
            self.reject_settlement(key, SettleFailure::TooLarge { limit: limits.max_payload as u64 });
            return;
        }
        let (settlement, payload) = (kept.settlement.clone(), kept.payload.clone());
        let call = self.call_of_delivery(Question::Settle { delivery: key, token });
        if let Some(DeliveryEntry { phase: Phase::Settling(kept), .. }) = self.deliveries.entry_mut(key.0) {
            kept.call = Some(call);
        }
        self.push_bind(channel);
        self.push(Frame::new(Settle { call, channel, token, settlement }, payload));
    }

    /// The broker does not take a settlement: whoever waits settles in another way, and a handler's failed finally.
    fn reject_settlement(&mut self, key: DeliveryKey, failure: SettleFailure) {
        let Some(entry) = self.deliveries.entry_mut(key.0) else { return };
        let Phase::Settling(kept) = &mut entry.phase else { return };
        if !kept.by_itself {
            entry.phase = Phase::Running;
            entry.rejected = Some(failure);
            entry.wakers.wake_into(&mut self.woken);
            if !entry.held {
                self.let_go_of_delivery(key);
            }
            return;
        }
        let code = match failure {
            SettleFailure::TooLarge { .. } => "reply_too_large",
            _ => "invalid_settlement",
        };
        if matches!(&kept.settlement, Settlement::Fail { problem, .. } if problem.code == code) {
            // Not even that is taken: the lease ends it.
            self.end_delivery(key, Phase::Gone(SettleFailure::Stopped(StopReason::LeaseLost)));
            return;
        }
        kept.settlement = Settlement::Fail { problem: Problem::new(code, ""), content_type: None };
        kept.payload = Bytes::new();
        kept.call = None;
        self.send_settlement(key);
    }
}

/// Whether the request has its outcome by it, to which the delivery's parts belong.
fn ends_the_request(settlement: &Settlement) -> bool {
    matches!(settlement, Settlement::Reply(_) | Settlement::Fail { .. } | Settlement::Reject(_))
}

fn texts(settlement: &Settlement) -> usize {
    match settlement {
        Settlement::Reply(label) => label.bytes() + 16 * label.headers.0.len(),
        Settlement::Fail { problem, content_type } => problem.bytes() + content_type.as_ref().map_or(0, String::len),
        Settlement::Retry { problem, .. } | Settlement::Reject(problem) => problem.bytes(),
        Settlement::Release | Settlement::Throttle { .. } => 0,
    }
}
