//! A hospital for tests: the sample EHR without latency, and the ten patients' files as they are on disk.
#![allow(dead_code, reason = "each test binary uses its own part of it")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use roundtrip_patient_summary::ehr::SampleEhr;
use roundtrip_patient_summary::fhir::PatientId;
use roundtrip_patient_summary::patients::Records;
use roundtrip_patient_summary::sections::Sections;
use roundtrip_patient_summary::sources::gather::{Gatherer, Missing};
use roundtrip_patient_summary::summary::{Issue, summarise};
use serde_json::Value;
use tokio::sync::OnceCell;

/// The files in the crate's folder, read without the code under test: each patient's id and resources.
pub(crate) fn files() -> BTreeMap<String, Vec<Value>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("patients");
    fs::read_dir(folder)
        .unwrap()
        .map(|file| {
            let bundle: Value = serde_json::from_slice(&fs::read(file.unwrap().path()).unwrap()).unwrap();
            let resources: Vec<Value> =
                bundle["entry"].as_array().unwrap().iter().map(|entry| entry["resource"].clone()).collect();
            let patient = resources.iter().find(|resource| resource["resourceType"] == "Patient").unwrap();
            (patient["id"].as_str().unwrap().to_owned(), resources)
        })
        .collect()
}

/// An EHR of the ten patients that answers at once.
pub(crate) async fn open() -> SampleEhr {
    SampleEhr::builder(Records::embedded().unwrap())
        .latency(Duration::ZERO..=Duration::ZERO)
        .start("127.0.0.1:0".parse().unwrap())
        .await
        .unwrap()
}

/// A gatherer that waits for answers as long as they take: no test is decided by how busy a machine is.
pub(crate) fn gatherer(base: &str) -> Gatherer {
    Gatherer::new(base).unwrap().timeout(None)
}

pub(crate) fn id(text: &str) -> PatientId {
    text.parse().unwrap()
}

/// 2026-11-24T10:11:12Z.
pub(crate) fn issue() -> Issue {
    Issue { at: SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_515_072), document: "test".to_owned() }
}

/// A patient's summary, from HTTP to JSON.
pub(crate) async fn summary(ehr: &SampleEhr, patient: &str, missing: Missing) -> Value {
    let gatherer = gatherer(&ehr.base_url());
    let sources = gatherer.gather(&id(patient), &Sections::all(), missing).await.unwrap();
    let document = summarise(&sources, &Sections::all(), &issue());
    serde_json::from_slice(&document.to_json().unwrap()).unwrap()
}

/// The summaries of all ten patients, with what each one's file holds. Made once for all tests of a binary.
pub(crate) async fn all_ten() -> &'static [(Vec<Value>, Value)] {
    static TEN: OnceCell<Vec<(Vec<Value>, Value)>> = OnceCell::const_new();
    TEN.get_or_init(|| async {
        let ehr = open().await;
        let mut summaries = Vec::new();
        for (patient, resources) in files() {
            summaries.push((resources, summary(&ehr, &patient, Missing::Fail).await));
        }
        ehr.stop().await;
        assert_eq!(summaries.len(), 10);
        summaries
    })
    .await
}
