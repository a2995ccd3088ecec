//! Durations as HTTP has them.

use std::time::Duration;

use serde_json::Value;

/// In seconds, with their fraction.
pub(super) fn text(duration: Duration) -> String {
    format!("{}.{:09}", duration.as_secs(), duration.subsec_nanos())
}

/// In whole seconds, and not too short.
pub(super) fn whole(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// A number of seconds in JSON; none if it is null or missing.
pub(super) fn of(value: &Value) -> Option<Duration> {
    value.as_f64().map(Duration::from_secs_f64)
}
