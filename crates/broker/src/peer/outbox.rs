//! What waits to be sent over a connection, and what a channel's words become on the way there.

use std::collections::BTreeMap;
use std::task::Waker;

use roundtrip_core::{Ending, Outcome, Tell};
use roundtrip_protocol::{
    Accepted, Acknowledged, Answered, Delivery, Duplicate, Header, Problem, Progress, ProgressUpdate, RefusalCode,
    TicketNumber,
};
use roundtrip_transport::Broken;

use super::millis;
use super::open::{Asked, Open};
use super::queue::{Body, FRAME, Queue};
use crate::handles::BrokerHandles;
use crate::memory::Room;

/// How much of the outbox the room of an idle connection covers, in bytes.
const COVERED: usize = 4 * 1024;

/// In which steps the outbox's room is counted, in bytes.
const STEP: usize = 4 * 1024;

/// Frames in the order in which they were put in, and what their numbers stand for.
pub(super) struct Outbox {
    pub(super) queue: Queue,
    /// The latest progress of each ticket that has one waiting. It goes behind everything else.
    progress: BTreeMap<TicketNumber, Progress>,
    pub(super) open: Open,
    pub(super) state: State,
    /// A frame could not be put in: the connection is over.
    pub(super) broken: Option<Broken>,
    pub(super) was_over_mark: bool,
    pub(super) receiver: Option<Waker>,
    pub(super) sender: Option<Waker>,
    room: Room,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Open,
    /// What is in the outbox is sent, and nothing more is put in.
    Closing,
    /// Nothing is sent any more.
    Closed,
}

impl Outbox {
    pub(super) fn new(queue: Queue, room: Room, max_open: usize) -> Self {
        Self {
            queue,
            progress: BTreeMap::new(),
            open: Open::new(max_open),
            state: State::Open,
            broken: None,
            was_over_mark: false,
            receiver: None,
            sender: None,
            room,
        }
    }

    /// Puts a frame in, as long as some are taken.
    pub(super) fn put(&mut self, header: impl Into<Header>, body: Body<'_>) {
        if self.state == State::Open
            && let Err(broken) = self.queue.push(header.into(), body)
        {
            self.broken.get_or_insert(broken);
        }
    }

    /// Puts in what a channel tells, whose contents are in memory, unless the number was closed meanwhile.
    pub(super) fn tell(&mut self, tell: Tell<BrokerHandles>) {
        match tell {
            Tell::Accepted { ticket, services, duplicate } => {
                let duplicate = duplicate.map(|original| {
                    self.open.redirect_ticket(ticket, original.id);
                    let reply_channel = original.place.reply_channel();
                    Duplicate { id: original.id, requester: original.requester, reply_channel }
                });
                self.put(Accepted { ticket, services, duplicate }, Body::None);
            }
            Tell::Delivery {
                service,
                token,
                attempt,
                lease,
                remaining,
                attempt_timeout,
                requester,
                redrive_of,
                request,
            } => {
                let Some(request) = request.here() else { return };
                let header = Delivery {
                    service,
                    token,
                    attempt,
                    lease_ms: millis(lease),
                    remaining_ms: millis(remaining),
                    attempt_ms: attempt_timeout.map(millis),
                    requester,
                    redrive_of,
                    operation: request.operation.clone(),
                    label: request.label.clone(),
                };
                request.with_payload(|payload| self.put(header, Body::of(payload)));
            }
            Tell::Answered { call, answer } => self.put(Answered { call, answer }, Body::None),
            Tell::Outcome { ticket, outcome } => {
                if self.open.ticket(ticket).is_some() {
                    self.progress.remove(&ticket);
                    let (ending, body) = travelling(&outcome);
                    let attempts = outcome.attempts;
                    self.put(roundtrip_protocol::Outcome { ticket, attempts, ending }, body);
                }
            }
            Tell::Acknowledged { call, result } => self.put(Acknowledged { call, result }, Body::None),
            Tell::Refused { ticket, refusal } => {
                let Some(closed) = self.close_ticket(ticket) else { return };
                let refusal = match closed.asked {
                    Asked::UnlessKnown(instead) if refusal.code == RefusalCode::UnknownTicket => *instead,
                    _ => refusal,
                };
                self.put(roundtrip_protocol::Refused { ticket, refusal }, Body::None);
            }
            Tell::State { ticket, state, ahead, services, attempts, remaining, redrive_of, progress } => {
                match self.open.ticket(ticket).map(|ticket| &ticket.asked) {
                    Some(Asked::UnlessKnown(_)) => {
                        self.put(Accepted { ticket, services, duplicate: None }, Body::None);
                    }
                    Some(Asked::Plainly) => {
                        let remaining_ms = remaining.map(millis);
                        let header = roundtrip_protocol::State {
                            ticket,
                            state,
                            ahead,
                            services,
                            attempts,
                            remaining_ms,
                            redrive_of,
                            progress,
                        };
                        self.put(header, Body::None);
                    }
                    None => {}
                }
            }
            Tell::Progress { ticket, progress } => {
                if self.open.ticket(ticket).is_some() && self.state == State::Open {
                    self.progress.insert(ticket, progress);
                }
            }
            Tell::Part { ticket, delivery, number, part } => {
                if let (Some(_), Some(part)) = (self.open.ticket(ticket), part.here()) {
                    let header = roundtrip_protocol::Part { ticket, delivery, number, label: part.label.clone() };
                    self.put(header, Body::Kept { bytes: &part.payload, keeper: part });
                }
            }
            Tell::PartsFrom { ticket, delivery, first } => {
                if self.open.ticket(ticket).is_some() {
                    self.put(roundtrip_protocol::PartsFrom { ticket, delivery, first }, Body::None);
                }
            }
            Tell::Cancelled { call, result } => self.put(roundtrip_protocol::Cancelled { call, result }, Body::None),
            Tell::Redriven { call, result } => self.put(roundtrip_protocol::Redriven { call, result }, Body::None),
            Tell::Purged { call, was_there } => self.put(roundtrip_protocol::Purged { call, was_there }, Body::None),
            Tell::PartsRoom { service, token } => {
                self.put(roundtrip_protocol::PartsRoom { service, token }, Body::None);
            }
            Tell::Stop { service, token, reason } => {
                self.put(roundtrip_protocol::Stop { service, token, reason }, Body::None);
            }
        }
    }

    /// The ticket's number stands for nothing any more.
    pub(super) fn close_ticket(&mut self, number: TicketNumber) -> Option<super::Ticket> {
        self.progress.remove(&number);
        self.open.close_ticket(number)
    }

    /// Puts the latest progress of each ticket behind what waits.
    pub(super) fn flush_progress(&mut self) {
        while let Some((ticket, progress)) = self.progress.pop_first() {
            self.put(ProgressUpdate { ticket, progress }, Body::None);
        }
    }

    /// Nothing more is put in, and no number stands for anything. What comes back is dropped when no lock is held.
    pub(super) fn leave(&mut self, state: State) -> impl Sized + use<> {
        if self.state != State::Closed {
            self.state = state;
        }
        self.progress = BTreeMap::new();
        let waiting = (state == State::Closed).then(|| self.queue.take_all());
        (self.open.clear(), waiting)
    }

    /// About how many bytes wait.
    pub(super) fn weight(&self) -> usize {
        self.queue.len() + self.progress.len() * FRAME
    }

    /// Counts what the outbox has allocated.
    pub(super) fn count_room(&mut self) {
        let progress = self.progress.len() * crate::session::PROGRESS_LIMIT;
        let needed = self.queue.allocated() + progress + self.open.allocated();
        let room = needed.saturating_sub(COVERED).next_multiple_of(STEP);
        if room != self.room.bytes() {
            self.room.resize(room);
        }
    }
}

/// An outcome as it travels: how it ended, and what belongs to it, which is in memory.
pub(super) fn travelling(outcome: &Outcome<BrokerHandles>) -> (roundtrip_protocol::Ending, Body<'_>) {
    use roundtrip_protocol::Ending as Wire;
    match &outcome.ending {
        Ending::Replied(answer) | Ending::Failed(answer) => match answer.here() {
            Some(answer) => (answer.ending(), Body::Kept { bytes: &answer.payload, keeper: answer }),
            None => (Wire::Failed { problem: Problem::new("unknown", ""), content_type: None }, Body::None),
        },
        Ending::Dead { reason, last } => {
            let last = last.as_ref().and_then(|answer| Some(answer.here()?.said()));
            (Wire::Dead { reason: *reason, last }, Body::None)
        }
        Ending::Expired => (Wire::Expired, Body::None),
        Ending::Cancelled => (Wire::Cancelled, Body::None),
    }
}
