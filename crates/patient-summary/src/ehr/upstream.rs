//! One upstream's gate: whether a request is let in now, and how long its answer takes.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::ops::RangeInclusive;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::outcome::Refusal;

/// A system that the sample EHR plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Upstream {
    /// `/ehr`: Patient, Condition, AllergyIntolerance, Procedure, Observation.
    Ehr,
    /// `/medications`: MedicationRequest.
    Medications,
    /// `/immunizations`: Immunization.
    Immunizations,
}

impl Upstream {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Ehr, Self::Medications, Self::Immunizations];

    /// Its name, which is also its path.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ehr => "ehr",
            Self::Medications => "medications",
            Self::Immunizations => "immunizations",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|upstream| upstream.as_str() == name)
    }

    pub(super) const fn serves(self) -> &'static [&'static str] {
        match self {
            Self::Ehr => &["Patient", "Condition", "AllergyIntolerance", "Procedure", "Observation"],
            Self::Medications => &["MedicationRequest"],
            Self::Immunizations => &["Immunization"],
        }
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How many requests an upstream takes in a time. That many may come at once; then they come back evenly over the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    requests: u32,
    per: Duration,
}

impl Quota {
    /// So many requests per so much time. At least one per millisecond-long time: a quota of nothing is the failure switch.
    #[must_use]
    pub fn new(requests: u32, per: Duration) -> Self {
        Self { requests: requests.max(1), per: per.max(Duration::from_millis(1)) }
    }
}

/// What an upstream has answered since it started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Served {
    /// Requests that were let in, whatever came of them.
    pub admitted: u64,
    /// Requests over quota, answered 429.
    pub throttled: u64,
    /// Requests that the failure switch answered with 503.
    pub failed: u64,
}

/// The state of one upstream.
#[derive(Debug)]
pub(super) struct Gate {
    pub(super) latency: RangeInclusive<Duration>,
    pub(super) failing: bool,
    pub(super) served: Served,
    bucket: Option<Bucket>,
}

impl Default for Gate {
    fn default() -> Self {
        let latency = Duration::from_millis(50)..=Duration::from_millis(400);
        Self { latency, failing: false, served: Served::default(), bucket: None }
    }
}

impl Gate {
    pub(super) fn limit(&mut self, quota: Option<Quota>) {
        self.bucket = quota.map(|quota| Bucket { quota, tokens: f64::from(quota.requests), filled: None });
    }

    /// Lets a request in and says how long its answer takes, or refuses it.
    pub(super) fn admit(&mut self) -> Result<Duration, Refusal> {
        if self.failing {
            self.served.failed += 1;
            return Err(Refusal::Down);
        }
        if let Some(wait) = self.bucket.as_mut().and_then(|bucket| bucket.take(Instant::now())) {
            self.served.throttled += 1;
            return Err(Refusal::Throttled { retry_after: wait });
        }
        self.served.admitted += 1;
        Ok(random_within(&self.latency))
    }
}

/// A gate that requests and switches share.
#[derive(Debug)]
pub(super) struct SharedGate(Mutex<Gate>);

impl SharedGate {
    pub(super) fn with<T>(&self, change: impl FnOnce(&mut Gate) -> T) -> T {
        // A gate is a few independent settings: after a panic in between it is still one.
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl From<Gate> for SharedGate {
    fn from(gate: Gate) -> Self {
        Self(Mutex::new(gate))
    }
}

/// A token bucket on tokio's clock, so that a paused clock pauses it.
#[derive(Debug)]
struct Bucket {
    quota: Quota,
    tokens: f64,
    filled: Option<Instant>,
}

impl Bucket {
    /// Takes a token; if there is none, says after how long there will be.
    fn take(&mut self, now: Instant) -> Option<Duration> {
        let capacity = f64::from(self.quota.requests);
        let per_second = capacity / self.quota.per.as_secs_f64();
        let passed = now.saturating_duration_since(self.filled.unwrap_or(now));
        self.tokens = (self.tokens + passed.as_secs_f64() * per_second).min(capacity);
        self.filled = Some(now);
        // A hair less than one is one: who waits exactly as long as it was told must not be refused for a rounding error.
        if self.tokens > 1.0 - 1e-6 {
            self.tokens = (self.tokens - 1.0).max(0.0);
            return None;
        }
        Some(Duration::from_secs_f64((1.0 - self.tokens) / per_second))
    }
}

/// A random time for looks, not for secrets: the standard library's own hash keys are random enough, and spare a crate.
fn random_within(range: &RangeInclusive<Duration>) -> Duration {
    let span = range.end().saturating_sub(*range.start());
    let nanoseconds = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    let random = RandomState::new().hash_one(0_u8);
    *range.start() + Duration::from_nanos(random.checked_rem(nanoseconds.saturating_add(1)).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_stays_within_its_bounds() {
        let range = Duration::from_millis(50)..=Duration::from_millis(400);
        for _ in 0..1000 {
            assert!(range.contains(&random_within(&range)));
        }
        assert_eq!(random_within(&(Duration::ZERO..=Duration::ZERO)), Duration::ZERO);
        assert_eq!(random_within(&(Duration::from_secs(2)..=Duration::from_secs(1))), Duration::from_secs(2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_quota_gives_all_at_once_and_then_evenly() {
        let mut gate = Gate { latency: Duration::ZERO..=Duration::ZERO, ..Gate::default() };
        gate.limit(Some(Quota::new(2, Duration::from_secs(4))));
        assert!(gate.admit().is_ok() && gate.admit().is_ok());
        let Err(Refusal::Throttled { retry_after }) = gate.admit() else { panic!("over quota") };
        assert_eq!(retry_after, Duration::from_secs(2));

        tokio::time::advance(retry_after).await;
        assert!(gate.admit().is_ok());
        assert!(gate.admit().is_err());
        assert_eq!(gate.served, Served { admitted: 3, throttled: 2, failed: 0 });
    }
}
