//! From sources to an International Patient Summary (HL7 FHIR IPS 2.0.1, R4): a pure function.
//!
//! It takes no time and no random number of its own: the same input gives the same document, so an attempt that is repeated
//! repeats its document. It adds no fact about the patient. Every clinical resource is one of the sources', with its
//! references settled and what the profile requires but the source lacks marked as absent.
//!
//! # What is listed
//!
//! | section | listed | if none of these |
//! |---|---|---|
//! | problems | every condition not resolved, inactive or entered in error | see below |
//! | allergies | every allergy not inactive, resolved or entered in error | see below |
//! | medications | every prescription `active`, `on-hold`, or of a status that is not known | see below |
//! | immunizations, procedures | all not entered in error | left out |
//! | results | all of category `laboratory` not entered in error, the newest first | left out |
//!
//! Nothing is ever cut off. A required section that has none of what it lists says why:
//!
//! - The source has only ended ones: those are listed, each with its status. To claim that there is no information would be
//!   wrong. The rule is IPS practice for medications and is kept for all three.
//! - The source answered and has none: one resource coded SNOMED CT 1287211007 "No information available".
//! - The source could not be asked: `emptyReason` `unavailable`.
//!
//! An optional section that was wanted and whose source could not be asked is in the document with `emptyReason`
//! `unavailable`: left out, it would read as "none". Required sections are there whatever [`Sections`] was wanted.

mod absence;
mod address;
mod counts;
pub mod document;
mod narrative;
mod passage;
mod reading;
mod selection;

use std::time::SystemTime;

use serde::Serialize;
use uuid::Uuid;

pub use counts::Counts;
use document::{Bundle, CodeableConcept, Composition, Device, Entry, Identifier, Meta, Reference, Resource, Section};

use crate::fhir::moment;
use crate::sections::{SectionName, Sections};
use crate::sources::Sources;
use address::Addresses;
use selection::Listing;

/// All ids of documents and their entries are made within this namespace.
const NAMESPACE: Uuid = Uuid::from_u128(0xb582007ae29c4e689a0a4d0f27ad3d8f);

/// What makes one document this one and no other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// When it is made.
    pub at: SystemTime,
    /// What names it: any text that no other document has, such as the request's id. The document's identifier is made of
    /// it, so that attempts at one request make one document.
    pub document: String,
}

/// A section by itself, before the document is whole.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FinishedSection {
    /// Its name in a request.
    pub name: &'static str,
    /// What it says, and what it refers to.
    pub section: Section,
    /// The resources that it lists.
    pub entry: Vec<Entry>,
}

/// One section of the summary, as soon as its source has answered; none if the document leaves it out. What refers to
/// another section's resources refers to them in words alone here.
#[must_use]
pub fn finish_section(sources: &Sources, name: SectionName) -> Option<FinishedSection> {
    let listing = selection::select(name, sources.answer(name.source()));
    if listing == Listing::LeftOut {
        return None;
    }
    let mut addresses = Addresses::of(sources.patient_id());
    listing.resources().iter().for_each(|resource| addresses.add(resource));
    let (section, entry) = compose(name, &listing, &addresses);
    Some(FinishedSection { name: name.as_str(), section, entry })
}

/// Makes the summary.
#[must_use]
pub fn summarise(sources: &Sources, sections: &Sections, issue: &Issue) -> Bundle {
    let listings: Vec<(SectionName, Listing<'_>)> = sections
        .iter()
        .map(|section| (section, selection::select(section, sources.answer(section.source()))))
        .filter(|(_, listing)| *listing != Listing::LeftOut)
        .collect();

    let mut addresses = Addresses::of(sources.patient_id());
    for (_, listing) in &listings {
        listing.resources().iter().for_each(|resource| addresses.add(resource));
    }
    let patient = Reference::to(addresses.patient());

    let (mut composed, mut listed) = (Vec::new(), Vec::new());
    for (name, listing) in &listings {
        let (section, entries) = compose(*name, listing, &addresses);
        composed.push(section);
        listed.extend(entries);
    }

    let at = moment::instant(issue.at);
    let software = software();
    let document = Uuid::new_v5(&NAMESPACE, format!("document/{}/{}", sources.patient_id(), issue.document).as_bytes());
    let composition = Composition {
        resource_type: "Composition",
        id: Uuid::new_v5(&document, b"composition").to_string(),
        meta: Meta::profile("Composition-uv-ips"),
        text: narrative::of_document(sources.patient()),
        status: "final",
        r#type: CodeableConcept::loinc("60591-5", Some("Patient summary Document")),
        subject: patient,
        date: at.clone(),
        author: vec![Reference::to(&software.full_url)],
        title: "International Patient Summary",
        section: composed,
    };
    let mut entry = vec![
        Entry {
            full_url: format!("urn:uuid:{}", composition.id),
            resource: Resource::Composition(Box::new(composition)),
        },
        Entry {
            full_url: addresses.patient().to_owned(),
            resource: Resource::Passed(passage::fit(sources.patient(), &addresses)),
        },
    ];
    entry.extend(listed);
    entry.push(software);
    Bundle {
        resource_type: "Bundle",
        id: document.to_string(),
        meta: Meta::profile("Bundle-uv-ips"),
        identifier: Identifier { system: "urn:ietf:rfc:3986", value: format!("urn:uuid:{document}") },
        r#type: "document",
        timestamp: at,
        entry,
    }
}

/// What a section says, and the entries that it refers to.
fn compose(name: SectionName, listing: &Listing<'_>, addresses: &Addresses) -> (Section, Vec<Entry>) {
    let entries = contents(name, listing, addresses);
    let section = Section {
        title: name.title(),
        code: CodeableConcept::loinc(name.loinc(), None),
        text: narrative::of_section(name, listing),
        entry: entries.iter().map(|entry| Reference::to(&entry.full_url)).collect(),
        empty_reason: (*listing == Listing::Unavailable).then(CodeableConcept::unavailable),
    };
    (section, entries)
}

/// The entries of a section.
fn contents(section: SectionName, listing: &Listing<'_>, addresses: &Addresses) -> Vec<Entry> {
    match listing {
        Listing::NoneKnown => vec![absence::no_information(section, addresses)],
        Listing::Current(resources) | Listing::OnlyEnded(resources) => resources
            .iter()
            .map(|resource| Entry {
                full_url: addresses.full_url(resource),
                resource: Resource::Passed(passage::fit(resource, addresses)),
            })
            .collect(),
        Listing::Unavailable | Listing::LeftOut => Vec::new(),
    }
}

/// The author: no person curated this document.
fn software() -> Entry {
    let version = env!("CARGO_PKG_VERSION");
    let id = Uuid::new_v5(&NAMESPACE, format!("software/{version}").as_bytes()).to_string();
    Entry { full_url: format!("urn:uuid:{id}"), resource: Resource::Device(Device::software(id, version)) }
}
