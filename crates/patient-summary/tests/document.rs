//! The pure function from sources to a document, with sources that the ten patients do not have.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where; its helpers are no tests to the lint")]

mod checker;
mod hospital;

use checker::{entries, listed, resources, section, structure, violations};
use roundtrip_patient_summary::sections::{SectionName, Sections};
use roundtrip_patient_summary::sources::{Source, Sources};
use roundtrip_patient_summary::summary::{Counts, summarise};
use serde_json::{Value, json};

const LAB: &str = "30954-2";

/// A patient's sources, each of which answered, with these resources among them.
fn sources(patient: Value, own: &[Value]) -> Sources {
    let mut sources = Sources::of(&hospital::id("p-1"), patient).unwrap();
    for source in Source::ALL.into_iter().skip(1) {
        let resources = own.iter().filter(|resource| resource["resourceType"] == source.resource_type());
        sources.answered(source, resources.cloned().collect()).unwrap();
    }
    sources
}

fn patient() -> Value {
    json!({"resourceType": "Patient", "id": "p-1", "name": [{"family": "Doe"}], "birthDate": "1980-02-03"})
}

/// A resource of the patient, with the fields of another object.
fn own(resource_type: &str, id: &str, mut more: Value) -> Value {
    let element = if ["AllergyIntolerance", "Immunization"].contains(&resource_type) { "patient" } else { "subject" };
    let mut resource = json!({"resourceType": resource_type, "id": id, element: {"reference": "Patient/p-1"}});
    resource.as_object_mut().unwrap().append(more.as_object_mut().unwrap());
    resource
}

fn laboratory(id: &str, mut more: Value) -> Value {
    let mut result = own("Observation", id, json!({"status": "final", "code": {"text": "a test"}}));
    result["category"] = json!([{"coding": [{"code": "laboratory"}]}]);
    result.as_object_mut().unwrap().append(more.as_object_mut().unwrap());
    result
}

fn document_of(sources: &Sources, sections: &Sections) -> Value {
    serde_json::from_slice(&summarise(sources, sections, &hospital::issue()).to_json().unwrap()).unwrap()
}

fn document(resources: &[Value]) -> Value {
    let document = document_of(&sources(patient(), resources), &Sections::all());
    assert_eq!(structure::references(&[], &document), Vec::<String>::new());
    assert_eq!(structure::reachability(&[], &document), Vec::<String>::new());
    assert_eq!(structure::narratives(&[], &document), Vec::<String>::new());
    assert_eq!(structure::sections(&[], &document), Vec::<String>::new());
    document
}

fn narrative<'a>(document: &'a Value, loinc: &str) -> &'a str {
    section(document, loinc).unwrap()["text"]["div"].as_str().unwrap()
}

fn absent() -> Value {
    json!({"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]})
}

#[test]
fn a_source_that_answered_with_nothing_is_a_statement_and_optional_sections_are_left_out() {
    let document = document(&[]);
    let source = [patient()];
    assert_eq!(violations(&source, &document), Vec::<String>::new());
    for (loinc, name) in
        [("11450-4", "Condition"), ("48765-2", "AllergyIntolerance"), ("10160-0", "MedicationStatement")]
    {
        let statement = listed(&document, loinc)[0];
        assert_eq!(statement["resourceType"], name);
        assert!(checker::is_statement(statement));
    }
    assert_eq!(listed(&document, "10160-0")[0]["_effectiveDateTime"], absent());
    assert_eq!(document["entry"][0]["resource"]["section"].as_array().unwrap().len(), 3);
    let none = Some(0);
    assert_eq!(Counts::of(&document), Some(Counts { problems: none, allergies: none, medications: none }));
}

#[test]
fn a_source_that_was_not_asked_is_as_unavailable_as_one_that_could_not_be() {
    let sources = Sources::of(&hospital::id("p-1"), patient()).unwrap();
    let document = document_of(&sources, &Sections::all());
    for name in SectionName::ALL {
        let section = section(&document, name.loinc()).unwrap();
        assert_eq!(section["emptyReason"]["coding"][0]["code"], "unavailable");
    }
    assert_eq!(Counts::of(&document), Some(Counts { problems: None, allergies: None, medications: None }));
    assert!(!document.to_string().contains("1287211007"));
}

#[test]
fn only_the_wanted_optional_sections_are_there_and_always_the_required_ones() {
    let lab = laboratory("o-1", json!({"valueString": "x"}));
    let procedure = own("Procedure", "x-1", json!({"status": "completed", "code": {"text": "x"}}));
    let sources = sources(patient(), &[lab, procedure]);
    let codes = |sections: &Sections| -> Vec<String> {
        let document = document_of(&sources, sections);
        let sections = document["entry"][0]["resource"]["section"].as_array().unwrap().clone();
        sections.iter().map(|section| section["code"]["coding"][0]["code"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(codes(&Sections::only([])), ["11450-4", "48765-2", "10160-0"]);
    assert_eq!(codes(&Sections::only([SectionName::Procedures])), ["11450-4", "48765-2", "10160-0", "47519-4"]);
    assert_eq!(codes(&Sections::all()), ["11450-4", "48765-2", "10160-0", LAB, "47519-4"]);
}

#[test]
fn a_missing_value_of_a_result_has_a_reason_and_a_present_one_has_not() {
    let document = document(&[
        laboratory("o-none", json!({})),
        laboratory("o-value", json!({"valueBoolean": false})),
        laboratory("o-own-reason", json!({"dataAbsentReason": {"coding": [{"code": "masked"}]}})),
        laboratory(
            "o-parts",
            json!({"component": [{"code": {"text": "a"}}, {"code": {"text": "b"}, "valueInteger": 0}]}),
        ),
        laboratory("o-lost-members", json!({"hasMember": [{"reference": "Observation/elsewhere"}]})),
    ]);
    let of = |id: &str| *listed(&document, LAB).iter().find(|result| result["id"] == id).unwrap();
    let unknown = json!({"coding": [{
        "system": "http://terminology.hl7.org/CodeSystem/data-absent-reason", "code": "unknown", "display": "Unknown",
    }]});
    assert_eq!(of("o-none")["dataAbsentReason"], unknown);
    assert_eq!(of("o-value").get("dataAbsentReason"), None);
    assert_eq!(of("o-own-reason")["dataAbsentReason"]["coding"][0]["code"], "masked");
    assert_eq!(of("o-parts").get("dataAbsentReason"), None);
    assert_eq!(of("o-parts")["component"][0]["dataAbsentReason"], unknown);
    assert_eq!(of("o-parts")["component"][1].get("dataAbsentReason"), None);
    assert_eq!(of("o-lost-members")["dataAbsentReason"], unknown);
    assert_eq!(of("o-lost-members").get("hasMember"), None);
    assert!(narrative(&document, LAB).contains("no value"));
}

#[test]
fn every_missing_required_element_is_marked_as_absent() {
    let nobody = json!({"resourceType": "Patient", "id": "p-1"});
    let sources = sources(
        nobody,
        &[
            own("Condition", "1", json!({})),
            own("AllergyIntolerance", "2", json!({})),
            own("MedicationRequest", "3", json!({})),
            own("Immunization", "4", json!({})),
            own("Procedure", "5", json!({})),
            own("Observation", "6", json!({"category": [{"coding": [{"code": "laboratory"}]}]})),
        ],
    );
    let document = document_of(&sources, &Sections::all());
    let of = |name: &str| resources(&document).find(|resource| resource["resourceType"] == name).unwrap();
    assert_eq!(of("Patient")["name"], json!([{"_text": absent()}]));
    let marked = [
        ("Patient", "_birthDate"),
        ("Condition", "code"),
        ("Condition", "clinicalStatus"),
        ("AllergyIntolerance", "code"),
        ("AllergyIntolerance", "clinicalStatus"),
        ("MedicationRequest", "_status"),
        ("MedicationRequest", "_intent"),
        ("MedicationRequest", "medicationCodeableConcept"),
        ("Immunization", "_status"),
        ("Immunization", "vaccineCode"),
        ("Immunization", "_occurrenceDateTime"),
        ("Procedure", "_status"),
        ("Procedure", "code"),
        ("Procedure", "_performedDateTime"),
        ("Observation", "_status"),
        ("Observation", "code"),
        ("Observation", "_effectiveDateTime"),
    ];
    for (name, element) in marked {
        assert_eq!(of(name)[element], absent(), "{name}.{element}");
    }
    assert_eq!(of("Observation")["performer"], json!([absent()]));
}

#[test]
fn an_element_that_is_there_but_empty_is_missing_too() {
    let empty = json!({"effectiveDateTime": "", "performer": [], "valueString": null, "code": {}});
    let document = document(&[laboratory("o-1", empty)]);
    let result = listed(&document, LAB)[0];
    assert_eq!(result["_effectiveDateTime"], absent());
    assert_eq!(result["performer"], json!([absent()]));
    assert_eq!(result["code"], absent());
    assert!(result["dataAbsentReason"].is_object());
}

#[test]
fn markup_in_names_and_values_is_text_in_every_narrative() {
    let evil = "<script>alert('\"x\"')</script>&amp;<img src=x onerror=1>\u{0}";
    let patient = json!({
        "resourceType": "Patient", "id": "p-1", "birthDate": evil,
        "name": [{"family": evil, "given": [evil]}],
        "text": {"status": "generated", "div": "<div><script>1</script></div>"},
    });
    let own = [
        own("Condition", "1", json!({"code": {"text": evil}, "clinicalStatus": {"text": evil}, "onsetString": evil})),
        own("AllergyIntolerance", "2", json!({"code": {"coding": [{"display": evil}]}})),
        own(
            "MedicationRequest",
            "3",
            json!({"status": evil, "medicationReference": {"display": evil},
            "dosageInstruction": [{"text": evil}]}),
        ),
        own("Immunization", "4", json!({"vaccineCode": {"coding": [{"code": evil}]}, "lotNumber": evil})),
        own("Procedure", "5", json!({"code": {"text": evil}, "performedPeriod": {"start": evil}})),
        laboratory(
            "6",
            json!({"valueQuantity": {"value": 1, "unit": evil, "comparator": "<"},
            "text": {"status": "generated", "div": "<div><script>1</script></div>"}}),
        ),
    ];
    let document = document_of(&sources(patient, &own), &Sections::all());
    assert_eq!(structure::narratives(&[], &document), Vec::<String>::new());
    for resource in resources(&document) {
        assert!(!resource["text"]["div"].to_string().contains("<script"));
    }
    for name in SectionName::ALL {
        let div = narrative(&document, name.loinc());
        assert!(div.contains("&lt;script&gt;alert(&#39;&quot;x&quot;&#39;)&lt;/script&gt;&amp;amp;"), "{name}: {div}");
    }
    assert!(listed(&document, LAB)[0].get("text").is_none(), "a foreign narrative is not passed on");
}

#[test]
fn references_lead_to_the_patient_and_to_what_is_listed() {
    let document = document(&[
        own("Condition", "c-1", json!({"code": {"text": "a"}})),
        own(
            "Procedure",
            "x-1",
            json!({"status": "completed", "code": {"text": "x"}, "reasonReference": [
                {"reference": "Condition/c-1/_history/2", "display": "why"}, {"reference": "Condition/elsewhere"},
            ]}),
        ),
        laboratory("o-1", json!({"performer": [{"reference": "urn:uuid:p-1"}]})),
    ]);
    let url = |name: &str| {
        entries(&document).find(|entry| entry["resource"]["resourceType"] == name).unwrap()["fullUrl"].clone()
    };
    let procedure = listed(&document, "47519-4")[0];
    assert_eq!(procedure["subject"]["reference"], url("Patient"));
    assert_eq!(procedure["reasonReference"], json!([{"reference": url("Condition"), "display": "why"}]));
    assert_eq!(listed(&document, LAB)[0]["performer"][0]["reference"], url("Patient"));
}

#[test]
fn a_reference_that_cannot_resolve_names_its_target_in_words_or_goes() {
    let document = document(&[
        own(
            "Immunization",
            "i-1",
            json!({
                "status": "completed",
                "vaccineCode": {"text": "v"},
                "encounter": {"reference": "Encounter/e-1"},
                "location": {"reference": "http://elsewhere.example/Location/l", "display": "Ward 3"},
                "performer": [{"actor": {"reference": "Practitioner/d-1"}, "function": {"text": "gave it"}}],
            }),
        ),
        laboratory(
            "o-1",
            json!({"performer": [
                {"reference": "Organization/lab", "type": "Organization", "display": "The laboratory"},
                {"reference": "Practitioner/d-1"},
            ]}),
        ),
        laboratory("o-2", json!({"performer": [{"reference": "Practitioner/d-1"}]})),
        laboratory(
            "o-3",
            json!({"performer": [{"reference": "Practitioner/d-1", "identifier": {"value": "7",
            "assigner": {"reference": "Organization/o", "display": "The board"}}}]}),
        ),
        own(
            "MedicationRequest",
            "m-1",
            json!({"status": "active", "intent": "order",
            "medicationReference": {"reference": "Medication/elsewhere"}}),
        ),
    ]);
    let vaccination = listed(&document, "11369-6")[0];
    assert_eq!(vaccination.get("encounter"), None);
    assert_eq!(vaccination["location"], json!({"display": "Ward 3"}));
    // The actor is required where it stands, so it may not simply go.
    assert_eq!(vaccination["performer"], json!([{"actor": absent(), "function": {"text": "gave it"}}]));
    let of =
        |id: &str| listed(&document, LAB).into_iter().find(|result| result["id"] == id).unwrap()["performer"].clone();
    assert_eq!(of("o-1"), json!([{"type": "Organization", "display": "The laboratory"}]));
    assert_eq!(of("o-2"), json!([absent()]));
    assert_eq!(of("o-3"), json!([{"identifier": {"value": "7", "assigner": {"display": "The board"}}}]));
    assert_eq!(listed(&document, "10160-0")[0]["medicationCodeableConcept"], absent());
}

#[test]
fn a_contained_resource_stays_with_the_references_to_it() {
    let document = document(&[own(
        "MedicationRequest",
        "m-1",
        json!({
            "status": "active",
            "intent": "order",
            "contained": [{"resourceType": "Medication", "id": "med", "code": {"text": "Aspirin"},
                "manufacturer": {"reference": "Organization/o"}, "text": {"div": "<script>"}}],
            "medicationReference": {"reference": "#med"},
            "requester": {"reference": "#nobody"},
        }),
    )]);
    let request = listed(&document, "10160-0")[0];
    assert_eq!(request["medicationReference"], json!({"reference": "#med"}));
    assert_eq!(request["contained"], json!([{"resourceType": "Medication", "id": "med", "code": {"text": "Aspirin"}}]));
    assert_eq!(request.get("requester"), None);
    assert!(narrative(&document, "10160-0").contains("Aspirin"));
}

#[test]
fn the_sources_notes_about_its_copy_go_and_security_labels_stay() {
    let meta = json!({"versionId": "7", "source": "ehr", "profile": ["http://x"], "security": [{"code": "R"}]});
    let document = document(&[own("Condition", "c-1", json!({"meta": meta, "code": {"text": "a"}}))]);
    let profile = "http://hl7.org/fhir/uv/ips/StructureDefinition/Condition-uv-ips";
    assert_eq!(listed(&document, "11450-4")[0]["meta"], json!({"profile": [profile], "security": [{"code": "R"}]}));
}

#[test]
fn a_patients_links_to_other_records_go() {
    let mut linked = patient();
    linked["link"] = json!([{"other": {"reference": "Patient/p-2"}, "type": "seealso"}]);
    linked["generalPractitioner"] = json!([{"reference": "Practitioner/d-1", "display": "Dr Who"}]);
    let document = document_of(&sources(linked, &[]), &Sections::all());
    assert_eq!(document["entry"][1]["resource"].get("link"), None);
    assert_eq!(document["entry"][1]["resource"]["generalPractitioner"], json!([{"display": "Dr Who"}]));
}

#[test]
fn what_was_entered_in_error_is_nowhere_and_what_has_no_status_is_listed() {
    let status = |code: &str| json!({"coding": [{"code": code}]});
    let document = document(&[
        own("Condition", "wrong", json!({"verificationStatus": status("entered-in-error")})),
        own("Condition", "resolved", json!({"clinicalStatus": status("resolved")})),
        own("Condition", "inactive", json!({"clinicalStatus": status("inactive")})),
        own("Condition", "relapse", json!({"clinicalStatus": status("relapse")})),
        own("Condition", "unsaid", json!({})),
        own("AllergyIntolerance", "wrong", json!({"verificationStatus": status("entered-in-error")})),
        own("AllergyIntolerance", "unsaid", json!({})),
        own("MedicationRequest", "wrong", json!({"status": "entered-in-error"})),
        own("MedicationRequest", "stopped", json!({"status": "stopped"})),
        own("MedicationRequest", "on-hold", json!({"status": "on-hold"})),
        own("MedicationRequest", "unknown", json!({"status": "unknown"})),
        own("MedicationRequest", "unsaid", json!({})),
        own("Immunization", "wrong", json!({"status": "entered-in-error"})),
        own("Procedure", "wrong", json!({"status": "entered-in-error"})),
        laboratory("wrong", json!({"status": "entered-in-error"})),
        own("Observation", "vital-sign", json!({"status": "final", "category": [status("vital-signs")]})),
    ]);
    let ids = |loinc: &str| -> Vec<&str> {
        listed(&document, loinc).iter().map(|resource| resource["id"].as_str().unwrap()).collect()
    };
    assert_eq!(ids("11450-4"), ["relapse", "unsaid"]);
    assert_eq!(ids("48765-2"), ["unsaid"]);
    assert_eq!(ids("10160-0"), ["on-hold", "unknown", "unsaid"]);
    for optional in ["11369-6", LAB, "47519-4"] {
        assert_eq!(section(&document, optional), None);
    }
}

#[test]
fn with_only_ended_ones_those_are_listed_rather_than_none_claimed() {
    let resolved = json!({"coding": [{"code": "resolved"}]});
    let document = document(&[
        own("Condition", "c-1", json!({"clinicalStatus": resolved, "code": {"text": "a"}})),
        own("AllergyIntolerance", "a-1", json!({"clinicalStatus": resolved, "code": {"text": "b"}})),
        own("MedicationRequest", "m-1", json!({"status": "completed"})),
        own("MedicationRequest", "m-2", json!({"status": "entered-in-error"})),
    ]);
    for (loinc, id, status) in
        [("11450-4", "c-1", "resolved"), ("48765-2", "a-1", "resolved"), ("10160-0", "m-1", "completed")]
    {
        let listed = listed(&document, loinc);
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0]["id"], id);
        assert!(narrative(&document, loinc).contains("have ended") && narrative(&document, loinc).contains(status));
    }
}

#[test]
fn an_order_not_to_take_something_cannot_be_overlooked() {
    let not = json!({"status": "active", "doNotPerform": true, "medicationCodeableConcept": {"text": "Aspirin"}});
    let document = document(&[own("MedicationRequest", "m-1", not)]);
    assert!(narrative(&document, "10160-0").contains("NOT to be taken (active)"));
}

#[test]
fn the_newest_result_is_first_whatever_its_zone_and_undated_ones_are_last() {
    let at = |id: &str, time: &str| laboratory(id, json!({"effectiveDateTime": time, "valueInteger": 1}));
    let document = document(&[
        laboratory("undated", json!({"valueInteger": 1})),
        at("year", "2023"),
        at("second", "2024-05-17T23:30:00-05:00"),
        at("third", "2024-05-18T04:00:00Z"),
        laboratory("first", json!({"effectivePeriod": {"start": "2020", "end": "2024-06-01"}, "valueInteger": 1})),
    ]);
    let ids: Vec<_> = listed(&document, LAB).iter().map(|result| result["id"].clone()).collect();
    assert_eq!(ids, ["first", "second", "third", "year", "undated"]);
}

#[test]
fn an_instant_is_told_as_the_date_and_time_that_the_profile_wants() {
    let document =
        document(&[laboratory("o-1", json!({"effectiveInstant": "2024-05-17T10:11:12Z", "valueInteger": 1}))]);
    let result = listed(&document, LAB)[0];
    assert_eq!(result["effectiveDateTime"], "2024-05-17T10:11:12Z");
    assert_eq!(result.get("effectiveInstant"), None);
}

#[test]
fn every_digit_of_a_value_passes_through() {
    for digits in ["117.2", "-0.017710230438502755", "9007199254740993", "0.1", "1e-7", "5e-324"] {
        let value: Value = serde_json::from_str(digits).unwrap();
        let document = document(&[laboratory("o-1", json!({"valueQuantity": {"value": value}}))]);
        assert_eq!(listed(&document, LAB)[0]["valueQuantity"]["value"].to_string(), digits);
    }
}

#[test]
fn nothing_is_cut_off_however_much_there_is() {
    let many: Vec<Value> = (0..2000)
        .map(|n| own("Condition", &format!("c-{n}"), json!({"code": {"text": format!("problem {n}")}})))
        .collect();
    let document = document(&many);
    assert_eq!(listed(&document, "11450-4").len(), 2000);
    assert!((0..2000).all(|n| narrative(&document, "11450-4").contains(&format!("problem {n}<"))));
    assert_eq!(Counts::of(&document).unwrap().problems, Some(2000));
}

#[test]
fn the_document_is_named_by_its_patient_and_its_issue_alone() {
    let sources = sources(patient(), &[]);
    let first = summarise(&sources, &Sections::all(), &hospital::issue());
    let mut later = hospital::issue();
    later.at += std::time::Duration::from_secs(60);
    let again = summarise(&sources, &Sections::all(), &later);
    assert_eq!(first.identifier, again.identifier);
    assert_eq!((first.timestamp.as_str(), again.timestamp.as_str()), ("2026-11-24T10:11:12Z", "2026-11-24T10:12:12Z"));
    later.document = "another".to_owned();
    assert_ne!(first.identifier, summarise(&sources, &Sections::all(), &later).identifier);
}

#[test]
fn debug_output_of_a_document_shows_no_patient() {
    let sources = sources(patient(), &[own("Condition", "c-1", json!({"code": {"text": "secret"}}))]);
    let shown = format!("{:?}", summarise(&sources, &Sections::all(), &hospital::issue()));
    assert!(!shown.contains("Doe") && !shown.contains("secret") && !shown.contains("1980"), "{shown}");
}

#[test]
fn what_is_no_summary_has_no_counts() {
    for other in [json!(null), json!({"resourceType": "Bundle", "entry": []}), patient()] {
        assert_eq!(Counts::of(&other), None);
    }
}
