//! A resource in words: how codes, times, quantities and doses of the sources read to a person. Nothing is interpreted, and
//! what cannot be put in words is said to be in the entry.

use serde_json::Value;

use crate::fhir::{self, moment::Moment};
use crate::sections::SectionName;

const NOT_STATED: &str = "not stated";
const IN_ENTRY: &str = "see entry";

/// When what a resource tells of was, to sort by.
pub(super) fn moment(section: SectionName, resource: &Value) -> Option<Moment> {
    let (name, recorded) = times(section);
    let of = |(kind, value): (&str, &Value)| match kind {
        "Period" => Moment::parse(value["end"].as_str().or_else(|| value["start"].as_str())?),
        _ => Moment::parse(value.as_str()?),
    };
    fhir::choice(resource, name).find_map(of).or_else(|| Moment::parse(resource[recorded].as_str()?))
}

/// When what a resource tells of was, in words.
pub(super) fn time(section: SectionName, resource: &Value) -> String {
    let (name, recorded) = times(section);
    match fhir::choice(resource, name).find_map(|(kind, value)| timed(kind, value)) {
        Some(time) => time,
        None => resource[recorded].as_str().map_or_else(|| NOT_STATED.to_owned(), day),
    }
}

/// The elements that say when: a choice, and one to fall back on.
fn times(section: SectionName) -> (&'static str, &'static str) {
    match section {
        SectionName::Problems | SectionName::Allergies => ("onset", "recordedDate"),
        SectionName::Medications => ("effective", "authoredOn"),
        SectionName::Immunizations => ("occurrence", "recorded"),
        SectionName::Results => ("effective", "issued"),
        SectionName::Procedures => ("performed", "recorded"),
    }
}

fn timed(kind: &str, value: &Value) -> Option<String> {
    match kind {
        "DateTime" | "Instant" => value.as_str().map(day),
        "Period" => {
            let end = |name: &str| value[name].as_str().map_or_else(|| "…".to_owned(), day);
            Some(format!("{} to {}", end("start"), end("end")))
        }
        "Age" => Some(format!("at the age of {}", quantity(value))),
        "String" => value.as_str().map(str::to_owned),
        // `_onsetDateTime`, which only says why there is no time, is an object.
        _ if value.is_object() && value.get("extension").is_some() => None,
        _ => Some(IN_ENTRY.to_owned()),
    }
}

/// The day of a time. The entry has the rest.
fn day(time: &str) -> String {
    time.split('T').next().unwrap_or(time).to_owned()
}

/// A coded value: its text, or what its first code means, or that code.
pub(super) fn concept(concept: &Value) -> String {
    let coding = || concept["coding"].as_array().into_iter().flatten();
    concept["text"]
        .as_str()
        .or_else(|| coding().find_map(|coding| coding["display"].as_str()))
        .or_else(|| coding().find_map(|coding| coding["code"].as_str()))
        .unwrap_or(NOT_STATED)
        .to_owned()
}

/// A code, as it is.
pub(super) fn code(code: &Value) -> String {
    code.as_str().unwrap_or(NOT_STATED).to_owned()
}

/// What a prescription is of: a coded value, or a Medication that is named, or that the prescription contains.
pub(super) fn medication(resource: &Value) -> String {
    if resource["medicationCodeableConcept"].is_object() {
        return concept(&resource["medicationCodeableConcept"]);
    }
    let reference = &resource["medicationReference"];
    if let Some(name) = reference["display"].as_str() {
        return name.to_owned();
    }
    let inside = reference["reference"].as_str().and_then(|target| target.strip_prefix('#'));
    let mut contained = resource["contained"].as_array().into_iter().flatten();
    let medication = contained.find(|medication| inside.is_some_and(|id| medication["id"] == id));
    medication.map_or_else(|| NOT_STATED.to_owned(), |medication| concept(&medication["code"]))
}

/// A prescription's status. That it is an order *not* to take something must not be overlooked.
pub(super) fn order_status(resource: &Value) -> String {
    let status = code(&resource["status"]);
    if resource["doNotPerform"] == true { format!("NOT to be taken ({status})") } else { status }
}

/// How a medication is to be taken.
pub(super) fn dosage(resource: &Value) -> String {
    let doses = resource["dosageInstruction"].as_array().into_iter().flatten().map(dose);
    let doses: Vec<String> = doses.filter(|dose| !dose.is_empty()).collect();
    if doses.is_empty() { NOT_STATED.to_owned() } else { doses.join("; ") }
}

fn dose(dose: &Value) -> String {
    if let Some(text) = dose["text"].as_str() {
        return text.to_owned();
    }
    let mut parts = Vec::new();
    for rate in dose["doseAndRate"].as_array().into_iter().flatten() {
        if rate["doseQuantity"].is_object() {
            parts.push(format!("dose {}", quantity(&rate["doseQuantity"])));
        }
    }
    let repeat = &dose["timing"]["repeat"];
    if let (Some(frequency), Some(period), Some(unit)) =
        (repeat["frequency"].as_u64(), number(&repeat["period"]), repeat["periodUnit"].as_str())
    {
        parts.push(format!("{frequency} × per {period} {}", unit_of_time(unit)));
    }
    if dose["asNeededBoolean"] == true || dose["asNeededCodeableConcept"].is_object() {
        parts.push("as needed".to_owned());
    }
    parts.extend(dose["additionalInstruction"].as_array().into_iter().flatten().map(concept));
    parts.extend(dose["patientInstruction"].as_str().map(str::to_owned));
    parts.join(", ")
}

fn unit_of_time(ucum: &str) -> &str {
    match ucum {
        "s" => "s",
        "min" => "min",
        "h" => "h",
        "d" => "day(s)",
        "wk" => "week(s)",
        "mo" => "month(s)",
        "a" => "year(s)",
        other => other,
    }
}

/// An observation's result, with its parts if it has any.
pub(super) fn result(observation: &Value) -> String {
    let mut parts: Vec<String> = fhir::choice(observation, "value").filter_map(|(kind, of)| value(kind, of)).collect();
    for component in observation["component"].as_array().into_iter().flatten() {
        parts.push(format!("{}: {}", concept(&component["code"]), result(component)));
    }
    if parts.is_empty() {
        return match &observation["dataAbsentReason"] {
            Value::Null => "no value".to_owned(),
            reason => format!("no value: {}", concept(reason)),
        };
    }
    let mut result = parts.join("; ");
    for meaning in observation["interpretation"].as_array().into_iter().flatten() {
        result.push_str(&format!(" ({})", concept(meaning)));
    }
    result
}

fn value(kind: &str, value: &Value) -> Option<String> {
    Some(match kind {
        "Quantity" => quantity(value),
        "CodeableConcept" => concept(value),
        "String" | "DateTime" | "Time" => value.as_str()?.to_owned(),
        "Boolean" => if value.as_bool()? { "yes" } else { "no" }.to_owned(),
        "Integer" => number(value)?,
        "Range" => format!("{} to {}", quantity(&value["low"]), quantity(&value["high"])),
        "Ratio" => format!("{} / {}", quantity(&value["numerator"]), quantity(&value["denominator"])),
        _ => IN_ENTRY.to_owned(),
    })
}

fn quantity(quantity: &Value) -> String {
    let Some(value) = number(&quantity["value"]) else {
        return NOT_STATED.to_owned();
    };
    let comparator = quantity["comparator"].as_str().unwrap_or_default();
    let unit = quantity["unit"].as_str().or_else(|| quantity["code"].as_str()).unwrap_or_default();
    format!("{comparator}{value} {unit}").trim_end().to_owned()
}

fn number(value: &Value) -> Option<String> {
    value.is_number().then(|| value.to_string())
}

/// A patient's name: the official one, or the first.
pub(super) fn name(patient: &Value) -> String {
    let names = || patient["name"].as_array().into_iter().flatten();
    let Some(name) = names().find(|name| name["use"] == "official").or_else(|| names().next()) else {
        return NOT_STATED.to_owned();
    };
    if let Some(text) = name["text"].as_str() {
        return text.to_owned();
    }
    let given = name["given"].as_array().into_iter().flatten();
    let parts: Vec<&str> = given.chain([&name["family"]]).filter_map(Value::as_str).collect();
    if parts.is_empty() { NOT_STATED.to_owned() } else { parts.join(" ") }
}
