//! Attaching: reading a request's state and beginning to follow it, in one step.

use std::task::{Poll, Waker};

use roundtrip_protocol::{Attach, Header, RequesterNumber, State, Ticket, TicketNumber};

use super::ClientState;
use super::ticket::{OnDrop, Phase, TicketFailure};
use crate::status::TicketState;

impl ClientState {
    pub(crate) fn attach(&mut self, requester: RequesterNumber, ticket: &Ticket) -> TicketNumber {
        let channel = self.names.channel(&ticket.channel);
        let number = self.add_ticket(channel, ticket.id, requester, Phase::Attaching, OnDrop::default());
        self.attach_when_open(number);
        number
    }

    pub(super) fn attach_when_open(&mut self, ticket: TicketNumber) {
        if self.line.is_closing() {
            self.fail_ticket(ticket, TicketFailure::Closed);
        } else if self.restore.has_work_done() {
            self.send_attach(ticket);
        }
    }

    pub(crate) fn poll_state(
        &mut self,
        ticket: TicketNumber,
        waker: &Waker,
    ) -> Poll<Result<TicketState, TicketFailure>> {
        let Some(entry) = self.tickets.entry_mut(ticket.0) else { return Poll::Ready(Err(TicketFailure::Closed)) };
        match (&entry.state, &entry.phase) {
            (Some(state), _) => Poll::Ready(Ok(TicketState::clone(state))),
            (None, Phase::Failed(failure)) => Poll::Ready(Err(failure.clone())),
            (None, _) => {
                entry.wakers.register(waker);
                Poll::Pending
            }
        }
    }

    pub(super) fn handle_state(&mut self, state: State) {
        let ticket = state.ticket;
        let Some(entry) = self.tickets.entry_mut(ticket.0).filter(|entry| entry.listens()) else { return };
        if let Some(progress) = &state.progress
            && entry.progress.as_deref() != Some(progress)
        {
            entry.progress = Some(Box::new(progress.clone()));
            entry.reported += 1;
        }
        entry.state = Some(Box::new(TicketState::of(state)));
        entry.wakers.wake_into(&mut self.woken);
        let attached = std::mem::replace(&mut entry.phase, Phase::Open);
        self.note_ticket_answer(ticket, attached);
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

    pub(super) fn restore_waits_for_ticket(&mut self, ticket: TicketNumber) {
        if let Some(entry) = self.tickets.entry_mut(ticket.0).filter(|entry| entry.on_wire) {
            self.restore.wait_for(&mut entry.restores);
        }
    }

    fn send_attach(&mut self, ticket: TicketNumber) {
        if !self.line.is_open() || !self.enter_wire(ticket) {
            return;
        }
        let Some(entry) = self.tickets.entry_mut(ticket.0) else { return };
        let (channel, id) = (entry.channel, entry.id);
        self.push_bind(channel);
        self.push(Header::from(Attach { ticket, channel, id }));
        self.ask_for_parts(ticket);
    }
}
