//! The parts of a request, as one stream reads them: each once and in order, over however many connections.
//!
//! A stream has a ticket number of its own, since the broker keeps a follower of parts from the outcome until it has the
//! last part, and who waits for the outcome beside a stream that nobody reads is not to wait for that.

use std::collections::VecDeque;
use std::task::{Poll, Waker};

use bytes::Bytes;
use roundtrip_protocol::{
    AcknowledgeParts, FollowParts, Header, Part as PartFrame, PartsFrom, PartsWindow, RequesterNumber, Ticket,
    TicketNumber,
};

use super::ClientState;
use super::place::AfterPong;
use super::ticket::{OnDrop, Phase, TicketFailure};
use crate::outcome::Outcome;
use crate::parts::{Part, PartEvent};

/// How many parts may be on their way or unread at once.
const WINDOW: u32 = 16;

/// A place among the parts: a delivery, and the number of one of its parts; 0: before the first.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct PartPlace {
    pub(crate) delivery: u32,
    pub(crate) number: u32,
}

/// What a stream of parts is about.
pub(crate) struct NewParts {
    pub(crate) requester: RequesterNumber,
    pub(crate) request: Ticket,
    /// The ticket whose parts they are, if the stream was made of one: its outcome is not acknowledged meanwhile.
    pub(crate) of: Option<TicketNumber>,
    /// Behind which part the stream begins.
    pub(crate) behind: PartPlace,
    /// Whether what was handled is acknowledged.
    pub(crate) acknowledges: bool,
}

pub(super) struct PartsFollowed {
    of: Option<TicketNumber>,
    acknowledges: bool,
    /// Whether the broker has said, on this connection, from where the parts come.
    begun: bool,
    /// The outcome, if it was told before that: it is told again behind the last part, unless the request is forgotten
    /// meanwhile.
    outcome_before: Option<Outcome>,
    /// The last part that came.
    received: PartPlace,
    /// The last part that was handed out, of the delivery that the reader knows of.
    handed: PartPlace,
    /// The last part that was acknowledged, or is as soon as there is a connection.
    acknowledged: PartPlace,
    unread: VecDeque<PartEvent>,
    /// How many parts of the window were read and not given back.
    read: u32,
}

impl PartsFollowed {
    pub(super) fn has_begun(&self) -> bool {
        self.begun
    }

    fn unread_parts(&self) -> u32 {
        self.unread.iter().filter(|event| matches!(event, PartEvent::Part(_))).count() as u32
    }

    /// What comes next is not what follows the last part, or nothing came before.
    fn move_to(&mut self, delivery: u32, first: u32) {
        let expected = if self.received.delivery == delivery {
            self.received.number + 1
        } else {
            self.read += self.unread_parts();
            self.unread.clear();
            if self.handed.number > 0 && self.handed.delivery != delivery {
                self.unread.push_back(PartEvent::Restarted { delivery });
            }
            1
        };
        if first > expected {
            self.unread.push_back(PartEvent::Gone { first });
        }
        self.received = PartPlace { delivery, number: first.saturating_sub(1) };
    }

    fn receive(&mut self, part: Part) {
        let follows = part.delivery == self.received.delivery && part.number == self.received.number + 1;
        if self.begun && follows {
            self.received.number = part.number;
            self.unread.push_back(PartEvent::Part(part));
        } else {
            tracing::warn!(delivery = part.delivery, number = part.number, "the broker sent a part out of its order");
            self.read += 1;
        }
    }

    fn hand_out(&mut self) -> Option<PartEvent> {
        let event = self.unread.pop_front()?;
        match &event {
            PartEvent::Part(part) => {
                self.handed = PartPlace { delivery: part.delivery, number: part.number };
                self.read += 1;
            }
            PartEvent::Restarted { delivery } => self.handed = PartPlace { delivery: *delivery, number: 0 },
            PartEvent::Gone { .. } => {}
        }
        Some(event)
    }
}

impl ClientState {
    pub(crate) fn follow_parts(&mut self, new: &NewParts) -> TicketNumber {
        let channel = self.names.channel(&new.request.channel);
        let ticket = self.add_ticket(channel, new.request.id, new.requester, Phase::Attaching, OnDrop::default());
        let of = new.of.and_then(|of| self.tickets.entry_mut(of.0).map(|entry| (of, entry)));
        let of = of.map(|(of, entry)| {
            entry.parts_readers += 1;
            of
        });
        if let Some(entry) = self.tickets.entry_mut(ticket.0) {
            entry.parts = Some(Box::new(PartsFollowed {
                of,
                acknowledges: new.acknowledges,
                begun: false,
                outcome_before: None,
                received: new.behind,
                handed: new.behind,
                acknowledged: PartPlace::default(),
                unread: VecDeque::new(),
                read: 0,
            }));
        }
        self.attach_when_open(ticket);
        ticket
    }

    /// The next of the stream; none when there is no more to come. Asking for it says that the one before was handled.
    pub(crate) fn poll_part_event(&mut self, ticket: TicketNumber, waker: &Waker) -> Poll<Option<PartEvent>> {
        self.acknowledge_handed_part(ticket);
        let Some(entry) = self.tickets.entry_mut(ticket.0) else { return Poll::Ready(None) };
        let Some(parts) = &mut entry.parts else { return Poll::Ready(None) };
        if let Some(event) = parts.hand_out() {
            self.give_parts_window_back(ticket);
            return Poll::Ready(Some(event));
        }
        if matches!(entry.phase, Phase::Ended(_) | Phase::Failed(_)) {
            self.end_parts_reading(ticket);
            self.leave_after_outcome(ticket);
            return Poll::Ready(None);
        }
        entry.wakers.register(waker);
        Poll::Pending
    }

    /// What is handled stays for whoever reads it next.
    pub(crate) fn keep_parts(&mut self, ticket: TicketNumber) {
        if let Some(parts) = self.tickets.entry_mut(ticket.0).and_then(|entry| entry.parts.as_mut()) {
            parts.acknowledges = false;
        }
    }

    /// Why there is no more to come, if not for the outcome.
    pub(crate) fn parts_failure(&self, ticket: TicketNumber) -> Option<TicketFailure> {
        match &self.tickets.entry(ticket.0)?.phase {
            Phase::Failed(failure) => Some(failure.clone()),
            _ => None,
        }
    }

    /// Nobody reads the stream any more.
    pub(crate) fn release_parts(&mut self, ticket: TicketNumber) {
        self.end_parts_reading(ticket);
        self.release_ticket(ticket);
    }

    /// Asks for what is not there yet, right behind the attachment, if the ticket is a stream's.
    pub(super) fn ask_for_parts(&mut self, ticket: TicketNumber) {
        let Some(parts) = self.tickets.entry_mut(ticket.0).and_then(|entry| entry.parts.as_mut()) else { return };
        parts.begun = false;
        parts.outcome_before = None;
        parts.read = 0;
        let PartPlace { delivery, number: after } = parts.received;
        let window = WINDOW.saturating_sub(parts.unread_parts());
        let acknowledged = parts.acknowledged;
        self.push(Header::from(FollowParts { ticket, delivery, after, window }));
        if acknowledged.number > 0 {
            self.push_parts_acknowledgement(ticket, acknowledged);
        }
    }

    pub(super) fn handle_parts_from(&mut self, frame: PartsFrom) {
        let Some(entry) = self.tickets.entry_mut(frame.ticket.0).filter(|entry| entry.listens()) else { return };
        let Some(parts) = &mut entry.parts else { return };
        parts.begun = true;
        parts.move_to(frame.delivery, frame.first);
        entry.wakers.wake_into(&mut self.woken);
        self.give_parts_window_back(frame.ticket);
    }

    pub(super) fn handle_part(&mut self, frame: PartFrame, payload: Bytes) {
        let Some(entry) = self.tickets.entry_mut(frame.ticket.0).filter(|entry| entry.listens()) else { return };
        let Some(parts) = &mut entry.parts else { return };
        let PartFrame { ticket, delivery, number, label } = frame;
        let (content_type, headers) = (label.content_type, label.headers);
        parts.receive(Part { delivery, number, content_type: content_type.into(), headers, payload });
        entry.wakers.wake_into(&mut self.woken);
        self.give_parts_window_back(ticket);
    }

    /// The outcome was told before the parts were asked for. If a pong comes before any word of them, none comes: the
    /// request was forgotten meanwhile.
    pub(super) fn expect_parts_first(&mut self, ticket: TicketNumber, outcome: Outcome) {
        let Some(entry) = self.tickets.entry_mut(ticket.0).filter(|entry| entry.listens()) else { return };
        if let Some(parts) = &mut entry.parts {
            parts.outcome_before = Some(outcome);
            self.await_pong(AfterPong::PartsAsked(ticket));
        }
    }

    pub(super) fn give_up_parts_unless_begun(&mut self, ticket: TicketNumber) {
        let parts = self.tickets.entry_mut(ticket.0).and_then(|entry| entry.parts.as_mut());
        let outcome = parts.filter(|parts| !parts.begun).and_then(|parts| parts.outcome_before.take());
        if let Some(outcome) = outcome {
            self.end_ticket(ticket, outcome);
        }
    }

    fn acknowledge_handed_part(&mut self, ticket: TicketNumber) {
        let Some(entry) = self.tickets.entry_mut(ticket.0) else { return };
        let listens = entry.listens();
        let Some(parts) = entry.parts.as_mut().filter(|parts| parts.acknowledges) else { return };
        if parts.handed.number == 0 || parts.acknowledged == parts.handed {
            return;
        }
        parts.acknowledged = parts.handed;
        let handled = parts.handed;
        if listens {
            self.push_parts_acknowledgement(ticket, handled);
        }
    }

    fn push_parts_acknowledgement(&mut self, ticket: TicketNumber, through: PartPlace) {
        let Some(requester) = self.tickets.entry(ticket.0).map(|entry| entry.requester) else { return };
        let PartPlace { delivery, number: through } = through;
        self.push_introduce(requester);
        self.push(Header::from(AcknowledgeParts { ticket, requester, delivery, through }));
    }

    fn give_parts_window_back(&mut self, ticket: TicketNumber) {
        let Some(entry) = self.tickets.entry_mut(ticket.0) else { return };
        let is_open = entry.listens() && matches!(entry.phase, Phase::Open);
        let Some(parts) = entry.parts.as_mut().filter(|parts| is_open && parts.begun) else { return };
        if parts.read >= WINDOW / 2 {
            let more = std::mem::take(&mut parts.read);
            self.push(Header::from(PartsWindow { ticket, more }));
        }
    }

    /// The stream is at its end, or nobody reads it: the ticket that it was made of may be acknowledged.
    fn end_parts_reading(&mut self, ticket: TicketNumber) {
        let parts = self.tickets.entry_mut(ticket.0).and_then(|entry| entry.parts.as_mut());
        let Some(of) = parts.and_then(|parts| parts.of.take()) else { return };
        let Some(entry) = self.tickets.entry_mut(of.0) else { return };
        entry.parts_readers -= 1;
        if entry.parts_readers == 0 && std::mem::take(&mut entry.owes_acknowledgement) {
            self.acknowledge_ticket(of);
        }
    }
}
