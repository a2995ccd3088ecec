//! The sections of a patient summary: their names in a request, their codes, and where their content comes from.
//!
//! Three are required by the International Patient Summary and are in every document, whatever is asked for.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::sources::Source;

/// A section of the summary, in the order in which they stand in the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SectionName {
    /// `problems`: active conditions. Required.
    Problems,
    /// `allergies`: allergies and intolerances. Required.
    Allergies,
    /// `medications`: what the patient takes. Required.
    Medications,
    /// `immunizations`: vaccines given.
    Immunizations,
    /// `results`: laboratory results, the newest first.
    Results,
    /// `procedures`: what was done.
    Procedures,
}

impl SectionName {
    /// All sections, in the document's order.
    pub const ALL: [Self; 6] =
        [Self::Problems, Self::Allergies, Self::Medications, Self::Immunizations, Self::Results, Self::Procedures];

    /// The name in a request.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Problems => "problems",
            Self::Allergies => "allergies",
            Self::Medications => "medications",
            Self::Immunizations => "immunizations",
            Self::Results => "results",
            Self::Procedures => "procedures",
        }
    }

    /// The title in the document.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Problems => "Problems",
            Self::Allergies => "Allergies and Intolerances",
            Self::Medications => "Medication Summary",
            Self::Immunizations => "Immunizations",
            Self::Results => "Laboratory Results",
            Self::Procedures => "History of Procedures",
        }
    }

    /// The section's LOINC code.
    #[must_use]
    pub const fn loinc(self) -> &'static str {
        match self {
            Self::Problems => "11450-4",
            Self::Allergies => "48765-2",
            Self::Medications => "10160-0",
            Self::Immunizations => "11369-6",
            Self::Results => "30954-2",
            Self::Procedures => "47519-4",
        }
    }

    /// Whether the International Patient Summary demands it.
    #[must_use]
    pub const fn is_required(self) -> bool {
        matches!(self, Self::Problems | Self::Allergies | Self::Medications)
    }

    /// Where its content comes from.
    #[must_use]
    pub const fn source(self) -> Source {
        match self {
            Self::Problems => Source::Condition,
            Self::Allergies => Source::AllergyIntolerance,
            Self::Medications => Source::MedicationRequest,
            Self::Immunizations => Source::Immunization,
            Self::Results => Source::Observation,
            Self::Procedures => Source::Procedure,
        }
    }
}

impl fmt::Display for SectionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for SectionName {
    type Err = UnknownSection;

    fn from_str(name: &str) -> Result<Self, UnknownSection> {
        Self::ALL
            .into_iter()
            .find(|section| section.as_str() == name)
            .ok_or_else(|| UnknownSection { name: name.chars().take(40).collect() })
    }
}

/// A section was asked for that there is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error(
    "there is no section {name:?}; expected problems, allergies, medications, immunizations, results or procedures"
)]
pub struct UnknownSection {
    /// The name as it was given, cut at 40 characters.
    pub name: String,
}

/// Which sections a summary shall have. The required ones are always among them: without them it would be no International
/// Patient Summary, and a reader could take their absence for "nothing known".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sections(BTreeSet<SectionName>);

impl Sections {
    /// Every section.
    #[must_use]
    pub fn all() -> Self {
        Self(SectionName::ALL.into())
    }

    /// The named sections and the required ones.
    #[must_use]
    pub fn only(names: impl IntoIterator<Item = SectionName>) -> Self {
        let required = SectionName::ALL.into_iter().filter(|section| section.is_required());
        Self(names.into_iter().chain(required).collect())
    }

    /// The sections, in the document's order.
    pub fn iter(&self) -> impl Iterator<Item = SectionName> {
        self.0.iter().copied()
    }

    /// Whether this section is among them.
    #[must_use]
    pub fn contains(&self, section: SectionName) -> bool {
        self.0.contains(&section)
    }
}
