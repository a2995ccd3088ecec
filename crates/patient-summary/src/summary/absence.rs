//! "No information available": what stands in a required section whose source answered and had nothing.
//!
//! Never used for a source that could not be asked.

use uuid::Uuid;

use super::NAMESPACE;
use super::address::Addresses;
use super::document::{Absence, Absent, CodeableConcept, Entry, Meta, Reference, Resource};
use crate::sections::SectionName;

/// The statement for one section, about the patient of these addresses.
pub(super) fn no_information(section: SectionName, addresses: &Addresses) -> Entry {
    let patient = addresses.patient();
    let id = Uuid::new_v5(&NAMESPACE, format!("{patient}/no-information/{section}").as_bytes()).to_string();
    let full_url = format!("urn:uuid:{id}");
    let patient = Reference::to(patient);
    let code = CodeableConcept::no_information();
    let statement = Absence {
        resource_type: "",
        id,
        meta: Meta::profile(""),
        status: None,
        clinical_status: None,
        code: None,
        medication_codeable_concept: None,
        patient: None,
        subject: None,
        effective_date_time: None,
    };
    // FHIR wants a clinical status on every Condition and AllergyIntolerance that is not entered in error; `active` means
    // that the statement stands.
    let active = |system| Some(CodeableConcept::of(system, "active", None));
    let statement = match section {
        SectionName::Allergies => Absence {
            resource_type: "AllergyIntolerance",
            meta: Meta::profile("AllergyIntolerance-uv-ips"),
            clinical_status: active("http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"),
            code: Some(code),
            patient: Some(patient),
            ..statement
        },
        SectionName::Medications => Absence {
            resource_type: "MedicationStatement",
            meta: Meta::profile("MedicationStatement-uv-ips"),
            status: Some("unknown"),
            medication_codeable_concept: Some(code),
            subject: Some(patient),
            effective_date_time: Some(Absent::UNKNOWN),
            ..statement
        },
        _ => Absence {
            resource_type: "Condition",
            meta: Meta::profile("Condition-uv-ips"),
            clinical_status: active("http://terminology.hl7.org/CodeSystem/condition-clinical"),
            code: Some(code),
            subject: Some(patient),
            ..statement
        },
    };
    Entry { full_url, resource: Resource::Absence(statement) }
}
