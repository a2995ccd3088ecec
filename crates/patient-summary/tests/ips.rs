//! The rules of the International Patient Summary, each for all ten patients, from HTTP to JSON.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where; its helpers are no tests to the lint")]

mod checker;
mod hospital;

use std::collections::HashSet;

use checker::{Rule, facts, structure, violations};
use roundtrip_patient_summary::ehr::Upstream;
use roundtrip_patient_summary::sources::gather::Missing;
use roundtrip_patient_summary::summary::Counts;
use serde_json::{Value, json};

async fn holds_for_all_ten(rule: Rule) {
    for (source, document) in hospital::all_ten().await {
        assert_eq!(rule(source, document), Vec::<String>::new());
    }
}

#[tokio::test]
async fn the_bundle_is_one_document_with_an_identifier_and_a_timestamp() {
    holds_for_all_ten(structure::bundle).await;
}

#[tokio::test]
async fn every_entry_has_a_full_url_of_its_own_and_no_request_response_or_search() {
    holds_for_all_ten(structure::addresses).await;
}

#[tokio::test]
async fn exactly_one_composition_comes_first_and_there_is_exactly_one_patient() {
    holds_for_all_ten(structure::composition_and_patient).await;
}

#[tokio::test]
async fn every_reference_resolves_within_the_bundle() {
    holds_for_all_ten(structure::references).await;
}

#[tokio::test]
async fn no_entry_is_unreferenced() {
    holds_for_all_ten(structure::reachability).await;
}

#[tokio::test]
async fn every_entry_names_its_own_ips_profile() {
    holds_for_all_ten(structure::profiles).await;
}

#[tokio::test]
async fn the_composition_is_a_final_patient_summary_with_author_subject_date_and_title() {
    holds_for_all_ten(structure::header).await;
}

#[tokio::test]
async fn every_section_is_flat_and_has_title_code_narrative_and_entries_or_a_reason() {
    holds_for_all_ten(structure::sections).await;
}

#[tokio::test]
async fn every_narrative_is_escaped_xhtml_without_scripts() {
    holds_for_all_ten(structure::narratives).await;
}

#[tokio::test]
async fn the_required_sections_have_entries_or_say_why_not() {
    holds_for_all_ten(structure::required_sections).await;
}

#[tokio::test]
async fn an_optional_section_without_data_is_left_out() {
    holds_for_all_ten(structure::optional_sections).await;
}

#[tokio::test]
async fn the_patient_has_its_own_name_and_birth_date() {
    holds_for_all_ten(facts::patient).await;
}

#[tokio::test]
async fn every_active_problem_is_listed_and_no_ended_one() {
    holds_for_all_ten(facts::problems).await;
}

#[tokio::test]
async fn every_allergy_that_is_not_inactive_resolved_or_entered_in_error_is_listed() {
    holds_for_all_ten(facts::allergies).await;
}

#[tokio::test]
async fn every_medication_active_or_on_hold_is_listed_and_ended_ones_only_when_there_is_no_other() {
    holds_for_all_ten(facts::medications).await;
}

#[tokio::test]
async fn results_are_all_of_the_laboratory_the_newest_first_with_time_performer_and_value_or_reason() {
    holds_for_all_ten(facts::results).await;
}

#[tokio::test]
async fn every_immunization_and_procedure_is_listed_and_says_when() {
    holds_for_all_ten(facts::timed).await;
}

#[tokio::test]
async fn every_fact_traces_to_the_patients_own_source_data() {
    holds_for_all_ten(facts::own).await;
}

#[tokio::test]
async fn nothing_of_another_patient_appears_anywhere_in_a_summary() {
    let files = hospital::files();
    for (source, document) in hospital::all_ten().await {
        let text = document.to_string();
        let own = source.iter().find(|resource| resource["resourceType"] == "Patient").unwrap();
        for (other, resources) in files.iter().filter(|(id, _)| own["id"] != **id) {
            let ids = resources.iter().filter_map(|resource| resource["id"].as_str());
            for foreign in ids.chain([other.as_str()]) {
                assert!(!text.contains(foreign), "a resource of another patient");
            }
        }
    }
}

#[tokio::test]
async fn four_patients_without_allergies_have_a_statement_that_no_information_is_available() {
    let mut without = 0;
    for (source, document) in hospital::all_ten().await {
        if !checker::of_type(source, "AllergyIntolerance").is_empty() {
            continue;
        }
        without += 1;
        let listed = checker::listed(document, "48765-2");
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0]["resourceType"], "AllergyIntolerance");
        assert_eq!(
            listed[0]["code"]["coding"],
            json!([{"system": "http://snomed.info/sct", "code": "1287211007", "display": "No information available"}])
        );
        assert_eq!(Counts::of(document).unwrap().allergies, Some(0));
    }
    assert_eq!(without, 4);
}

#[tokio::test]
async fn a_patient_with_only_ended_medications_has_them_listed_with_their_status() {
    let mut only_ended = 0;
    for (source, document) in hospital::all_ten().await {
        if checker::of_type(source, "MedicationRequest").iter().any(|request| request["status"] == "active") {
            continue;
        }
        only_ended += 1;
        let listed = checker::listed(document, "10160-0");
        assert!(!listed.is_empty() && listed.iter().all(|request| request["status"] == "stopped"));
        let narrative = checker::section(document, "10160-0").unwrap()["text"]["div"].as_str().unwrap();
        assert!(narrative.contains("have ended") && narrative.contains("<td>stopped</td>"));
    }
    assert_eq!(only_ended, 1);
}

#[tokio::test]
async fn the_counts_of_the_table_are_those_of_the_sources() {
    for (source, document) in hospital::all_ten().await {
        let counts = Counts::of(document).unwrap();
        let active = |name: &str| {
            let active = |r: &&&Value| r["status"] == "active" || r["clinicalStatus"]["coding"][0]["code"] == "active";
            checker::of_type(source, name).iter().filter(active).count()
        };
        assert_eq!(counts.problems, Some(active("Condition")));
        assert_eq!(counts.allergies, Some(active("AllergyIntolerance")));
        let medications = match active("MedicationRequest") {
            0 => checker::of_type(source, "MedicationRequest").len(),
            active => active,
        };
        assert_eq!(counts.medications, Some(medications));
    }
}

#[tokio::test]
async fn a_source_that_could_not_be_asked_is_unavailable_and_never_none() {
    let ehr = hospital::open().await;
    ehr.switches().fail(Upstream::Medications, true);
    ehr.switches().fail(Upstream::Immunizations, true);
    for (patient, source) in hospital::files() {
        let document = hospital::summary(&ehr, &patient, Missing::Tolerate).await;
        assert_eq!(violations(&source, &document), Vec::<String>::new());
        for loinc in ["10160-0", "11369-6"] {
            let section = checker::section(&document, loinc).unwrap();
            assert_eq!(section["emptyReason"]["coding"][0]["code"], "unavailable");
            assert_eq!(section.get("entry"), None);
            assert!(section["text"]["div"].as_str().unwrap().contains("could not be asked"));
        }
        assert_eq!(Counts::of(&document).unwrap().medications, None);
    }
    ehr.stop().await;
}

#[tokio::test]
async fn the_checker_catches_a_swapped_patient() {
    let summaries = hospital::all_ten().await;
    for (index, (source, _)) in summaries.iter().enumerate() {
        let (_, swapped) = &summaries[(index + 1) % summaries.len()];
        assert!(facts::own(source, swapped).len() > 10);
        assert_eq!(facts::patient(source, swapped).len(), 2);
    }
}

#[tokio::test]
async fn the_checker_catches_one_foreign_resource_among_the_patients_own() {
    let summaries = hospital::all_ten().await;
    let [(source, document), (_, other), ..] = summaries else { panic!("there are ten") };
    let mut spoilt = document.clone();
    let foreign = checker::listed(other, "11450-4")[0].clone();
    let place = position(&spoilt, "Condition");
    spoilt["entry"][place]["resource"] = foreign;
    assert!(!facts::own(source, &spoilt).is_empty());
}

#[tokio::test]
async fn the_checker_catches_each_way_of_breaking_a_rule() {
    let summaries = hospital::all_ten().await;
    let (source, document) = summaries
        .iter()
        .find(|(source, _)| {
            !checker::of_type(source, "AllergyIntolerance").is_empty()
                && checker::of_type(source, "MedicationRequest").iter().any(|request| request["status"] == "active")
        })
        .unwrap();
    type Breaking = fn(&mut Value);
    let ways: [(Rule, &str, Breaking); 27] = [
        (structure::bundle, "a collection", |d| d["type"] = json!("collection")),
        (structure::bundle, "no identifier", |d| d["identifier"] = Value::Null),
        (structure::bundle, "no timestamp", |d| d["timestamp"] = json!("today")),
        (structure::addresses, "a search", |d| d["entry"][3]["search"] = json!({"mode": "match"})),
        (structure::addresses, "a URL", |d| d["entry"][3]["fullUrl"] = json!("http://ehr/Condition/1")),
        (structure::addresses, "one address for two", |d| d["entry"][3]["fullUrl"] = d["entry"][4]["fullUrl"].clone()),
        (structure::composition_and_patient, "the Patient first", |d| d["entry"].as_array_mut().unwrap().swap(0, 1)),
        (structure::composition_and_patient, "two Patients", |d| d["entry"][2] = d["entry"][1].clone()),
        (structure::reachability, "an entry that nothing names", |d| {
            let mut stray = d["entry"][2].clone();
            stray["fullUrl"] = json!("urn:uuid:00000000-0000-4000-8000-000000000000");
            d["entry"].as_array_mut().unwrap().push(stray);
        }),
        (structure::references, "a reference to nowhere", |d| {
            d["entry"][2]["resource"]["subject"] = json!({"reference": "Patient/1"});
        }),
        (structure::profiles, "no profile", |d| d["entry"][2]["resource"]["meta"] = Value::Null),
        (structure::header, "a preliminary document", |d| d["entry"][0]["resource"]["status"] = json!("preliminary")),
        (structure::header, "another type", |d| {
            d["entry"][0]["resource"]["type"]["coding"][0]["code"] = json!("34133-9");
        }),
        (structure::header, "no author", |d| d["entry"][0]["resource"]["author"] = json!([])),
        (structure::sections, "no title", |d| d["entry"][0]["resource"]["section"][0]["title"] = json!("")),
        (structure::sections, "a nested section", |d| {
            d["entry"][0]["resource"]["section"][0]["section"] = json!([]);
        }),
        (structure::narratives, "a script", |d| {
            let div = json!("<div xmlns=\"http://www.w3.org/1999/xhtml\"><script>1</script></div>");
            d["entry"][0]["resource"]["section"][0]["text"]["div"] = div;
        }),
        (structure::required_sections, "a required section left out", |d| {
            drop(d["entry"][0]["resource"]["section"].as_array_mut().unwrap().remove(1));
        }),
        (structure::required_sections, "silence", |d| {
            let section = d["entry"][0]["resource"]["section"][1].as_object_mut().unwrap();
            drop(section.remove("entry"));
        }),
        (structure::required_sections, "no allergies, it claims", |d| {
            let place = position(d, "AllergyIntolerance");
            d["entry"][place]["resource"]["code"] = json!({"coding": [{"code": "1287211007"}]});
        }),
        (structure::optional_sections, "an empty optional section", |d| {
            let sections = d["entry"][0]["resource"]["section"].as_array_mut().unwrap();
            let optional = sections.last_mut().unwrap().as_object_mut().unwrap();
            drop(optional.remove("entry"));
        }),
        (facts::patient, "another birth date", |d| d["entry"][1]["resource"]["birthDate"] = json!("1900-01-01")),
        (facts::problems, "a problem cut off", |d| {
            drop(d["entry"][0]["resource"]["section"][0]["entry"].as_array_mut().unwrap().pop());
        }),
        (facts::allergies, "an allergy cut off", |d| {
            drop(d["entry"][0]["resource"]["section"][1]["entry"].as_array_mut().unwrap().pop());
        }),
        (facts::medications, "a medication cut off", |d| {
            drop(d["entry"][0]["resource"]["section"][2]["entry"].as_array_mut().unwrap().pop());
        }),
        (facts::results, "the oldest result first", |d| {
            let sections = d["entry"][0]["resource"]["section"].as_array_mut().unwrap();
            let results = sections.iter_mut().find(|s| s["code"]["coding"][0]["code"] == "30954-2").unwrap();
            results["entry"].as_array_mut().unwrap().reverse();
        }),
        (facts::results, "a result without a performer", |d| {
            let place = position(d, "Observation");
            d["entry"][place]["resource"]["performer"] = json!([]);
        }),
    ];
    assert_eq!(violations(source, document), Vec::<String>::new());
    for (rule, name, way) in ways {
        let mut broken = document.clone();
        way(&mut broken);
        assert!(!rule(source, &broken).is_empty(), "nobody noticed: {name}");
    }

    let mut changed = document.clone();
    changed["entry"][2]["resource"]["onsetDateTime"] = json!("2001-01-01");
    assert_eq!(facts::own(source, &changed).len(), 1);
    let place = position(&changed, "Immunization");
    changed["entry"][place]["resource"].as_object_mut().unwrap().remove("occurrenceDateTime");
    assert_eq!(facts::timed(source, &changed).len(), 1);
}

#[tokio::test]
async fn a_summary_made_again_is_the_same_document() {
    let ehr = hospital::open().await;
    let patient = hospital::files().into_keys().next().unwrap();
    let first = hospital::summary(&ehr, &patient, Missing::Fail).await;
    assert_eq!(first, hospital::summary(&ehr, &patient, Missing::Fail).await);
    ehr.stop().await;
}

#[tokio::test]
async fn no_two_patients_share_a_document_or_an_entry_but_the_author() {
    let (mut seen, mut software) = (HashSet::new(), HashSet::new());
    for (_, document) in hospital::all_ten().await {
        assert!(seen.insert(document["identifier"]["value"].to_string()));
        for entry in checker::entries(document) {
            if entry["resource"]["resourceType"] == "Device" {
                software.insert(entry["fullUrl"].to_string());
            } else {
                assert!(seen.insert(entry["fullUrl"].to_string()));
            }
        }
    }
    assert_eq!(software.len(), 1);
}

fn position(document: &Value, resource_type: &str) -> usize {
    checker::resources(document).position(|resource| resource["resourceType"] == resource_type).unwrap()
}
