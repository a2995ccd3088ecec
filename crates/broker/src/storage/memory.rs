//! A storage in plain maps, for tests and simulators: as durable as the process.
//!
//! What it keeps lies on a [`MemoryDisk`]. A new storage on the same disk is the broker started again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use roundtrip_protocol::{ChannelName, Text};

use super::body::{Body, content};
use super::{
    Ask, ChannelRow, Content, Facts, Missing, NewEnd, NewMessage, NewOutcome, NewRequest, Reader, Row, Start, Storage,
    StorageError, StorageErrorKind, Stored, StoredEnd, StoredLetter, StoredParts, StoredRequest, StoredTried, Write,
};
use crate::lock::Lock;

/// What storages in memory keep, whoever opens it.
#[derive(Clone, Default)]
pub struct MemoryDisk(Arc<Mutex<Contents>>);

/// A storage on a disk in memory.
pub(crate) struct MemoryStorage(MemoryDisk);

impl std::fmt::Debug for MemoryDisk {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("MemoryDisk")
    }
}

impl MemoryDisk {
    /// Whether no channel is on it.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.locked().channels.is_empty()
    }

    /// From here on it is full, and keeps nothing more; or it is not any more.
    pub fn set_full(&self, is_full: bool) {
        self.0.locked().is_full = is_full;
    }
}

#[derive(Default)]
struct Contents {
    is_full: bool,
    start: u64,
    latest_ms: u64,
    channels: BTreeMap<ChannelRow, ChannelName>,
    requests: BTreeMap<Row, Kept>,
    bodies: BTreeMap<Row, (Vec<u8>, Bytes)>,
    /// What the bodies have together.
    bytes: u64,
}

/// A request or what is left of it.
struct Kept {
    facts: Facts,
    operation: Text,
    tried: Option<StoredTried>,
    parts: Option<KeptParts>,
    ended: Option<StoredEnd>,
    letter: Option<StoredLetter>,
}

/// The parts of a delivery.
struct KeptParts {
    delivery: u32,
    /// By number each one's row, and what it takes.
    kept: BTreeMap<u32, (Row, u64)>,
}

/// What a request takes beside its bodies, in bytes.
const REQUEST_BYTES: u64 = 256;

impl MemoryStorage {
    pub(crate) fn on(disk: &MemoryDisk) -> Self {
        Self(disk.clone())
    }
}

#[cfg(feature = "simulation")]
impl MemoryDisk {
    /// A request of a channel.
    pub(crate) fn find(&self, channel: &str, id: roundtrip_protocol::RequestId) -> Option<StoredRequest> {
        let contents = self.0.locked();
        let is_its = |row: Row| contents.channels.get(&row.channel()).is_some_and(|name| name.as_str() == channel);
        let mut kept = contents.requests.values().filter(|kept| kept.is_request());
        kept.find(|kept| kept.facts.id == id && is_its(kept.facts.row)).map(Kept::stored)
    }

    /// Damages a message, an answer or a part, and says which request's it is.
    pub(crate) fn damage(&self, chance: u64) -> Option<roundtrip_protocol::RequestId> {
        let mut contents = self.0.locked();
        let at = chance.checked_rem(contents.bodies.len() as u64)?;
        let row = *contents.bodies.keys().nth(usize::try_from(at).ok()?)?;
        let id = contents.requests.values().find(|kept| kept.has(row))?.facts.id;
        contents.remove_body(row);
        contents.bodies.insert(row, (Vec::new(), Bytes::new()));
        Some(id)
    }
}

impl Storage for MemoryStorage {
    fn begin(&mut self, least: u64, now_ms: u64) -> Result<Start, StorageError> {
        let mut contents = self.0.0.locked();
        contents.start = least.max(contents.start.saturating_add(1));
        contents.latest_ms = contents.latest_ms.max(now_ms);
        Ok(Start { number: contents.start, now_ms: contents.latest_ms })
    }

    fn commit(&mut self, now_ms: u64, writes: &[Write]) -> Result<(), StorageError> {
        let mut contents = self.0.0.locked();
        if contents.is_full {
            return Err(StorageError { kind: StorageErrorKind::Full, text: "the disk in memory is full".to_owned() });
        }
        contents.latest_ms = contents.latest_ms.max(now_ms);
        writes.iter().for_each(|write| contents.apply(write));
        Ok(())
    }

    fn used(&mut self) -> Result<u64, StorageError> {
        let contents = self.0.0.locked();
        Ok(contents.bytes + contents.requests.len() as u64 * REQUEST_BYTES)
    }

    fn tidy(&mut self) -> Result<bool, StorageError> {
        Ok(false)
    }

    fn reader(&self) -> Result<Box<dyn Reader>, StorageError> {
        Ok(Box::new(self.0.clone()))
    }
}

impl Reader for MemoryDisk {
    fn channels(&mut self) -> Result<Vec<(ChannelRow, ChannelName)>, StorageError> {
        Ok(self.0.locked().channels.iter().map(|(channel, name)| (*channel, name.clone())).collect())
    }

    fn load(&mut self, channel: ChannelRow, each: &mut dyn FnMut(Stored)) -> Result<(), StorageError> {
        let contents = self.0.locked();
        let kept = || contents.requests.values().filter(|kept| kept.facts.row.channel() == channel);
        kept().filter(|kept| kept.is_request()).for_each(|kept| each(Stored::Request(Box::new(kept.stored()))));
        let mut letters: Vec<_> = kept().filter_map(|kept| kept.letter.clone()).collect();
        letters.sort_by_key(|letter| (letter.died_ms, letter.facts.row));
        letters.into_iter().for_each(|letter| each(Stored::Letter(Box::new(letter))));
        Ok(())
    }

    fn read(&mut self, asked: &[Ask]) -> Result<Vec<Result<Content, Missing>>, StorageError> {
        let contents = self.0.locked();
        Ok(asked.iter().map(|ask| contents.read(*ask)).collect())
    }
}

impl Contents {
    fn apply(&mut self, write: &Write) {
        match write {
            Write::AddChannel { channel, name } => {
                self.channels.insert(*channel, name.clone());
            }
            Write::RemoveChannel { channel } => {
                self.channels.remove(channel);
            }
            Write::Accept(request) => self.accept(request),
            Write::Move { row, tried } => self.change(*row, |kept| kept.tried = Some((**tried).clone())),
            Write::End { row, end } => self.end(*row, end),
            Write::Acknowledge { row } => self.change(*row, |kept| {
                kept.ended.iter_mut().for_each(|ended| ended.is_acknowledged = true);
            }),
            Write::Forget { row } => self.forget(*row),
            Write::AddPart { request, delivery, number, row, part } => {
                self.drop_parts(*request, |of, _| of != *delivery);
                self.insert_body(*row, Body::of_part(part));
                let bytes = crate::message::Part::bytes(&part.label, part.payload.len()) as u64;
                self.change(*request, |kept| {
                    let none = || KeptParts { delivery: *delivery, kept: BTreeMap::new() };
                    kept.parts.get_or_insert_with(none).kept.insert(*number, (*row, bytes));
                });
            }
            Write::DropParts { request, delivery, through } => {
                self.drop_parts(*request, |of, number| of == *delivery && number <= *through);
            }
            Write::Exhume { row } => {
                self.change(*row, |kept| kept.letter = None);
                self.remove_body(*row);
                self.remove_what_is_over(*row);
            }
        }
    }

    fn accept(&mut self, request: &NewRequest) {
        let NewRequest { facts, message } = request;
        let operation = match message {
            NewMessage::Here(request) => {
                let body = Body::of_accepted(facts, request);
                body.into_iter().for_each(|body| self.insert_body(facts.row, body));
                request.operation.clone()
            }
            NewMessage::OfLetter(old) => {
                let body = self.bodies.remove(old);
                self.bodies.extend(body.map(|body| (facts.row, body)));
                self.requests.get(old).map_or_else(Text::default, |kept| kept.operation.clone())
            }
        };
        let facts = facts.clone();
        let kept = Kept { facts, operation, tried: None, parts: None, ended: None, letter: None };
        self.requests.insert(kept.facts.row, kept);
    }

    fn end(&mut self, row: Row, end: &NewEnd) {
        self.remove_body(row.answer());
        match &end.outcome {
            NewOutcome::Replied(answer) | NewOutcome::Failed(answer) => {
                self.remove_body(row);
                self.insert_body(row.answer(), Body::of_answer(answer));
            }
            NewOutcome::Dead { .. } => {}
            NewOutcome::Expired | NewOutcome::Cancelled => self.remove_body(row),
        }
        self.change(row, |kept| {
            kept.tried = None;
            kept.ended = Some(StoredEnd::of(end));
            if let NewOutcome::Dead { reason, last } = &end.outcome {
                kept.letter = Some(StoredLetter {
                    facts: kept.facts.clone(),
                    reason: *reason,
                    attempts: end.attempts,
                    deliveries: end.deliveries,
                    died_ms: end.since_ms,
                    last: last.clone(),
                });
            }
        });
    }

    fn forget(&mut self, row: Row) {
        self.remove_body(row.answer());
        self.drop_parts(row, |_, _| true);
        self.change(row, |kept| {
            kept.tried = None;
            kept.ended = None;
        });
        if self.requests.get(&row).is_some_and(|kept| kept.letter.is_none()) {
            self.remove_body(row);
        }
        self.remove_what_is_over(row);
    }

    fn drop_parts(&mut self, request: Row, is_dropped: impl Fn(u32, u32) -> bool) {
        let mut dropped = Vec::new();
        self.change(request, |kept| {
            let Some(KeptParts { delivery, kept: parts }) = &mut kept.parts else { return };
            parts.retain(|number, (row, _)| {
                let goes = is_dropped(*delivery, *number);
                dropped.extend(goes.then_some(*row));
                !goes
            });
            if parts.is_empty() {
                kept.parts = None;
            }
        });
        dropped.into_iter().for_each(|row| self.remove_body(row));
    }

    /// A request is kept for as long as it is open, or its outcome or its dead letter is kept.
    fn remove_what_is_over(&mut self, row: Row) {
        if self.requests.get(&row).is_some_and(|kept| kept.ended.is_none() && kept.letter.is_none()) {
            self.requests.remove(&row);
        }
    }

    fn change(&mut self, row: Row, change: impl FnOnce(&mut Kept)) {
        if let Some(kept) = self.requests.get_mut(&row) {
            change(kept);
        }
    }

    fn insert_body(&mut self, row: Row, body: Body) {
        self.bytes += (body.head.len() + body.payload.len()) as u64;
        self.bodies.insert(row, (body.head, body.payload));
    }

    fn remove_body(&mut self, row: Row) {
        if let Some((head, payload)) = self.bodies.remove(&row) {
            self.bytes -= (head.len() + payload.len()) as u64;
        }
    }

    fn read(&self, ask: Ask) -> Result<Content, Missing> {
        let row = match ask {
            Ask::Operation(row) => {
                let kept = self.requests.get(&row).ok_or(Missing::Gone)?;
                return Ok(Content::Operation(kept.operation.clone()));
            }
            Ask::Message(row) | Ask::Answer(row) | Ask::Part(row) => row,
        };
        let (head, payload) = self.bodies.get(&row).ok_or(Missing::Gone)?;
        ask.found(content(head, payload.clone()))
    }
}

impl Kept {
    /// Otherwise only its dead letter is kept.
    const fn is_request(&self) -> bool {
        self.ended.is_some() || self.letter.is_none()
    }

    /// Whether the body of this row is its message, its answer or one of its parts.
    #[cfg(feature = "simulation")]
    fn has(&self, row: Row) -> bool {
        let parts = self.parts.iter().flat_map(|parts| parts.kept.values());
        self.facts.row == row || self.facts.row.answer() == row || parts.into_iter().any(|(part, _)| *part == row)
    }

    fn stored(&self) -> StoredRequest {
        let parts = self.parts.as_ref().and_then(|KeptParts { delivery, kept }| {
            let first = *kept.first_key_value()?.0;
            Some(StoredParts { delivery: *delivery, first, kept: kept.values().copied().collect() })
        });
        StoredRequest { facts: self.facts.clone(), tried: self.tried.clone(), parts, ended: self.ended.clone() }
    }
}
