//! What makes a Bundle a document and an International Patient Summary, whatever it says.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::{composition, entries, is_statement, listed, resources, section};

const REQUIRED: [(&str, &str); 3] =
    [("11450-4", "Condition"), ("48765-2", "AllergyIntolerance"), ("10160-0", "MedicationRequest")];
const OPTIONAL: [&str; 3] = ["11369-6", "30954-2", "47519-4"];

pub(crate) fn bundle(_: &[Value], document: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    if document["resourceType"] != "Bundle" || document["type"] != "document" {
        problems.push("it is no document Bundle".to_owned());
    }
    if !document["identifier"]["system"].is_string() || !document["identifier"]["value"].is_string() {
        problems.push("it has no identifier".to_owned());
    }
    if !is_instant(&document["timestamp"]) {
        problems.push("its timestamp is no instant".to_owned());
    }
    problems
}

pub(crate) fn addresses(_: &[Value], document: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    let mut seen = HashSet::new();
    for entry in entries(document) {
        let url = entry["fullUrl"].as_str().unwrap_or_default();
        let uuid = url.strip_prefix("urn:uuid:").unwrap_or_default();
        let groups: Vec<usize> = uuid.split('-').map(str::len).collect();
        if groups != [8, 4, 4, 4, 12] || !uuid.bytes().all(|b| b == b'-' || matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            problems.push(format!("{url:?} is no urn:uuid"));
        }
        if !seen.insert(url) {
            problems.push(format!("{url} is there twice"));
        }
        for name in ["request", "response", "search"] {
            if entry.get(name).is_some() {
                problems.push(format!("{url} has a {name}"));
            }
        }
    }
    problems
}

pub(crate) fn composition_and_patient(_: &[Value], document: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    if composition(document)["resourceType"] != "Composition" {
        problems.push("the first entry is no Composition".to_owned());
    }
    for name in ["Composition", "Patient"] {
        let count = resources(document).filter(|resource| resource["resourceType"] == name).count();
        if count != 1 {
            problems.push(format!("there are {count} of {name}"));
        }
    }
    problems
}

pub(crate) fn references(_: &[Value], document: &Value) -> Vec<String> {
    let urls: HashSet<&str> = entries(document).filter_map(|entry| entry["fullUrl"].as_str()).collect();
    let mut problems = Vec::new();
    for resource in resources(document) {
        let contained: Vec<&Value> = resource["contained"].as_array().into_iter().flatten().map(|r| &r["id"]).collect();
        for reference in targets(resource) {
            let inside = reference.strip_prefix('#').is_some_and(|id| contained.iter().any(|found| **found == id));
            if !inside && !urls.contains(reference) {
                problems.push(format!("{reference} does not resolve in a {}", resource["resourceType"]));
            }
        }
    }
    problems
}

pub(crate) fn reachability(_: &[Value], document: &Value) -> Vec<String> {
    let by_url: HashMap<&str, &Value> =
        entries(document).map(|entry| (entry["fullUrl"].as_str().unwrap_or_default(), &entry["resource"])).collect();
    let first = document["entry"][0]["fullUrl"].as_str().unwrap_or_default();
    let (mut reached, mut next) = (HashSet::from([first]), vec![first]);
    while let Some(url) = next.pop() {
        for target in by_url.get(url).map(|resource| targets(resource)).unwrap_or_default() {
            if reached.insert(target) {
                next.push(target);
            }
        }
    }
    by_url.keys().filter(|url| !reached.contains(*url)).map(|url| format!("nothing leads to {url}")).collect()
}

pub(crate) fn profiles(_: &[Value], document: &Value) -> Vec<String> {
    let own = |resource: &Value| match resource["resourceType"].as_str().unwrap_or_default() {
        "Observation" => "Observation-results-laboratory-pathology-uv-ips".to_owned(),
        // Device-uv-ips is a device in or on the patient and must name one; the author is the other kind.
        "Device" => "Device-observer-uv-ips".to_owned(),
        name => format!("{name}-uv-ips"),
    };
    let all = resources(document).chain([document]);
    all.filter(|resource| {
        let url = format!("http://hl7.org/fhir/uv/ips/StructureDefinition/{}", own(resource));
        resource["meta"]["profile"] != serde_json::json!([url])
    })
    .map(|resource| format!("a {} does not name its profile", resource["resourceType"]))
    .collect()
}

pub(crate) fn header(_: &[Value], document: &Value) -> Vec<String> {
    let composition = composition(document);
    let kind = &composition["type"]["coding"];
    let target = |reference: &Value| {
        let url = &reference["reference"];
        entries(document).find(|entry| entry["fullUrl"] == *url).map(|entry| entry["resource"]["resourceType"].clone())
    };
    let checks = [
        ("type", kind[0]["system"] == "http://loinc.org" && kind[0]["code"] == "60591-5"),
        ("status", composition["status"] == "final"),
        ("subject", target(&composition["subject"]) == Some("Patient".into())),
        ("author", target(&composition["author"][0]) == Some("Device".into())),
        ("date", is_instant(&composition["date"])),
        ("title", composition["title"].as_str().is_some_and(|title| !title.is_empty())),
    ];
    checks.iter().filter(|(_, good)| !good).map(|(name, _)| format!("its {name} is wrong")).collect()
}

pub(crate) fn sections(_: &[Value], document: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    let mut seen = HashSet::new();
    for section in composition(document)["section"].as_array().into_iter().flatten() {
        let code = section["code"]["coding"][0]["code"].as_str().unwrap_or_default();
        if section["code"]["coding"][0]["system"] != "http://loinc.org" {
            problems.push(format!("{code} is not LOINC"));
        }
        if !REQUIRED.iter().any(|(known, _)| *known == code) && !OPTIONAL.contains(&code) {
            problems.push(format!("there is no section {code}"));
        }
        if !seen.insert(code) {
            problems.push(format!("{code} is there twice"));
        }
        if section["title"].as_str().is_none_or(str::is_empty) {
            problems.push(format!("{code} has no title"));
        }
        if section["text"]["status"] != "generated" || !section["text"]["div"].is_string() {
            problems.push(format!("{code} has no narrative"));
        }
        if section.get("section").is_some() {
            problems.push(format!("{code} has sections in it"));
        }
        let entries = section["entry"].as_array().is_some_and(|entries| !entries.is_empty());
        if entries == section.get("emptyReason").is_some() {
            problems.push(format!("{code} must have either entries or a reason why not"));
        }
    }
    problems
}

pub(crate) fn narratives(_: &[Value], document: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    let mut check = |element: &Value| {
        if let Some(div) = element["div"].as_str()
            && let Err(problem) = xhtml(div)
        {
            problems.push(problem);
        }
    };
    for resource in resources(document) {
        check(&resource["text"]);
    }
    for section in composition(document)["section"].as_array().into_iter().flatten() {
        check(&section["text"]);
    }
    problems
}

pub(crate) fn required_sections(source: &[Value], document: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    for (code, name) in REQUIRED {
        let Some(section) = section(document, code) else {
            problems.push(format!("there is no section {code}"));
            continue;
        };
        let listed = listed(document, code);
        let statements = listed.iter().filter(|resource| is_statement(resource)).count();
        if statements > 0 && (listed.len() != 1 || super::of_type(source, name).iter().any(|r| !in_error(r))) {
            problems.push(format!("{code} claims that there is no information, and there is"));
        }
        if listed.is_empty() && section["emptyReason"]["coding"][0]["code"] != "unavailable" {
            problems.push(format!("{code} is empty and does not say why"));
        }
    }
    problems
}

pub(crate) fn optional_sections(_: &[Value], document: &Value) -> Vec<String> {
    OPTIONAL
        .into_iter()
        .filter_map(|code| section(document, code))
        .filter(|section| section["entry"].as_array().is_none_or(Vec::is_empty) && section.get("emptyReason").is_none())
        .map(|section| format!("{} is there without data", section["title"]))
        .collect()
}

fn in_error(resource: &Value) -> bool {
    resource["status"] == "entered-in-error"
        || resource["verificationStatus"]["coding"][0]["code"] == "entered-in-error"
}

/// Every `reference` in a resource.
pub(crate) fn targets(value: &Value) -> Vec<&str> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, value)| match value {
                Value::String(target) if name == "reference" => vec![target.as_str()],
                value => targets(value),
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(targets).collect(),
        _ => Vec::new(),
    }
}

fn is_instant(value: &Value) -> bool {
    let shape: String =
        value.as_str().unwrap_or_default().chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    shape == "0000-00-00T00:00:00Z"
}

/// Checks that a narrative is one well-formed `div` of plain elements: a name of the list, no attribute but the namespace,
/// every element closed, every `&` an entity.
pub(crate) fn xhtml(div: &str) -> Result<(), String> {
    const NAMES: [&str; 9] = ["div", "p", "table", "thead", "tbody", "tr", "th", "td", "br/"];
    let mut rest = div.strip_prefix("<div xmlns=\"http://www.w3.org/1999/xhtml\">").ok_or("it is no XHTML div")?;
    let mut open = vec!["div"];
    while let Some(at) = rest.find(['<', '&', '>', '"']) {
        if open.is_empty() {
            return Err("something follows the div".to_owned());
        }
        let (found, after) = (&rest[at..=at], &rest[at + 1..]);
        match found {
            "<" => {
                let (tag, after) = after.split_once('>').ok_or("a tag does not end")?;
                match tag.strip_prefix('/') {
                    Some(name) if open.last() == Some(&name) => drop(open.pop()),
                    Some(name) => return Err(format!("</{name}> closes nothing")),
                    None if NAMES.contains(&tag) && tag.ends_with('/') => {}
                    None if NAMES.contains(&tag) => open.push(tag),
                    None => return Err(format!("<{tag}> may not be there")),
                }
                rest = after;
            }
            "&" => {
                let (entity, after) = after.split_once(';').ok_or("an entity does not end")?;
                if !["amp", "lt", "gt", "quot", "#39"].contains(&entity) {
                    return Err(format!("&{entity}; is no entity of XHTML's own"));
                }
                rest = after;
            }
            other => return Err(format!("a bare {other}")),
        }
    }
    if open.is_empty() && rest.is_empty() { Ok(()) } else { Err(format!("{open:?} not closed, or text behind")) }
}
