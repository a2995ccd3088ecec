//! Time as the state machines see it: given, never asked for.

use std::ops::Add;
use std::time::Duration;

/// A moment, counted in nanoseconds from a start that the caller chose, for 584 years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(u64);

impl Time {
    /// Later than every other moment.
    pub const NEVER: Self = Self(u64::MAX);

    /// A moment so long after the start.
    #[must_use]
    pub const fn after_start(elapsed: Duration) -> Self {
        Self(saturating_nanos(elapsed))
    }

    /// How long after the start it is.
    #[must_use]
    pub const fn since_start(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    /// How long it is from `earlier` to here; zero if it is not earlier.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    pub(crate) const fn nanos(self) -> u64 {
        self.0
    }
}

impl Add<Duration> for Time {
    type Output = Self;

    fn add(self, length: Duration) -> Self {
        Self(self.0.saturating_add(saturating_nanos(length)))
    }
}

const fn saturating_nanos(length: Duration) -> u64 {
    let nanos = length.as_nanos();
    if nanos < u64::MAX as u128 { nanos as u64 } else { u64::MAX }
}

/// What a step of a state machine is given beside its command.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// The time of the step, never before that of the step before.
    pub time: Time,
    /// Fresh random bits, for jitter.
    pub random: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_moment_is_later_than_never() {
        assert_eq!(Time::after_start(Duration::MAX), Time::NEVER);
        assert_eq!(Time::after_start(Duration::from_secs(1)) + Duration::MAX, Time::NEVER);
        assert_eq!(Time::NEVER + Duration::from_nanos(1), Time::NEVER);
        assert_eq!(Time::after_start(Time::NEVER.since_start()), Time::NEVER);
    }

    #[test]
    fn a_length_is_counted_from_the_earlier_moment_alone() {
        let (earlier, later) = (Time::after_start(Duration::from_nanos(1)), Time::after_start(Duration::from_nanos(3)));
        assert_eq!(later.since(earlier), Duration::from_nanos(2));
        assert_eq!(earlier.since(later), Duration::ZERO);
        assert_eq!(earlier + later.since(earlier), later);
    }
}
