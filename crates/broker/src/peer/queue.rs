//! Frames that wait: as they are for a connection in the same process, as bytes for one that carries bytes.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use roundtrip_protocol::{DeadLetterEntry, Ending, Frame, Header, Problem, Redrive, Redriven};
use roundtrip_transport::{Broken, WriteQueue};

use crate::message::Payload;

/// About how many bytes a frame in memory has beside its texts and its payload.
pub(super) const FRAME: usize = 96;

/// How many frames an empty list keeps room for.
const KEPT: usize = 16;

/// Frames in order.
pub(crate) enum Queue {
    /// For the same process. Payloads leave it without their room: they are the receiver's from there on.
    Frames(Frames),
    /// For a stream. A large payload keeps its room until it is written; a small one is copied.
    Bytes(WriteQueue),
}

#[derive(Default)]
pub(crate) struct Frames {
    frames: VecDeque<Frame>,
    /// The bytes of texts in their headers.
    texts: usize,
    /// The bytes of their payloads, whose memory is that of what is kept.
    payloads: usize,
}

/// What a frame carries beside its header.
#[derive(Clone, Copy)]
pub(crate) enum Body<'a> {
    /// Nothing.
    None,
    /// A payload, and who keeps it and its room.
    Kept { bytes: &'a Bytes, keeper: &'a dyn Keeper },
}

/// Keeps a payload, and its room with it.
pub(crate) trait Keeper {
    /// The same bytes, which keep it in turn.
    fn lend(&self, bytes: &Bytes) -> Bytes;
}

impl<T: Send + Sync + 'static> Keeper for Arc<T> {
    fn lend(&self, bytes: &Bytes) -> Bytes {
        Bytes::from_owner(Lent { bytes: bytes.clone(), _keeper: Self::clone(self) })
    }
}

struct Lent<T> {
    bytes: Bytes,
    _keeper: Arc<T>,
}

impl<T> AsRef<[u8]> for Lent<T> {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl<'a> Body<'a> {
    pub(crate) fn of(payload: Option<&'a Arc<Payload>>) -> Self {
        payload.map_or(Self::None, |payload| Self::Kept { bytes: payload.bytes(), keeper: payload })
    }
}

impl Queue {
    pub(super) fn push(&mut self, header: Header, body: Body<'_>) -> Result<(), Broken> {
        match (self, body) {
            (Self::Frames(frames), Body::None) => frames.push(header, Bytes::new()),
            (Self::Frames(frames), Body::Kept { bytes, .. }) => frames.push(header, bytes.clone()),
            (Self::Bytes(queue), Body::None) => return queue.push_parts(&header, &[], Bytes::new),
            (Self::Bytes(queue), Body::Kept { bytes, keeper }) => {
                return queue.push_parts(&header, bytes, || keeper.lend(bytes));
            }
        }
        Ok(())
    }

    /// About how many bytes wait.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Frames(Frames { frames, texts, payloads }) => frames.len() * FRAME + texts + payloads,
            Self::Bytes(queue) => queue.len(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Frames(waiting) => waiting.frames.is_empty(),
            Self::Bytes(queue) => queue.is_empty(),
        }
    }

    /// How many bytes of memory it holds, without the payloads that it shares with others.
    pub(super) fn allocated(&self) -> usize {
        match self {
            Self::Frames(waiting) => waiting.frames.capacity() * size_of::<Frame>() + waiting.texts,
            Self::Bytes(queue) => queue.allocated(),
        }
    }

    /// Nothing is about to be put in: an empty one gives memory back.
    pub(super) fn rest(&mut self) {
        match self {
            Self::Frames(waiting) if waiting.frames.is_empty() && waiting.frames.capacity() > KEPT => {
                waiting.frames = VecDeque::new();
            }
            Self::Frames(_) => {}
            Self::Bytes(queue) => queue.rest(),
        }
    }

    /// Takes what waits, and leaves an empty one of the same kind.
    pub(super) fn take_all(&mut self) -> Self {
        let empty = match self {
            Self::Frames(_) => Self::Frames(Frames::default()),
            Self::Bytes(_) => Self::Bytes(WriteQueue::new()),
        };
        std::mem::replace(self, empty)
    }
}

impl Frames {
    fn push(&mut self, header: Header, payload: Bytes) {
        self.texts += texts_of(&header);
        self.payloads += payload.len();
        self.frames.push_back(Frame { header, payload });
    }

    /// Moves what waits behind what is in `to`.
    pub(super) fn take_into(&mut self, to: &mut VecDeque<Frame>) {
        if to.is_empty() {
            std::mem::swap(&mut self.frames, to);
        } else {
            to.append(&mut self.frames);
        }
        (self.texts, self.payloads) = (0, 0);
    }
}

/// How many bytes of texts a header owns.
fn texts_of(header: &Header) -> usize {
    match header {
        Header::Delivery(delivery) => delivery.operation.len() + delivery.label.bytes(),
        Header::Outcome(outcome) => ending_texts(&outcome.ending),
        Header::Reply(reply) => reply.operation.len() + ending_texts(&reply.ending),
        Header::Part(part) => part.label.bytes(),
        Header::Error(error) => error.message.len(),
        Header::Refused(refused) => refused.refusal.message.len(),
        Header::State(state) => state.progress.as_ref().map_or(0, |at| at.stage.len() + at.note.len()),
        Header::ProgressUpdate(update) => update.progress.stage.len() + update.progress.note.len(),
        Header::Channels(part) => part.channels.len() * size_of::<roundtrip_protocol::ChannelFigures>(),
        Header::Bound(bound) => bound.refusal.as_ref().map_or(0, |refusal| refusal.message.len()),
        Header::DeadLetters(list) => list.letters.iter().map(letter_texts).sum(),
        Header::DeadLetter(letter) => {
            letter.letter.as_ref().map_or(0, |letter| letter_texts(&letter.entry) + letter.label.bytes())
        }
        Header::Redriven(Redriven { result: Redrive::Refused(refusal), .. }) => refusal.message.len(),
        _ => 0,
    }
}

fn ending_texts(ending: &Ending) -> usize {
    match ending {
        Ending::Replied(label) => label.bytes(),
        Ending::Failed { problem, content_type } => problem.bytes() + content_type.as_ref().map_or(0, String::len),
        Ending::Dead { last, .. } => last.as_ref().map_or(0, Problem::bytes),
        Ending::Expired | Ending::Cancelled => 0,
    }
}

fn letter_texts(entry: &DeadLetterEntry) -> usize {
    size_of::<DeadLetterEntry>()
        + entry.operation.len()
        + entry.requester.as_str().len()
        + entry.last.as_ref().map_or(0, Problem::bytes)
}
