//! What a storage does with the records of a channel, in plain maps.

use std::collections::BTreeMap;

use super::*;

/// What is kept of a channel.
#[derive(Default)]
pub(super) struct Ledger {
    /// By message.
    requests: BTreeMap<u32, Entry>,
    /// Oldest first.
    letters: Vec<DeadLetter<Numbers>>,
}

struct Entry {
    accepted: Accepted<Numbers>,
    tried: Option<Tried<Numbers>>,
    parts: Option<RestoredParts<Numbers>>,
    ended: Option<(Ended<Numbers>, bool)>,
}

impl Ledger {
    pub(super) fn keep(&mut self, effects: &[Effect<Numbers>]) {
        for effect in effects {
            if let What::Keep(record) = &effect.what {
                self.apply(record);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.requests.is_empty() && self.letters.is_empty()
    }

    /// A channel that begins with what is kept.
    pub(super) fn restore(&self, settings: Settings, start: u64) -> Channel<Numbers> {
        let mut channel = Channel::new(settings, start);
        for letter in &self.letters {
            channel.restore_letter(copy_of_letter(letter));
        }
        for entry in self.requests.values() {
            channel.restore(entry.restored());
        }
        channel
    }

    fn apply(&mut self, record: &Record<Numbers>) {
        match record {
            Record::Accept(accepted) => {
                let entry = Entry { accepted: copy_of_accepted(accepted), tried: None, parts: None, ended: None };
                assert!(self.requests.insert(accepted.request, entry).is_none(), "it was accepted before");
            }
            Record::Move { request, tried } => {
                let entry = self.entry(*request);
                assert!(entry.ended.is_none(), "what has ended is not moved");
                entry.tried = Some(Tried { ..*tried });
            }
            Record::End { request, ended } => self.end(*request, ended),
            Record::Acknowledge { request } => {
                let entry = self.entry(*request);
                entry.parts = None;
                entry.ended.as_mut().expect("only an outcome is acknowledged").1 = true;
            }
            Record::Forget { request } => {
                let entry = self.requests.remove(request).expect("only what is known is forgotten");
                assert!(entry.ended.is_some(), "only what has ended is forgotten");
            }
            Record::AddPart { request, delivery, number, part, bytes } => {
                let entry = self.entry(*request);
                let parts = entry.parts.take().filter(|parts| parts.delivery == *delivery);
                let mut parts =
                    parts.unwrap_or(RestoredParts { delivery: *delivery, first: *number, kept: Vec::new() });
                assert_eq!(parts.first as usize + parts.kept.len(), *number as usize, "parts have no gap");
                parts.kept.push((*part, *bytes));
                entry.parts = Some(parts);
            }
            Record::DropParts { request, delivery, through } => {
                let entry = self.entry(*request);
                let parts = entry.parts.as_mut().expect("only parts that are kept are dropped");
                assert_eq!(parts.delivery, *delivery);
                parts.kept.drain(..(through + 1 - parts.first) as usize);
                parts.first = through + 1;
                entry.parts = entry.parts.take().filter(|parts| !parts.kept.is_empty());
            }
            Record::Exhume { request } => {
                let before = self.letters.len();
                self.letters.retain(|letter| letter.request != *request);
                assert_eq!(self.letters.len() + 1, before, "only a letter is exhumed");
            }
        }
    }

    fn end(&mut self, request: u32, ended: &Ended<Numbers>) {
        let entry = self.entry(request);
        let was_acknowledged = entry.ended.as_ref().is_some_and(|(_, is_acknowledged)| *is_acknowledged);
        entry.ended = Some((copy_of_ended(ended), was_acknowledged));
        let Ending::Dead { reason, last } = ended.outcome.ending else { return };
        let accepted = copy_of_accepted(&entry.accepted);
        self.letters.retain(|letter| letter.request != request);
        self.letters.push(DeadLetter {
            id: accepted.id,
            requester: accepted.requester,
            request,
            bytes: accepted.bytes,
            place: accepted.place,
            priority: accepted.priority,
            reason,
            attempts: ended.outcome.attempts,
            deliveries: ended.deliveries,
            accepted: accepted.accepted,
            died: ended.since,
            last,
        });
    }

    fn entry(&mut self, request: u32) -> &mut Entry {
        self.requests.get_mut(&request).expect("a record is of a request that is kept")
    }
}

impl Entry {
    fn restored(&self) -> Restored<Numbers> {
        Restored {
            accepted: copy_of_accepted(&self.accepted),
            tried: self.tried.as_ref().map(|tried| Tried { ..*tried }),
            parts: self.parts.as_ref().map(|parts| RestoredParts { kept: parts.kept.clone(), ..*parts }),
            ended: self.ended.as_ref().map(|(ended, is_acknowledged)| (copy_of_ended(ended), *is_acknowledged)),
        }
    }
}

fn copy_of_accepted(accepted: &Accepted<Numbers>) -> Accepted<Numbers> {
    let (requester, place, key) = (accepted.requester.clone(), accepted.place.clone(), accepted.key.clone());
    Accepted { requester, place, key, ..*accepted }
}

fn copy_of_ended(ended: &Ended<Numbers>) -> Ended<Numbers> {
    Ended { outcome: ended.outcome.clone(), ..*ended }
}

fn copy_of_letter(letter: &DeadLetter<Numbers>) -> DeadLetter<Numbers> {
    DeadLetter { requester: letter.requester.clone(), place: letter.place.clone(), ..*letter }
}
