//! Deliveries: what handlers and pullers hold, and the settlements that are kept until they are answered.

use std::collections::VecDeque;
use std::task::{Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use roundtrip_protocol::{
    Answer, Call, ChannelName, ChannelNumber, Delivery, Frame, Header, Hold, Problem, Progress, ProgressReport,
    RequesterName, ServiceNumber, Settle, Settlement, Stop, TakeBack, Token,
};
use tokio::time::Instant;

use super::ClientState;
use super::call::Question;
use super::service::ServiceEvent;
use super::timers::Due;
use super::wakers::Wakers;
use crate::handler::Request;

/// The type number of `Settle`.
pub(super) const SETTLE_TYPE: u8 = 0x26;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DeliveryKey(pub(super) u32);

/// A request, handed to whoever works on it.
#[derive(Debug)]
pub(crate) struct Handed {
    pub(crate) key: DeliveryKey,
    pub(crate) token: Token,
    pub(crate) channel: ChannelName,
    pub(crate) attempt: u32,
    pub(crate) lease: Duration,
    pub(crate) requester: RequesterName,
    pub(crate) request: Request,
}

/// Why a settlement did not count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum SettleFailure {
    LeaseLost,
    TooLarge { limit: u64 },
    Invalid,
    SettledBefore,
    Closed,
}

enum Phase {
    Running,
    Settling(Kept),
    Settled,
    Gone(SettleFailure),
}

/// A settlement that is not answered yet.
struct Kept {
    settlement: Settlement,
    payload: Bytes,
    call: Option<Call>,
    /// Whether nobody is there to settle in another way, should the broker not take it.
    by_itself: bool,
    /// Whether the broker has no room for it now.
    waits: bool,
}

pub(super) struct DeliveryEntry {
    service: ServiceNumber,
    channel: ChannelNumber,
    token: Token,
    hold: Hold,
    lease_ms: u64,
    phase: Phase,
    rejected: Option<SettleFailure>,
    progress: Option<Progress>,
    held: bool,
    wakers: Wakers,
}

impl DeliveryEntry {
    pub(super) fn waits_for_room(&self, token: Token) -> bool {
        self.token == token && matches!(&self.phase, Phase::Settling(kept) if kept.waits)
    }

    fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Settled | Phase::Gone(_))
    }
}

impl ClientState {
    pub(super) fn handle_delivery(&mut self, frame: Delivery, payload: Bytes) {
        let Delivery { service, token, attempt, lease_ms, requester, operation, label, .. } = frame;
        let Some(entry) = self.services.get_mut(&service) else { return };
        let (channel, hold) = (entry.channel(), entry.hold());
        let is_wanted = entry.takes();
        if !is_wanted && entry.gives_back_by_itself() {
            return; // The end of the subscription gives it back.
        }
        entry.note_held();
        let key = DeliveryKey(self.deliveries.insert(DeliveryEntry {
            service,
            channel,
            token,
            hold,
            lease_ms,
            phase: Phase::Running,
            rejected: None,
            progress: None,
            held: is_wanted,
            wakers: Wakers::default(),
        }));
        if hold == Hold::Connection {
            *self.leases.entry(lease_ms).or_default() += 1;
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
            requester,
            request: Request::new(operation, label, payload),
        };
        self.tell_service(service, ServiceEvent::Delivery(Box::new(handed)));
    }

    /// Ends a delivery. The settlement is kept, and sent until it is answered; nobody waits for that.
    pub(crate) fn settle(&mut self, key: DeliveryKey, settlement: Settlement, payload: Bytes) {
        if self.deliveries.entry(key.0).is_some_and(|entry| matches!(entry.phase, Phase::Running)) {
            self.keep_settlement(key, settlement, payload, true);
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
        let Some(entry) = self.deliveries.entry_mut(key.0) else { return Err(SettleFailure::LeaseLost) };
        match entry.phase {
            Phase::Running => {}
            Phase::Settling(_) | Phase::Settled => return Err(SettleFailure::SettledBefore),
            Phase::Gone(failure) => return Err(failure),
        }
        if let Some(limits) = limits.filter(|limits| payload.len() > limits.max_payload) {
            return Err(SettleFailure::TooLarge { limit: limits.max_payload as u64 });
        }
        entry.rejected = None;
        self.keep_settlement(key, settlement, payload, false);
        Ok(())
    }

    pub(crate) fn poll_settled(&mut self, key: DeliveryKey, waker: &Waker) -> Poll<Result<(), SettleFailure>> {
        let Some(entry) = self.deliveries.entry_mut(key.0) else { return Poll::Ready(Err(SettleFailure::LeaseLost)) };
        match (&entry.phase, entry.rejected) {
            (Phase::Settled, _) => Poll::Ready(Ok(())),
            (Phase::Gone(failure), _) => Poll::Ready(Err(*failure)),
            (Phase::Running, Some(failure)) => Poll::Ready(Err(failure)),
            _ => {
                entry.wakers.register(waker);
                Poll::Pending
            }
        }
    }

    /// A sign of life for one delivery; none if it is over.
    pub(crate) fn renew(&mut self, key: DeliveryKey) -> Option<Call> {
        let entry = self.deliveries.entry(key.0).filter(|entry| !entry.is_over())?;
        let (channel, token) = (entry.channel, entry.token);
        Some(self.ask_to_renew(channel, token))
    }

    /// Keeps the latest progress until it can be sent.
    pub(crate) fn report_progress(&mut self, key: DeliveryKey, token: Token, progress: Progress) {
        let running = |entry: &&mut DeliveryEntry| entry.token == token && matches!(entry.phase, Phase::Running);
        let Some(entry) = self.deliveries.entry_mut(key.0).filter(running) else { return };
        if entry.progress.replace(progress).is_none() {
            self.reporting.push(key);
            self.changed = true;
        }
    }

    pub(super) fn poll_progress_reports(&mut self, frames: &mut VecDeque<Frame>) {
        if !self.line.is_open() || self.reporting.is_empty() {
            return;
        }
        for key in std::mem::take(&mut self.reporting) {
            let Some(entry) = self.deliveries.entry_mut(key.0) else { continue };
            let Some(progress) = entry.progress.take().filter(|_| matches!(entry.phase, Phase::Running)) else {
                continue;
            };
            let (channel, token) = (entry.channel, entry.token);
            if let Some(bind) = self.names.bind(self.line.connection(), channel) {
                frames.push_back(bind.into());
            }
            frames.push_back(Header::from(ProgressReport { channel, token, progress }).into());
        }
    }

    /// Nobody holds the delivery any more. One that was not settled is given back.
    pub(crate) fn release_delivery(&mut self, key: DeliveryKey) {
        let Some(entry) = self.deliveries.entry_mut(key.0) else { return };
        entry.held = false;
        if entry.is_over() {
            self.deliveries.remove(key.0);
        } else if matches!(entry.phase, Phase::Running) {
            self.give_back(key);
        }
    }

    pub(super) fn handle_stop(&mut self, stop: &Stop) {
        let stopped = self.deliveries.iter().find(|(_, entry)| entry.token == stop.token && !entry.is_over());
        if let Some(key) = stopped.map(|(key, _)| DeliveryKey(key)) {
            self.lose(key);
        }
    }

    pub(super) fn handle_settle_answer(
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
            Answer::MailboxBusy { retry_after_ms } => {
                kept.waits = true;
                self.timers.set(now + Duration::from_millis(retry_after_ms), Due::Settlement(key, token));
                self.changed = true;
            }
            Answer::TooLarge { max_payload } => {
                self.reject_settlement(key, SettleFailure::TooLarge { limit: max_payload });
            }
            Answer::Invalid => self.reject_settlement(key, SettleFailure::Invalid),
            _ => self.lose(key),
        }
    }

    pub(super) fn handle_take_back_answer(&mut self, key: DeliveryKey, token: Token, answer: Answer) {
        let is_ours = self.deliveries.entry(key.0).is_some_and(|entry| entry.token == token && !entry.is_over());
        match answer {
            _ if !is_ours => {}
            Answer::TakenBack => {}
            Answer::Settled => self.end_delivery(key, Phase::Settled),
            _ => self.lose(key),
        }
    }

    pub(super) fn settle_again(&mut self, key: DeliveryKey, token: Token) {
        if let Some(entry) = self.deliveries.entry_mut(key.0).filter(|entry| entry.waits_for_room(token)) {
            if let Phase::Settling(kept) = &mut entry.phase {
                kept.waits = false;
            }
            self.send_settlement(key);
        }
    }

    pub(super) fn take_deliveries_back(&mut self) {
        for number in self.deliveries.numbers() {
            let key = DeliveryKey(number);
            let Some(entry) = self.deliveries.entry(number) else { continue };
            if entry.is_over() || entry.hold == Hold::Lease {
                continue;
            }
            let (service, channel, token) = (entry.service, entry.channel, entry.token);
            let call = self.call_of_delivery(Question::TakeBack { delivery: key, token });
            self.restore_waits_for_call(call);
            self.push_bind(channel);
            self.push(Header::from(TakeBack { call, service, channel, token }));
        }
    }

    pub(super) fn send_kept_settlements(&mut self) {
        for number in self.deliveries.numbers() {
            let Some(entry) = self.deliveries.entry_mut(number) else { continue };
            let Phase::Settling(kept) = &mut entry.phase else { continue };
            kept.waits = false;
            self.send_settlement(DeliveryKey(number));
            if let Some(call) = self.deliveries.entry(number).and_then(|entry| match &entry.phase {
                Phase::Settling(kept) => kept.call,
                _ => None,
            }) {
                self.restore_waits_for_call(call);
            }
        }
    }

    pub(super) fn has_kept_settlements(&self) -> bool {
        self.deliveries.iter().any(|(_, entry)| matches!(entry.phase, Phase::Settling(_)))
    }

    /// Whether the end of the subscription would give back work that is done and waits for room.
    pub(super) fn waits_for_room(&self, service: ServiceNumber) -> bool {
        self.deliveries.iter().any(|(_, entry)| entry.service == service && entry.waits_for_room(entry.token))
    }

    pub(super) fn largest_kept_settlement(&self) -> Option<(usize, DeliveryKey)> {
        let kept = self.deliveries.iter().filter_map(|(number, entry)| match &entry.phase {
            Phase::Settling(kept) if kept.call.is_some() => Some((kept.payload.len(), number)),
            _ => None,
        });
        kept.max().map(|(bytes, number)| (bytes, DeliveryKey(number)))
    }

    pub(super) fn give_up_settlement(&mut self, key: DeliveryKey) {
        self.reject_settlement(key, SettleFailure::TooLarge { limit: 0 });
    }

    /// Ends what a subscription held, where its end gives it back.
    pub(super) fn give_back_running(&mut self, service: ServiceNumber) {
        let running = self.running_of(service);
        for key in running {
            self.end_delivery(key, Phase::Gone(SettleFailure::LeaseLost));
        }
    }

    /// Gives back one by one what a service held.
    pub(super) fn release_running(&mut self, service: ServiceNumber) {
        for key in self.running_of(service) {
            self.give_back(key);
        }
    }

    pub(super) fn end_deliveries(&mut self) {
        self.leases.clear();
        self.reporting.clear();
        for number in self.deliveries.numbers() {
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

    fn running_of(&self, service: ServiceNumber) -> Vec<DeliveryKey> {
        let running = |(_, entry): &(u32, &DeliveryEntry)| {
            entry.service == service && entry.hold == Hold::Connection && matches!(entry.phase, Phase::Running)
        };
        self.deliveries.iter().filter(running).map(|(number, _)| DeliveryKey(number)).collect()
    }

    fn give_back(&mut self, key: DeliveryKey) {
        self.keep_settlement(key, Settlement::Release, Bytes::new(), true);
    }

    fn keep_settlement(&mut self, key: DeliveryKey, settlement: Settlement, payload: Bytes, by_itself: bool) {
        if let Some(entry) = self.deliveries.entry_mut(key.0) {
            entry.phase = Phase::Settling(Kept { settlement, payload, call: None, by_itself, waits: false });
            self.send_settlement(key);
        }
    }

    fn send_settlement(&mut self, key: DeliveryKey) {
        let (true, Some(limits)) = (self.line.is_open(), self.line.peer_limits()) else { return };
        let Some(entry) = self.deliveries.entry(key.0) else { return };
        let (channel, token) = (entry.channel, entry.token);
        let Phase::Settling(kept) = &entry.phase else { return };
        let texts = texts(&kept.settlement);
        let is_too_large = kept.payload.len() > limits.max_payload || texts + 8 * 1024 > limits.max_header;
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
            return;
        }
        let code = match failure {
            SettleFailure::TooLarge { .. } => "reply_too_large",
            _ => "invalid_settlement",
        };
        if matches!(&kept.settlement, Settlement::Fail { problem, .. } if problem.code == code) {
            self.lose(key); // Not even that is taken: the lease ends it.
            return;
        }
        kept.settlement = Settlement::Fail { problem: Problem::new(code, ""), content_type: None };
        kept.payload = Bytes::new();
        kept.call = None;
        self.send_settlement(key);
    }

    /// The delivery is somebody else's now.
    fn lose(&mut self, key: DeliveryKey) {
        let Some(entry) = self.deliveries.entry(key.0).filter(|entry| !entry.is_over()) else { return };
        let (service, was_running, held) = (entry.service, matches!(entry.phase, Phase::Running), entry.held);
        if was_running && held {
            self.tell_service(service, ServiceEvent::Stopped(key));
        }
        self.end_delivery(key, Phase::Gone(SettleFailure::LeaseLost));
    }

    fn end_delivery(&mut self, key: DeliveryKey, phase: Phase) {
        let Some(entry) = self.deliveries.entry_mut(key.0) else { return };
        let (service, lease_ms, hold, held) = (entry.service, entry.lease_ms, entry.hold, entry.held);
        entry.phase = phase;
        entry.wakers.wake_into(&mut self.woken);
        if !held {
            self.deliveries.remove(key.0);
        }
        if hold == Hold::Connection
            && let Some(count) = self.leases.get_mut(&lease_ms)
        {
            *count -= 1;
            if *count == 0 {
                self.leases.remove(&lease_ms);
            }
        }
        self.note_delivery_over(service);
    }
}

fn texts(settlement: &Settlement) -> usize {
    match settlement {
        Settlement::Reply(label) => label.bytes() + 16 * label.headers.0.len(),
        Settlement::Fail { problem, content_type } => problem.bytes() + content_type.as_ref().map_or(0, String::len),
        Settlement::Retry { problem, .. } | Settlement::Reject(problem) => problem.bytes(),
        Settlement::Release | Settlement::Throttle { .. } => 0,
    }
}
