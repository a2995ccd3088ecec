//! The broker's time and randomness, read here and nowhere else.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use roundtrip_core::Time;
use roundtrip_protocol::RequestId;
use roundtrip_transport::runtime;
use tokio::time::Instant;
use uuid::Uuid;

/// Counts time from a start: 1970 where times are kept on disk, the broker's own otherwise. It is tokio's clock, so that
/// a test may pause it, and setting the system's clock changes nothing while the broker runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    start: Instant,
    /// What it showed then.
    shown: Duration,
}

impl Clock {
    /// A clock that shows this now.
    pub(crate) fn starting_at(shown: Duration) -> Self {
        Self { start: runtime::now(), shown }
    }

    pub(crate) fn now(self) -> Time {
        self.time(runtime::now())
    }

    pub(crate) fn time(self, at: Instant) -> Time {
        Time::after_start(self.shown.saturating_add(at.saturating_duration_since(self.start)))
    }

    /// None for a time that never comes.
    pub(crate) fn instant(self, at: Time) -> Option<Instant> {
        self.start.checked_add(at.since_start().saturating_sub(self.shown))
    }
}

/// What random bits for jitter begin with, another one each time.
#[derive(Debug)]
pub(crate) struct Seeds(AtomicU64);

impl Seeds {
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(random_number()))
    }

    pub(crate) fn jitter(&self) -> Jitter {
        Jitter(Jitter(self.0.fetch_add(Jitter::STEP, Ordering::Relaxed)).bits())
    }
}

/// Random bits for jitter: SplitMix64. Everybody has their own, so that nobody waits for another's.
#[derive(Debug)]
pub(crate) struct Jitter(u64);

impl Jitter {
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(Self::STEP);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }
}

/// A time as it is kept. One that never comes is far away.
pub(crate) fn millis(time: Time) -> u64 {
    const FAR_AWAY: u64 = i64::MAX as u64;
    u64::try_from(time.since_start().as_millis()).map_or(FAR_AWAY, |millis| millis.min(FAR_AWAY))
}

/// A time as it was kept.
pub(crate) const fn time_of(millis: u64) -> Time {
    Time::after_start(Duration::from_millis(millis))
}

/// Milliseconds since 1970 by the system's clock, read once when a broker starts. In a simulation it is the simulator's.
pub(crate) fn system_millis() -> u64 {
    #[cfg(feature = "simulation")]
    if runtime::chance().is_some() {
        return crate::simulation::clock_millis();
    }
    let since_1970 = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or(Duration::ZERO);
    u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX)
}

/// An id for a request that the broker makes itself, at a time of this start of the broker: a UUIDv7.
pub(crate) fn request_id(start: u64, clock: Clock, now: Time, jitter: &mut Jitter) -> RequestId {
    let running = now.since_start().saturating_sub(clock.shown);
    let millis = (start >> 16).saturating_add(u64::try_from(running.as_millis()).unwrap_or(u64::MAX));
    let mut random = [0; 10];
    random[..8].copy_from_slice(&jitter.bits().to_le_bytes());
    random[8..].copy_from_slice(&jitter.bits().to_le_bytes()[..2]);
    RequestId::from_bytes(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid().into_bytes())
}

/// A number for this start of the broker: the milliseconds since 1970 above random bits, so that no two starts share
/// one and a later start has the higher one.
pub(crate) fn start_number() -> u64 {
    #[cfg(feature = "simulation")]
    if let Some(bits) = runtime::chance()
        && system_millis() == 0
    {
        return bits | 1;
    }
    (system_millis() << 16) | (random_number() & 0xffff) | 1
}

fn random_number() -> u64 {
    #[cfg(feature = "simulation")]
    if let Some(bits) = runtime::chance() {
        return bits;
    }
    let (high, low) = Uuid::now_v7().as_u64_pair();
    // The low half of a UUIDv7 is random but for two bits; the high half holds the time and twelve random bits.
    low.rotate_left(17) ^ high
}
