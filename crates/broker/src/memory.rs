//! The one figure that bounds everything the broker holds, buffers included, counted as allocated.
//!
//! Submissions are refused when three quarters are used: the rest is for replies, but for a last sixteenth. That is for
//! what has to be said whatever is left, such as the answers to what was refused.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What the broker may hold, and what it holds.
pub(crate) struct Memory {
    limit: usize,
    used: AtomicUsize,
}

impl Memory {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, used: AtomicUsize::new(0) })
    }

    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Room for a submission or a connection: none when it would leave less than a quarter for replies.
    pub(crate) fn room_for_submission(self: &Arc<Self>, bytes: usize) -> Option<Room> {
        self.room_below(self.limit - self.limit / 4, bytes)
    }

    /// Room for a reply or a part.
    pub(crate) fn room_for_reply(self: &Arc<Self>, bytes: usize) -> Option<Room> {
        self.room_below(self.limit - self.limit / 16, bytes)
    }

    /// Room that is needed whatever is left, such as that of an answer in an outbox, which other limits bound.
    pub(crate) fn room_at_any_rate(self: &Arc<Self>, bytes: usize) -> Room {
        self.used.fetch_add(bytes, Ordering::Relaxed);
        Room { memory: Some(Arc::clone(self)), bytes }
    }

    fn room_below(self: &Arc<Self>, limit: usize, bytes: usize) -> Option<Room> {
        let fits = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= limit);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).ok()?;
        Some(Room { memory: Some(Arc::clone(self)), bytes })
    }
}

/// A share of the memory; dropping it gives it back.
pub(crate) struct Room {
    memory: Option<Arc<Memory>>,
    bytes: usize,
}

impl Room {
    /// Of no size.
    pub(crate) const fn nothing() -> Self {
        Self { memory: None, bytes: 0 }
    }

    /// Takes a part out of it.
    pub(crate) fn split(&mut self, bytes: usize) -> Self {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        Self { memory: self.memory.clone(), bytes }
    }

    /// Makes it larger or smaller, whatever is left.
    pub(crate) fn resize(&mut self, bytes: usize) {
        if let Some(memory) = &self.memory {
            memory.used.fetch_add(bytes, Ordering::Relaxed);
            memory.used.fetch_sub(self.bytes, Ordering::Relaxed);
            self.bytes = bytes;
        }
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if let Some(memory) = &self.memory {
            memory.used.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}

impl fmt::Debug for Room {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Room({})", self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_is_kept_for_replies() {
        let memory = Memory::new(160);
        let submitted = memory.room_for_submission(120).unwrap();
        assert!(memory.room_for_submission(1).is_none());
        let reply = memory.room_for_reply(30).unwrap();
        assert!(memory.room_for_reply(1).is_none());
        let answer = memory.room_at_any_rate(10);
        assert_eq!(memory.used(), 160);
        drop((submitted, reply, answer));
        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn the_parts_of_a_split_room_are_given_back_one_by_one() {
        let memory = Memory::new(100);
        let mut whole = memory.room_for_submission(50).unwrap();
        let part = whole.split(20);
        assert_eq!(memory.used(), 50);
        drop(part);
        assert_eq!(memory.used(), 30);
        whole.resize(10);
        assert_eq!(memory.used(), 10);
    }

    #[test]
    fn an_absurd_size_is_refused_and_counts_nothing() {
        let memory = Memory::new(100);
        let _some = memory.room_for_submission(1).unwrap();
        assert!(memory.room_for_reply(usize::MAX).is_none());
        assert_eq!(memory.used(), 1);
    }
}
