//! What a record of the state machine is on disk.

use std::sync::Arc;

use roundtrip_core::planted::{self, Fault};
use roundtrip_core::{Change, Ending, Key, Record};

use super::{Brought, Durable};
use crate::clock::millis;
use crate::disk::DISK_OVERHEAD;
use crate::handles::{BrokerHandles, Held};
use crate::message::{Answer, Request};
use crate::storage::{
    Ask, Content, Facts, NewEnd, NewMessage, NewOutcome, NewRequest, Row, StoredKey, StoredTried, Write,
};

impl Durable {
    /// Takes a change along to the disk.
    pub(in crate::channel) fn record(&mut self, change: Change, record: Record<BrokerHandles>) {
        let write = match record {
            Record::Accept(accepted) => self.accept(change, *accepted),
            Record::Move { request, tried } => row_of(&request).map(|row| Write::Move {
                row,
                tried: Box::new(StoredTried {
                    order: tried.order,
                    until_ms: tried.until.map(millis),
                    deliveries: tried.deliveries,
                    attempts: tried.attempts + u32::from(planted::is(Fault::CounterLeads)),
                    releases: tried.releases,
                    last: tried.last.and_then(|answer| answer.here().map(|answer| answer.said())),
                }),
            }),
            Record::End { request, ended } => row_of(&request).and_then(|row| {
                let outcome = match &ended.outcome.ending {
                    Ending::Replied(answer) => self.answer(change, answer, NewOutcome::Replied)?,
                    Ending::Failed(answer) => self.answer(change, answer, NewOutcome::Failed)?,
                    Ending::Dead { reason, last } => {
                        let last = last.as_ref().and_then(|answer| answer.here().map(|answer| answer.said()));
                        NewOutcome::Dead { reason: *reason, last }
                    }
                    Ending::Expired => NewOutcome::Expired,
                    Ending::Cancelled => NewOutcome::Cancelled,
                };
                let end = Box::new(NewEnd {
                    attempts: ended.outcome.attempts,
                    deliveries: ended.deliveries,
                    since_ms: millis(ended.since),
                    settled_by: ended.settled_by,
                    outcome,
                });
                Some(Write::End { row, end })
            }),
            Record::Acknowledge { request } => row_of(&request).map(|row| Write::Acknowledge { row }),
            Record::Forget { .. } if planted::is(Fault::ForgetNotWritten) => return,
            Record::Forget { request } => row_of(&request).map(|row| Write::Forget { row }),
            Record::AddPart { request, delivery, number, part, bytes: _ } => {
                row_of(&request).zip(row_of(&part)).and_then(|(request, row)| {
                    let ask = Ask::Part(row);
                    let Some(Content::Part(part)) = self.shelf.fresh(ask) else { return None };
                    let part = Arc::clone(part);
                    self.bytes += DISK_OVERHEAD + part.payload.len() as u64;
                    self.commit_brought(change, ask);
                    Some(Write::AddPart { request, delivery, number, row, part })
                })
            }
            Record::DropParts { request, delivery, through } => {
                row_of(&request).map(|request| Write::DropParts { request, delivery, through })
            }
            Record::Exhume { request } => row_of(&request).map(|row| Write::Exhume { row }),
        };
        debug_assert!(write.is_some(), "what a durable channel keeps has a row");
        self.writes.extend(write);
    }

    fn accept(&mut self, change: Change, accepted: roundtrip_core::Accepted<BrokerHandles>) -> Option<Write> {
        let row = row_of(&accepted.request)?;
        let ask = Ask::Message(row);
        let message = match self.brought {
            Some(Brought::OfLetter { row: of, letter }) if of == row => NewMessage::OfLetter(letter),
            _ => match self.shelf.fresh(ask) {
                Some(Content::Message(request)) => NewMessage::Here(Arc::clone(request)),
                _ => return None,
            },
        };
        self.bytes += DISK_OVERHEAD + accepted.bytes as u64;
        self.commit_brought(change, ask);
        let mailbox = accepted.place.mailbox();
        let facts = Facts {
            row,
            id: accepted.id,
            requester: accepted.requester,
            is_unnamed: mailbox.is_some_and(crate::mailbox::MailboxHandle::is_unnamed),
            reply_channel: mailbox.map(|mailbox| mailbox.address().reply_channel.clone()),
            key: accepted.key.map(|Key { requester, text, fingerprint }| StoredKey {
                is_named: requester.is_some(),
                text,
                fingerprint,
            }),
            priority: accepted.priority,
            redrive_of: accepted.redrive_of,
            accepted_ms: millis(accepted.accepted),
            deadline_ms: millis(accepted.deadline),
            order: accepted.order,
            until_ms: accepted.until.map(millis),
            bytes: accepted.bytes as u64,
        };
        Some(Write::Accept(Box::new(NewRequest { facts, message })))
    }

    fn answer(
        &mut self,
        change: Change,
        answer: &Held<Answer>,
        outcome: impl FnOnce(Arc<Answer>) -> NewOutcome,
    ) -> Option<NewOutcome> {
        let row = row_of(answer)?;
        let ask = Ask::Answer(row);
        let Some(Content::Answer(answer)) = self.shelf.fresh(ask) else { return None };
        let answer = Arc::clone(answer);
        self.bytes += DISK_OVERHEAD + answer.payload.len() as u64;
        self.commit_brought(change, ask);
        Some(outcome(answer))
    }

    /// The command's content goes to the disk with this change.
    fn commit_brought(&mut self, change: Change, ask: Ask) {
        self.brought = None;
        self.shelf.commit_with(change, ask);
    }
}

fn row_of<T>(held: &Held<T>) -> Option<Row> {
    held.row()
}

impl Content {
    /// About how many bytes it takes in memory.
    pub(crate) fn bytes(&self) -> usize {
        const BESIDE: usize = 256;
        BESIDE
            + match self {
                Self::Message(request) => Request::bytes(request),
                Self::Operation(operation) => operation.len(),
                Self::Answer(answer) => answer.payload.len(),
                Self::Part(part) => part.payload.len() + part.label.bytes(),
            }
    }
}
