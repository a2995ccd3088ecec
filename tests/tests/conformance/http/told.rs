//! Refusals, read back into what the suite compares.

use std::time::Duration;

use roundtrip::{AcknowledgeError, CancelError, PartError, Refusal, RefusalCode, SettleError, StopReason, WaitError};
use serde_json::Value;

/// A problem that is no outcome.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) code: String,
    detail: String,
    limit: Option<u64>,
    retry_after: Option<Duration>,
}

impl Told {
    pub(super) fn of(problem: &Value, retry_after: Option<&str>) -> Self {
        let text =
            |member: &str| problem[member].as_str().unwrap_or_else(|| panic!("no {member}: {problem}")).to_owned();
        Self {
            code: text("code"),
            detail: text("detail"),
            limit: problem["limit"].as_u64(),
            retry_after: retry_after.map(|seconds| Duration::from_secs(seconds.parse().unwrap())),
        }
    }

    fn limit(&self) -> u64 {
        self.limit.unwrap_or_else(|| panic!("what is too large has a limit: {self:?}"))
    }
}

impl From<Told> for Refusal {
    fn from(told: Told) -> Self {
        let code = RefusalCode::ALL.iter().find(|code| code.as_str() == told.code);
        let code = *code.unwrap_or_else(|| panic!("no refusal of a broker: {told:?}"));
        let retry_after_ms = told.retry_after.map(|wait| wait.as_millis() as u64);
        Self { code, message: told.detail, retry_after_ms }
    }
}

impl From<Told> for WaitError {
    fn from(told: Told) -> Self {
        match &*told.code {
            "unknown_ticket" => Self::UnknownTicket,
            _ => Self::Refused(told.into()),
        }
    }
}

impl From<Told> for CancelError {
    fn from(told: Told) -> Self {
        match &*told.code {
            "unknown_ticket" => Self::UnknownTicket,
            _ => panic!("no answer to a cancellation: {told:?}"),
        }
    }
}

impl From<Told> for AcknowledgeError {
    fn from(told: Told) -> Self {
        match &*told.code {
            "no_outcome_yet" => Self::NoOutcomeYet,
            "forbidden" => Self::Forbidden,
            _ => panic!("no answer to an acknowledgement: {told:?}"),
        }
    }
}

impl From<Told> for SettleError {
    fn from(told: Told) -> Self {
        match &*told.code {
            "lease_lost" => Self::LeaseLost,
            "cancelled" => Self::Cancelled,
            "expired" => Self::Expired,
            "too_large" => Self::TooLarge { limit: told.limit() },
            "mailbox_busy" => Self::MailboxBusy { retry_after: told.retry_after.unwrap() },
            "invalid" => Self::Invalid,
            _ => panic!("no answer to a settlement: {told:?}"),
        }
    }
}

impl From<Told> for PartError {
    fn from(told: Told) -> Self {
        match &*told.code {
            "parts_full" => Self::Full,
            "too_large" => Self::TooLarge { limit: told.limit() },
            "lease_lost" => Self::Stopped(StopReason::LeaseLost),
            "cancelled" => Self::Stopped(StopReason::Cancelled),
            "expired" => Self::Stopped(StopReason::Expired),
            "invalid" => Self::Invalid,
            _ => panic!("no answer to a part: {told:?}"),
        }
    }
}
