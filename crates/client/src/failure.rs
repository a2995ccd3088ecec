//! How a handler says that it has no reply.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use roundtrip_protocol::{Problem, Settlement};
use serde::Serialize;

use crate::message::{JSON, Message};

/// Why a handler has no reply, and whether another attempt may mend it.
///
/// Any error turns into a retryable failure by `?`. Of such an error the requester is told a code alone: its text may
/// hold patients' data. Only the value of [`Failure::fail`] travels whole.
///
/// ```
/// # use roundtrip_client::Failure;
/// # use std::time::Duration;
/// fn reading(text: &str) -> Result<u32, Failure<String>> {
///     let number: u32 = text.parse()?; // another attempt follows
///     if number > 100 {
///         return Err(Failure::fail("over 100".to_owned())); // final
///     }
///     if number == 42 {
///         return Err(Failure::retry("busy").code("upstream_busy").after(Duration::from_secs(2)));
///     }
///     Ok(number)
/// }
/// ```
#[must_use]
pub struct Failure<E> {
    kind: Kind<E>,
}

/// The failure of a raw handler: `fail` carries a [`Message`] as it is.
pub type RawFailure = Failure<Message>;

enum Kind<E> {
    Fail(E),
    Problem(Problem),
    Retry { code: String, error: Option<&'static str>, after: Option<Duration> },
    Reject { code: String },
    Release,
    Throttle { pause: Duration },
}

impl<E> Failure<E> {
    /// Final: no other attempt. The requester gets the value as [`OutcomeError::Failed`](crate::OutcomeError::Failed).
    pub fn fail(error: E) -> Self {
        Self { kind: Kind::Fail(error) }
    }

    /// Final, without a value: the requester gets code and message as
    /// [`OutcomeError::Problem`](crate::OutcomeError::Problem). The message travels as it is.
    pub fn problem(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind: Kind::Problem(Problem::new(code, message)) }
    }

    /// Another attempt may mend it. Counted. What `?` makes of any error.
    pub fn retry<S: Into<Box<dyn Error + Send + Sync>>>(error: S) -> Self {
        drop(error.into()); // Its text may hold patients' data and goes nowhere.
        Self { kind: Kind::Retry { code: "retryable".into(), error: Some(std::any::type_name::<S>()), after: None } }
    }

    /// Poison: no other attempt, straight to the dead.
    pub fn reject<S: Into<Box<dyn Error + Send + Sync>>>(error: S) -> Self {
        drop(error.into());
        Self { kind: Kind::Reject { code: "rejected".into() } }
    }

    /// Gives the request back. Not counted as an attempt.
    pub fn release() -> Self {
        Self { kind: Kind::Release }
    }

    /// Gives the request back, not counted as an attempt, and pauses the whole channel for that long, at most its
    /// `max_throttle`: what the service depends on is at its limit, and says when to ask again. It takes its place in
    /// the queue again; the deadline alone limits how often.
    pub fn throttle(pause: Duration) -> Self {
        Self { kind: Kind::Throttle { pause } }
    }

    /// The earliest time for the next attempt, from now. For [`Failure::retry`]; the others have no next attempt to
    /// time and stay as they are.
    pub fn after(mut self, wait: Duration) -> Self {
        if let Kind::Retry { after, .. } = &mut self.kind {
            *after = Some(wait);
        }
        self
    }

    /// What the requester is told of a [`retry`](Failure::retry) or [`reject`](Failure::reject), instead of the general
    /// `retryable` and `rejected`: a word in `snake_case`. A word of the programmer's, so that it holds no data.
    pub fn code(mut self, word: &'static str) -> Self {
        if let Kind::Retry { code, .. } | Kind::Reject { code } = &mut self.kind {
            *code = word.into();
        }
        self
    }

    /// The type of the error behind a retryable failure: safe to log, unlike its text.
    pub(crate) fn error_type(&self) -> Option<&'static str> {
        match &self.kind {
            Kind::Retry { error, .. } => *error,
            _ => None,
        }
    }

    fn settlement(self, typed: impl FnOnce(E) -> (Settlement, Bytes)) -> (Settlement, Bytes) {
        let settlement = match self.kind {
            Kind::Fail(error) => return typed(error),
            Kind::Problem(problem) => Settlement::Fail { problem, content_type: None },
            Kind::Retry { code, after, .. } => {
                Settlement::Retry { problem: Problem::new(code, ""), retry_after_ms: after.map(whole_millis) }
            }
            Kind::Reject { code } => Settlement::Reject(Problem::new(code, "")),
            Kind::Release => Settlement::Release,
            Kind::Throttle { pause } => Settlement::Throttle { retry_after_ms: whole_millis(pause) },
        };
        (settlement, Bytes::new())
    }
}

impl<E: Serialize> Failure<E> {
    pub(crate) fn into_settlement(self) -> (Settlement, Bytes) {
        self.settlement(|error| match serde_json::to_vec(&error) {
            Ok(json) => (
                Settlement::Fail { problem: Problem::new("failed", ""), content_type: Some(JSON.into()) },
                Bytes::from(json),
            ),
            Err(_) => {
                (Settlement::Fail { problem: Problem::new("invalid_error", ""), content_type: None }, Bytes::new())
            }
        })
    }
}

impl RawFailure {
    pub(crate) fn into_raw_settlement(self) -> (Settlement, Bytes) {
        self.settlement(|message| {
            let (label, payload) = message.into_parts();
            let problem = Problem::new("failed", "");
            (Settlement::Fail { problem, content_type: Some(label.content_type.into()) }, payload)
        })
    }
}

impl<E, S: Into<Box<dyn Error + Send + Sync>>> From<S> for Failure<E> {
    fn from(error: S) -> Self {
        Self::retry(error)
    }
}

/// Says what kind of failure it is; its value may hold patients' data.
impl<E> fmt::Debug for Failure<E> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Fail(_) => write!(out, "Failure::fail"),
            Kind::Problem(problem) => write!(out, "Failure::problem({})", problem.code),
            Kind::Retry { code, after, .. } => write!(out, "Failure::retry({code}, after {after:?})"),
            Kind::Reject { code } => write!(out, "Failure::reject({code})"),
            Kind::Release => write!(out, "Failure::release"),
            Kind::Throttle { pause } => write!(out, "Failure::throttle({pause:?})"),
        }
    }
}

pub(crate) fn whole_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
