//! How a channel behaves, in numbers.

use std::time::Duration;

/// The settings of a channel that its state machine needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The most requests without an outcome.
    pub capacity: usize,
    /// How long a delivery may go without a sign of life.
    pub lease: Duration,
    /// The most counted deliveries of a request. At least 1.
    pub max_attempts: u32,
    /// The most times that a request is given back uncounted.
    pub max_releases: u32,
    /// The backoff after the first counted delivery; it doubles with each further one.
    pub backoff_first: Duration,
    /// The longest backoff, before jitter.
    pub backoff_max: Duration,
    /// How long an unacknowledged outcome is kept.
    pub retention: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            capacity: 10_000,
            lease: Duration::from_secs(30),
            max_attempts: 5,
            max_releases: 100,
            backoff_first: Duration::from_millis(500),
            backoff_max: Duration::from_secs(60),
            retention: Duration::from_secs(3600),
        }
    }
}
