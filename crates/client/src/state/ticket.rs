//! Tickets: from the submission, or the attachment, to the outcome, and what is left to do when nobody waits.

use std::task::{Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use roundtrip_protocol::{
    Attach, ChannelName, ChannelNumber, DEFAULT_PRIORITY, Detach, Frame, Header, Label, MailboxNumber,
    Outcome as OutcomeFrame, Ping, Progress, Refusal, ReplyTo, RequestId, RequesterNumber, State, Submit, Ticket,
    TicketNumber,
};
use tokio::time::Instant;

use super::ClientState;
use super::mailbox::MailboxItem;
use super::timers::Due;
use super::wakers::Wakers;
use crate::outcome::Outcome;
use crate::ticket::TicketState;

/// What a header has beside the texts that are measured, at most.
const HEADER_SPARE: usize = 1024;

/// A request to submit.
pub(crate) struct NewSubmission {
    pub(crate) requester: RequesterNumber,
    pub(crate) ticket: Ticket,
    /// Whether the ticket was made for this submission, so that nobody can know it.
    pub(crate) fresh: bool,
    pub(crate) reply_channel: Option<ChannelName>,
    pub(crate) operation: String,
    pub(crate) label: Label,
    pub(crate) payload: Bytes,
    pub(crate) timeout: Option<Duration>,
}

/// Why there is no accepted request, or no outcome.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TicketFailure {
    Refused(Refusal),
    Unconfirmed,
    TooLarge { part: &'static str, found: usize, limit: usize },
    TooManyOpen { limit: u32 },
    Closed,
}

enum Phase {
    /// Kept whole until it is answered.
    Submitting(Box<Submission>),
    Attaching,
    Open,
    Ended(Outcome),
    Failed(TicketFailure),
}

struct Submission {
    order: u64,
    reply_channel: Option<ChannelName>,
    operation: String,
    label: Label,
    payload: Bytes,
    repeated: bool,
}

pub(super) struct TicketEntry {
    channel: ChannelNumber,
    id: RequestId,
    requester: RequesterNumber,
    phase: Phase,
    /// Whether the number stands for it on this connection.
    on_wire: bool,
    /// Whether it was given up on this connection, so that what still comes is ignored.
    detached: bool,
    restores: bool,
    /// Whether somebody holds the ticket.
    held: bool,
    /// Whether its outcome is acknowledged when nobody holds it.
    acknowledges: bool,
    acknowledged: bool,
    services: Option<u32>,
    state: Option<TicketState>,
    progress: Option<Progress>,
    reported: u64,
    /// Its reply from a mailbox, kept back while the ticket is held.
    withheld: Option<(MailboxNumber, MailboxItem)>,
    wakers: Wakers,
}

impl TicketEntry {
    pub(super) fn waits_since(&self, order: u64) -> bool {
        matches!(&self.phase, Phase::Submitting(submission) if submission.order == order)
    }

    fn listens(&self) -> bool {
        self.on_wire && !self.detached
    }
}

/// Numbers that were given up and may be used again after a pong.
#[derive(Default)]
pub(super) struct Barrier {
    nonce: u64,
    behind: Vec<TicketNumber>,
    next: Vec<TicketNumber>,
    on_wire: u32,
}

impl ClientState {
    pub(crate) fn submit(&mut self, now: Instant, new: NewSubmission) -> TicketNumber {
        self.submissions += 1;
        let order = self.submissions;
        let channel = self.names.channel(&new.ticket.channel);
        let id = new.ticket.id;
        self.names.use_requester(new.requester);
        if !new.fresh {
            *self.repeated.entry(id).or_default() += 1;
        }
        let submission = Submission {
            order,
            reply_channel: new.reply_channel,
            operation: new.operation,
            label: new.label,
            payload: new.payload,
            repeated: !new.fresh,
        };
        let acknowledges = self.names.is_unnamed(new.requester);
        let phase = Phase::Submitting(Box::new(submission));
        let ticket = self.add_ticket(channel, id, new.requester, phase, acknowledges);
        if self.line.is_closing() {
            self.fail_ticket(ticket, TicketFailure::Closed);
            return ticket;
        }
        let timeout = new.timeout.unwrap_or(self.settings.submit_timeout);
        self.timers.set(now + timeout, Due::Submission(ticket, order));
        self.changed = true;
        self.send_submission(ticket);
        ticket
    }

    pub(crate) fn attach(&mut self, requester: RequesterNumber, ticket: &Ticket) -> TicketNumber {
        let channel = self.names.channel(&ticket.channel);
        self.names.use_requester(requester);
        let number = self.add_ticket(channel, ticket.id, requester, Phase::Attaching, false);
        if self.line.is_closing() {
            self.fail_ticket(number, TicketFailure::Closed);
        } else if self.restore.has_work_done() {
            self.send_attach(number);
        }
        number
    }

    pub(crate) fn poll_accepted(&mut self, ticket: TicketNumber, waker: &Waker) -> Poll<Result<(), TicketFailure>> {
        let Some(entry) = self.tickets.entry_mut(ticket.0) else { return Poll::Ready(Err(TicketFailure::Closed)) };
        match &entry.phase {
            Phase::Submitting(_) => {
                entry.wakers.register(waker);
                Poll::Pending
            }
            Phase::Failed(failure) => Poll::Ready(Err(failure.clone())),
            Phase::Attaching | Phase::Open | Phase::Ended(_) => Poll::Ready(Ok(())),
        }
    }

    pub(crate) fn services_when_accepted(&self, ticket: TicketNumber) -> Option<u32> {
        self.tickets.entry(ticket.0)?.services
    }

    pub(crate) fn poll_state(
        &mut self,
        ticket: TicketNumber,
        waker: &Waker,
    ) -> Poll<Result<TicketState, TicketFailure>> {
        let Some(entry) = self.tickets.entry_mut(ticket.0) else { return Poll::Ready(Err(TicketFailure::Closed)) };
        match (&entry.state, &entry.phase) {
            (Some(state), _) => Poll::Ready(Ok(state.clone())),
            (None, Phase::Failed(failure)) => Poll::Ready(Err(failure.clone())),
            (None, _) => {
                entry.wakers.register(waker);
                Poll::Pending
            }
        }
    }

    pub(crate) fn poll_outcome(&mut self, ticket: TicketNumber, waker: &Waker) -> Poll<Result<Outcome, TicketFailure>> {
        let Some(entry) = self.tickets.entry_mut(ticket.0) else { return Poll::Ready(Err(TicketFailure::Closed)) };
        match &entry.phase {
            Phase::Ended(outcome) => Poll::Ready(Ok(outcome.clone())),
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
            return Poll::Ready(entry.progress.clone());
        }
        entry.wakers.register(waker);
        Poll::Pending
    }

    /// Acknowledges an outcome as it is handed over; nobody waits for the answer.
    pub(crate) fn acknowledge_ticket(&mut self, ticket: TicketNumber) {
        let Some(entry) = self.tickets.entry_mut(ticket.0).filter(|entry| !entry.acknowledged) else { return };
        entry.acknowledged = true;
        let (requester, channel, id) = (entry.requester, entry.channel, entry.id);
        self.ask_to_acknowledge(requester, channel, id, false);
    }

    /// The broker confirmed the user's own acknowledgement.
    pub(crate) fn mark_acknowledged(&mut self, ticket: TicketNumber) {
        if let Some(entry) = self.tickets.entry_mut(ticket.0) {
            entry.acknowledged = true;
        }
    }

    /// Nobody holds the ticket any more. The request goes on.
    pub(crate) fn release_ticket(&mut self, ticket: TicketNumber) {
        let Some(entry) = self.tickets.entry_mut(ticket.0) else { return };
        entry.held = false;
        if entry.detached {
            return; // Its number comes back with the pong.
        }
        match entry.phase {
            // Its outcome is to be acknowledged when it comes.
            Phase::Submitting(_) | Phase::Open if entry.acknowledges && entry.on_wire => {}
            Phase::Open if entry.acknowledges && !self.line.is_closed() => {}
            Phase::Submitting(_) | Phase::Attaching | Phase::Open if entry.on_wire => self.detach(ticket),
            Phase::Ended(_) => {
                let was_on_wire = entry.on_wire;
                if entry.acknowledges {
                    self.acknowledge_ticket(ticket);
                }
                if was_on_wire {
                    // Nothing comes after an outcome, so the number is free at once. An outcome that was not
                    // acknowledged is the mailbox's to tell now.
                    self.push(Header::from(Detach { ticket }));
                    self.leave_wire(ticket);
                }
                self.remove_ticket(ticket);
            }
            Phase::Submitting(_) | Phase::Attaching | Phase::Open | Phase::Failed(_) => self.remove_ticket(ticket),
        }
    }

    pub(super) fn handle_accepted(&mut self, ticket: TicketNumber, services: u32) {
        let Some(entry) = self.tickets.entry_mut(ticket.0).filter(|entry| entry.listens()) else { return };
        let Phase::Submitting(_) = &entry.phase else { return };
        entry.services = Some(services);
        let submitted = std::mem::replace(&mut entry.phase, Phase::Open);
        entry.wakers.wake_into(&mut self.woken);
        self.note_ticket_answer(ticket, submitted);
    }

    pub(super) fn handle_refused(&mut self, ticket: TicketNumber, refusal: Refusal) {
        if self.tickets.entry(ticket.0).is_some_and(TicketEntry::listens) {
            self.leave_wire(ticket);
            self.fail_ticket(ticket, TicketFailure::Refused(refusal));
        }
    }

    pub(super) fn handle_state(&mut self, state: State) {
        let Some(entry) = self.tickets.entry_mut(state.ticket.0).filter(|entry| entry.listens()) else { return };
        if state.progress.is_some() && state.progress != entry.progress {
            entry.progress.clone_from(&state.progress);
            entry.reported += 1;
        }
        entry.state = Some(TicketState::new(state.state, state.services, state.progress));
        entry.wakers.wake_into(&mut self.woken);
        let attached = std::mem::replace(&mut entry.phase, Phase::Open);
        self.note_ticket_answer(state.ticket, attached);
    }

    pub(super) fn handle_outcome(&mut self, frame: OutcomeFrame, payload: Bytes) {
        let waits = |entry: &&mut TicketEntry| entry.listens() && !matches!(entry.phase, Phase::Ended(_));
        let Some(entry) = self.tickets.entry_mut(frame.ticket.0).filter(waits) else { return };
        let outcome = Outcome::new(frame.attempts, frame.ending, payload);
        let before = std::mem::replace(&mut entry.phase, Phase::Ended(outcome));
        entry.wakers.wake_into(&mut self.woken);
        self.note_ticket_answer(frame.ticket, before);
        if self.tickets.entry(frame.ticket.0).is_some_and(|entry| !entry.held) {
            self.release_ticket(frame.ticket);
        }
    }

    pub(super) fn handle_progress(&mut self, ticket: TicketNumber, progress: Progress) {
        let Some(entry) = self.tickets.entry_mut(ticket.0).filter(|entry| entry.listens()) else { return };
        entry.progress = Some(progress);
        entry.reported += 1;
        entry.wakers.wake_into(&mut self.woken);
    }

    pub(super) fn handle_pong(&mut self, nonce: u64) {
        if nonce == 0 || nonce != self.barrier.nonce {
            return;
        }
        for ticket in std::mem::take(&mut self.barrier.behind) {
            self.leave_wire(ticket);
            self.remove_unheld(ticket);
        }
        self.raise_barrier();
    }

    /// A submission has waited long enough for its answer.
    pub(super) fn give_up_waiting(&mut self, ticket: TicketNumber, order: u64) {
        let Some(entry) = self.tickets.entry(ticket.0).filter(|entry| entry.waits_since(order)) else { return };
        if entry.on_wire {
            self.detach(ticket);
        }
        self.fail_ticket(ticket, TicketFailure::Unconfirmed);
    }

    /// The broker closed the connection over a frame that was too large for it, though it had said it would take it.
    /// What is likeliest to have been that frame is given up, so that it does not end every connection.
    pub(super) fn give_up_largest(&mut self, frame_type: u8) {
        let unanswered = self.tickets.iter().filter_map(|(number, entry)| match &entry.phase {
            Phase::Submitting(submission) if entry.on_wire => Some((submission.payload.len(), number)),
            _ => None,
        });
        let largest_submission = unanswered.max();
        let largest_settlement = self.largest_kept_settlement();
        if frame_type == crate::state::delivery::ADD_PART_TYPE {
            return self.give_up_largest_part();
        }
        let settlement = frame_type == crate::state::delivery::SETTLE_TYPE || largest_submission.is_none();
        match (largest_submission, largest_settlement) {
            (_, Some((_, delivery))) if settlement => self.give_up_settlement(delivery),
            (Some((found, number)), _) => {
                let limit = found.saturating_sub(1);
                self.fail_ticket(TicketNumber(number), TicketFailure::TooLarge { part: "payload", found, limit });
            }
            _ => {}
        }
    }

    pub(super) fn send_unanswered_submissions(&mut self) {
        let unanswered = self.tickets.iter().filter_map(|(number, entry)| match &entry.phase {
            Phase::Submitting(submission) => Some((submission.order, TicketNumber(number))),
            _ => None,
        });
        let mut unanswered: Vec<_> = unanswered.collect();
        unanswered.sort_unstable_by_key(|(order, _)| *order);
        for (_, ticket) in unanswered {
            self.send_submission(ticket);
            self.restore_waits_for_ticket(ticket);
        }
    }

    pub(super) fn attach_open_tickets(&mut self) {
        for number in self.tickets.numbers() {
            let Some(entry) = self.tickets.entry(number) else { continue };
            if matches!(entry.phase, Phase::Open | Phase::Attaching) && !entry.on_wire {
                self.send_attach(TicketNumber(number));
                self.restore_waits_for_ticket(TicketNumber(number));
            }
        }
    }

    pub(super) fn forget_tickets_on_wire(&mut self) {
        self.barrier = Barrier { nonce: self.barrier.nonce, ..Barrier::default() };
        for number in self.tickets.numbers() {
            let Some(entry) = self.tickets.entry_mut(number) else { continue };
            entry.on_wire = false;
            entry.restores = false;
            entry.detached = false;
            match &mut entry.phase {
                Phase::Submitting(submission) if entry.held => {
                    if !std::mem::replace(&mut submission.repeated, true) {
                        *self.repeated.entry(entry.id).or_default() += 1;
                    }
                }
                Phase::Open if entry.held || entry.acknowledges => {}
                Phase::Ended(_) if entry.held => {
                    if !entry.acknowledged {
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
                entry.withheld = Some((mailbox, item));
                None
            }
            None => Some(item),
        }
    }

    pub(super) fn end_tickets(&mut self) {
        self.barrier = Barrier::default();
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

    fn add_ticket(
        &mut self,
        channel: ChannelNumber,
        id: RequestId,
        requester: RequesterNumber,
        phase: Phase,
        acknowledges: bool,
    ) -> TicketNumber {
        TicketNumber(self.tickets.insert(TicketEntry {
            channel,
            id,
            requester,
            phase,
            on_wire: false,
            detached: false,
            restores: false,
            held: true,
            acknowledges,
            acknowledged: false,
            services: None,
            state: None,
            progress: None,
            reported: 0,
            withheld: None,
            wakers: Wakers::default(),
        }))
    }

    fn send_submission(&mut self, ticket: TicketNumber) {
        let (true, Some(limits)) = (self.line.is_open(), self.line.peer_limits()) else { return };
        let Some(entry) = self.tickets.entry(ticket.0) else { return };
        let Phase::Submitting(submission) = &entry.phase else { return };
        let (channel, requester) = (entry.channel, entry.requester);
        let payload = submission.payload.clone();
        let texts = submission.label.bytes() + submission.operation.len();
        let header = Header::from(Submit {
            ticket,
            channel,
            id: entry.id,
            requester,
            reply: submission.reply_channel.clone().map_or(ReplyTo::Own, ReplyTo::On),
            priority: DEFAULT_PRIORITY,
            deadline_ms: None,
            delay_ms: 0,
            key: None,
            operation: submission.operation.clone(),
            label: submission.label.clone(),
        });
        let is_measured = texts + HEADER_SPARE + 16 * submission.label.headers.0.len() > limits.max_header;
        let header_len = if is_measured { header.encoded_len() } else { 0 };
        let too_large = [("header", header_len, limits.max_header), ("payload", payload.len(), limits.max_payload)]
            .into_iter()
            .find(|(_, found, limit)| found > limit);
        if let Some((part, found, limit)) = too_large {
            self.fail_ticket(ticket, TicketFailure::TooLarge { part, found, limit });
            return;
        }
        if !self.enter_wire(ticket) {
            return;
        }
        self.push_bind(channel);
        self.push_introduce(requester);
        self.push(Frame::new(header, payload));
    }

    fn send_attach(&mut self, ticket: TicketNumber) {
        if !self.line.is_open() || !self.enter_wire(ticket) {
            return;
        }
        let Some(entry) = self.tickets.entry_mut(ticket.0) else { return };
        let (channel, id) = (entry.channel, entry.id);
        self.push_bind(channel);
        self.push(Header::from(Attach { ticket, channel, id }));
    }

    /// Takes one of the places that the broker gives a connection; without one the ticket fails.
    fn enter_wire(&mut self, ticket: TicketNumber) -> bool {
        let limit = self.line.max_open();
        if self.barrier.on_wire >= limit {
            self.fail_ticket(ticket, TicketFailure::TooManyOpen { limit });
            return false;
        }
        if let Some(entry) = self.tickets.entry_mut(ticket.0) {
            entry.on_wire = true;
            self.barrier.on_wire += 1;
        }
        true
    }

    fn leave_wire(&mut self, ticket: TicketNumber) {
        if let Some(entry) = self.tickets.entry_mut(ticket.0)
            && std::mem::take(&mut entry.on_wire)
        {
            entry.detached = false;
            self.barrier.on_wire -= 1;
        }
    }

    fn detach(&mut self, ticket: TicketNumber) {
        self.push(Header::from(Detach { ticket }));
        self.barrier.next.push(ticket);
        if let Some(entry) = self.tickets.entry_mut(ticket.0) {
            entry.detached = true;
            let phase = std::mem::replace(&mut entry.phase, Phase::Open);
            self.note_ticket_answer(ticket, phase);
        }
        self.raise_barrier();
    }

    /// Asks for the pong behind which the numbers that were given up are free; one question at a time.
    fn raise_barrier(&mut self) {
        if self.barrier.behind.is_empty() && !self.barrier.next.is_empty() {
            std::mem::swap(&mut self.barrier.behind, &mut self.barrier.next);
            self.barrier.nonce += 1;
            self.push(Header::from(Ping { nonce: self.barrier.nonce }));
        }
    }

    fn fail_ticket(&mut self, ticket: TicketNumber, failure: TicketFailure) {
        let Some(entry) = self.tickets.entry_mut(ticket.0) else { return };
        let before = std::mem::replace(&mut entry.phase, Phase::Failed(failure));
        entry.wakers.wake_into(&mut self.woken);
        self.note_ticket_answer(ticket, before);
        self.remove_unheld(ticket);
    }

    /// What follows from the end of a ticket's earlier phase.
    fn note_ticket_answer(&mut self, ticket: TicketNumber, before: Phase) {
        if let Some(entry) = self.tickets.entry_mut(ticket.0) {
            self.restore.note_answer(&mut entry.restores);
            let id = entry.id;
            if let Phase::Submitting(submission) = before
                && submission.repeated
            {
                self.note_repeated_answer(id);
            }
        }
        self.advance_restore();
    }

    fn note_repeated_answer(&mut self, id: RequestId) {
        if let Some(unanswered) = self.repeated.get_mut(&id) {
            *unanswered -= 1;
            if *unanswered == 0 {
                self.repeated.remove(&id);
                self.send_acknowledgements();
            }
        }
    }

    fn restore_waits_for_ticket(&mut self, ticket: TicketNumber) {
        if let Some(entry) = self.tickets.entry_mut(ticket.0).filter(|entry| entry.on_wire) {
            self.restore.wait_for(&mut entry.restores);
        }
    }

    fn remove_unheld(&mut self, ticket: TicketNumber) {
        if self.tickets.entry(ticket.0).is_some_and(|entry| !entry.held && !entry.on_wire) {
            self.remove_ticket(ticket);
        }
    }

    fn remove_ticket(&mut self, ticket: TicketNumber) {
        if self.tickets.entry(ticket.0).is_some_and(|entry| entry.on_wire) {
            return; // Its number still stands for something.
        }
        let Some(mut entry) = self.tickets.remove(ticket.0) else { return };
        self.restore.note_answer(&mut entry.restores);
        if let Phase::Submitting(submission) = &entry.phase
            && submission.repeated
        {
            self.note_repeated_answer(entry.id);
        }
        if self.ended_before.get(&entry.id) == Some(&ticket) {
            self.ended_before.remove(&entry.id);
        }
        if let Some((mailbox, item)) = entry.withheld.filter(|_| !entry.acknowledged) {
            self.offer_withheld(mailbox, item);
        }
        self.release_requester(entry.requester);
        self.advance_restore();
    }
}
