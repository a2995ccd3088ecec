//! What the document says about the patient, held against what the patient's own file says.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::{code, is_marked_absent, is_statement, listed, of_type, resources, section};

pub(crate) fn patient(source: &[Value], document: &Value) -> Vec<String> {
    let own = of_type(source, "Patient")[0];
    let found = resources(document).find(|resource| resource["resourceType"] == "Patient").unwrap_or(&Value::Null);
    let mut problems = Vec::new();
    if found["name"] != own["name"] || !found["name"][0].is_object() {
        problems.push("the name is not the patient's".to_owned());
    }
    if found["birthDate"] != own["birthDate"] || !found["birthDate"].is_string() {
        problems.push("the birth date is not the patient's".to_owned());
    }
    problems
}

pub(crate) fn problems(source: &[Value], document: &Value) -> Vec<String> {
    complete(source, document, "11450-4", "Condition", |condition| {
        !["resolved", "inactive"].contains(&code(condition, "clinicalStatus"))
            && code(condition, "verificationStatus") != "entered-in-error"
    })
}

pub(crate) fn allergies(source: &[Value], document: &Value) -> Vec<String> {
    complete(source, document, "48765-2", "AllergyIntolerance", |allergy| {
        !["resolved", "inactive"].contains(&code(allergy, "clinicalStatus"))
            && code(allergy, "verificationStatus") != "entered-in-error"
    })
}

pub(crate) fn medications(source: &[Value], document: &Value) -> Vec<String> {
    let mut problems = complete(source, document, "10160-0", "MedicationRequest", |medication| {
        medication["status"] == "active" || medication["status"] == "on-hold"
    });
    for medication in listed(document, "10160-0") {
        if medication["resourceType"] == "MedicationStatement" && !has_choice(medication, "effective") {
            problems.push("a MedicationStatement has no effective[x]".to_owned());
        }
    }
    problems
}

/// A required section lists exactly what is current. With nothing current it lists all that has ended.
fn complete(
    source: &[Value],
    document: &Value,
    loinc: &str,
    resource_type: &str,
    current: fn(&Value) -> bool,
) -> Vec<String> {
    if section(document, loinc).is_some_and(|section| section.get("emptyReason").is_some()) {
        return Vec::new();
    }
    let all = of_type(source, resource_type);
    let mut expected: HashSet<&str> = all.iter().filter(|r| current(r)).filter_map(|r| r["id"].as_str()).collect();
    if expected.is_empty() {
        expected = all.iter().filter_map(|resource| resource["id"].as_str()).collect();
    }
    let found: HashSet<&str> =
        listed(document, loinc).iter().filter(|r| !is_statement(r)).filter_map(|r| r["id"].as_str()).collect();
    let missing = expected.difference(&found).map(|id| format!("{id} is not listed"));
    missing.chain(found.difference(&expected).map(|id| format!("{id} should not be listed"))).collect()
}

pub(crate) fn results(source: &[Value], document: &Value) -> Vec<String> {
    let laboratory = |o: &&Value| o["category"][0]["coding"][0]["code"] == "laboratory";
    let own = of_type(source, "Observation").into_iter().filter(laboratory).count();
    let listed = listed(document, "30954-2");
    let mut problems = Vec::new();
    if section(document, "30954-2").is_some_and(|section| section.get("emptyReason").is_some()) {
        return problems;
    }
    if listed.len() != own {
        problems.push(format!("{} results of {own}", listed.len()));
    }
    for result in &listed {
        let id = &result["id"];
        if !laboratory(result) {
            problems.push(format!("{id} is not of the laboratory"));
        }
        if !has_choice(result, "effective") {
            problems.push(format!("{id} has no effective[x]"));
        }
        if result["performer"].as_array().is_none_or(Vec::is_empty) {
            problems.push(format!("{id} has no performer"));
        }
        let (value, reason) = (has_choice(result, "value"), result["dataAbsentReason"].is_object());
        let parts = result["component"].is_array() || result["hasMember"].is_array();
        if (value && reason) || !(value || reason || parts) {
            problems.push(format!("{id} must have a value or a reason why not"));
        }
    }
    // The sample times are all UTC and of one form, so that they compare as text.
    let times: Vec<&str> = listed.iter().filter_map(|result| result["effectiveDateTime"].as_str()).collect();
    if times.iter().any(|time| !time.ends_with("+00:00")) || !times.is_sorted_by(|one, next| one >= next) {
        problems.push("the newest is not first".to_owned());
    }
    problems
}

pub(crate) fn timed(source: &[Value], document: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    for (loinc, name, element) in [("11369-6", "Immunization", "occurrence"), ("47519-4", "Procedure", "performed")] {
        let unavailable = section(document, loinc).is_some_and(|section| section.get("emptyReason").is_some());
        let listed = listed(document, loinc);
        if !unavailable && listed.len() != of_type(source, name).len() {
            problems.push(format!("{} of {} {name}s", listed.len(), of_type(source, name).len()));
        }
        for resource in listed.into_iter().filter(|resource| !has_choice(resource, element)) {
            problems.push(format!("{} has no {element}[x]", resource["id"]));
        }
    }
    problems
}

/// Every clinical resource is one of the patient's own and says what that says, no more and no less: apart from the profile,
/// from where references lead, and from what is marked as absent.
pub(crate) fn own(source: &[Value], document: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    for resource in resources(document) {
        let name = resource["resourceType"].as_str().unwrap_or_default();
        if ["Composition", "Device"].contains(&name) || is_statement(resource) {
            continue;
        }
        let same = |own: &&Value| own["resourceType"] == name && own["id"] == resource["id"];
        let Some(own) = source.iter().find(same) else {
            problems.push(format!("{name} {} is not this patient's", resource["id"]));
            continue;
        };
        let patient = &document["entry"][1]["fullUrl"];
        let owner = ["subject", "patient"].iter().find_map(|name| resource[name]["reference"].as_str());
        if name != "Patient" && owner != patient.as_str() {
            problems.push(format!("{name} {} is not said to be the patient's", resource["id"]));
        }
        if facts_of(own) != facts_of(resource) {
            problems.push(format!("{name} {} says something else than the source", resource["id"]));
        }
    }
    problems.extend(told(document));
    problems
}

/// What people read is what machines read: each listed resource's name stands in its section's narrative.
fn told(document: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    for section in document["entry"][0]["resource"]["section"].as_array().into_iter().flatten() {
        let loinc = section["code"]["coding"][0]["code"].as_str().unwrap_or_default();
        let div = section["text"]["div"].as_str().unwrap_or_default();
        for resource in listed(document, loinc) {
            let named = ["code", "medicationCodeableConcept", "vaccineCode"].iter().find_map(|name| {
                resource[name]["text"].as_str().or_else(|| resource[name]["coding"][0]["display"].as_str())
            });
            let escaped = named.unwrap_or_default().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            let escaped = escaped.replace('"', "&quot;").replace('\'', "&#39;");
            if !div.contains(&escaped) {
                problems.push(format!("{} is listed in {loinc} and not told", resource["id"]));
            }
        }
    }
    problems
}

/// A resource without what the document may change in it.
fn facts_of(resource: &Value) -> Map<String, Value> {
    let added_reason =
        |name: &str, value: &Value| name == "dataAbsentReason" && value["coding"][0]["code"] == "unknown";
    let fields = resource.as_object().unwrap().iter().filter(|(name, value)| {
        let absent =
            is_marked_absent(value) || value.as_array().is_some_and(|items| items.iter().all(is_marked_absent));
        !["meta", "text", "subject", "patient"].contains(&name.as_str()) && !absent && !added_reason(name, value)
    });
    fields.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn has_choice(resource: &Value, name: &str) -> bool {
    resource.as_object().unwrap().iter().any(|(key, value)| match key.strip_prefix('_') {
        Some(key) => key.starts_with(name) && is_marked_absent(value),
        None => key.starts_with(name) && key.len() > name.len(),
    })
}
