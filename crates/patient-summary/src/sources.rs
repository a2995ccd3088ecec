//! What the upstreams know about one patient: checked when it comes in, so that a summary cannot be made of anything else.
//!
//! [`Sources`] is the only way from an upstream's answer to a summary, and it takes nothing that does not say that it belongs
//! to its patient. Whether a source answered, could not be asked, or was not asked are three things and stay three:
//! silence is never taken for "none".
//!
//! [`gather`] fills it over HTTP.

mod failure;
pub mod gather;
mod search;

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use serde_json::Value;

use crate::fhir::{self, PatientId};

/// Something to ask an upstream for, named as its FHIR resource type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// Who the patient is.
    Patient,
    /// Problems and diagnoses.
    Condition,
    /// Allergies and intolerances.
    AllergyIntolerance,
    /// Prescriptions.
    MedicationRequest,
    /// Vaccinations.
    Immunization,
    /// Laboratory results.
    Observation,
    /// What was done.
    Procedure,
}

impl Source {
    /// All sources, in the order in which they are asked.
    pub const ALL: [Self; 7] = [
        Self::Patient,
        Self::Condition,
        Self::AllergyIntolerance,
        Self::MedicationRequest,
        Self::Immunization,
        Self::Observation,
        Self::Procedure,
    ];

    /// The FHIR resource type.
    #[must_use]
    pub const fn resource_type(self) -> &'static str {
        match self {
            Self::Patient => "Patient",
            Self::Condition => "Condition",
            Self::AllergyIntolerance => "AllergyIntolerance",
            Self::MedicationRequest => "MedicationRequest",
            Self::Immunization => "Immunization",
            Self::Observation => "Observation",
            Self::Procedure => "Procedure",
        }
    }

    /// A word for people, as progress shows it: `patient`, or the section that it feeds.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Patient => "patient",
            Self::Condition => "problems",
            Self::AllergyIntolerance => "allergies",
            Self::MedicationRequest => "medications",
            Self::Immunization => "immunizations",
            Self::Observation => "results",
            Self::Procedure => "procedures",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.resource_type())
    }
}

/// What became of a source.
#[derive(Clone, PartialEq, Default)]
pub enum Answer {
    /// It was asked and answered, perhaps with nothing.
    Answered(Vec<Value>),
    /// It was asked and could not answer.
    Unavailable,
    /// Nobody asked, because nobody wanted it.
    #[default]
    NotAsked,
}

impl fmt::Debug for Answer {
    /// How many resources, never which: they are a patient's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered(resources) => write!(f, "Answered({} resources)", resources.len()),
            Self::Unavailable => f.write_str("Unavailable"),
            Self::NotAsked => f.write_str("NotAsked"),
        }
    }
}

/// One patient, and what each source said about that patient and nobody else.
#[derive(Debug, Clone)]
pub struct Sources {
    patient_id: PatientId,
    patient: Patient,
    answers: BTreeMap<Source, Answer>,
}

impl Sources {
    /// Begins with who the patient is.
    ///
    /// # Errors
    ///
    /// [`Misplaced`] if this is not the Patient resource of this id.
    pub fn of(patient_id: &PatientId, patient: Value) -> Result<Self, Misplaced> {
        if fhir::resource_type(&patient) != "Patient" {
            return Err(Misplaced::WrongType);
        }
        if fhir::id(&patient) != Some(patient_id.as_str()) {
            return Err(Misplaced::AnotherPatient);
        }
        Ok(Self { patient_id: patient_id.clone(), patient: Patient(patient), answers: BTreeMap::new() })
    }

    /// Takes a source's answer, whole or not at all. A resource that came twice, as it does when a list changes between two
    /// pages, is kept once.
    ///
    /// # Errors
    ///
    /// [`Misplaced`] if a resource is of another type, has no id, does not say that it belongs to this patient, or came in
    /// two versions.
    pub fn answered(&mut self, source: Source, resources: Vec<Value>) -> Result<(), Misplaced> {
        let mut kept: Vec<Value> = Vec::with_capacity(resources.len());
        let mut seen = HashSet::new();
        for resource in resources {
            if source == Source::Patient || fhir::resource_type(&resource) != source.resource_type() {
                return Err(Misplaced::WrongType);
            }
            if !fhir::belongs_to(&resource, self.patient_id.as_str()) {
                return Err(Misplaced::AnotherPatient);
            }
            let Some(id) = fhir::id(&resource) else {
                return Err(Misplaced::NoId);
            };
            if seen.insert(id.to_owned()) {
                kept.push(resource);
            } else if !kept.contains(&resource) {
                return Err(Misplaced::TwoVersions);
            }
        }
        self.answers.insert(source, Answer::Answered(kept));
        Ok(())
    }

    /// Notes that a source could not answer.
    pub fn unavailable(&mut self, source: Source) {
        self.answers.insert(source, Answer::Unavailable);
    }

    /// What became of a source.
    #[must_use]
    pub fn answer(&self, source: Source) -> &Answer {
        self.answers.get(&source).unwrap_or(&Answer::NotAsked)
    }

    /// The Patient resource.
    #[must_use]
    pub fn patient(&self) -> &Value {
        &self.patient.0
    }

    /// The patient's id.
    #[must_use]
    pub fn patient_id(&self) -> &PatientId {
        &self.patient_id
    }
}

#[derive(Clone)]
struct Patient(Value);

impl fmt::Debug for Patient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Patient(…)")
    }
}

/// Why a resource was not taken. The answer it came in is not used at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Misplaced {
    /// It is of another type than asked for.
    #[error("it holds a resource of another type than asked for")]
    WrongType,
    /// It does not say that it belongs to the patient asked for.
    #[error("it holds a resource that is not the asked patient's own")]
    AnotherPatient,
    /// It has no id that FHIR allows.
    #[error("it holds a resource without an id")]
    NoId,
    /// Two resources of the same id say different things.
    #[error("it holds two versions of one resource")]
    TwoVersions,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sources() -> Sources {
        let id: PatientId = "p-1".parse().unwrap();
        Sources::of(&id, json!({"resourceType": "Patient", "id": "p-1"})).unwrap()
    }

    fn condition(id: &str, patient: &str) -> Value {
        json!({"resourceType": "Condition", "id": id, "subject": {"reference": format!("Patient/{patient}")}})
    }

    #[test]
    fn another_patients_resource_spoils_the_whole_answer() {
        let mut sources = sources();
        let answer = vec![condition("c-1", "p-1"), condition("c-2", "p-2")];
        assert_eq!(sources.answered(Source::Condition, answer), Err(Misplaced::AnotherPatient));
        assert_eq!(sources.answer(Source::Condition), &Answer::NotAsked);
    }

    #[test]
    fn a_resource_that_does_not_say_whose_it_is_is_not_taken() {
        let nobodys = vec![json!({"resourceType": "Condition", "id": "c-1"})];
        assert_eq!(sources().answered(Source::Condition, nobodys), Err(Misplaced::AnotherPatient));
    }

    #[test]
    fn the_patient_must_be_the_one_asked_for() {
        let id: PatientId = "p-1".parse().unwrap();
        let other = json!({"resourceType": "Patient", "id": "p-2"});
        assert_eq!(Sources::of(&id, other).err(), Some(Misplaced::AnotherPatient));
        let group = json!({"resourceType": "Group", "id": "p-1"});
        assert_eq!(Sources::of(&id, group).err(), Some(Misplaced::WrongType));
    }

    #[test]
    fn a_resource_that_came_twice_is_kept_once_and_two_versions_are_refused() {
        let mut sources = sources();
        let twice = vec![condition("c-1", "p-1"), condition("c-1", "p-1")];
        sources.answered(Source::Condition, twice).unwrap();
        assert_eq!(sources.answer(Source::Condition), &Answer::Answered(vec![condition("c-1", "p-1")]));

        let mut changed = condition("c-1", "p-1");
        changed["recordedDate"] = "2024".into();
        let versions = vec![condition("c-1", "p-1"), changed];
        assert_eq!(sources.answered(Source::Condition, versions), Err(Misplaced::TwoVersions));
    }

    #[test]
    fn debug_output_shows_no_patient() {
        let mut sources = sources();
        sources.answered(Source::Condition, vec![condition("c-1", "p-1")]).unwrap();
        let shown = format!("{sources:?}");
        assert!(!shown.contains("p-1") && !shown.contains("c-1"), "{shown}");
    }
}
