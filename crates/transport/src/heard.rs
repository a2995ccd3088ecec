//! When bytes last arrived: stamped by the task that reads, read by whoever watches over silence.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// When bytes last arrived on a connection, in the middle of a frame too.
///
/// Share it in an [`Arc`](std::sync::Arc): one side stamps, any other reads, no lock between them.
#[derive(Debug)]
pub struct Heard {
    base: Instant,
    nanos_since: AtomicU64,
}

impl Heard {
    /// A stamp that says `now`.
    #[must_use]
    pub const fn new(now: Instant) -> Self {
        Self { base: now, nanos_since: AtomicU64::new(0) }
    }

    /// Bytes arrived at `now`. An earlier time than the last stamp changes nothing.
    pub fn stamp(&self, now: Instant) {
        let nanos = u64::try_from(now.saturating_duration_since(self.base).as_nanos()).unwrap_or(u64::MAX);
        self.nanos_since.fetch_max(nanos, Ordering::Relaxed);
    }

    /// When bytes last arrived; until some do, when the stamp was made.
    #[must_use]
    pub fn last(&self) -> Instant {
        self.base + Duration::from_nanos(self.nanos_since.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_stamp_counts() {
        let start = Instant::now();
        let heard = Heard::new(start);
        assert_eq!(heard.last(), start);
        let later = start + Duration::from_millis(7);
        heard.stamp(later);
        heard.stamp(start + Duration::from_millis(3));
        assert_eq!(heard.last(), later);
    }
}
