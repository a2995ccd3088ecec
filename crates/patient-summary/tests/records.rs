//! Folders of patients: what is loaded, and what is named and refused.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where; its helpers are no tests to the lint")]

mod hospital;

use std::fs;
use std::path::PathBuf;

use roundtrip_patient_summary::patients::{BundleProblem, Records, RecordsError};
use serde_json::{Value, json};

/// A folder of one test's own, gone when the test is over.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn with(self, file: &str, content: impl AsRef<[u8]>) -> Self {
        fs::write(self.0.join(file), content).unwrap();
        self
    }

    fn refused(&self) -> RecordsError {
        Records::load(&self.0).err().expect("the folder should be refused")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn record(patient: &str, mut more: Value) -> String {
    let mut entries = vec![json!({"resource": {"resourceType": "Patient", "id": patient}})];
    entries.extend(more.as_array_mut().unwrap().drain(..).map(|resource| json!({ "resource": resource })));
    json!({"resourceType": "Bundle", "type": "collection", "entry": entries}).to_string()
}

fn condition(patient: &str) -> Value {
    json!({"resourceType": "Condition", "id": "c", "subject": {"reference": format!("Patient/{patient}")}})
}

#[test]
fn the_patients_inside_the_binary_are_those_of_the_folder() {
    let embedded = Records::embedded().unwrap();
    let files = hospital::files();
    assert_eq!(embedded.count(), 10);
    assert_eq!(embedded.ids().collect::<Vec<_>>(), files.keys().map(String::as_str).collect::<Vec<_>>());
    for (id, resources) in files {
        for name in ["Condition", "AllergyIntolerance", "Observation", "MedicationRequest", "Immunization", "Procedure"]
        {
            let own: Vec<Value> = resources.iter().filter(|r| r["resourceType"] == name).cloned().collect();
            assert_eq!(embedded.patient(&id).unwrap().resources(name), own);
        }
    }
}

#[test]
fn any_folder_of_the_same_form_works_and_other_files_are_left_alone() {
    let folder = Folder::new("any")
        .with("a.json", record("p-1", json!([condition("p-1"), {"resourceType": "Encounter", "id": "e"}])))
        .with("b.json", record("p-2", json!([condition("p-2")])))
        .with("README.md", "not a patient");
    fs::create_dir_all(folder.0.join("more.json")).unwrap();
    let records = Records::load(&folder.0).unwrap();
    assert_eq!(records.ids().collect::<Vec<_>>(), ["p-1", "p-2"]);
    assert_eq!(records.patient("p-1").unwrap().resources("Condition").len(), 1);
    assert!(records.patient("p-1").unwrap().file().ends_with("a.json"));
    assert!(records.patient("p-3").is_none());
}

#[test]
fn a_file_that_is_not_json_is_named_and_its_text_is_not_repeated() {
    let folder = Folder::new("garbage").with("a.json", record("p-1", json!([]))).with("b.json", "Jane Doe, diabetes");
    let error = folder.refused();
    assert!(matches!(error, RecordsError::NotJson { line: 1, .. }));
    let message = error.to_string();
    assert!(message.contains("b.json") && message.contains("expected") && message.contains("take it out"), "{message}");
    assert!(!format!("{error:?} {message}").contains("Jane"));
}

#[test]
fn json_that_is_no_patients_bundle_is_named_with_what_is_wrong() {
    let secret = json!({"resourceType": "Condition", "id": "c", "code": {"text": "secret"}});
    let bundle = |kind: &str, entry: Value| json!({"resourceType": "Bundle", "type": kind, "entry": entry}).to_string();
    let condition_of = |patient: &str| record("p-1", json!([condition(patient)]));
    type IsExpected = fn(&BundleProblem) -> bool;
    let cases: [(&str, String, IsExpected); 11] = [
        ("array", "[]".to_owned(), |p| matches!(p, BundleProblem::NotABundle { .. })),
        ("resource", secret.to_string(), |p| *p == BundleProblem::NotABundle { found: "Condition".to_owned() }),
        ("searchset", bundle("searchset", json!([])), |p| matches!(p, BundleProblem::NotACollection)),
        ("no-entries", bundle("collection", Value::Null), |p| matches!(p, BundleProblem::NoEntries)),
        ("no-resource", bundle("collection", json!([{"a": 1}])), |p| *p == BundleProblem::NoResource { number: 1 }),
        ("no-patient", bundle("collection", json!([{"resource": secret}])), |p| {
            *p == BundleProblem::NotOnePatient { found: 0 }
        }),
        ("two-patients", record("p-1", json!([{"resourceType": "Patient", "id": "p-2"}])), |p| {
            *p == BundleProblem::NotOnePatient { found: 2 }
        }),
        ("no-id", record("p-1", json!([{"resourceType": "Condition"}])), |p| matches!(p, BundleProblem::NoId { .. })),
        ("twice", record("p-1", json!([condition("p-1"), condition("p-1")])), |p| {
            matches!(p, BundleProblem::DuplicateId { number: 3, .. })
        }),
        ("anothers", condition_of("p-2"), |p| *p == BundleProblem::AnotherPatients { resource_type: "Condition" }),
        ("nobodys", record("p-1", json!([secret])), |p| matches!(p, BundleProblem::AnotherPatients { .. })),
    ];
    for (name, content, is_expected) in cases {
        let file = format!("{name}.json");
        let error = Folder::new(name).with(&file, content).refused();
        assert!(error.to_string().contains(&file), "{error}");
        let RecordsError::NotAPatientBundle { problem, .. } = &error else { panic!("{name}: {error}") };
        assert!(is_expected(problem), "{name}: {error}");
        assert!(!format!("{error:?} {error}").contains("secret"));
        assert!(problem.to_string().contains("expected") && problem.to_string().contains("found"), "{error}");
    }
}

#[test]
fn what_stands_where_a_type_should_is_not_repeated() {
    let error = Folder::new("type").with("a.json", r#"{"resourceType": "Jane Doe, diabetes"}"#).refused();
    assert!(!format!("{error:?} {error}").contains("Jane"));
}

#[test]
fn two_files_of_one_patient_are_refused_and_both_named() {
    let folder =
        Folder::new("double").with("a.json", record("p-1", json!([]))).with("b.json", record("p-1", json!([])));
    let message = folder.refused().to_string();
    assert!(message.contains("a.json") && message.contains("b.json") && !message.contains("p-1"), "{message}");
}

#[test]
fn an_empty_folder_is_refused() {
    let folder = Folder::new("empty").with("README.md", "");
    assert!(matches!(folder.refused(), RecordsError::Empty { .. }));
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("not-there");
    let error = Records::load(&folder).err().unwrap();
    assert!(matches!(error, RecordsError::Folder { .. }) && error.to_string().contains("not-there"));
}
