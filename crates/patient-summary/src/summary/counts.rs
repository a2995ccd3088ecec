//! How much a summary lists, for a table: read from the document alone, by whoever holds one.

use serde_json::Value;

use crate::fhir;
use crate::sections::SectionName;

/// How many entries the required sections list. `None` means that the source was unavailable: nobody knows how many, which
/// is not 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Problems.
    pub problems: Option<usize>,
    /// Allergies and intolerances.
    pub allergies: Option<usize>,
    /// Medications.
    pub medications: Option<usize>,
}

impl Counts {
    /// Counts in a document; nothing if it is no patient summary.
    #[must_use]
    pub fn of(document: &Value) -> Option<Self> {
        let composition = &document["entry"][0]["resource"];
        if fhir::resource_type(composition) != "Composition" {
            return None;
        }
        Some(Self {
            problems: listed(document, composition, SectionName::Problems)?,
            allergies: listed(document, composition, SectionName::Allergies)?,
            medications: listed(document, composition, SectionName::Medications)?,
        })
    }
}

fn listed(document: &Value, composition: &Value, name: SectionName) -> Option<Option<usize>> {
    let sections = composition["section"].as_array()?;
    let section = sections.iter().find(|section| fhir::coded(&section["code"], name.loinc()))?;
    if section["emptyReason"].is_object() {
        return Some(None);
    }
    let references = section["entry"].as_array()?;
    let statements = references.iter().filter(|reference| says_nothing(document, &reference["reference"])).count();
    Some(Some(references.len() - statements))
}

/// Whether the entry is the statement that there is no information.
fn says_nothing(document: &Value, full_url: &Value) -> bool {
    let entries = document["entry"].as_array().into_iter().flatten();
    entries.filter(|entry| entry["fullUrl"] == *full_url).any(|entry| {
        ["code", "medicationCodeableConcept"].iter().any(|name| fhir::coded(&entry["resource"][name], "1287211007"))
    })
}
