//! How a channel behaves, in numbers.

use std::time::Duration;

/// The settings of a channel that its state machine needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Whether the channel tells each change to what it keeps as a [`Record`](crate::Record).
    pub is_durable: bool,
    /// The most requests that wait: queued, scheduled or backing off.
    pub capacity: usize,
    /// How long a delivery may go without a sign of life, if its service asked for nothing else.
    pub lease: Duration,
    /// How long a delivery may take, however alive its service is.
    pub attempt_timeout: Option<Duration>,
    /// The most counted deliveries of a request. At least 1.
    pub max_attempts: u32,
    /// The most times that a request is given back uncounted.
    pub max_releases: u32,
    /// The longest pause that a service's `throttle` makes.
    pub max_throttle: Duration,
    /// The most deliveries at once, over all services: in flight, lost and not given up, or stopping.
    pub max_in_flight: Option<usize>,
    /// How many deliveries a second, over all services.
    pub rate: Option<Rate>,
    /// What becomes of a submission when there is no service.
    pub no_service: NoService,
    /// The backoff after the first counted delivery; it doubles with each further one.
    pub backoff_first: Duration,
    /// The longest backoff, before jitter.
    pub backoff_max: Duration,
    /// The deadline of a request that names none, from the end of its delay.
    pub default_deadline: Duration,
    /// How long an unacknowledged outcome is kept, and how long a key is after its outcome.
    pub retention: Duration,
    /// The most idempotency keys.
    pub max_keys: usize,
    /// The most bytes of unacknowledged parts of a request.
    pub parts_room: usize,
    /// The most dead letters.
    pub max_dead_letters: usize,
    /// The most bytes of payload in dead letters.
    pub max_dead_letter_bytes: usize,
    /// How long a dead letter is kept.
    pub dead_letter_age: Duration,
}

/// A token bucket: so many deliveries a second, and so many at once after a pause.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Deliveries a second, over 0.
    pub per_second: f64,
    /// The most at once, at least 1.
    pub burst: u32,
}

/// What becomes of a submission to a channel that has no service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NoService {
    /// It waits for one.
    #[default]
    Wait,
    /// It is refused.
    Refuse,
}

impl Default for Settings {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 3600);
        Self {
            is_durable: false,
            capacity: 10_000,
            lease: Duration::from_secs(30),
            attempt_timeout: None,
            max_attempts: 5,
            max_releases: 100,
            max_throttle: Duration::from_secs(300),
            max_in_flight: None,
            rate: None,
            no_service: NoService::Wait,
            backoff_first: Duration::from_millis(500),
            backoff_max: Duration::from_secs(60),
            default_deadline: DAY,
            retention: Duration::from_secs(3600),
            max_keys: 10_000,
            parts_room: 1024 * 1024,
            max_dead_letters: 1_000,
            max_dead_letter_bytes: 64 * 1024 * 1024,
            dead_letter_age: 7 * DAY,
        }
    }
}
