//! Dead letters: requests that no service could answer, kept whole for people to look at, mend and send again.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use roundtrip_protocol::{Call, DeadReason, Redrive, RequestId, RequesterName};

use super::effect::{Tell, What};
use super::request::Request;
use super::{Channel, Settings, Step, Submission};
use crate::handles::Handles;
use crate::time::Time;

/// A request that died, whole.
#[derive(Debug)]
pub struct DeadLetter<H: Handles> {
    /// The request's id.
    pub id: RequestId,
    /// Who asked.
    pub requester: RequesterName,
    /// The message.
    pub request: H::Request,
    /// How many bytes its payload has.
    pub bytes: usize,
    /// The return address.
    pub place: H::Place,
    /// Its priority.
    pub priority: u8,
    /// Why it is dead.
    pub reason: DeadReason,
    /// Counted attempts.
    pub attempts: u32,
    /// Deliveries, counted or not.
    pub deliveries: u32,
    /// When the request was accepted.
    pub accepted: Time,
    /// When it died.
    pub died: Time,
    /// What the last attempt failed with, if it said so.
    pub last: Option<H::Answer>,
}

/// The dead letters of a channel, oldest first.
#[derive(Debug)]
pub(super) struct DeadLetters<H: Handles> {
    letters: BTreeMap<u64, DeadLetter<H>>,
    numbers: HashMap<RequestId, u64>,
    next_number: u64,
    bytes: usize,
    /// How many went because there were too many, or too old ones.
    dropped: u64,
}

impl<H: Handles> Default for DeadLetters<H> {
    fn default() -> Self {
        Self { letters: BTreeMap::new(), numbers: HashMap::new(), next_number: 0, bytes: 0, dropped: 0 }
    }
}

impl<H: Handles> DeadLetters<H> {
    pub(super) fn len(&self) -> usize {
        self.letters.len()
    }

    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// When the oldest is too old.
    pub(super) fn due(&self, age: Duration) -> Option<Time> {
        let (_, oldest) = self.letters.first_key_value()?;
        Some(oldest.died + age).filter(|due| *due < Time::NEVER)
    }

    pub(super) fn insert(&mut self, letter: DeadLetter<H>) {
        self.bytes += letter.bytes;
        self.numbers.insert(letter.id, self.next_number);
        self.letters.insert(self.next_number, letter);
        self.next_number += 1;
    }

    pub(super) fn remove(&mut self, id: RequestId) -> Option<DeadLetter<H>> {
        let letter = self.letters.remove(&self.numbers.remove(&id)?)?;
        self.bytes -= letter.bytes;
        Some(letter)
    }

    /// What was kept of a letter is damaged.
    pub(super) fn condemn(&mut self, id: RequestId) {
        if let Some(letter) = self.numbers.get(&id).and_then(|number| self.letters.get_mut(number)) {
            letter.reason = DeadReason::Damaged;
        }
    }

    /// The oldest, if there are too many of them or it is too old.
    fn poll_surplus(&mut self, settings: &Settings, now: Time) -> Option<DeadLetter<H>> {
        let is_over = self.letters.len() > settings.max_dead_letters || self.bytes > settings.max_dead_letter_bytes;
        if !is_over && self.due(settings.dead_letter_age).is_none_or(|due| due > now) {
            return None;
        }
        let oldest = self.letters.first_key_value()?.1.id;
        self.dropped += 1;
        self.remove(oldest)
    }
}

impl<H: Handles> Channel<H> {
    /// The dead letters, oldest first: all, or those behind `after` if that is one.
    pub fn dead_letters(&self, after: Option<RequestId>) -> impl Iterator<Item = &DeadLetter<H>> {
        let first = after.and_then(|id| self.dead.numbers.get(&id)).map_or(0, |number| number + 1);
        self.dead.letters.range(first..).map(|(_, letter)| letter)
    }

    /// The dead letter of this id.
    #[must_use]
    pub fn dead_letter(&self, id: RequestId) -> Option<&DeadLetter<H>> {
        self.dead.letters.get(self.dead.numbers.get(&id)?)
    }
}

impl<H: Handles> Step<'_, H> {
    /// A request that has ended goes to the dead letters.
    pub(super) fn bury(&mut self, id: RequestId, reason: DeadReason, last: Option<H::Answer>) {
        let Some(request) = self.channel.requests.get(&id) else { return };
        self.channel.dead.insert(DeadLetter {
            id,
            requester: request.requester.clone(),
            request: request.message.clone(),
            bytes: request.bytes,
            place: request.place.clone(),
            priority: request.position.priority(),
            reason,
            attempts: request.attempts,
            deliveries: request.deliveries,
            accepted: request.accepted,
            died: self.now.time,
            last,
        });
        self.drop_surplus_letters();
    }

    /// The oldest letters go where there are too many, and those that are too old.
    pub(super) fn drop_surplus_letters(&mut self) {
        while let Some(letter) = self.channel.dead.poll_surplus(&self.channel.settings, self.now.time) {
            self.keep_exhumed(&letter.request);
            self.effect(What::Spend { request: letter.request });
        }
    }

    /// Takes a letter out, and says whether there was one.
    pub(super) fn exhume(&mut self, id: RequestId) -> bool {
        let Some(letter) = self.channel.dead.remove(id) else { return false };
        self.keep_exhumed(&letter.request);
        self.effect(What::Spend { request: letter.request });
        true
    }

    /// The letter out, the request in: one step.
    pub(super) fn redrive(
        &mut self,
        peer: &H::Peer,
        call: Call,
        id: RequestId,
        new_id: RequestId,
        message: H::Request,
        place: H::Place,
    ) {
        let result = match self.channel.dead_letter(id) {
            None => Redrive::Unknown,
            Some(_) => match self.check_room(false) {
                Err(refusal) => Redrive::Refused(refusal),
                Ok(()) => {
                    self.revive(id, new_id, message, place);
                    Redrive::Accepted(new_id)
                }
            },
        };
        self.tell(peer, Tell::Redriven { call, result });
    }

    fn revive(&mut self, id: RequestId, new_id: RequestId, message: H::Request, place: H::Place) {
        let Some(letter) = self.channel.dead_letter(id) else { return };
        let submission = Submission {
            bytes: letter.bytes,
            priority: letter.priority,
            ..Submission::new(new_id, letter.requester.clone(), message, place)
        };
        let deadline = self.now.time + self.channel.settings.default_deadline;
        let request = Request::new(submission, self.now.time, deadline).redriven_of(Some(id));
        self.accept(request, Duration::ZERO);
        self.exhume(id);
    }

    pub(super) fn purge(&mut self, peer: &H::Peer, call: Call, id: RequestId) {
        let was_there = self.exhume(id);
        self.tell(peer, Tell::Purged { call, was_there });
    }
}
