//! How the broker locks: a panic in one step is a bug of the broker, and must not become one in every later step.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A mutex of the broker.
///
/// Locks are taken in this order, never two of a kind and never upward: session (of a later connection of an
/// instance before that of an earlier one), channel, mailbox, outbox. The maps of mailboxes and the timer's queue are
/// leaves: nothing is locked under them. Nothing is awaited under a lock.
pub(crate) trait Lock<T> {
    fn locked(&self) -> MutexGuard<'_, T>;
}

impl<T> Lock<T> for Mutex<T> {
    fn locked(&self) -> MutexGuard<'_, T> {
        self.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
