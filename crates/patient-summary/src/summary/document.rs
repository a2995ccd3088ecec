//! The FHIR structures that the summary itself is made of. What passes through it stays as it came.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

const PROFILES: &str = "http://hl7.org/fhir/uv/ips/StructureDefinition/";

/// The document.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Bundle {
    /// `Bundle`
    pub resource_type: &'static str,
    /// The document's id.
    pub id: String,
    /// Its profile.
    pub meta: Meta,
    /// What names this document everywhere.
    pub identifier: Identifier,
    /// `document`
    pub r#type: &'static str,
    /// When it was made, an `instant`.
    pub timestamp: String,
    /// The Composition, the Patient, what the sections list, and the author.
    pub entry: Vec<Entry>,
}

impl Bundle {
    /// The document as `application/fhir+json`.
    ///
    /// # Errors
    ///
    /// None that this structure can cause; serde's interface has one.
    pub fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(self)
    }
}

/// A resource in the document, with its address within it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Entry {
    /// `urn:uuid:…`
    pub full_url: String,
    /// The resource.
    pub resource: Resource,
}

/// A resource in the document.
#[derive(Clone, PartialEq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Resource {
    /// The table of contents.
    Composition(Box<Composition>),
    /// The author.
    Device(Device),
    /// A statement that there is no information.
    Absence(Absence),
    /// One of the sources' own resources.
    Passed(Value),
}

impl fmt::Debug for Resource {
    /// The type alone: the rest is a patient's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Composition(_) => "Composition(…)",
            Self::Device(_) => "Device(…)",
            Self::Absence(_) => "Absence(…)",
            Self::Passed(_) => "Passed(…)",
        })
    }
}

/// What the document says, section by section.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Composition {
    /// `Composition`
    pub resource_type: &'static str,
    /// Its id.
    pub id: String,
    /// Its profile.
    pub meta: Meta,
    /// Whose summary it is, for people.
    pub text: Narrative,
    /// `final`
    pub status: &'static str,
    /// LOINC 60591-5.
    pub r#type: CodeableConcept,
    /// The patient.
    pub subject: Reference,
    /// When it was made.
    pub date: String,
    /// The software that made it.
    pub author: Vec<Reference>,
    /// Its title.
    pub title: &'static str,
    /// The sections.
    pub section: Vec<Section>,
}

/// A section of the document. It has entries, or says why not.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Section {
    /// Its title.
    pub title: &'static str,
    /// Its LOINC code.
    pub code: CodeableConcept,
    /// Its content, for people.
    pub text: Narrative,
    /// Its content, for machines.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entry: Vec<Reference>,
    /// Why it has no entries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub empty_reason: Option<CodeableConcept>,
}

/// The software that put the document together.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Device {
    /// `Device`
    pub resource_type: &'static str,
    /// Its id.
    pub id: String,
    /// Its profile. It is IPS's device that acts: the other one, `Device-uv-ips`, is one in or on the patient.
    pub meta: Meta,
    /// Its name.
    pub device_name: [DeviceName; 1],
    /// What it is.
    pub r#type: CodeableConcept,
    /// Its version.
    pub version: [DeviceVersion; 1],
}

impl Device {
    pub(super) fn software(id: String, version: &str) -> Self {
        Self {
            resource_type: "Device",
            id,
            meta: Meta::profile("Device-observer-uv-ips"),
            device_name: [DeviceName { name: "Roundtrip Patient Summary", r#type: "user-friendly-name" }],
            r#type: CodeableConcept { coding: Vec::new(), text: Some("Software that assembles patient summaries") },
            version: [DeviceVersion { value: version.to_owned() }],
        }
    }
}

/// The name of a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DeviceName {
    /// The name.
    pub name: &'static str,
    /// What kind of name.
    pub r#type: &'static str,
}

/// The version of a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DeviceVersion {
    /// The version.
    pub value: String,
}

/// "No information available", as the AllergyIntolerance, Condition or MedicationStatement that its section demands. Each
/// type uses the fields that it has.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Absence {
    /// The type.
    pub resource_type: &'static str,
    /// Its id.
    pub id: String,
    /// Its profile.
    pub meta: Meta,
    /// A MedicationStatement's status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<&'static str>,
    /// A Condition's or AllergyIntolerance's status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clinical_status: Option<CodeableConcept>,
    /// "No information available", of a Condition or AllergyIntolerance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<CodeableConcept>,
    /// "No information available", of a MedicationStatement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub medication_codeable_concept: Option<CodeableConcept>,
    /// The patient, of an AllergyIntolerance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patient: Option<Reference>,
    /// The patient, of the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<Reference>,
    /// That a MedicationStatement has no time.
    #[serde(rename = "_effectiveDateTime", skip_serializing_if = "Option::is_none")]
    pub effective_date_time: Option<Absent>,
}

/// An element that is absent, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Absent {
    /// The data-absent-reason extension.
    pub extension: [AbsentReason; 1],
}

impl Absent {
    /// Nobody said.
    pub(super) const UNKNOWN: Self = Self {
        extension: [AbsentReason {
            url: "http://hl7.org/fhir/StructureDefinition/data-absent-reason",
            value_code: "unknown",
        }],
    };
}

/// The data-absent-reason extension.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AbsentReason {
    /// The extension's URL.
    pub url: &'static str,
    /// The reason.
    pub value_code: &'static str,
}

/// What a resource claims to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Meta {
    /// Its profile's URL.
    pub profile: [String; 1],
}

impl Meta {
    /// A profile of IPS.
    pub(super) fn profile(name: &str) -> Self {
        Self { profile: [format!("{PROFILES}{name}")] }
    }
}

/// A name in a system of names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Identifier {
    /// The system.
    pub system: &'static str,
    /// The name.
    pub value: String,
}

/// A reference to another entry of the document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Reference {
    /// The entry's `fullUrl`.
    pub reference: String,
}

impl Reference {
    pub(super) fn to(full_url: &str) -> Self {
        Self { reference: full_url.to_owned() }
    }
}

/// XHTML for people.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Narrative {
    /// `generated`
    pub status: &'static str,
    /// One `div`.
    pub div: String,
}

impl fmt::Debug for Narrative {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Narrative(…)")
    }
}

/// A coded value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CodeableConcept {
    /// Its codes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub coding: Vec<Coding>,
    /// It in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<&'static str>,
}

impl CodeableConcept {
    pub(super) fn of(system: &'static str, code: &'static str, display: Option<&'static str>) -> Self {
        Self { coding: vec![Coding { system, code, display }], text: None }
    }

    pub(super) fn loinc(code: &'static str, display: Option<&'static str>) -> Self {
        Self::of("http://loinc.org", code, display)
    }

    pub(super) fn no_information() -> Self {
        Self::of("http://snomed.info/sct", "1287211007", Some("No information available"))
    }

    pub(super) fn unavailable() -> Self {
        Self::of("http://terminology.hl7.org/CodeSystem/list-empty-reason", "unavailable", Some("Unavailable"))
    }
}

/// A code in a system of codes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Coding {
    /// The system.
    pub system: &'static str,
    /// The code.
    pub code: &'static str,
    /// What it means.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display: Option<&'static str>,
}
