//! Tickets: what is known of a request that somebody here submitted or attached to, and what is left to do when nobody
//! waits.

use std::task::{Poll, Waker};

use bytes::Bytes;
use roundtrip_protocol::{
    ChannelNumber, Ending, Label, MailboxNumber, Outcome as OutcomeFrame, Progress, Refusal, RequestId,
    RequesterNumber, TicketNumber,
};

use super::ClientState;
use super::mailbox::MailboxItem;
use super::parts::PartsFollowed;
use super::submission::Submission;
use super::wakers::Wakers;
use crate::outcome::Outcome;
use crate::status::TicketState;

/// Why there is no accepted request, or no outcome.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TicketFailure {
    Refused(Refusal),
    Unconfirmed,
    TooLarge { part: &'static str, found: usize, limit: usize },
    TooManyOpen { limit: u32 },
    Closed,
}

pub(super) enum Phase {
    /// Kept whole until it is answered.
    Submitting(Box<Submission>),
    Attaching,
    Open,
    Ended(Outcome),
    Failed(TicketFailure),
}

pub(super) struct TicketEntry {
    pub(super) channel: ChannelNumber,
    pub(super) id: RequestId,
    pub(super) requester: RequesterNumber,
    pub(super) phase: Phase,
    /// Whether the number stands for it on this connection.
    pub(super) on_wire: bool,
    /// Whether it was given up on this connection, so that what still comes is ignored.
    pub(super) detached: bool,
    pub(super) restores: bool,
    /// Whether somebody holds the ticket.
    pub(super) held: bool,
    /// What becomes of the request when nobody holds its ticket.
    pub(super) on_drop: OnDrop,
    /// Whether the request came first under another requester's name: its outcome is not this one's to acknowledge.
    pub(super) foreign: bool,
    pub(super) duplicate: bool,
    pub(super) acknowledged: bool,
    /// How many streams of its parts have not come to their end: its acknowledgement would take their parts away.
    pub(super) parts_readers: u32,
    /// Whether the outcome was handed over, and its acknowledgement waits for the readers of the parts.
    pub(super) owes_acknowledgement: bool,
    pub(super) services: Option<u32>,
    pub(super) state: Option<Box<TicketState>>,
    pub(super) progress: Option<Box<Progress>>,
    pub(super) reported: u64,
    /// Where it is followed for its parts alone.
    pub(super) parts: Option<Box<PartsFollowed>>,
    /// Its reply as those who read its mailbox have it, kept back while the ticket is held.
    pub(super) withheld: Vec<(MailboxNumber, MailboxItem)>,
    pub(super) wakers: Wakers,
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct OnDrop {
    /// It is cancelled, unless it has its outcome.
    pub(super) cancels: bool,
    /// Its outcome is acknowledged when it comes.
    pub(super) acknowledges: bool,
}

impl TicketEntry {
    pub(super) fn listens(&self) -> bool {
        self.on_wire && !self.detached
    }
}

impl ClientState {
    pub(crate) fn poll_outcome(&mut self, ticket: TicketNumber, waker: &Waker) -> Poll<Result<Outcome, TicketFailure>> {
        self.poll_ended(ticket, waker, |outcome| outcome.clone())
    }

    /// As `poll_outcome`, for one who asks no more: the outcome is not kept.
    pub(crate) fn poll_last_outcome(
        &mut self,
        ticket: TicketNumber,
        waker: &Waker,
    ) -> Poll<Result<Outcome, TicketFailure>> {
        let nothing = |attempts| Outcome::new(attempts, Ending::Replied(Label::default()), Bytes::new());
        self.poll_ended(ticket, waker, |outcome| std::mem::replace(outcome, nothing(outcome.attempts)))
    }

    fn poll_ended(
        &mut self,
        ticket: TicketNumber,
        waker: &Waker,
        read: impl FnOnce(&mut Outcome) -> Outcome,
    ) -> Poll<Result<Outcome, TicketFailure>> {
        let Some(entry) = self.tickets.entry_mut(ticket.0) else { return Poll::Ready(Err(TicketFailure::Closed)) };
        match &mut entry.phase {
            Phase::Ended(outcome) => Poll::Ready(Ok(read(outcome))),
            Phase::Failed(failure) => Poll::Ready(Err(failure.clone())),
            Phase::Submitting(_) | Phase::Attaching | Phase::Open => {
                entry.wakers.register(waker);
                Poll::Pending
            }
        }
    }

    /// The latest progress that is newer than what was `seen`; none when there is no more to come.
    pub(crate) fn poll_progress(
        &mut self,
        ticket: TicketNumber,
        seen: &mut u64,
        waker: &Waker,
    ) -> Poll<Option<Progress>> {
        let Some(entry) = self.tickets.entry_mut(ticket.0) else { return Poll::Ready(None) };
        if matches!(entry.phase, Phase::Ended(_) | Phase::Failed(_)) {
            return Poll::Ready(None);
        }
        if entry.reported > *seen {
            *seen = entry.reported;
            return Poll::Ready(entry.progress.as_deref().cloned());
        }
        entry.wakers.register(waker);
        Poll::Pending
    }

    /// Acknowledges an outcome as it is handed over; nobody waits for the answer.
    pub(crate) fn acknowledge_ticket(&mut self, ticket: TicketNumber) {
        self.acknowledge_and(ticket, false);
    }

    /// Acknowledges an outcome, and detaches from the request along with it, where it can be sent now.
    fn acknowledge_and(&mut self, ticket: TicketNumber, leaves: bool) {
        let Some(entry) = self.tickets.entry_mut(ticket.0).filter(|entry| !entry.acknowledged && !entry.foreign) else {
            return;
        };
        if entry.parts_readers > 0 {
            entry.owes_acknowledgement = true;
            return;
        }
        entry.acknowledged = true;
        let (requester, channel, id) = (entry.requester, entry.channel, entry.id);
        let along = (leaves && entry.listens() && self.may_acknowledge(id)).then_some(ticket);
        self.ask_to_acknowledge(requester, channel, id, along, false);
        if along.is_some() {
            self.leave_wire(ticket);
        }
    }

    /// The broker confirmed the user's own acknowledgement.
    pub(crate) fn mark_acknowledged(&mut self, ticket: TicketNumber) {
        if let Some(entry) = self.tickets.entry_mut(ticket.0) {
            entry.acknowledged = true;
        }
    }

    /// The request is cancelled when nobody holds the ticket, unless it has its outcome then.
    pub(crate) fn cancel_on_drop(&mut self, ticket: TicketNumber) {
        if let Some(entry) = self.tickets.entry_mut(ticket.0) {
            entry.on_drop.cancels = true;
        }
    }

    /// Nobody holds the ticket any more, and its outcome was handed over.
    pub(crate) fn release_handed_over(&mut self, ticket: TicketNumber) {
        if let Some(entry) = self.tickets.entry_mut(ticket.0) {
            entry.on_drop.acknowledges = true;
        }
        self.release_ticket(ticket);
    }

    /// Nobody holds the ticket any more. The request goes on, unless it was to be cancelled then.
    pub(crate) fn release_ticket(&mut self, ticket: TicketNumber) {
        let Some(entry) = self.tickets.entry_mut(ticket.0) else { return };
        entry.held = false;
        if std::mem::take(&mut entry.on_drop.cancels)
            && !entry.foreign
            && !self.line.is_closed()
            && matches!(entry.phase, Phase::Submitting(_) | Phase::Attaching | Phase::Open)
        {
            let (channel, id) = (entry.channel, entry.id);
            self.ask_to_cancel(channel, id, false);
        }
        self.let_go_of_ticket(ticket);
    }

    /// Does what is left to do for a ticket that nobody holds.
    pub(super) fn let_go_of_ticket(&mut self, ticket: TicketNumber) {
        let Some(entry) = self.tickets.entry_mut(ticket.0) else { return };
        if entry.detached {
            return; // Its number comes back with the pong.
        }
        let acknowledges = entry.on_drop.acknowledges && !entry.foreign;
        match entry.phase {
            // Its outcome is to be acknowledged when it comes.
            Phase::Submitting(_) | Phase::Open if acknowledges && entry.on_wire => {}
            Phase::Open if acknowledges && !self.line.is_closed() => {}
            Phase::Submitting(_) | Phase::Attaching | Phase::Open if entry.on_wire => self.detach(ticket),
            Phase::Ended(_) => {
                if acknowledges {
                    self.acknowledge_and(ticket, true);
                }
                self.leave_after_outcome(ticket);
                self.remove_ticket(ticket);
            }
            Phase::Submitting(_) | Phase::Attaching | Phase::Open | Phase::Failed(_) => self.remove_ticket(ticket),
        }
    }

    pub(super) fn handle_refused(&mut self, ticket: TicketNumber, refusal: Refusal) {
        if self.tickets.entry(ticket.0).is_some_and(TicketEntry::listens) {
            self.leave_wire(ticket);
            self.fail_ticket(ticket, TicketFailure::Refused(refusal));
        }
    }

    pub(super) fn handle_outcome(&mut self, frame: OutcomeFrame, payload: Bytes) {
        let OutcomeFrame { ticket, attempts, ending } = frame;
        match self.tickets.entry(ticket.0).and_then(|entry| entry.parts.as_ref()) {
            None => self.end_ticket(ticket, Outcome::new(attempts, ending, payload)),
            Some(parts) if parts.has_begun() => self.end_ticket(ticket, Outcome::new(attempts, ending, Bytes::new())),
            // It comes again behind the last part.
            Some(_) => self.expect_parts_first(ticket, Outcome::new(attempts, ending, Bytes::new())),
        }
    }

    pub(super) fn end_ticket(&mut self, ticket: TicketNumber, outcome: Outcome) {
        let waits = |entry: &&mut TicketEntry| entry.listens() && !matches!(entry.phase, Phase::Ended(_));
        let Some(entry) = self.tickets.entry_mut(ticket.0).filter(waits) else { return };
        let before = std::mem::replace(&mut entry.phase, Phase::Ended(outcome));
        entry.wakers.wake_into(&mut self.woken);
        self.note_ticket_answer(ticket, before);
        if self.tickets.entry(ticket.0).is_some_and(|entry| !entry.held) {
            self.let_go_of_ticket(ticket);
        }
    }

    pub(super) fn handle_progress(&mut self, ticket: TicketNumber, progress: Progress) {
        let Some(entry) = self.tickets.entry_mut(ticket.0).filter(|entry| entry.listens()) else { return };
        entry.progress = Some(Box::new(progress));
        entry.reported += 1;
        entry.wakers.wake_into(&mut self.woken);
    }

    pub(super) fn forget_tickets_on_wire(&mut self) {
        self.places.forget();
        for number in self.tickets.numbers() {
            let Some(entry) = self.tickets.entry_mut(number) else { continue };
            entry.on_wire = false;
            entry.restores = false;
            entry.detached = false;
            match &mut entry.phase {
                Phase::Submitting(submission) if entry.held => {
                    if !std::mem::replace(&mut submission.repeated, true) {
                        *self.repeated.entry(submission.id).or_default() += 1;
                    }
                }
                Phase::Open if entry.held || entry.on_drop.acknowledges => {}
                Phase::Ended(_) if entry.held => {
                    if !entry.acknowledged && entry.parts.is_none() {
                        self.ended_before.insert(entry.id, TicketNumber(number));
                    }
                }
                _ if entry.held => {}
                _ => self.remove_ticket(TicketNumber(number)),
            }
        }
    }

    /// Keeps a reply from a mailbox back while somebody holds its ticket with the outcome; gives it back otherwise.
    pub(super) fn withhold(&mut self, mailbox: MailboxNumber, id: RequestId, item: MailboxItem) -> Option<MailboxItem> {
        let entry = self.ended_before.get(&id).and_then(|number| self.tickets.entry_mut(number.0));
        match entry.filter(|entry| entry.id == id && entry.held) {
            Some(entry) => {
                // Over a new connection it comes again.
                entry.withheld.retain(|(reader, _)| *reader != mailbox);
                entry.withheld.push((mailbox, item));
                None
            }
            None => Some(item),
        }
    }

    pub(super) fn end_tickets(&mut self) {
        self.places.forget();
        for number in self.tickets.numbers() {
            let Some(entry) = self.tickets.entry_mut(number) else { continue };
            entry.on_wire = false;
            entry.detached = false;
            if matches!(entry.phase, Phase::Submitting(_) | Phase::Attaching | Phase::Open) {
                self.fail_ticket(TicketNumber(number), TicketFailure::Closed);
            }
            self.remove_unheld(TicketNumber(number));
        }
    }

    pub(super) fn add_ticket(
        &mut self,
        channel: ChannelNumber,
        id: RequestId,
        requester: RequesterNumber,
        phase: Phase,
        on_drop: OnDrop,
    ) -> TicketNumber {
        self.names.use_requester(requester);
        TicketNumber(self.tickets.insert(TicketEntry {
            channel,
            id,
            requester,
            phase,
            on_wire: false,
            detached: false,
            restores: false,
            held: true,
            on_drop,
            foreign: false,
            duplicate: false,
            acknowledged: false,
            parts_readers: 0,
            owes_acknowledgement: false,
            services: None,
            state: None,
            progress: None,
            reported: 0,
            parts: None,
            withheld: Vec::new(),
            wakers: Wakers::default(),
        }))
    }

    pub(super) fn fail_ticket(&mut self, ticket: TicketNumber, failure: TicketFailure) {
        let Some(entry) = self.tickets.entry_mut(ticket.0) else { return };
        let before = std::mem::replace(&mut entry.phase, Phase::Failed(failure));
        entry.wakers.wake_into(&mut self.woken);
        self.note_ticket_answer(ticket, before);
        self.remove_unheld(ticket);
    }

    /// What follows from the end of a ticket's earlier phase.
    pub(super) fn note_ticket_answer(&mut self, ticket: TicketNumber, before: Phase) {
        if let Some(entry) = self.tickets.entry_mut(ticket.0) {
            self.restore.note_answer(&mut entry.restores);
        }
        if let Phase::Submitting(mut submission) = before {
            submission.wakers.wake_into(&mut self.woken);
            self.note_submission_over(&submission);
        }
        self.advance_restore();
    }

    pub(super) fn remove_unheld(&mut self, ticket: TicketNumber) {
        if self.tickets.entry(ticket.0).is_some_and(|entry| !entry.held && !entry.on_wire) {
            self.remove_ticket(ticket);
        }
    }

    pub(super) fn remove_ticket(&mut self, ticket: TicketNumber) {
        if self.tickets.entry(ticket.0).is_some_and(|entry| entry.on_wire) {
            return; // Its number still stands for something.
        }
        let Some(mut entry) = self.tickets.remove(ticket.0) else { return };
        self.restore.note_answer(&mut entry.restores);
        if let Phase::Submitting(submission) = &entry.phase {
            self.note_submission_over(submission);
        }
        if self.ended_before.get(&entry.id) == Some(&ticket) {
            self.ended_before.remove(&entry.id);
        }
        if !entry.acknowledged {
            entry.withheld.into_iter().for_each(|(mailbox, item)| self.offer_withheld(mailbox, item));
        }
        self.release_requester(entry.requester);
        self.advance_restore();
    }
}
