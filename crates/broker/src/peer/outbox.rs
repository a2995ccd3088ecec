//! What waits to be sent over a connection, and what a channel's words become on the way there.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::task::Waker;

use roundtrip_core::Tell;
use roundtrip_protocol::{Accepted, Duplicate, Progress, RefusalCode, TicketNumber};

use super::item::{Item, millis as item_millis};
use super::open::{Asked, Open};
use crate::handles::BrokerHandles;
use crate::memory::Room;

/// How much of the outbox the room of an idle connection covers, in bytes.
const COVERED: usize = 4 * 1024;

/// In which steps the outbox's room is counted, in bytes.
const STEP: usize = 4 * 1024;

/// Items in the order in which they were put in, and what their numbers stand for.
pub(super) struct Outbox {
    pub(super) items: VecDeque<Item>,
    /// The latest progress of each ticket that has one waiting.
    pub(super) progress: HashMap<TicketNumber, Progress>,
    /// The bytes of texts that items own.
    pub(super) texts: usize,
    pub(super) open: Open,
    pub(super) state: State,
    pub(super) was_over_mark: bool,
    pub(super) receiver: Option<Waker>,
    pub(super) sender: Option<Waker>,
    pub(super) room: Room,
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
    pub(super) fn new(room: Room, max_open: usize) -> Self {
        Self {
            items: VecDeque::new(),
            progress: HashMap::new(),
            texts: 0,
            open: Open::new(max_open),
            state: State::Open,
            was_over_mark: false,
            receiver: None,
            sender: None,
            room,
        }
    }

    /// What is sent for what a channel tells, whose contents are in memory: none where the number was closed meanwhile.
    pub(super) fn item_of(&mut self, tell: Tell<BrokerHandles>) -> Option<Item> {
        match tell {
            Tell::Refused { ticket, refusal } => {
                let asked = self.open.close_ticket(ticket)?.asked;
                let refusal = match asked {
                    Asked::UnlessKnown(instead) if refusal.code == RefusalCode::UnknownTicket => *instead,
                    _ => refusal,
                };
                Some(Item::ready(roundtrip_protocol::Refused { ticket, refusal }))
            }
            Tell::State { ticket, state, ahead, services, attempts, remaining, redrive_of, progress } => {
                Some(match self.open.ticket(ticket)?.asked {
                    Asked::UnlessKnown(_) => Item::Accepted(Accepted { ticket, services, duplicate: None }),
                    Asked::Plainly => {
                        let remaining_ms = remaining.map(item_millis);
                        Item::ready(roundtrip_protocol::State {
                            ticket,
                            state,
                            ahead,
                            services,
                            attempts,
                            remaining_ms,
                            redrive_of,
                            progress,
                        })
                    }
                })
            }
            Tell::Accepted { ticket, services, duplicate } => {
                let duplicate = duplicate.map(|original| {
                    self.open.redirect_ticket(ticket, original.id);
                    let reply_channel = original.place.reply_channel();
                    Duplicate { id: original.id, requester: original.requester, reply_channel }
                });
                Some(Item::Accepted(Accepted { ticket, services, duplicate }))
            }
            Tell::Outcome { ticket, outcome } => {
                self.open.ticket(ticket)?;
                self.progress.remove(&ticket);
                Some(Item::Outcome { ticket, outcome })
            }
            Tell::Progress { ticket, progress } => {
                self.open.ticket(ticket)?;
                match self.progress.insert(ticket, progress) {
                    Some(_earlier) => None,
                    None => Some(Item::Progress(ticket)),
                }
            }
            Tell::Acknowledged { call, result } => {
                Some(Item::Acknowledged(roundtrip_protocol::Acknowledged { call, result }))
            }
            Tell::Part { ticket, delivery, number, part } => {
                self.open.ticket(ticket)?;
                Some(Item::Part { ticket, delivery, number, part: Arc::clone(part.here()?) })
            }
            Tell::PartsFrom { ticket, delivery, first } => {
                self.open.ticket(ticket)?;
                Some(Item::ready(roundtrip_protocol::PartsFrom { ticket, delivery, first }))
            }
            Tell::Cancelled { call, result } => Some(Item::ready(roundtrip_protocol::Cancelled { call, result })),
            Tell::Redriven { call, result } => Some(Item::ready(roundtrip_protocol::Redriven { call, result })),
            Tell::Purged { call, was_there } => Some(Item::ready(roundtrip_protocol::Purged { call, was_there })),
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
                let request = Arc::clone(request.here()?);
                let payload = request.payload();
                Some(Item::Delivery {
                    service,
                    token,
                    attempt,
                    lease_ms: item_millis(lease),
                    remaining_ms: item_millis(remaining),
                    attempt_ms: attempt_timeout.map(item_millis),
                    requester,
                    redrive_of,
                    request,
                    payload,
                })
            }
            Tell::PartsRoom { service, token } => Some(Item::ready(roundtrip_protocol::PartsRoom { service, token })),
            Tell::Answered { call, answer } => Some(Item::Answered(roundtrip_protocol::Answered { call, answer })),
            Tell::Stop { service, token, reason } => {
                Some(Item::ready(roundtrip_protocol::Stop { service, token, reason }))
            }
        }
    }

    /// Counts what the outbox has allocated, and gives memory back that an empty one does not need.
    pub(super) fn count_room(&mut self) {
        const SLOT: usize = size_of::<Item>();
        const KEPT: usize = 16;
        if self.items.is_empty() && self.items.capacity() > KEPT {
            self.items = VecDeque::new();
        }
        if self.progress.is_empty() && self.progress.capacity() > 0 {
            self.progress = HashMap::new();
        }
        let progress = self.progress.capacity() * crate::session::PROGRESS_LIMIT;
        let needed = self.items.capacity() * SLOT + self.texts + progress + self.open.allocated();
        let room = needed.saturating_sub(COVERED).next_multiple_of(STEP);
        if room != self.room.bytes() {
            self.room.resize(room);
        }
    }
}
