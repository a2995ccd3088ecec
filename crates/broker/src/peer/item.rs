//! What waits in an outbox. It becomes a frame when it leaves, so that texts and payloads stay where they are kept.

use std::sync::Arc;
use std::time::Duration;

use roundtrip_core::Outcome;
use roundtrip_protocol::{
    Accepted, Acknowledged, Answered, ChannelName, DeadLetterEntry, Frame, Header, MailboxNumber, Problem, Progress,
    ProgressUpdate, Redrive, Redriven, RequestId, RequesterName, ServiceNumber, TicketNumber, Token,
};

use crate::handles::BrokerHandles;
use crate::message::{Answer, Part, Payload, Request, travelling};

/// About how many bytes a frame has beside its texts and its payload.
const FRAME: usize = 96;

/// Something that waits to be sent. Many wait before a busy connection: what is rare and large is boxed.
pub(crate) enum Item {
    /// A frame that no request is without.
    Accepted(Accepted),
    /// Another one.
    Answered(Answered),
    /// Another one.
    Acknowledged(Acknowledged),
    /// Any other frame.
    Ready(Box<Header>),
    /// A request, handed over.
    Delivery {
        service: ServiceNumber,
        token: Token,
        attempt: u32,
        lease_ms: u64,
        remaining_ms: u64,
        attempt_ms: Option<u64>,
        requester: RequesterName,
        redrive_of: Option<RequestId>,
        request: Arc<Request>,
        /// Held here too: the request lets go of it when it has its outcome.
        payload: Option<Arc<Payload>>,
    },
    /// The outcome of a followed request.
    Outcome { ticket: TicketNumber, outcome: Outcome<BrokerHandles> },
    /// An outcome in a mailbox.
    Reply {
        mailbox: MailboxNumber,
        channel: ChannelName,
        id: RequestId,
        redrive_of: Option<RequestId>,
        operation: Arc<str>,
        outcome: Outcome<BrokerHandles>,
    },
    /// A part of a followed request.
    Part { ticket: TicketNumber, delivery: u32, number: u32, part: Arc<Part> },
    /// A dead letter.
    DeadLetter { header: Box<roundtrip_protocol::DeadLetter>, payload: Option<Arc<Payload>> },
    /// The latest progress of a ticket, whatever it is by then.
    Progress(TicketNumber),
}

/// What goes along with the payload of a frame that leaves the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lending {
    /// Its room: it is still in the broker's memory until it is written.
    WithRoom,
    /// Nothing: it is the receiver's from here on.
    BytesAlone,
}

impl Item {
    pub(crate) fn ready(header: impl Into<Header>) -> Self {
        Self::Ready(Box::new(header.into()))
    }

    /// About how many bytes it is on the way. It is the same as long as the item waits.
    pub(crate) fn weight(&self) -> usize {
        FRAME
            + match self {
                Self::Accepted(_) | Self::Answered(_) | Self::Acknowledged(_) => 0,
                Self::Ready(_) => self.texts(),
                Self::Delivery { payload, request, .. } => {
                    payload.as_ref().map_or(0, |payload| payload.bytes().len()) + request.label.bytes()
                }
                Self::Outcome { outcome, .. } | Self::Reply { outcome, .. } => answer_weight(outcome),
                Self::Part { part, .. } => part.payload.len() + part.label.bytes(),
                Self::DeadLetter { payload, .. } => {
                    self.texts() + payload.as_ref().map_or(0, |payload| payload.bytes().len())
                }
                Self::Progress(_) => 0,
            }
    }

    /// How many bytes of texts it owns itself.
    pub(crate) fn texts(&self) -> usize {
        match self {
            Self::Ready(header) => match &**header {
                Header::Error(error) => error.message.len(),
                Header::Refused(refused) => refused.refusal.message.len(),
                Header::State(state) => state.progress.as_ref().map_or(0, |at| at.stage.len() + at.note.len()),
                Header::Channels(part) => part.channels.len() * size_of::<roundtrip_protocol::ChannelFigures>(),
                Header::Bound(bound) => bound.refusal.as_ref().map_or(0, |refusal| refusal.message.len()),
                Header::DeadLetters(list) => list.letters.iter().map(letter_texts).sum(),
                Header::Redriven(Redriven { result: Redrive::Refused(refusal), .. }) => refusal.message.len(),
                _ => 0,
            },
            Self::DeadLetter { header, .. } => {
                header.letter.as_ref().map_or(0, |letter| letter_texts(&letter.entry) + letter.label.bytes())
            }
            _ => 0,
        }
    }

    /// The frame. None for a progress that something later made void.
    pub(crate) fn into_frame(self, latest: Option<Progress>, lending: Lending) -> Option<Frame> {
        Some(match self {
            Self::Accepted(header) => header.into(),
            Self::Answered(header) => header.into(),
            Self::Acknowledged(header) => header.into(),
            Self::Ready(header) => Frame::from(*header),
            Self::Delivery {
                service,
                token,
                attempt,
                lease_ms,
                remaining_ms,
                attempt_ms,
                requester,
                redrive_of,
                request,
                payload,
            } => {
                let header = roundtrip_protocol::Delivery {
                    service,
                    token,
                    attempt,
                    lease_ms,
                    remaining_ms,
                    attempt_ms,
                    requester,
                    redrive_of,
                    operation: request.operation.to_string(),
                    label: request.label.clone(),
                };
                let payload = payload.map(|payload| lent(payload.bytes(), &payload, lending));
                Frame::new(header, payload.unwrap_or_default())
            }
            Self::Outcome { ticket, outcome } => {
                let (ending, answer) = travelling(&outcome);
                let header = roundtrip_protocol::Outcome { ticket, attempts: outcome.attempts, ending };
                Frame::new(header, payload_of(answer, lending))
            }
            Self::Reply { mailbox, channel, id, redrive_of, operation, outcome } => {
                let (ending, answer) = travelling(&outcome);
                let operation = operation.to_string();
                let attempts = outcome.attempts;
                let header =
                    roundtrip_protocol::Reply { mailbox, channel, id, redrive_of, operation, attempts, ending };
                Frame::new(header, payload_of(answer, lending))
            }
            Self::Part { ticket, delivery, number, part } => {
                let header = roundtrip_protocol::Part { ticket, delivery, number, label: part.label.clone() };
                Frame::new(header, lent(&part.payload, &part, lending))
            }
            Self::DeadLetter { header, payload } => {
                let payload = payload.map(|payload| lent(payload.bytes(), &payload, lending));
                Frame::new(*header, payload.unwrap_or_default())
            }
            Self::Progress(ticket) => Frame::from(ProgressUpdate { ticket, progress: latest? }),
        })
    }
}

fn payload_of(answer: Option<&Arc<Answer>>, lending: Lending) -> bytes::Bytes {
    answer.map(|answer| lent(&answer.payload, answer, lending)).unwrap_or_default()
}

/// The bytes of a payload that `keeper` keeps. A small one's room is that of the buffer it is copied into.
fn lent<T: Send + Sync + 'static>(bytes: &bytes::Bytes, keeper: &Arc<T>, lending: Lending) -> bytes::Bytes {
    const SMALL: usize = 4 * 1024;
    if lending == Lending::BytesAlone || bytes.len() <= SMALL {
        return bytes.clone();
    }
    bytes::Bytes::from_owner(Lent { bytes: bytes.clone(), _keeper: Arc::clone(keeper) })
}

struct Lent<T> {
    bytes: bytes::Bytes,
    _keeper: Arc<T>,
}

impl<T> AsRef<[u8]> for Lent<T> {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

fn answer_weight(outcome: &Outcome<BrokerHandles>) -> usize {
    match &outcome.ending {
        roundtrip_core::Ending::Replied(answer) | roundtrip_core::Ending::Failed(answer) => {
            answer.here().map_or(0, |answer| answer.payload.len())
        }
        roundtrip_core::Ending::Dead { .. } | roundtrip_core::Ending::Expired | roundtrip_core::Ending::Cancelled => 0,
    }
}

fn letter_texts(entry: &DeadLetterEntry) -> usize {
    size_of::<DeadLetterEntry>()
        + entry.operation.len()
        + entry.requester.as_str().len()
        + entry.last.as_ref().map_or(0, Problem::bytes)
}

/// A length of time as frames tell it.
pub(crate) fn millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}
