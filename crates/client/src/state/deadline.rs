//! What is due at a time.

use tokio::time::Instant;

use super::ClientState;
use super::connection::Phase;
use super::delivery::PartEntry;
use super::first_connection::ConnectFailure;
use super::timers::Due;

impl ClientState {
    /// Does what is due.
    pub(crate) fn handle_deadline(&mut self, now: Instant) {
        match self.line.phase {
            Phase::Connecting { until } if until <= now => {
                self.line.last_failure = Some(ConnectFailure::Silent);
                self.try_again(now);
            }
            Phase::Greeting { until } if until <= now => {
                self.line.last_failure = Some(ConnectFailure::Silent);
                self.let_go();
            }
            Phase::Open { .. } => self.keep_alive(now),
            _ => {}
        }
        if self.first_until().is_some_and(|until| until <= now) {
            self.line.last_failure.get_or_insert(ConnectFailure::Silent);
            self.fail_first();
        }
        if self.line.closing.is_some_and(|until| until <= now) {
            self.end();
        }
        self.pass_delivery_deadlines(now);
        while let Some(due) = self.timers.pop_due(now) {
            match due {
                Due::Submission(ticket, order) => self.give_up_waiting(ticket, order),
                Due::Settlement(delivery, token) => self.settle_again(delivery, token),
                Due::Part(part) => self.add_part_again(part),
                Due::Subscription(service) => self.subscribe_again(service),
            }
        }
    }

    /// When to come back though nothing happened.
    pub(crate) fn next_deadline(&mut self) -> Option<Instant> {
        let phase = match self.line.phase {
            Phase::Waiting { until } | Phase::Connecting { until } | Phase::Greeting { until } => Some(until),
            Phase::Open { .. } => self.ping_at().into_iter().chain(self.silent_at()).min(),
            Phase::Lost | Phase::Closed => return None,
        };
        let (tickets, deliveries, parts) = (&self.tickets, &self.deliveries, &self.parts);
        let timer = self.timers.earliest(|due| match due {
            Due::Submission(ticket, order) => !tickets.entry(ticket.0).is_some_and(|entry| entry.waits_since(order)),
            Due::Settlement(key, token) => !deliveries.entry(key.0).is_some_and(|entry| entry.waits_for_room(token)),
            Due::Part(key) => !parts.entry(key.0).is_some_and(PartEntry::waits),
            Due::Subscription(_) => false,
        });
        phase
            .into_iter()
            .chain(timer)
            .chain(self.next_delivery_deadline())
            .chain(self.first_until())
            .chain(self.line.closing)
            .min()
    }
}
