//! What is to be done at a time: a queue for all, since most things are done before their time comes.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use roundtrip_protocol::{ServiceNumber, TicketNumber, Token};
use tokio::time::Instant;

use super::delivery::{DeliveryKey, PartKey};

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Due {
    /// A submission, told by its order among all, has waited long enough.
    Submission(TicketNumber, u64),
    /// A settlement may find room now.
    Settlement(DeliveryKey, Token),
    /// A part may find room now.
    Part(PartKey),
    /// A channel may take the service now.
    Subscription(ServiceNumber),
}

#[derive(Default)]
pub(super) struct Timers {
    queue: BinaryHeap<Timer>,
    set: u64,
}

struct Timer {
    at: Instant,
    order: u64,
    due: Due,
}

impl Timers {
    pub(super) fn set(&mut self, at: Instant, due: Due) {
        self.set += 1;
        self.queue.push(Timer { at, order: self.set, due });
    }

    /// The earliest, with those left out that `is_over`.
    pub(super) fn earliest(&mut self, is_over: impl Fn(Due) -> bool) -> Option<Instant> {
        while let Some(timer) = self.queue.peek() {
            if !is_over(timer.due) {
                return Some(timer.at);
            }
            self.queue.pop();
        }
        None
    }

    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Due> {
        if self.queue.peek()?.at > now {
            return None;
        }
        self.queue.pop().map(|timer| timer.due)
    }

    pub(super) fn clear(&mut self) {
        self.queue.clear();
    }
}

/// The earliest is the greatest, for the heap.
impl Ord for Timer {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

impl PartialOrd for Timer {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Timer {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Timer {}
