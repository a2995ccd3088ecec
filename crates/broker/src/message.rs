//! Kept messages: what a service is handed and what a requester is told, each with its share of the memory.
//!
//! They hold patients' data: `Debug` tells only sizes.

use std::fmt;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use roundtrip_protocol::{Label, Problem, Text};

use crate::lock::Lock;
use crate::memory::Room;

/// What a kept request takes beside its texts and payload, in bytes: its entries in the channel's maps, its place in
/// the mailbox, its ticket on the connection.
pub(crate) const REQUEST_OVERHEAD: usize = 1024;

/// What an idempotency key takes beside its text, which stands with its request and among the keys of its channel, in
/// bytes.
pub(crate) const KEY_OVERHEAD: usize = 512;

/// What a kept part takes beside its texts and payload, in bytes.
pub(crate) const PART_OVERHEAD: usize = 256;

/// A payload that owns its memory, and that memory's share.
pub(crate) struct Payload {
    bytes: Bytes,
    _room: Room,
}

impl Payload {
    pub(crate) fn new(bytes: Bytes, room: Room) -> Option<Arc<Self>> {
        (!bytes.is_empty()).then(|| Arc::new(Self { bytes, _room: room }))
    }
}

/// A request's message.
pub(crate) struct Request {
    pub(crate) operation: Text,
    pub(crate) label: Label,
    payload: Mutex<Option<Arc<Payload>>>,
    /// For everything but the payload, and for the reply.
    _room: Room,
}

impl Request {
    pub(crate) fn new(operation: Text, label: Label, payload: Bytes, mut room: Room) -> Arc<Self> {
        let payload_room = room.split(payload.len());
        let payload = Mutex::new(Payload::new(payload, payload_room));
        Arc::new(Self { operation, label, payload, _room: room })
    }

    pub(crate) fn payload(&self) -> Option<Arc<Payload>> {
        self.payload.locked().clone()
    }

    /// Looks at the payload where it is.
    pub(crate) fn with_payload<T>(&self, look: impl FnOnce(Option<&Arc<Payload>>) -> T) -> T {
        look(self.payload.locked().as_ref())
    }

    /// What is kept for it beside the payload's own bytes and what it reserves for the reply.
    pub(crate) fn texts(&self) -> usize {
        self.operation.len() + self.label.bytes()
    }

    /// What is kept for it, about, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.texts() + self.payload.locked().as_ref().map_or(0, |payload| payload.bytes().len())
    }

    /// The payload is delivered no more.
    pub(crate) fn forget_payload(&self) {
        let payload = self.payload.locked().take();
        drop(payload);
    }
}

impl Payload {
    pub(crate) const fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Request").field("label_bytes", &self.label.bytes()).finish_non_exhaustive()
    }
}

/// An interim result.
pub(crate) struct Part {
    pub(crate) label: Label,
    pub(crate) payload: Bytes,
    _room: Room,
}

impl Part {
    pub(crate) fn new(label: Label, payload: Bytes, room: Room) -> Arc<Self> {
        Arc::new(Self { label, payload, _room: room })
    }

    /// What it takes of a channel's `parts_room`.
    pub(crate) fn bytes(label: &Label, payload_len: usize) -> usize {
        label.bytes() + payload_len
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Part").field("payload_len", &self.payload.len()).finish_non_exhaustive()
    }
}

/// What a service, or the broker, ended a delivery with.
pub(crate) struct Answer {
    words: Words,
    pub(crate) payload: Bytes,
    /// For what is over the room that was set aside with the request.
    _room: Room,
}

/// What an answer says beside its payload.
pub(crate) enum Words {
    Reply(Label),
    Problem { problem: Problem, content_type: Option<String> },
}

impl Answer {
    pub(crate) fn reply(label: Label, payload: Bytes, room: Room) -> Arc<Self> {
        Arc::new(Self { words: Words::Reply(label), payload, _room: room })
    }

    pub(crate) fn problem(problem: Problem, content_type: Option<String>, payload: Bytes, room: Room) -> Arc<Self> {
        Arc::new(Self { words: Words::Problem { problem, content_type }, payload, _room: room })
    }

    pub(crate) const fn words(&self) -> &Words {
        &self.words
    }

    /// How a request ended that this is the answer to.
    pub(crate) fn ending(&self) -> roundtrip_protocol::Ending {
        match &self.words {
            Words::Reply(label) => roundtrip_protocol::Ending::Replied(label.clone()),
            Words::Problem { problem, content_type } => {
                roundtrip_protocol::Ending::Failed { problem: problem.clone(), content_type: content_type.clone() }
            }
        }
    }

    /// What went wrong, in words.
    pub(crate) fn said(&self) -> Problem {
        match &self.words {
            Words::Problem { problem, .. } => problem.clone(),
            Words::Reply(_) => Problem::new("none", ""),
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Answer").field("payload_len", &self.payload.len()).finish_non_exhaustive()
    }
}
