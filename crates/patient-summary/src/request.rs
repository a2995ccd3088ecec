//! What is asked of the Patient Summary service: the payload of `generate_patient_summary`.
//!
//! Reading is in two steps, so that each fault gets its own answer: JSON of another form does not decode (the library's
//! `invalid_payload`), and JSON of this form with a wrong name in it is a [`RequestError`].

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::fhir::{InvalidPatientId, PatientId};
use crate::sections::{Sections, UnknownSection};

/// `{ "patientId": "…", "sections": ["…"]? }`
///
/// A field that is not one of these is refused: a misspelt `sections` would otherwise be taken for "all of them".
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GeneratePatientSummary {
    /// The id of the Patient resource in the EHR.
    pub patient_id: String,
    /// The names of the sections wanted; all if it is left out. The three required ones are always there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sections: Option<Vec<String>>,
}

impl fmt::Debug for GeneratePatientSummary {
    /// Without the patient's id: requests end up in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GeneratePatientSummary").finish_non_exhaustive()
    }
}

impl GeneratePatientSummary {
    /// Asks for a whole summary.
    #[must_use]
    pub fn of(patient_id: impl Into<String>) -> Self {
        Self { patient_id: patient_id.into(), sections: None }
    }

    /// Reads the names in the request.
    ///
    /// # Errors
    ///
    /// [`RequestError`] if the patient id cannot be one, or a section has an unknown name. Trying again does not help.
    pub fn parse(&self) -> Result<(PatientId, Sections), RequestError> {
        let patient = self.patient_id.parse()?;
        let sections = match &self.sections {
            None => Sections::all(),
            Some(names) => Sections::only(names.iter().map(|name| name.parse()).collect::<Result<Vec<_>, _>>()?),
        };
        Ok((patient, sections))
    }
}

/// Why a request cannot be served, now or later. It can travel as the reply's typed error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case", tag = "code")]
#[non_exhaustive]
pub enum RequestError {
    /// The patient id is none that FHIR allows.
    #[error("{}", InvalidPatientId)]
    InvalidPatientId,
    /// A section was asked for that there is not.
    #[error(transparent)]
    UnknownSection(#[from] UnknownSection),
}

impl From<InvalidPatientId> for RequestError {
    fn from(InvalidPatientId: InvalidPatientId) -> Self {
        Self::InvalidPatientId
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sections::SectionName;

    fn request(json: &str) -> serde_json::Result<GeneratePatientSummary> {
        serde_json::from_str(json)
    }

    #[test]
    fn a_request_without_sections_asks_for_all() {
        let (patient, sections) = request(r#"{"patientId":"a-1"}"#).unwrap().parse().unwrap();
        assert_eq!(patient.as_str(), "a-1");
        assert_eq!(sections, Sections::all());
    }

    #[test]
    fn the_required_sections_are_there_whatever_is_asked_for() {
        let (_, sections) = request(r#"{"patientId":"a-1","sections":["results"]}"#).unwrap().parse().unwrap();
        let names: Vec<_> = sections.iter().map(SectionName::as_str).collect();
        assert_eq!(names, ["problems", "allergies", "medications", "results"]);
        let (_, sections) = request(r#"{"patientId":"a-1","sections":[]}"#).unwrap().parse().unwrap();
        assert_eq!(sections.iter().count(), 3);
    }

    #[test]
    fn an_unknown_section_is_named_with_those_there_are() {
        let error = request(r#"{"patientId":"a-1","sections":["vitals"]}"#).unwrap().parse().unwrap_err();
        assert_eq!(error, RequestError::UnknownSection(UnknownSection { name: "vitals".into() }));
        assert!(error.to_string().contains("\"vitals\"") && error.to_string().contains("immunizations"), "{error}");
    }

    #[test]
    fn a_misspelt_field_is_refused_and_not_ignored() {
        assert!(request(r#"{"patientId":"a-1","section":["results"]}"#).is_err());
        assert!(request(r#"{"patient":"a-1"}"#).is_err());
    }

    #[test]
    fn an_impossible_patient_id_is_refused_without_being_repeated() {
        for id in ["", "a b", "../x", "Ärztin", &"x".repeat(65)] {
            let error = GeneratePatientSummary::of(id).parse().unwrap_err();
            assert_eq!(error, RequestError::InvalidPatientId);
            assert!(id.is_empty() || !error.to_string().contains(id));
        }
    }

    #[test]
    fn the_typed_error_travels_as_json() {
        let error = RequestError::UnknownSection(UnknownSection { name: "vitals".into() });
        let json = serde_json::to_string(&error).unwrap();
        assert_eq!(json, r#"{"code":"unknown_section","name":"vitals"}"#);
        assert_eq!(serde_json::from_str::<RequestError>(&json).unwrap(), error);
    }
}
