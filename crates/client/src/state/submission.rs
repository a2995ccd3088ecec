//! Submissions: each is kept whole until the broker has answered it, and sent again over every new connection.

use std::task::{Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use roundtrip_protocol::{
    ChannelNumber, Duplicate, Frame, Header, Label, ReplyTo, RequestId, RequesterNumber, Submit, Text, Ticket,
    TicketNumber,
};
use tokio::time::Instant;

use super::ClientState;
use super::ticket::{OnDrop, Phase, TicketEntry, TicketFailure};
use super::timers::Due;
use super::wakers::Wakers;
use crate::failure::whole_millis;

/// What a header has beside the texts that are measured, at most.
const HEADER_SPARE: usize = 1024;

/// A request to submit.
pub(crate) struct NewSubmission {
    pub(crate) requester: RequesterNumber,
    pub(crate) ticket: Ticket,
    /// Whether the ticket was made for this submission, so that nobody can know it.
    pub(crate) fresh: bool,
    pub(crate) terms: Terms,
    pub(crate) operation: Text,
    pub(crate) label: Label,
    pub(crate) payload: Bytes,
    /// How long to wait for the broker's answer; none: as long as the client usually does.
    pub(crate) timeout: Option<Duration>,
}

/// What a requester asks for beside the operation itself.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    pub(crate) reply: ReplyTo,
    pub(crate) priority: u8,
    pub(crate) deadline: Option<Duration>,
    pub(crate) delay: Duration,
    pub(crate) key: Option<String>,
}

/// The request that a duplicate's ticket stands for.
pub(crate) struct FirstRequest {
    pub(crate) id: RequestId,
    /// Whether it came under the same requester's name.
    pub(crate) is_own: bool,
}

pub(super) struct Submission {
    /// The id that it is submitted under; under a known idempotency key the ticket's becomes another.
    pub(super) id: RequestId,
    order: u64,
    terms: Terms,
    operation: Text,
    label: Label,
    payload: Bytes,
    /// Whether somebody may know its id already, so that acknowledgements under it wait for its answer.
    pub(super) repeated: bool,
    /// Who waits for its answer.
    pub(super) wakers: Wakers,
}

impl Submission {
    fn header(&self, ticket: TicketNumber, channel: ChannelNumber, requester: RequesterNumber) -> Header {
        Header::from(Submit {
            ticket,
            channel,
            id: self.id,
            requester,
            reply: self.terms.reply.clone(),
            accepted: true,
            priority: self.terms.priority,
            deadline_ms: self.terms.deadline.map(begun_millis),
            delay_ms: begun_millis(self.terms.delay),
            key: self.terms.key.clone(),
            operation: self.operation.clone(),
            label: self.label.clone(),
        })
    }

    /// How long its header may be, at most.
    fn header_bound(&self) -> usize {
        let key = self.terms.key.as_ref().map_or(0, String::len);
        let label = self.label.bytes() + 16 * self.label.headers.0.len();
        label + self.operation.len() + key + HEADER_SPARE
    }
}

impl TicketEntry {
    pub(super) fn waits_since(&self, order: u64) -> bool {
        matches!(&self.phase, Phase::Submitting(submission) if submission.order == order)
    }
}

impl ClientState {
    pub(crate) fn submit(&mut self, now: Instant, new: NewSubmission) -> TicketNumber {
        self.submissions += 1;
        let order = self.submissions;
        let channel = self.names.channel(&new.ticket.channel);
        let id = new.ticket.id;
        if !new.fresh {
            *self.repeated.entry(id).or_default() += 1;
        }
        // An outcome in no mailbox stays under its ticket for whoever asks, so nobody but the user is done with it.
        let acknowledges = self.names.is_unnamed(new.requester) && new.terms.reply != ReplyTo::Nowhere;
        let submission = Submission {
            id,
            order,
            terms: new.terms,
            operation: new.operation,
            label: new.label,
            payload: new.payload,
            repeated: !new.fresh,
            wakers: Wakers::default(),
        };
        let phase = Phase::Submitting(Box::new(submission));
        let on_drop = OnDrop { acknowledges, cancels: false };
        let ticket = self.add_ticket(channel, id, new.requester, phase, on_drop);
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

    pub(crate) fn poll_accepted(&mut self, ticket: TicketNumber, waker: &Waker) -> Poll<Result<(), TicketFailure>> {
        let Some(entry) = self.tickets.entry_mut(ticket.0) else { return Poll::Ready(Err(TicketFailure::Closed)) };
        match &mut entry.phase {
            Phase::Submitting(submission) => {
                submission.wakers.register(waker);
                Poll::Pending
            }
            Phase::Failed(failure) => Poll::Ready(Err(failure.clone())),
            Phase::Attaching | Phase::Open | Phase::Ended(_) => Poll::Ready(Ok(())),
        }
    }

    pub(crate) fn services_when_accepted(&self, ticket: TicketNumber) -> Option<u32> {
        self.tickets.entry(ticket.0)?.services
    }

    /// The request that came first under the submission's idempotency key, if that was another one.
    pub(crate) fn first_request(&self, ticket: TicketNumber) -> Option<FirstRequest> {
        let entry = self.tickets.entry(ticket.0).filter(|entry| entry.duplicate)?;
        Some(FirstRequest { id: entry.id, is_own: !entry.foreign })
    }

    pub(super) fn handle_accepted(&mut self, ticket: TicketNumber, services: u32, duplicate: Option<Duplicate>) {
        let Some(entry) = self.tickets.entry_mut(ticket.0).filter(|entry| entry.listens()) else { return };
        let Phase::Submitting(_) = &entry.phase else { return };
        entry.services = Some(services);
        if let Some(first) = duplicate {
            entry.id = first.id;
            entry.duplicate = true;
            entry.foreign = self.names.requester_name(entry.requester) != Some(&first.requester);
            entry.on_drop.acknowledges &= first.reply_channel.is_some();
        }
        let submitted = std::mem::replace(&mut entry.phase, Phase::Open);
        self.note_ticket_answer(ticket, submitted);
        if self.tickets.entry(ticket.0).is_some_and(|entry| !entry.held) {
            self.let_go_of_ticket(ticket);
        }
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

    /// A submission was answered, or nobody waits for its answer any more.
    pub(super) fn note_submission_over(&mut self, submission: &Submission) {
        if !submission.repeated {
            return;
        }
        if let Some(unanswered) = self.repeated.get_mut(&submission.id) {
            *unanswered -= 1;
            if *unanswered == 0 {
                self.repeated.remove(&submission.id);
                self.send_acknowledgements();
            }
        }
    }

    fn send_submission(&mut self, ticket: TicketNumber) {
        let (true, Some(limits)) = (self.line.is_open(), self.line.peer_limits()) else { return };
        let Some(entry) = self.tickets.entry(ticket.0) else { return };
        let Phase::Submitting(submission) = &entry.phase else { return };
        let (channel, requester) = (entry.channel, entry.requester);
        let payload = submission.payload.clone();
        let header = submission.header(ticket, channel, requester);
        let is_measured = submission.header_bound() > limits.max_header;
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
}

/// Whole milliseconds, begun ones included: what is meant to pass is not nothing.
fn begun_millis(duration: Duration) -> u64 {
    whole_millis(duration.saturating_add(Duration::from_nanos(999_999)))
}
