//! What a consumer and the service agree on: the operation, its channel, its reply and its typed error.

use std::fmt;
use std::time::Duration;

use roundtrip::Operation;
use roundtrip::broker::ChannelSettings;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::request::{GeneratePatientSummary, RequestError};
use crate::sections::UnknownSection;
use crate::service::LAST_ATTEMPT;
use crate::sources::gather::GatherError;

/// The reply channel that follows from the request channel, where a consumer's mailbox is.
pub const REPLY_CHANNEL: &str = "patient_summary_reply";

/// The channel as the summary service wishes it: no more at work at once, and no more begun in a second, than the upstreams
/// take, however many services there are.
pub fn channel() -> ChannelSettings {
    ChannelSettings::new(GeneratePatientSummary::CHANNEL)
        .reply_channel(REPLY_CHANNEL)
        .operations([GeneratePatientSummary::NAME])
        .max_in_flight(8)
        .rate(20.0, 40)
        .max_attempts(LAST_ATTEMPT)
        .attempt_timeout(Duration::from_secs(120))
}

impl Operation for GeneratePatientSummary {
    const NAME: &'static str = "generate_patient_summary";
    const CHANNEL: &'static str = "patient_summary_request";
    type Reply = PatientSummary;
    type Error = SummaryError;
}

/// An International Patient Summary as it travels: a FHIR document Bundle, `application/fhir+json`.
///
/// `Debug` hides it.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PatientSummary(pub Value);

impl fmt::Debug for PatientSummary {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("PatientSummary(…)")
    }
}

/// Why there will be no summary, however often it is asked for. None of these says anything about the patient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case", tag = "code")]
#[non_exhaustive]
pub enum SummaryError {
    /// The EHR has no such patient.
    #[error("the EHR knows no such patient; check the patient id")]
    UnknownPatient,
    /// The patient id is none that FHIR allows.
    #[error("the patient id is not a FHIR id; check `patientId`")]
    InvalidPatientId,
    /// A section was asked for that there is not.
    #[error(transparent)]
    UnknownSection(UnknownSection),
    /// An upstream answered with what is not this patient's, so nothing it says is used.
    #[error("an upstream's answer holds what was not asked for and is not used; check the upstreams")]
    UnusableSource,
}

impl From<RequestError> for SummaryError {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::InvalidPatientId => Self::InvalidPatientId,
            RequestError::UnknownSection(unknown) => Self::UnknownSection(unknown),
        }
    }
}

impl SummaryError {
    /// The typed error of a failure to gather that is final; none where another attempt may help.
    #[must_use]
    pub fn of(error: &GatherError) -> Option<Self> {
        match error {
            GatherError::UnknownPatient => Some(Self::UnknownPatient),
            other if other.is_final() => Some(Self::UnusableSource),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_typed_error_travels_as_json_with_its_code() {
        let unknown = UnknownSection { name: "vitals".into() };
        for (error, json) in [
            (SummaryError::UnknownPatient, r#"{"code":"unknown_patient"}"#),
            (SummaryError::UnknownSection(unknown), r#"{"code":"unknown_section","name":"vitals"}"#),
        ] {
            assert_eq!(serde_json::to_string(&error).unwrap(), json);
            assert_eq!(serde_json::from_str::<SummaryError>(json).unwrap(), error);
        }
    }

    #[test]
    fn a_summary_is_not_shown_by_debug() {
        let summary = PatientSummary(serde_json::json!({"resourceType": "Bundle", "id": "b-1"}));
        assert!(!format!("{summary:?}").contains("b-1"));
    }
}
