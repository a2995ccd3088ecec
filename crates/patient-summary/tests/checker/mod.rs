//! The rules of an International Patient Summary, read from the JSON alone. It shares no line with the code that makes the
//! documents. Every rule answers with what breaks it.
#![allow(dead_code, reason = "each test binary uses its own part of it")]

pub(crate) mod facts;
pub(crate) mod structure;

use serde_json::Value;

/// A rule: the patient's own resources, the document, and what is wrong.
pub(crate) type Rule = fn(&[Value], &Value) -> Vec<String>;

/// All rules, by name.
pub(crate) const RULES: [(&str, Rule); 18] = [
    ("the Bundle is one document with an identifier and a timestamp", structure::bundle),
    ("every entry has a fullUrl of its own and nothing of a transaction", structure::addresses),
    ("one Composition comes first and there is one Patient", structure::composition_and_patient),
    ("references resolve", structure::references),
    ("nothing is unreferenced", structure::reachability),
    ("every entry names its profile", structure::profiles),
    ("the Composition has its header", structure::header),
    ("sections are flat, titled, coded and told", structure::sections),
    ("narratives are escaped XHTML without scripts", structure::narratives),
    ("required sections have entries or say why not", structure::required_sections),
    ("optional sections are left out when empty", structure::optional_sections),
    ("the patient has a name and a birth date", facts::patient),
    ("every active problem is listed and no other", facts::problems),
    ("every allergy that stands is listed", facts::allergies),
    ("every current medication is listed", facts::medications),
    ("results are laboratory's, timed, performed, valued and the newest first", facts::results),
    ("immunizations and procedures say when", facts::timed),
    ("every fact is the patient's own", facts::own),
];

/// What breaks any rule.
pub(crate) fn violations(source: &[Value], document: &Value) -> Vec<String> {
    RULES
        .iter()
        .flat_map(|(name, rule)| rule(source, document).into_iter().map(move |problem| format!("{name}: {problem}")))
        .collect()
}

pub(crate) fn entries(document: &Value) -> impl Iterator<Item = &Value> {
    document["entry"].as_array().unwrap().iter()
}

pub(crate) fn resources(document: &Value) -> impl Iterator<Item = &Value> {
    entries(document).map(|entry| &entry["resource"])
}

pub(crate) fn composition(document: &Value) -> &Value {
    &document["entry"][0]["resource"]
}

pub(crate) fn section<'a>(document: &'a Value, loinc: &str) -> Option<&'a Value> {
    let sections = composition(document)["section"].as_array();
    sections.into_iter().flatten().find(|section| section["code"]["coding"][0]["code"] == loinc)
}

/// The resources that a section lists, in its order.
pub(crate) fn listed<'a>(document: &'a Value, loinc: &str) -> Vec<&'a Value> {
    let Some(section) = section(document, loinc) else { return Vec::new() };
    section["entry"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|reference| entries(document).find(|entry| entry["fullUrl"] == reference["reference"]))
        .map(|entry| &entry["resource"])
        .collect()
}

pub(crate) fn of_type<'a>(resources: &'a [Value], name: &str) -> Vec<&'a Value> {
    resources.iter().filter(|resource| resource["resourceType"] == name).collect()
}

/// Whether this is the statement that there is no information.
pub(crate) fn is_statement(resource: &Value) -> bool {
    let coded = |name: &str| resource[name]["coding"][0]["code"] == "1287211007";
    coded("code") || coded("medicationCodeableConcept")
}

pub(crate) fn code<'a>(resource: &'a Value, element: &str) -> &'a str {
    resource[element]["coding"][0]["code"].as_str().unwrap_or_default()
}

/// The data-absent-reason extension.
pub(crate) fn is_marked_absent(element: &Value) -> bool {
    let extensions = element["extension"].as_array();
    extensions.is_some_and(|extensions| {
        extensions.iter().any(|extension| {
            extension["url"] == "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
                && extension["valueCode"].is_string()
        })
    })
}
