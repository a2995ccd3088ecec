//! How a channel begins with what is on disk.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use roundtrip_core::{
    Accepted, Channel, DeadLetter, Ended, Ending, Key, Outcome, Restored, RestoredParts, Settings, Tried,
};
use roundtrip_protocol::{Problem, RequestId, RequesterName};

use crate::clock::time_of;
use crate::handles::{BrokerHandles, Held};
use crate::mailbox::{Address, MailboxHandle, Place};
use crate::memory::Room;
use crate::message::Answer;
use crate::shared::Shared;
use crate::storage::{
    Facts, Row, Stored, StoredEnd, StoredLetter, StoredOutcome, StoredParts, StoredRequest, StoredTried,
};

/// A channel that is being read.
pub(in crate::channel) struct Restoring<'a> {
    shared: &'a Arc<Shared>,
    pub(in crate::channel) channel: Channel<BrokerHandles>,
    /// So that a name is kept once, however many requests have it.
    mailboxes: HashMap<Address, MailboxHandle>,
    names: HashSet<RequesterName>,
    /// What is damaged: requests that are dead now, whatever they were.
    pub(in crate::channel) damaged: Vec<RequestId>,
    /// How many things could not be read at all.
    pub(in crate::channel) illegible: usize,
    pub(in crate::channel) count: usize,
    pub(in crate::channel) last_number: u64,
}

impl<'a> Restoring<'a> {
    pub(in crate::channel) fn new(shared: &'a Arc<Shared>, settings: Settings) -> Self {
        Self {
            shared,
            channel: Channel::new(settings, shared.start),
            mailboxes: HashMap::new(),
            names: HashSet::new(),
            damaged: Vec::new(),
            illegible: 0,
            count: 0,
            last_number: 0,
        }
    }

    /// Takes the next thing that is kept.
    pub(in crate::channel) fn take(&mut self, stored: Stored) {
        self.count += 1;
        match stored {
            Stored::Request(request) => self.request(*request),
            Stored::Letter(letter) => self.letter(*letter),
            Stored::Damaged { row, facts: Some(facts) } => {
                self.note(row);
                self.damaged.push(facts.id);
                self.request(StoredRequest { facts: *facts, tried: None, parts: None, ended: None });
            }
            Stored::Damaged { row, facts: None } => {
                self.note(row);
                self.illegible += 1;
            }
        }
    }

    fn note(&mut self, row: Row) {
        self.last_number = self.last_number.max(row.number());
    }

    fn request(&mut self, stored: StoredRequest) {
        let StoredRequest { facts, tried, parts, ended } = stored;
        let is_acknowledged = ended.as_ref().is_some_and(|ended| ended.is_acknowledged);
        self.note(facts.row);
        if let Some(parts) = &parts {
            parts.kept.iter().for_each(|(row, _)| self.note(*row));
        }
        let address = self.address(&facts);
        let place = match address.mailbox() {
            Some(mailbox) if !is_acknowledged => mailbox.place_again(),
            _ => address,
        };
        let requester = self.requester(&facts.requester, &place);
        let key = facts.key.map(|key| Key {
            requester: key.is_named.then(|| requester.clone()),
            text: key.text,
            fingerprint: key.fingerprint,
        });
        let accepted = Accepted {
            id: facts.id,
            requester,
            request: message(facts.row, facts.bytes),
            bytes: size(facts.bytes),
            place,
            priority: facts.priority,
            key,
            redrive_of: facts.redrive_of,
            accepted: time_of(facts.accepted_ms),
            deadline: time_of(facts.deadline_ms),
            order: facts.order,
            until: facts.until_ms.map(time_of),
        };
        self.channel.restore(Restored {
            accepted,
            tried: tried.map(restored_tried),
            parts: parts.map(restored_parts),
            ended: ended.map(|ended| restored_end(facts.row, ended)),
        });
    }

    fn letter(&mut self, stored: StoredLetter) {
        let StoredLetter { facts, reason, attempts, deliveries, died_ms, last } = stored;
        self.note(facts.row);
        let place = self.address(&facts);
        let requester = self.requester(&facts.requester, &place);
        self.channel.restore_letter(DeadLetter {
            id: facts.id,
            requester,
            request: message(facts.row, facts.bytes),
            bytes: size(facts.bytes),
            place,
            priority: facts.priority,
            reason,
            attempts,
            deliveries,
            accepted: time_of(facts.accepted_ms),
            died: time_of(died_ms),
            last: last.map(problem),
        });
    }

    /// The return address alone, in the mailbox that is there or is made.
    fn address(&mut self, facts: &Facts) -> Place {
        let Some(reply_channel) = &facts.reply_channel else { return Place::nowhere() };
        let address = Address { reply_channel: reply_channel.clone(), requester: facts.requester.clone() };
        if let Some(mailbox) = self.mailboxes.get(&address) {
            return mailbox.address_alone();
        }
        let mailbox = self.shared.mailboxes.mailbox_again(&address, facts.is_unnamed);
        if facts.is_unnamed {
            self.shared.unnamed.remember(&facts.requester, &mailbox, self.shared);
        }
        let place = mailbox.address_alone();
        self.mailboxes.insert(address, mailbox);
        place
    }

    fn requester(&mut self, name: &RequesterName, place: &Place) -> RequesterName {
        if let Some(mailbox) = place.mailbox() {
            return mailbox.address().requester.clone();
        }
        if let Some(known) = self.names.get(name) {
            return known.clone();
        }
        self.names.insert(name.clone());
        name.clone()
    }
}

fn message<T>(row: Row, bytes: u64) -> Held<T> {
    Held::stored(row, size(bytes))
}

fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

fn problem(problem: Problem) -> Held<Answer> {
    Held::Here(Answer::problem(problem, None, Bytes::new(), Room::nothing()))
}

fn restored_tried(tried: StoredTried) -> Tried<BrokerHandles> {
    let StoredTried { order, until_ms, deliveries, attempts, releases, last } = tried;
    Tried { order, until: until_ms.map(time_of), deliveries, attempts, releases, last: last.map(problem) }
}

fn restored_parts(parts: StoredParts) -> RestoredParts<BrokerHandles> {
    let StoredParts { delivery, first, kept } = parts;
    let kept = kept.into_iter().map(|(row, bytes)| (message(row, bytes), size(bytes))).collect();
    RestoredParts { delivery, first, kept }
}

fn restored_end(row: Row, end: StoredEnd) -> (Ended<BrokerHandles>, bool) {
    let ending = match end.outcome {
        StoredOutcome::Replied(bytes) => Ending::Replied(message(row.answer(), bytes)),
        StoredOutcome::Failed(bytes) => Ending::Failed(message(row.answer(), bytes)),
        StoredOutcome::Dead { reason, last } => Ending::Dead { reason, last: last.map(problem) },
        StoredOutcome::Expired => Ending::Expired,
        StoredOutcome::Cancelled => Ending::Cancelled,
    };
    let ended = Ended {
        outcome: Outcome { attempts: end.attempts, ending },
        since: time_of(end.since_ms),
        deliveries: end.deliveries,
        settled_by: end.settled_by,
    };
    (ended, end.is_acknowledged)
}
