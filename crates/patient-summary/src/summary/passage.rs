//! Fits a source's resource into the document: its profile is named, its references are settled, and what IPS requires but
//! the source lacks is marked as absent. Codes, values and dates are never touched.

use serde_json::{Map, Value, json};

use super::address::Addresses;
use crate::fhir;

/// The resource as it stands in the document.
pub(super) fn fit(resource: &Value, addresses: &Addresses) -> Value {
    let mut fitted = resource.clone();
    let contained: Vec<String> = contained_ids(resource);
    let Value::Object(fields) = &mut fitted else {
        return fitted;
    };
    settle_fields(fields, true, &Settling { addresses, contained: &contained });
    name_profile(fields);
    match fhir::resource_type(resource) {
        "Patient" => {
            // A link is to another record, which is not here, and it may not stand without its target.
            fields.remove("link");
            require(fields, "name", || json!([{ "_text": absent() }]));
            require_primitive(fields, "birthDate");
        }
        "Condition" | "AllergyIntolerance" => {
            require(fields, "clinicalStatus", absent);
            require(fields, "code", absent);
        }
        "MedicationRequest" => {
            require_primitive(fields, "status");
            require_primitive(fields, "intent");
            require_choice(fields, "medication", "medicationCodeableConcept");
        }
        "Immunization" => {
            require_primitive(fields, "status");
            require(fields, "vaccineCode", absent);
            require_choice(fields, "occurrence", "_occurrenceDateTime");
        }
        "Procedure" => {
            require_primitive(fields, "status");
            require(fields, "code", absent);
            require_choice(fields, "performed", "_performedDateTime");
        }
        "Observation" => fit_observation(fields),
        _ => {}
    }
    fitted
}

fn fit_observation(fields: &mut Map<String, Value>) {
    require_primitive(fields, "status");
    require(fields, "code", absent);
    // The profile allows a dateTime or a period; an instant is a dateTime to the second.
    if let Some(instant) = fields.remove("effectiveInstant") {
        fields.insert("effectiveDateTime".to_owned(), instant);
    }
    require_choice(fields, "effective", "_effectiveDateTime");
    require(fields, "performer", || json!([absent()]));
    let has = |name: &str| fields.get(name).is_some_and(fhir::says_something);
    if !has("component") && !has("hasMember") {
        give_reason(fields);
    }
    if let Some(Value::Array(components)) = fields.get_mut("component") {
        components.iter_mut().filter_map(Value::as_object_mut).for_each(give_reason);
    }
}

/// Says of a value that is not there that it is not.
fn give_reason(fields: &mut Map<String, Value>) {
    if !has_choice(fields, "value") {
        require(fields, "dataAbsentReason", || {
            let system = "http://terminology.hl7.org/CodeSystem/data-absent-reason";
            json!({ "coding": [{ "system": system, "code": "unknown", "display": "Unknown" }] })
        });
    }
}

/// Names the profile that the resource has in this document. Security labels stay; what its source system noted about its
/// own copy does not belong to this one. So does its narrative: it is foreign XHTML, and the section has its own.
fn name_profile(fields: &mut Map<String, Value>) {
    fields.remove("text");
    let resource_type = fields.get("resourceType").and_then(Value::as_str).unwrap_or_default();
    let name = match resource_type {
        "Observation" => "Observation-results-laboratory-pathology",
        other => other,
    };
    let mut meta = json!({ "profile": [format!("http://hl7.org/fhir/uv/ips/StructureDefinition/{name}-uv-ips")] });
    if let Some(labels) = fields.get("meta").and_then(|meta| meta.get("security")) {
        meta["security"] = labels.clone();
    }
    fields.insert("meta".to_owned(), meta);
}

/// Adds an element that is not there.
fn require(fields: &mut Map<String, Value>, name: &str, absence: impl FnOnce() -> Value) {
    if !fields.get(name).is_some_and(fhir::says_something) {
        fields.insert(name.to_owned(), absence());
    }
}

/// Marks a primitive element that is not there, beside its place.
fn require_primitive(fields: &mut Map<String, Value>, name: &str) {
    if !fields.get(name).is_some_and(fhir::says_something) {
        fields.remove(name);
        require(fields, &format!("_{name}"), absent);
    }
}

/// Marks a choice element of which there is no form.
fn require_choice(fields: &mut Map<String, Value>, name: &str, form: &str) {
    if !has_choice(fields, name) {
        fields.insert(form.to_owned(), absent());
    }
}

fn has_choice(fields: &Map<String, Value>, name: &str) -> bool {
    fields.iter().any(|(key, value)| {
        let kind = key.strip_prefix('_').unwrap_or(key).strip_prefix(name);
        kind.is_some_and(|kind| kind.starts_with(|first: char| first.is_ascii_uppercase()))
            && fhir::says_something(value)
    })
}

fn absent() -> Value {
    json!({ "extension": [{ "url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown" }] })
}

struct Settling<'a> {
    addresses: &'a Addresses,
    contained: &'a [String],
}

/// Makes every reference resolve within the document, or name its target in words only. One that can do neither is dropped
/// where an element may be (among the resource's own), and marked as absent further in, where it may be required.
fn settle_fields(fields: &mut Map<String, Value>, own: bool, settling: &Settling<'_>) {
    fields.retain(|_, value| match value {
        Value::Array(items) => {
            let before = items.len();
            items.retain_mut(|item| settle(item, own, settling));
            items.len() == before || !items.is_empty()
        }
        value => settle(value, own, settling),
    });
}

/// Settles one element; false if it is to be dropped.
fn settle(value: &mut Value, own: bool, settling: &Settling<'_>) -> bool {
    match value {
        Value::Object(fields) if fields.get("reference").is_some_and(Value::is_string) => {
            settle_reference(fields, own, settling)
        }
        Value::Object(fields) => {
            let resource = fields.contains_key("resourceType");
            if resource {
                fields.remove("text");
            }
            settle_fields(fields, resource, settling);
            true
        }
        Value::Array(items) => {
            items.retain_mut(|item| settle(item, own, settling));
            true
        }
        _ => true,
    }
}

fn settle_reference(fields: &mut Map<String, Value>, own: bool, settling: &Settling<'_>) -> bool {
    let reference = fields.get("reference").and_then(Value::as_str).unwrap_or_default();
    let stays = match reference.strip_prefix('#') {
        Some(id) => id.is_empty() || settling.contained.iter().any(|contained| contained == id),
        None => false,
    };
    if stays {
        return true;
    }
    if let Some(full_url) = settling.addresses.resolve(reference) {
        fields.insert("reference".to_owned(), full_url.into());
        return true;
    }
    fields.remove("reference");
    fields.remove("_reference");
    if let Some(identifier) = fields.get_mut("identifier").and_then(Value::as_object_mut) {
        settle_fields(identifier, false, settling);
    }
    if ["display", "identifier"].iter().any(|name| fields.get(*name).is_some_and(fhir::says_something)) {
        return true;
    }
    if own {
        return false;
    }
    *fields = absent().as_object().cloned().unwrap_or_default();
    true
}

fn contained_ids(resource: &Value) -> Vec<String> {
    let contained = resource["contained"].as_array().into_iter().flatten();
    contained.filter_map(|inner| inner["id"].as_str()).map(str::to_owned).collect()
}
