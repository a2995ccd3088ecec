//! Parts: interim results of a delivery, added one after the other in the order in which they came.
//!
//! Only the first of a delivery's parts is ever with the broker, so that each has its number when it is sent, and one
//! that is not kept leaves no gap. A part whose answer was lost with its connection is sent again under the same number;
//! therefore it stays in its place even when nobody waits for it any more. One that the broker is known not to have is
//! withdrawn then.

use std::collections::VecDeque;
use std::task::{Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use roundtrip_protocol::{AddPart, Answer, Call, Frame, Hold, Label, Limits, StopReason, Token};
use tokio::time::Instant;

use super::settlement::{HEADER_REST, SettleFailure};
use super::stop::reason_in;
use super::{DeliveryKey, Phase};
use crate::part::WithoutRoom;
use crate::state::ClientState;
use crate::state::question::Question;
use crate::state::timers::Due;
use crate::state::wakers::Wakers;

/// After how long a part asks for room by itself where nobody tells it of some.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// The type number of `AddPart`.
pub(in crate::state) const ADD_PART_TYPE: u8 = 0x2d;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PartKey(pub(in crate::state) u32);

/// Why a part was not added.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum PartFailure {
    Full,
    TooLarge { limit: u64 },
    Missing { next: u32 },
    Invalid,
    Settled,
    Stopped(StopReason),
    Closed,
}

impl PartFailure {
    /// Why nothing more is added to a delivery in this phase.
    pub(super) fn after(phase: &Phase) -> Self {
        match phase {
            Phase::Stopping { reason, .. } | Phase::Gone(SettleFailure::Stopped(reason)) => Self::Stopped(*reason),
            Phase::Gone(SettleFailure::Closed) => Self::Closed,
            Phase::Running | Phase::Settling(_) | Phase::Settled | Phase::Gone(_) => Self::Settled,
        }
    }
}

/// What of a delivery's parts the broker keeps, and what it does not keep yet.
pub(super) struct Parts {
    /// The number of the last one that is kept; none if only the broker knows.
    kept: Option<u32>,
    unkept: VecDeque<PartKey>,
}

impl Parts {
    /// Behind a part with this number, if that is known.
    pub(super) const fn behind(kept: Option<u32>) -> Self {
        Self { kept, unkept: VecDeque::new() }
    }

    /// The number of the next one. Where it is not known, one under which none is kept: the answer tells.
    fn next(&self) -> u32 {
        self.kept.map_or(u32::MAX, |kept| kept.saturating_add(1))
    }

    pub(super) fn are_kept(&self) -> bool {
        self.unkept.is_empty()
    }
}

pub(in crate::state) struct PartEntry {
    delivery: DeliveryKey,
    label: Label,
    payload: Bytes,
    place: Place,
    without_room: WithoutRoom,
    /// Whether somebody wants to know what becomes of it.
    held: bool,
    wakers: Wakers,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Place {
    /// The broker does not have it.
    Queued,
    /// The broker may have it.
    Sent(Call),
    /// The broker has no room for it: it is sent again when there is some, or when it is time to ask again.
    Waits,
    Done(Result<u32, PartFailure>),
}

impl PartEntry {
    pub(in crate::state) fn waits(&self) -> bool {
        self.place == Place::Waits
    }

    fn limit_passed(&self, limits: Limits) -> Option<u64> {
        let header = self.label.bytes() + 16 * self.label.headers.0.len() + HEADER_REST;
        if self.payload.len() > limits.max_payload {
            Some(limits.max_payload as u64)
        } else if header > limits.max_header {
            Some(limits.max_header as u64)
        } else {
            None
        }
    }
}

impl ClientState {
    /// Adds a part behind those there are. Whoever holds the key polls for its number and releases it.
    pub(crate) fn add_part(
        &mut self,
        key: DeliveryKey,
        token: Token,
        (label, payload): (Label, Bytes),
        without_room: WithoutRoom,
    ) -> Result<PartKey, PartFailure> {
        let Some(delivery) = self.deliveries.entry_mut(key.0).filter(|entry| entry.token == token) else {
            return Err(PartFailure::Settled);
        };
        if !delivery.is_running() {
            return Err(PartFailure::after(&delivery.phase));
        }
        let first = delivery.parts.unkept.front().and_then(|first| self.parts.entry(first.0));
        if without_room == WithoutRoom::GiveUp && first.is_some_and(PartEntry::waits) {
            return Err(PartFailure::Full);
        }
        let entry = PartEntry {
            delivery: key,
            label,
            payload,
            place: Place::Queued,
            without_room,
            held: true,
            wakers: Wakers::default(),
        };
        let part = PartKey(self.parts.insert(entry));
        delivery.parts.unkept.push_back(part);
        self.send_first_part(key);
        Ok(part)
    }

    /// The number of a part that the broker keeps.
    pub(crate) fn poll_part(&mut self, part: PartKey, waker: &Waker) -> Poll<Result<u32, PartFailure>> {
        let Some(entry) = self.parts.entry_mut(part.0) else { return Poll::Ready(Err(PartFailure::Settled)) };
        match entry.place {
            Place::Done(result) => Poll::Ready(result),
            _ => {
                entry.wakers.register(waker);
                Poll::Pending
            }
        }
    }

    /// Nobody wants to know of the part any more.
    pub(crate) fn release_part(&mut self, part: PartKey) {
        let Some(entry) = self.parts.entry_mut(part.0) else { return };
        entry.held = false;
        match entry.place {
            Place::Done(_) => drop(self.parts.remove(part.0)),
            Place::Sent(_) => {}
            Place::Queued | Place::Waits => self.finish_part(part, Err(PartFailure::Full)),
        }
    }

    pub(in crate::state) fn handle_part_answer(&mut self, now: Instant, part: PartKey, call: Call, answer: Answer) {
        let Some(entry) = self.parts.entry_mut(part.0).filter(|entry| entry.place == Place::Sent(call)) else { return };
        let delivery = entry.delivery;
        let waits = entry.held && entry.without_room == WithoutRoom::Wait;
        match answer {
            Answer::PartKept => {
                let Some(entry) = self.deliveries.entry_mut(delivery.0) else { return };
                let number = entry.parts.next();
                entry.parts.kept = Some(number);
                self.finish_part(part, Ok(number));
            }
            Answer::PartMissing { next } => self.learn_next_part(part, next),
            Answer::PartsFull if waits => {
                // Over another connection than it came by, nobody tells one who holds it by lease.
                let is_told = self.deliveries.entry(delivery.0).is_some_and(|entry| entry.hold == Hold::Connection);
                self.let_part_wait(part, (!is_told).then(|| now + ASK_AGAIN));
            }
            Answer::MailboxBusy { retry_after_ms } if waits => {
                self.let_part_wait(part, Some(now + Duration::from_millis(retry_after_ms)));
            }
            Answer::PartsFull | Answer::MailboxBusy { .. } => self.finish_part(part, Err(PartFailure::Full)),
            Answer::TooLarge { max_payload } => {
                self.finish_part(part, Err(PartFailure::TooLarge { limit: max_payload }));
            }
            Answer::Invalid => self.finish_part(part, Err(PartFailure::Invalid)),
            _ => self.stop_delivery(delivery, reason_in(answer)),
        }
    }

    /// There is room for parts of a delivery again.
    pub(in crate::state) fn handle_parts_room(&mut self, token: Token) {
        let Some(key) = self.delivery_of(token) else { return };
        if let Some(first) = self.deliveries.entry(key.0).and_then(|entry| entry.parts.unkept.front().copied()) {
            self.add_part_again(first);
        }
    }

    /// There may be room by now for a part that waits.
    pub(in crate::state) fn add_part_again(&mut self, part: PartKey) {
        if let Some(entry) = self.parts.entry_mut(part.0).filter(|entry| entry.waits()) {
            entry.place = Place::Queued;
            let delivery = entry.delivery;
            self.send_first_part(delivery);
        }
    }

    /// Sends over a new connection what the broker may not have, or may have room for by now.
    pub(in crate::state) fn send_unkept_parts(&mut self) {
        for number in self.deliveries.numbers() {
            let first = self.deliveries.entry(number).and_then(|entry| entry.parts.unkept.front().copied());
            if let Some(entry) = first.and_then(|part| self.parts.entry_mut(part.0)) {
                entry.place = Place::Queued;
                self.send_first_part(DeliveryKey(number));
            }
        }
    }

    /// The broker turned a frame away that was too large for it: the largest part it may be.
    pub(in crate::state) fn give_up_largest_part(&mut self) {
        let sent = self.parts.iter().filter(|(_, entry)| matches!(entry.place, Place::Sent(_)));
        let largest = sent.map(|(number, entry)| (entry.payload.len(), number)).max();
        if let Some((bytes, number)) = largest {
            let limit = bytes.saturating_sub(1) as u64;
            self.finish_part(PartKey(number), Err(PartFailure::TooLarge { limit }));
        }
    }

    /// Nothing more is added to a delivery.
    pub(super) fn end_parts(&mut self, key: DeliveryKey, failure: PartFailure) {
        let Some(delivery) = self.deliveries.entry_mut(key.0) else { return };
        for part in std::mem::take(&mut delivery.parts.unkept) {
            self.tell_of_part(part, Err(failure));
        }
    }

    /// Lets the first part of a delivery wait for room, and asks again at a time. What is only tried does not wait
    /// behind it.
    fn let_part_wait(&mut self, part: PartKey, again: Option<Instant>) {
        if let Some(at) = again {
            self.timers.set(at, Due::Part(part));
            self.changed = true;
        }
        let Some(entry) = self.parts.entry_mut(part.0) else { return };
        entry.place = Place::Waits;
        let key = entry.delivery;
        let Some(delivery) = self.deliveries.entry_mut(key.0) else { return };
        let parts = &self.parts;
        let (tries, others) = std::mem::take(&mut delivery.parts.unkept)
            .into_iter()
            .partition(|part| parts.entry(part.0).is_some_and(|entry| entry.without_room == WithoutRoom::GiveUp));
        delivery.parts.unkept = others;
        let tries: VecDeque<_> = tries;
        tries.into_iter().for_each(|part| self.tell_of_part(part, Err(PartFailure::Full)));
    }

    /// The broker says which number is the next. Who knew another is wrong in it.
    fn learn_next_part(&mut self, part: PartKey, next: u32) {
        let Some(key) = self.parts.entry(part.0).map(|entry| entry.delivery) else { return };
        let Some(delivery) = self.deliveries.entry_mut(key.0) else { return };
        if delivery.parts.kept.is_some() {
            return self.finish_part(part, Err(PartFailure::Missing { next }));
        }
        delivery.parts.kept = Some(next.saturating_sub(1));
        if let Some(entry) = self.parts.entry_mut(part.0) {
            entry.place = Place::Queued;
        }
        self.send_first_part(key);
    }

    fn finish_part(&mut self, part: PartKey, result: Result<u32, PartFailure>) {
        let Some(key) = self.parts.entry(part.0).map(|entry| entry.delivery) else { return };
        if let Some(delivery) = self.deliveries.entry_mut(key.0) {
            delivery.parts.unkept.retain(|other| *other != part);
        }
        self.tell_of_part(part, result);
        self.send_first_part(key);
    }

    fn tell_of_part(&mut self, part: PartKey, result: Result<u32, PartFailure>) {
        let Some(entry) = self.parts.entry_mut(part.0) else { return };
        if !entry.held {
            self.parts.remove(part.0);
            return;
        }
        entry.place = Place::Done(result);
        entry.label = Label::default();
        entry.payload = Bytes::new();
        entry.wakers.wake_into(&mut self.woken);
    }

    /// Sends the first part that is not kept, or, behind the last one, the settlement that waited for them.
    fn send_first_part(&mut self, key: DeliveryKey) {
        let (true, Some(limits)) = (self.line.is_open(), self.line.peer_limits()) else { return };
        let Some(delivery) = self.deliveries.entry(key.0) else { return };
        let Some(part) = delivery.parts.unkept.front().copied() else { return self.send_settlement(key) };
        let (channel, token, number) = (delivery.channel, delivery.token, delivery.parts.next());
        let Some(entry) = self.parts.entry(part.0).filter(|entry| entry.place == Place::Queued) else { return };
        if let Some(limit) = entry.limit_passed(limits) {
            return self.finish_part(part, Err(PartFailure::TooLarge { limit }));
        }
        let (label, payload) = (entry.label.clone(), entry.payload.clone());
        let call = self.call_of_delivery(Question::AddPart { part });
        if let Some(entry) = self.parts.entry_mut(part.0) {
            entry.place = Place::Sent(call);
        }
        self.push_bind(channel);
        self.push(Frame::new(AddPart { call, channel, token, number, label }, payload));
    }
}
