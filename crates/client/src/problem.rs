//! What went wrong with a request, in the form of RFC 9457, the same wherever it is told.

use std::fmt;

use roundtrip_protocol::{DeadReason, Ending, OutcomeKind, Problem};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::outcome::Outcome;

const TYPE_PREFIX: &str = "urn:roundtrip:problem:";

/// Problem details of RFC 9457 for an outcome that is no reply.
///
/// It serializes to an object with `type` (`urn:roundtrip:problem:` and the code), `title`, `detail`, `code`, `outcome`,
/// and where they are known `attempts`, `details` (the service's typed error) and `last` (what the last attempt failed
/// with). Detail, details and last may hold patients' data, so `Debug` leaves them out.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct ProblemDetails {
    /// A word in `snake_case`, such as `broker_stopped`.
    pub code: String,
    /// One sentence that is the same for every such outcome.
    pub title: String,
    /// One sentence about this outcome; may be empty, and then is left out.
    pub detail: String,
    /// What Roundtrip adds.
    pub extensions: ProblemExtensions,
}

/// What Roundtrip adds to the members that RFC 9457 names.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct ProblemExtensions {
    /// Which of the outcomes it is.
    pub outcome: OutcomeKind,
    /// How many attempts were counted, where that is known.
    pub attempts: Option<u32>,
    /// What the last attempt of a dead request failed with, if it said so.
    pub last: Option<Problem>,
    details: Option<Value>,
}

impl ProblemExtensions {
    /// The service's typed error as JSON, if it gave one that is JSON.
    #[must_use]
    pub fn details(&self) -> Option<String> {
        self.details.as_ref().map(Value::to_string)
    }
}

impl ProblemDetails {
    pub(crate) fn of(outcome: &Outcome) -> Option<Self> {
        let problem = match &outcome.ending {
            Ending::Replied(_) => return None,
            Ending::Failed { problem, content_type } => {
                let details = content_type.as_ref().and_then(|_| serde_json::from_slice(&outcome.payload).ok());
                Self::failed(problem).details(details)
            }
            Ending::Dead { reason, last } => Self::dead(*reason, last.as_ref()),
            Ending::Expired => Self::expired(),
            Ending::Cancelled => Self::cancelled(),
        };
        Some(problem.attempts(outcome.attempts))
    }

    pub(crate) fn failed(problem: &Problem) -> Self {
        Self::new(OutcomeKind::Failed, &problem.code, "The request failed finally.", &problem.message)
    }

    pub(crate) fn typed(error: &impl Serialize) -> Self {
        Self::failed(&Problem::new("failed", "")).details(serde_json::to_value(error).ok())
    }

    pub(crate) fn dead(reason: DeadReason, last: Option<&Problem>) -> Self {
        let detail = match reason {
            DeadReason::AttemptsExhausted => "The last allowed attempt failed or was lost.",
            DeadReason::Rejected => "A service rejected it.",
            DeadReason::ReleasesExhausted => "It was given back more often than the channel allows.",
            DeadReason::Damaged => "What was kept of it is damaged on the broker's disk.",
            _ => "",
        };
        let mut problem =
            Self::new(OutcomeKind::Dead, reason.as_str(), "The request is dead: it is not tried again.", detail);
        problem.extensions.last = last.cloned();
        problem
    }

    pub(crate) fn expired() -> Self {
        let detail = "Its deadline passed before it had a reply.";
        Self::new(OutcomeKind::Expired, OutcomeKind::Expired.as_str(), "The request expired.", detail)
    }

    pub(crate) fn cancelled() -> Self {
        let detail = "Somebody cancelled it by its ticket.";
        Self::new(OutcomeKind::Cancelled, OutcomeKind::Cancelled.as_str(), "The request was cancelled.", detail)
    }

    pub(crate) fn attempts(mut self, attempts: u32) -> Self {
        self.extensions.attempts = Some(attempts);
        self
    }

    fn details(mut self, details: Option<Value>) -> Self {
        self.extensions.details = details;
        self
    }

    fn new(outcome: OutcomeKind, code: &str, title: &str, detail: &str) -> Self {
        Self {
            code: code.into(),
            title: title.into(),
            detail: detail.into(),
            extensions: ProblemExtensions { outcome, attempts: None, last: None, details: None },
        }
    }
}

impl Serialize for ProblemDetails {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Last<'a> {
            code: &'a str,
            message: &'a str,
        }
        let ProblemExtensions { outcome, attempts, last, details } = &self.extensions;
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("type", &format_args!("{TYPE_PREFIX}{}", self.code))?;
        object.serialize_entry("title", &self.title)?;
        if !self.detail.is_empty() {
            object.serialize_entry("detail", &self.detail)?;
        }
        object.serialize_entry("code", &self.code)?;
        object.serialize_entry("outcome", outcome.as_str())?;
        if let Some(attempts) = attempts {
            object.serialize_entry("attempts", attempts)?;
        }
        if let Some(details) = details {
            object.serialize_entry("details", details)?;
        }
        if let Some(last) = last {
            object.serialize_entry("last", &Last { code: &last.code, message: &last.message })?;
        }
        object.end()
    }
}

impl fmt::Debug for ProblemDetails {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "ProblemDetails({}, {:?})", self.code, self.extensions)
    }
}

impl fmt::Debug for ProblemExtensions {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}, {:?} attempts", self.outcome, self.attempts)
    }
}

impl fmt::Display for ProblemDetails {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} ({})", self.title, self.code)
    }
}
