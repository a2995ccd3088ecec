//! `Prefer`, as in RFC 7240: whether a submission waits for its outcome. What is not understood is ignored, as it says.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue};

use crate::query::whole;
use crate::wait::LONGEST_WAIT;

/// What a caller prefers. Of what it says twice the first counts.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Preference {
    respond_async: bool,
    wait: Option<u64>,
}

impl Preference {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut preference = Self::default();
        for value in headers.get_all("prefer") {
            let Ok(value) = value.to_str() else { continue };
            for one in value.split(',') {
                preference.add(one.split(';').next().unwrap_or_default());
            }
        }
        preference
    }

    /// How long to wait for the outcome.
    pub(crate) fn wait(self) -> Duration {
        Duration::from_secs(self.wait.unwrap_or_default())
    }

    /// What of it was done, for `Preference-Applied`; none if nothing was asked for.
    pub(crate) fn applied(self) -> Option<HeaderValue> {
        let wait = self.wait.map(|seconds| format!("wait={seconds}"));
        let applied: Vec<String> =
            self.respond_async.then(|| "respond-async".to_owned()).into_iter().chain(wait).collect();
        if applied.is_empty() { None } else { HeaderValue::try_from(applied.join(", ")).ok() }
    }

    fn add(&mut self, text: &str) {
        let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value.trim())));
        match (name.trim().to_ascii_lowercase().as_str(), value) {
            ("respond-async", None | Some("" | "\"\"")) => self.respond_async = true,
            ("wait", Some(value)) if self.wait.is_none() => {
                let seconds = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
                let seconds = if seconds.is_empty() { None } else { whole(seconds) };
                self.wait = seconds.map(|seconds| seconds.min(LONGEST_WAIT.as_secs()));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&'static str]) -> (u64, Option<String>) {
        let headers = values.iter().map(|value| ("prefer".parse().unwrap(), HeaderValue::from_static(value))).collect();
        let preference = Preference::of(&headers);
        (preference.wait().as_secs(), preference.applied().map(|value| value.to_str().unwrap().to_owned()))
    }

    #[test]
    fn a_wait_is_applied_and_told_up_to_the_longest() {
        assert_eq!(of(&["wait=10"]), (10, Some("wait=10".into())));
        assert_eq!(of(&["Wait = \"10\"; foo=bar"]), (10, Some("wait=10".into())));
        assert_eq!(of(&["wait=100"]), (60, Some("wait=60".into())));
    }

    #[test]
    fn respond_async_may_stand_beside_it_in_any_order() {
        assert_eq!(of(&["respond-async"]), (0, Some("respond-async".into())));
        assert_eq!(of(&["respond-async, wait=5"]), (5, Some("respond-async, wait=5".into())));
        assert_eq!(of(&["wait=5", "RESPOND-ASYNC"]), (5, Some("respond-async, wait=5".into())));
    }

    #[test]
    fn what_is_not_understood_is_ignored_and_the_first_of_two_counts() {
        for value in ["return=minimal", "wait", "wait=", "wait=soon", "wait=-1", "", ",,;="] {
            assert_eq!(of(&[value]), (0, None), "{value}");
        }
        assert_eq!(of(&["wait=5, wait=6"]).0, 5);
    }
}
