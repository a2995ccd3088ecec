//! How fast a channel hands out: its rate, and the pauses that services ask for when what they depend on is at its limit.

use std::time::Duration;

use super::Step;
use super::settings::Rate;
use crate::handles::Handles;
use crate::planted::{self, Fault};
use crate::time::Time;

/// When the next delivery may be handed out.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// A service throttled the channel until then.
    pub(super) paused_until: Time,
    /// The token bucket, as the moment at which it will be full if nothing is handed out meanwhile.
    full_at: Time,
    /// A request and a service wait for each other until then.
    pub(super) opens_at: Option<Time>,
    /// Nothing is handed out any more.
    pub(super) has_stopped: bool,
}

impl Pace {
    /// Until when nothing may be handed out; none if something may be now.
    pub(super) fn closed_until(&self, now: Time, rate: Option<Rate>) -> Option<Time> {
        let token_at = rate.map_or(now, |rate| {
            let tolerance = interval(rate).saturating_mul(rate.burst.saturating_sub(1));
            Time::after_start(self.full_at.since_start().saturating_sub(tolerance))
        });
        Some(token_at.max(self.paused_until)).filter(|at| *at > now)
    }

    /// Something is handed out.
    pub(super) fn take(&mut self, now: Time, rate: Option<Rate>) {
        if let Some(rate) = rate.filter(|_| !planted::is(Fault::RateIgnored)) {
            self.full_at = self.full_at.max(now) + interval(rate);
        }
    }
}

/// How long it takes until a token is there again.
fn interval(rate: Rate) -> Duration {
    Duration::try_from_secs_f64(rate.per_second.recip()).unwrap_or(Duration::MAX)
}

impl<H: Handles> Step<'_, H> {
    /// A service asks for a pause: the longest one counts.
    pub(super) fn pause(&mut self, length: Duration) {
        let until = self.now.time + length.min(self.channel.settings.max_throttle);
        self.channel.pace.paused_until = self.channel.pace.paused_until.max(until);
    }

    /// Whether one more delivery would be over `max_in_flight`.
    pub(super) fn is_at_its_limit(&self) -> bool {
        self.channel.settings.max_in_flight.is_some_and(|most| self.channel.places() >= most)
    }
}
