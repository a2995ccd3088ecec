//! The sample EHR over HTTP, as any client sees it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where; its helpers are no tests to the lint")]

mod hospital;

use std::time::Duration;

use reqwest::{Response, StatusCode};
use roundtrip_patient_summary::ehr::{Quota, SampleEhr, Served, Upstream};
use roundtrip_patient_summary::patients::Records;
use serde_json::Value;

async fn get(ehr: &SampleEhr, path: &str) -> Response {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    client.get(format!("{}/{path}", ehr.base_url())).send().await.unwrap()
}

async fn json(ehr: &SampleEhr, path: &str) -> Value {
    let response = get(ehr, path).await;
    assert_eq!(response.status(), StatusCode::OK);
    response.json().await.unwrap()
}

/// Checks that this is an OperationOutcome of this code.
async fn refused(response: Response, status: StatusCode, code: &str) {
    assert_eq!(response.status(), status);
    assert_eq!(response.headers()["content-type"], "application/fhir+json");
    let outcome: Value = response.json().await.unwrap();
    assert_eq!(outcome["resourceType"], "OperationOutcome");
    assert_eq!(outcome["issue"][0]["severity"], "error");
    assert_eq!(outcome["issue"][0]["code"], code);
    assert!(outcome["issue"][0]["diagnostics"].is_string());
}

/// A patient with 80 conditions.
fn patient() -> String {
    let (id, _) = hospital::files()
        .into_iter()
        .find(|(_, resources)| resources.iter().filter(|r| r["resourceType"] == "Condition").count() == 80)
        .unwrap();
    id
}

#[tokio::test]
async fn a_patient_is_found_by_id_and_by_patient() {
    let ehr = hospital::open().await;
    let id = patient();
    for query in [format!("_id={id}"), format!("patient={id}"), format!("patient=Patient/{id}")] {
        let bundle = json(&ehr, &format!("ehr/Patient?{query}")).await;
        assert_eq!((&bundle["type"], &bundle["total"]), (&"searchset".into(), &1.into()));
        assert_eq!(bundle["entry"][0]["resource"]["id"], *id);
        assert_eq!(bundle["entry"][0]["fullUrl"], format!("{}/ehr/Patient/{id}", ehr.base_url()));
    }
    ehr.stop().await;
}

#[tokio::test]
async fn an_answer_is_a_searchset_in_fhir_json_with_links_and_modes() {
    let ehr = hospital::open().await;
    let response = get(&ehr, &format!("ehr/Condition?patient={}", patient())).await;
    assert_eq!(response.headers()["content-type"], "application/fhir+json");
    let bundle: Value = response.json().await.unwrap();
    assert_eq!((&bundle["resourceType"], &bundle["type"]), (&"Bundle".into(), &"searchset".into()));
    assert_eq!(bundle["total"], 80);
    assert_eq!(bundle["entry"].as_array().unwrap().len(), 50, "the default page");
    assert_eq!(bundle["link"][0]["relation"], "self");
    assert_eq!(bundle["link"][1]["relation"], "next");
    for entry in bundle["entry"].as_array().unwrap() {
        assert_eq!(entry["search"]["mode"], "match");
        let id = entry["resource"]["id"].as_str().unwrap();
        assert_eq!(entry["fullUrl"], format!("{}/ehr/Condition/{id}", ehr.base_url()));
    }
    ehr.stop().await;
}

#[tokio::test]
async fn the_pages_together_are_everything_once_and_in_order() {
    let ehr = hospital::open().await;
    let id = patient();
    let mut next = Some(format!("ehr/Condition?patient={id}&_count=33"));
    let (mut found, mut pages) = (Vec::new(), 0);
    while let Some(path) = next {
        let bundle = json(&ehr, &path).await;
        found.extend(bundle["entry"].as_array().unwrap().iter().map(|entry| entry["resource"].clone()));
        let link = bundle["link"].as_array().unwrap().iter().find(|link| link["relation"] == "next");
        next = link.map(|link| link["url"].as_str().unwrap().replace(&format!("{}/", ehr.base_url()), ""));
        pages += 1;
    }
    let own: Vec<Value> = hospital::files().remove(&id).unwrap();
    assert_eq!(found, own.into_iter().filter(|r| r["resourceType"] == "Condition").collect::<Vec<_>>());
    assert_eq!(pages, 3);
    ehr.stop().await;
}

#[tokio::test]
async fn observations_are_filtered_by_category_on_every_page() {
    let ehr = hospital::open().await;
    let path = format!("ehr/Observation?patient={}&category=laboratory&_count=10", patient());
    let bundle = json(&ehr, &path).await;
    let total = bundle["total"].as_u64().unwrap();
    assert!(total > 10 && total < 120);
    assert!(bundle["link"][1]["url"].as_str().unwrap().contains("category=laboratory"));
    for entry in bundle["entry"].as_array().unwrap() {
        assert_eq!(entry["resource"]["category"][0]["coding"][0]["code"], "laboratory");
    }
    ehr.stop().await;
}

#[tokio::test]
async fn an_unknown_patient_is_an_empty_searchset() {
    let ehr = hospital::open().await;
    let bundle = json(&ehr, "ehr/Patient?_id=nobody").await;
    assert_eq!(bundle["total"], 0);
    assert_eq!(bundle.get("entry"), None);
    ehr.stop().await;
}

#[tokio::test]
async fn what_is_not_served_is_not_found() {
    let ehr = hospital::open().await;
    for path in ["", "metadata", "nowhere/Patient?_id=a", "ehr/Patient/a"] {
        refused(get(&ehr, path).await, StatusCode::NOT_FOUND, "not-found").await;
    }
    for path in ["ehr/MedicationRequest?patient=a", "medications/Condition?patient=a", "ehr/Encounter?patient=a"] {
        refused(get(&ehr, path).await, StatusCode::NOT_FOUND, "not-supported").await;
    }
    ehr.stop().await;
}

#[tokio::test]
async fn a_search_needs_a_patient_and_a_count_within_limits() {
    let ehr = hospital::open().await;
    for path in ["ehr/Condition", "ehr/Condition?_id=a", "ehr/Condition?patient=", "ehr/Patient?name=a"] {
        refused(get(&ehr, path).await, StatusCode::BAD_REQUEST, "required").await;
    }
    for query in ["_count=0", "_count=1001", "_count=-1", "_count=many", "_page=2", "_page=p", "patient=b"] {
        let response = get(&ehr, &format!("ehr/Condition?patient=a&{query}")).await;
        refused(response, StatusCode::BAD_REQUEST, "value").await;
    }
    for count in ["1", "1000"] {
        json(&ehr, &format!("ehr/Condition?patient=a&_count={count}")).await;
    }
    ehr.stop().await;
}

#[tokio::test]
async fn only_reading_is_allowed() {
    let ehr = hospital::open().await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let response = client.delete(format!("{}/ehr/Patient?_id=a", ehr.base_url())).send().await.unwrap();
    refused(response, StatusCode::METHOD_NOT_ALLOWED, "not-supported").await;
    ehr.stop().await;
}

#[tokio::test]
async fn a_page_beyond_the_end_is_empty() {
    let ehr = hospital::open().await;
    let bundle = json(&ehr, &format!("ehr/Condition?patient={}&_page=pffffffffffffffff", patient())).await;
    assert_eq!(bundle["total"], 80);
    assert_eq!(bundle.get("entry"), None);
    ehr.stop().await;
}

// With no timer pending, a paused clock stands still: the bucket does not fill, however slow the machine.
#[tokio::test(start_paused = true)]
async fn over_quota_is_429_with_whole_seconds_to_wait_and_the_other_upstreams_go_on() {
    let ehr = hospital::open().await;
    ehr.switches().set_quota(Upstream::Medications, Some(Quota::new(2, Duration::from_secs(5))));
    let path = "medications/MedicationRequest?patient=a";
    json(&ehr, path).await;
    json(&ehr, path).await;
    let response = get(&ehr, path).await;
    assert_eq!(response.headers()["retry-after"], "3", "2.5 s until a token is there, rounded up");
    refused(response, StatusCode::TOO_MANY_REQUESTS, "throttled").await;
    json(&ehr, "immunizations/Immunization?patient=a").await;
    assert_eq!(ehr.switches().served(Upstream::Medications), Served { admitted: 2, throttled: 1, failed: 0 });

    tokio::time::advance(Duration::from_secs(3)).await;
    json(&ehr, path).await;
    ehr.stop().await;
}

#[tokio::test]
async fn a_failing_upstream_is_503_until_it_is_switched_back_and_the_others_go_on() {
    let ehr = hospital::open().await;
    let (switches, path) = (ehr.switches(), "immunizations/Immunization?patient=a");
    switches.fail(Upstream::Immunizations, true);
    refused(get(&ehr, path).await, StatusCode::SERVICE_UNAVAILABLE, "transient").await;
    json(&ehr, "ehr/Condition?patient=a").await;
    switches.fail(Upstream::Immunizations, false);
    json(&ehr, path).await;
    assert_eq!(switches.served(Upstream::Immunizations), Served { admitted: 1, throttled: 0, failed: 1 });
    ehr.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_takes_as_long_as_the_upstreams_latency() {
    let hour = Duration::from_secs(3600);
    let ehr = SampleEhr::builder(Records::embedded().unwrap())
        .latency(Duration::ZERO..=Duration::ZERO)
        .latency_of(Upstream::Medications, hour..=hour)
        .start("127.0.0.1:0".parse().unwrap())
        .await
        .unwrap();
    let start = tokio::time::Instant::now();
    json(&ehr, "medications/MedicationRequest?patient=a").await;
    assert!(start.elapsed() >= hour);
    ehr.stop().await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let ehr = hospital::open().await;
    let second = SampleEhr::builder(Records::embedded().unwrap()).start(ehr.address()).await;
    assert!(second.unwrap_err().to_string().contains(&ehr.address().to_string()));
    ehr.stop().await;
}

#[tokio::test]
async fn it_no_longer_listens_once_it_is_stopped() {
    let ehr = hospital::open().await;
    let address = ehr.address();
    ehr.stop().await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
