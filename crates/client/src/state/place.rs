//! The places for tickets that the broker gives a connection, and when the number of one that was given up is free again.
//!
//! A pong comes behind everything that the broker said before the ping reached it. So frames for a number that was given
//! up before the ping come before the pong, or never.

use roundtrip_protocol::{Detach, Header, Ping, TicketNumber};

use super::ClientState;
use super::ticket::{Phase, TicketEntry, TicketFailure};

#[derive(Default)]
pub(super) struct Places {
    taken: u32,
    /// The latest ping.
    nonce: u64,
    /// What waits for its pong.
    behind: Vec<AfterPong>,
    /// What waits for the next.
    next: Vec<AfterPong>,
}

/// What is to be done when a pong has come.
pub(super) enum AfterPong {
    /// The number of a ticket that was given up is free.
    Free(TicketNumber),
    /// The parts of a ticket were asked for before, so there is word of them, or never.
    PartsAsked(TicketNumber),
}

impl Places {
    /// The connection is gone, and with it what its numbers stood for.
    pub(super) fn forget(&mut self) {
        *self = Self { nonce: self.nonce, ..Self::default() };
    }
}

impl ClientState {
    /// Takes one of the places; without one the ticket fails.
    pub(super) fn enter_wire(&mut self, ticket: TicketNumber) -> bool {
        let limit = self.line.max_open();
        if self.places.taken >= limit {
            self.fail_ticket(ticket, TicketFailure::TooManyOpen { limit });
            return false;
        }
        if let Some(entry) = self.tickets.entry_mut(ticket.0) {
            entry.on_wire = true;
            self.places.taken += 1;
        }
        true
    }

    pub(super) fn leave_wire(&mut self, ticket: TicketNumber) {
        if let Some(entry) = self.tickets.entry_mut(ticket.0)
            && std::mem::take(&mut entry.on_wire)
        {
            entry.detached = false;
            self.places.taken -= 1;
        }
    }

    pub(super) fn detach(&mut self, ticket: TicketNumber) {
        self.push(Header::from(Detach { ticket }));
        if let Some(entry) = self.tickets.entry_mut(ticket.0) {
            entry.detached = true;
            let phase = std::mem::replace(&mut entry.phase, Phase::Open);
            self.note_ticket_answer(ticket, phase);
        }
        self.await_pong(AfterPong::Free(ticket));
    }

    pub(super) fn await_pong(&mut self, then: AfterPong) {
        self.places.next.push(then);
        self.ask_for_pong();
    }

    /// Detaches from a request that has its outcome: nothing comes after it, so the number is free at once. An outcome
    /// that was not acknowledged is the mailbox's to tell now.
    pub(super) fn leave_after_outcome(&mut self, ticket: TicketNumber) {
        if self.tickets.entry(ticket.0).is_some_and(TicketEntry::listens) {
            self.push(Header::from(Detach { ticket }));
            self.leave_wire(ticket);
        }
    }

    pub(super) fn handle_pong(&mut self, nonce: u64) {
        if nonce == 0 || nonce != self.places.nonce {
            return;
        }
        for then in std::mem::take(&mut self.places.behind) {
            match then {
                AfterPong::Free(ticket) => {
                    self.leave_wire(ticket);
                    self.remove_unheld(ticket);
                }
                AfterPong::PartsAsked(ticket) => self.give_up_parts_unless_begun(ticket),
            }
        }
        self.ask_for_pong();
    }

    /// One ping at a time.
    fn ask_for_pong(&mut self) {
        if self.places.behind.is_empty() && !self.places.next.is_empty() {
            std::mem::swap(&mut self.places.behind, &mut self.places.next);
            self.places.nonce += 1;
            self.push(Header::from(Ping { nonce: self.places.nonce }));
        }
    }
}
