//! What the parts share about FHIR R4: the media type, patient ids, times, references, and how a coded value is read.
//!
//! This is no model of FHIR. Resources that pass through stay [`serde_json::Value`]s; only what the summary decides by is
//! read here.

pub(crate) mod moment;
pub(crate) mod reference;

use std::fmt;
use std::str::FromStr;

use serde_json::Value;

/// The media type of every FHIR answer, and of the service's reply.
pub const FHIR_JSON: &str = "application/fhir+json";

/// The id of a Patient resource: 1 to 64 characters of `[A-Za-z0-9-.]`, as FHIR says.
///
/// It cannot hold anything else, so it is safe in a URL. Its `Debug` output hides it: it ends up in logs, and an id belongs to
/// a patient.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PatientId(String);

impl PatientId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PatientId {
    type Err = InvalidPatientId;

    fn from_str(id: &str) -> Result<Self, InvalidPatientId> {
        if is_id(id) { Ok(Self(id.to_owned())) } else { Err(InvalidPatientId) }
    }
}

impl fmt::Display for PatientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PatientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PatientId(…)")
    }
}

/// The text is no FHIR id. It is not repeated here: what stands where an id should may be anything about a patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the patient id is not a FHIR id: expected 1 to 64 characters of A-Z, a-z, 0-9, `-` and `.`; check `patientId`"
)]
pub struct InvalidPatientId;

/// The types of clinical resources that the flagship knows, with the element that says whose they are.
pub(crate) const CLINICAL: [(&str, &str); 6] = [
    ("Condition", "subject"),
    ("AllergyIntolerance", "patient"),
    ("MedicationRequest", "subject"),
    ("Immunization", "patient"),
    ("Observation", "subject"),
    ("Procedure", "subject"),
];

/// The element of a clinical resource that refers to its patient.
pub(crate) fn patient_element(resource_type: &str) -> Option<&'static str> {
    CLINICAL.iter().find(|(name, _)| *name == resource_type).map(|(_, element)| *element)
}

/// Whether a clinical resource says that it belongs to this patient. Silence is no.
pub(crate) fn belongs_to(resource: &Value, patient: &str) -> bool {
    patient_element(resource_type(resource))
        .and_then(|element| resource[element]["reference"].as_str())
        .is_some_and(|target| reference::points_at(target, "Patient", patient))
}

pub(crate) fn resource_type(resource: &Value) -> &str {
    resource["resourceType"].as_str().unwrap_or_default()
}

/// The resource's id, if it is one that FHIR allows.
pub(crate) fn id(resource: &Value) -> Option<&str> {
    resource["id"].as_str().filter(|id| is_id(id))
}

/// Whether a CodeableConcept carries this code, in whatever system.
pub(crate) fn coded(concept: &Value, code: &str) -> bool {
    concept["coding"].as_array().is_some_and(|codings| codings.iter().any(|coding| coding["code"] == code))
}

/// The codes of a CodeableConcept.
pub(crate) fn codes(concept: &Value) -> impl Iterator<Item = &str> {
    concept["coding"].as_array().into_iter().flatten().filter_map(|coding| coding["code"].as_str())
}

/// Whether a list of categories (CodeableConcepts) contains this code.
pub(crate) fn categorised(resource: &Value, code: &str) -> bool {
    resource["category"].as_array().is_some_and(|list| list.iter().any(|category| coded(category, code)))
}

/// Whether an element says something: not null, not empty.
pub(crate) fn says_something(element: &Value) -> bool {
    match element {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

/// The fields of a choice element such as `value[x]`: its name, and the rest of the key (`Quantity`). Fields that only
/// carry extensions (`_valueString`) count.
pub(crate) fn choice<'a>(element: &'a Value, name: &'a str) -> impl Iterator<Item = (&'a str, &'a Value)> {
    element.as_object().into_iter().flatten().filter_map(move |(key, value)| {
        let kind = key.strip_prefix('_').unwrap_or(key).strip_prefix(name)?;
        (kind.starts_with(|first: char| first.is_ascii_uppercase()) && says_something(value)).then_some((kind, value))
    })
}

fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.')
}
