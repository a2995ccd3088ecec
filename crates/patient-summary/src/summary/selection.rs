//! What a section lists of what its source has. The table in [`summary`](super) is this file.

use std::cmp::Reverse;

use serde_json::Value;

use super::reading;
use crate::fhir;
use crate::sections::SectionName;
use crate::sources::Answer;

/// What stands in a section.
#[derive(Debug, PartialEq)]
pub(super) enum Listing<'a> {
    /// These, the newest first.
    Current(Vec<&'a Value>),
    /// There are none that are current; these have ended, the newest first.
    OnlyEnded(Vec<&'a Value>),
    /// The source answered and has none.
    NoneKnown,
    /// The source could not be asked.
    Unavailable,
    /// The section is optional, and there is nothing to say.
    LeftOut,
}

impl<'a> Listing<'a> {
    pub(super) fn resources(&self) -> &[&'a Value] {
        match self {
            Self::Current(resources) | Self::OnlyEnded(resources) => resources,
            Self::NoneKnown | Self::Unavailable | Self::LeftOut => &[],
        }
    }
}

/// Chooses what a section lists.
pub(super) fn select(section: SectionName, answer: &Answer) -> Listing<'_> {
    // A section that is wanted and whose source nobody asked is as silent as one that could not be asked.
    let Answer::Answered(resources) = answer else {
        return Listing::Unavailable;
    };
    let (mut current, mut ended) = (Vec::new(), Vec::new());
    for resource in resources {
        match standing(section, resource) {
            Standing::Current => current.push(resource),
            Standing::Ended => ended.push(resource),
            Standing::NotOne => {}
        }
    }
    for list in [&mut current, &mut ended] {
        list.sort_by_key(|resource| Reverse(reading::moment(section, resource)));
    }
    if !current.is_empty() {
        Listing::Current(current)
    } else if !section.is_required() {
        Listing::LeftOut
    } else if !ended.is_empty() {
        Listing::OnlyEnded(ended)
    } else {
        Listing::NoneKnown
    }
}

enum Standing {
    Current,
    Ended,
    /// Entered in error, or of another kind than the section is about.
    NotOne,
}

/// How a resource stands. What is not said to have ended is current: what is left out by mistake does more harm than what is
/// listed with its status.
fn standing(section: SectionName, resource: &Value) -> Standing {
    let status = resource["status"].as_str();
    if status == Some("entered-in-error") || fhir::coded(&resource["verificationStatus"], "entered-in-error") {
        return Standing::NotOne;
    }
    let ended = match section {
        SectionName::Problems | SectionName::Allergies => {
            fhir::codes(&resource["clinicalStatus"]).any(|code| code == "inactive" || code == "resolved")
        }
        SectionName::Medications => {
            matches!(status, Some("stopped" | "completed" | "cancelled" | "draft"))
        }
        SectionName::Results if !fhir::categorised(resource, "laboratory") => {
            return Standing::NotOne;
        }
        SectionName::Results | SectionName::Immunizations | SectionName::Procedures => false,
    };
    if ended { Standing::Ended } else { Standing::Current }
}
