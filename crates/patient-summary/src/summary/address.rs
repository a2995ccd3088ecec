//! Where things are within the document: every listed resource's `fullUrl`, and what a source's reference becomes.

use std::collections::HashSet;

use serde_json::Value;
use uuid::Uuid;

use super::NAMESPACE;
use crate::fhir::reference::{Target, target};
use crate::fhir::{self, PatientId};

/// The addresses of one document. What was not added has none, so a reference to it does not resolve.
pub(super) struct Addresses {
    patient_id: PatientId,
    patient: String,
    listed: HashSet<(String, String)>,
}

impl Addresses {
    pub(super) fn of(patient_id: &PatientId) -> Self {
        let patient = full_url(patient_id, "Patient", patient_id.as_str());
        let listed = HashSet::from([("Patient".to_owned(), patient_id.to_string())]);
        Self { patient_id: patient_id.clone(), patient, listed }
    }

    pub(super) fn add(&mut self, resource: &Value) {
        self.listed
            .insert((fhir::resource_type(resource).to_owned(), fhir::id(resource).unwrap_or_default().to_owned()));
    }

    /// The Patient's `fullUrl`.
    pub(super) fn patient(&self) -> &str {
        &self.patient
    }

    /// A resource's `fullUrl`: always the same for the same resource of the same patient.
    pub(super) fn full_url(&self, resource: &Value) -> String {
        full_url(&self.patient_id, fhir::resource_type(resource), fhir::id(resource).unwrap_or_default())
    }

    /// What a source's reference is within the document, if what it points at is there.
    pub(super) fn resolve(&self, reference: &str) -> Option<String> {
        let (resource_type, id) = match target(reference)? {
            Target::Typed { resource_type, id } => {
                self.listed.get(&(resource_type.to_owned(), id.to_owned()))?;
                (resource_type, id)
            }
            Target::Uuid(id) => (&*self.listed.iter().find(|(_, listed)| listed == id)?.0, id),
        };
        Some(full_url(&self.patient_id, resource_type, id))
    }
}

fn full_url(patient: &PatientId, resource_type: &str, id: &str) -> String {
    format!("urn:uuid:{}", Uuid::new_v5(&NAMESPACE, format!("{patient}/{resource_type}/{id}").as_bytes()))
}
