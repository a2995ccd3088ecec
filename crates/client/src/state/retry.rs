//! How long to wait before the next attempt to connect.

use std::time::Duration;

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// The attempts since the last good connection.
pub(super) struct Retries {
    failures: u32,
    random: u64,
}

impl Retries {
    pub(super) fn new(seed: u64) -> Self {
        Self { failures: 0, random: seed }
    }

    /// A connection was a good one.
    pub(super) fn begin_anew(&mut self) {
        self.failures = 0;
    }

    /// How long to wait before the next attempt: nothing after a good connection, then longer each time.
    pub(super) fn wait(&mut self) -> Duration {
        let failures = self.failures;
        self.failures = failures.saturating_add(1);
        if failures == 0 {
            return Duration::ZERO;
        }
        let longest = FIRST_WAIT.saturating_mul(1 << (failures - 1).min(16)).min(LONGEST_WAIT);
        longest.mul_f64(0.5 + self.jitter() / 2.0)
    }

    /// From 0 to 1, by splitmix64.
    fn jitter(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}
