//! What a channel tells of itself in numbers.

use super::Channel;
use crate::handles::Handles;
use crate::time::Time;

/// A channel's figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Requests without an outcome.
    pub open: usize,
    /// Requests in the queue or backing off.
    pub waiting: usize,
    /// Requests whose delay is not over.
    pub scheduled: usize,
    /// Deliveries that count against `max_in_flight`: with services, lost and not given up, or stopping.
    pub in_flight: usize,
    /// Subscriptions.
    pub services: usize,
    /// Outcomes kept.
    pub retained: usize,
    /// Dead letters.
    pub dead: usize,
    /// Idempotency keys.
    pub keys: usize,
    /// When the first of the queue was accepted; of each priority, and the earliest of these.
    pub oldest: Option<Time>,
    /// Until when dispatch pauses, because a service throttled it.
    pub paused_until: Option<Time>,
    /// What deliveries that counted no more asked for, and was dropped.
    pub stale: u64,
    /// Parts that went unacknowledged because their request has no mailbox.
    pub dropped_parts: u64,
    /// Dead letters that went because there were too many, or too old ones.
    pub dropped_dead_letters: u64,
}

impl<H: Handles> Channel<H> {
    /// The channel's figures.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let heads = self.queue.heads().filter_map(|slot| self.requests.at(slot));
        Figures {
            open: self.open,
            waiting: self.queued() - self.scheduled,
            scheduled: self.scheduled,
            in_flight: self.places(),
            services: self.services.count(),
            retained: self.requests.len() - self.open,
            dead: self.dead.len(),
            keys: self.keys.len(),
            oldest: heads.map(|request| request.accepted).min(),
            paused_until: Some(self.pace.paused_until).filter(|until| *until > Time::default()),
            stale: self.stale,
            dropped_parts: self.dropped_parts,
            dropped_dead_letters: self.dead.dropped(),
        }
    }

    /// Outcomes that were fetched and may go where memory is short.
    #[must_use]
    pub fn fetched(&self) -> usize {
        self.fetched.len()
    }

    /// Outcomes that wait in mailboxes to be acknowledged.
    #[must_use]
    pub const fn unacknowledged(&self) -> usize {
        self.unacknowledged
    }

    /// Whether it holds nothing and serves nobody: it can be forgotten.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.requests.is_empty() && self.services.is_empty() && self.stopping.is_empty() && self.dead.len() == 0
    }
}
