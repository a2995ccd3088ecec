//! Gathering from upstreams: the sample EHR, and ones that misbehave as it never would.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where; its helpers are no tests to the lint")]

mod hospital;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use roundtrip_patient_summary::ehr::{Quota, Upstream};
use roundtrip_patient_summary::sections::{SectionName, Sections};
use roundtrip_patient_summary::sources::gather::{
    GatherError, Gatherer, GathererError, Missing, Progress, SearchsetProblem, Unreachable,
};
use roundtrip_patient_summary::sources::{Answer, Misplaced, Source, Sources};
use serde_json::{Value, json};
use tokio::sync::Barrier;
use tokio::task::JoinHandle;
use tokio::time::Instant;

const PATIENT: &str = "p-1";

/// An upstream that does as the test says, at a free port, until the test ends.
struct Scripted {
    base: String,
    task: JoinHandle<()>,
}

impl Scripted {
    async fn new<F, A>(answer: F) -> Self
    where
        F: Fn(Uri) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Response> + Send + 'static,
    {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(move |uri: Uri| answer(uri));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { base, task }
    }

    /// One that answers properly, except for conditions: those the test answers.
    async fn conditions<F>(answer: F) -> Self
    where
        F: Fn(Uri) -> Response + Clone + Send + Sync + 'static,
    {
        Self::new(move |uri| {
            let response = if uri.path().ends_with("/Condition") { answer(uri) } else { proper(&uri) };
            std::future::ready(response)
        })
        .await
    }

    async fn gather(&self) -> Result<Sources, GatherError> {
        gather(&hospital::gatherer(&self.base), Missing::Fail).await
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn gather(gatherer: &Gatherer, missing: Missing) -> Result<Sources, GatherError> {
    gatherer.gather(&hospital::id(PATIENT), &Sections::all(), missing).await
}

fn searchset(mut resources: Value, next: Option<&str>) -> Value {
    let link: Vec<Value> = next.iter().map(|url| json!({"relation": "next", "url": url})).collect();
    let entry: Vec<Value> = resources.as_array_mut().unwrap().drain(..).map(|r| json!({ "resource": r })).collect();
    json!({"resourceType": "Bundle", "type": "searchset", "link": link, "entry": entry})
}

/// What an upstream without data about the patient says.
fn proper(uri: &Uri) -> Response {
    let patient = json!([{"resourceType": "Patient", "id": PATIENT}]);
    let resources = if uri.path().ends_with("/Patient") { patient } else { json!([]) };
    Json(searchset(resources, None)).into_response()
}

fn condition(id: &str, patient: &str) -> Value {
    json!({"resourceType": "Condition", "id": id, "subject": {"reference": format!("Patient/{patient}")}})
}

fn unusable(problem: SearchsetProblem) -> GatherError {
    GatherError::NotASearchset { asked: Source::Condition, problem }
}

#[tokio::test]
async fn all_pages_of_all_sources_arrive() {
    let ehr = hospital::open().await;
    let gatherer = hospital::gatherer(&ehr.base_url()).page_size(7);
    for (patient, resources) in hospital::files() {
        let sources = gatherer.gather(&hospital::id(&patient), &Sections::all(), Missing::Fail).await.unwrap();
        for source in Source::ALL.into_iter().skip(1) {
            let own = resources.iter().filter(|resource| {
                resource["resourceType"] == source.resource_type()
                    && (source != Source::Observation || resource["category"][0]["coding"][0]["code"] == "laboratory")
            });
            assert_eq!(sources.answer(source), &Answer::Answered(own.cloned().collect()), "{source}");
        }
    }
    ehr.stop().await;
}

#[tokio::test]
async fn progress_is_told_once_per_source_with_the_patient_first() {
    let ehr = hospital::open().await;
    let patient = hospital::files().into_keys().next().unwrap();
    let gatherer = hospital::gatherer(&ehr.base_url());
    let mut gathering = gatherer.begin(&hospital::id(&patient), &Sections::all(), Missing::Fail).await.unwrap();
    let mut told: Vec<Progress> = vec![gathering.latest()];
    while let Some(progress) = gathering.next().await.unwrap() {
        assert!(matches!(gathering.sources().answer(progress.source), Answer::Answered(_)));
        told.push(progress);
    }
    assert_eq!(told.iter().map(|progress| progress.finished).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7]);
    assert!(told.iter().all(|progress| progress.of == 7 && progress.answered));
    assert_eq!(told[0].source, Source::Patient);
    let mut sources: Vec<Source> = told.iter().map(|progress| progress.source).collect();
    sources.sort();
    assert_eq!(sources, Source::ALL);
    ehr.stop().await;
}

#[tokio::test]
async fn only_what_the_sections_need_is_asked_for() {
    let ehr = hospital::open().await;
    let patient = hospital::files().into_keys().next().unwrap();
    let sections = Sections::only([SectionName::Results]);
    let gatherer = hospital::gatherer(&ehr.base_url());
    let sources = gatherer.gather(&hospital::id(&patient), &sections, Missing::Fail).await.unwrap();
    assert_eq!(sources.answer(Source::Immunization), &Answer::NotAsked);
    assert!(matches!(sources.answer(Source::Observation), Answer::Answered(_)));
    assert_eq!(ehr.switches().served(Upstream::Immunizations).admitted, 0);
    ehr.stop().await;
}

#[tokio::test]
async fn an_unknown_patient_is_final_and_nothing_else_is_asked() {
    let ehr = hospital::open().await;
    let error = gather(&hospital::gatherer(&ehr.base_url()), Missing::Tolerate).await.unwrap_err();
    assert_eq!(error, GatherError::UnknownPatient);
    assert!(error.is_final());
    assert_eq!(ehr.switches().served(Upstream::Medications).admitted, 0);
    ehr.stop().await;
}

#[tokio::test]
async fn an_upstream_that_is_down_is_a_retryable_failure_without_a_second_try() {
    let ehr = hospital::open().await;
    ehr.switches().fail(Upstream::Medications, true);
    let patient = hospital::files().into_keys().next().unwrap();
    let gatherer = hospital::gatherer(&ehr.base_url());
    let gathered = gatherer.gather(&hospital::id(&patient), &Sections::all(), Missing::Fail).await;
    let error = gathered.unwrap_err();
    assert_eq!(error, GatherError::Upstream { asked: Source::MedicationRequest, status: 503, retry_after: None });
    assert!(!error.is_final());
    assert_eq!(ehr.switches().served(Upstream::Medications).failed, 1);
    ehr.stop().await;
}

#[tokio::test]
async fn on_the_last_attempt_an_upstream_that_is_down_is_unavailable_and_the_rest_is_there() {
    let ehr = hospital::open().await;
    ehr.switches().fail(Upstream::Medications, true);
    let patient = hospital::files().into_keys().next().unwrap();
    let mut missing = Vec::new();
    let gatherer = hospital::gatherer(&ehr.base_url());
    let mut gathering = gatherer.begin(&hospital::id(&patient), &Sections::all(), Missing::Tolerate).await.unwrap();
    while let Some(progress) = gathering.next().await.unwrap() {
        missing.extend((!progress.answered).then_some(progress.source));
    }
    let sources = gathering.into_sources();
    assert_eq!(missing, [Source::MedicationRequest]);
    assert_eq!(sources.answer(Source::MedicationRequest), &Answer::Unavailable);
    assert!(matches!(sources.answer(Source::Condition), Answer::Answered(_)));
    ehr.stop().await;
}

#[tokio::test]
async fn without_the_patient_there_is_no_summary_even_on_the_last_attempt() {
    let ehr = hospital::open().await;
    ehr.switches().fail(Upstream::Ehr, true);
    let error = gather(&hospital::gatherer(&ehr.base_url()), Missing::Tolerate).await.unwrap_err();
    assert_eq!(error, GatherError::Upstream { asked: Source::Patient, status: 503, retry_after: None });
    ehr.stop().await;
}

#[tokio::test]
async fn an_upstream_that_is_not_there_is_named() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = gather(&hospital::gatherer(&base), Missing::Tolerate).await.unwrap_err();
    let problem = Unreachable::NoConnection;
    assert_eq!(error, GatherError::Unreachable { asked: Source::Patient, problem });
    assert!(error.to_string().contains("the ehr upstream"), "{error}");
    assert!(!error.is_final());
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_told_from_one_that_never_came() {
    let upstream = Scripted::conditions(|_| ([(header::CONTENT_LENGTH, "1000000")], "{").into_response()).await;
    let error = upstream.gather().await.unwrap_err();
    let problem = Unreachable::BrokeOff;
    assert_eq!(error, GatherError::Unreachable { asked: Source::Condition, problem });
}

#[tokio::test(start_paused = true)]
async fn a_silent_upstream_times_out() {
    let upstream = Scripted::new(|_| std::future::pending()).await;
    let gatherer = Gatherer::new(&upstream.base).unwrap().timeout(Some(Duration::from_secs(3)));
    let error = gather(&gatherer, Missing::Fail).await.unwrap_err();
    assert_eq!(error, GatherError::Unreachable { asked: Source::Patient, problem: Unreachable::TimedOut });
}

#[tokio::test(start_paused = true)]
async fn an_upstream_over_its_quota_is_waited_for_as_long_as_it_says() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let upstream = Scripted::conditions(move |_| match count.fetch_add(1, Ordering::Relaxed) {
        0 => (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "7")]).into_response(),
        1 => (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "2")]).into_response(),
        _ => Json(searchset(json!([condition("c-1", PATIENT)]), None)).into_response(),
    })
    .await;
    let start = Instant::now();
    let sources = upstream.gather().await.unwrap();
    assert_eq!(sources.answer(Source::Condition), &Answer::Answered(vec![condition("c-1", PATIENT)]));
    assert!(start.elapsed() >= Duration::from_secs(9));
    assert_eq!(asked.load(Ordering::Relaxed), 3);
}

#[tokio::test(start_paused = true)]
async fn a_wait_beyond_all_patience_fails_at_once_and_carries_the_retry_after() {
    let upstream =
        Scripted::conditions(|_| (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "11")]).into_response()).await;
    let error = upstream.gather().await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(11)));
    assert!(!error.is_final());
    // It will answer later: that is not "unavailable", even on the last attempt.
    assert!(gather(&hospital::gatherer(&upstream.base), Missing::Tolerate).await.unwrap_err().is_over_quota());
}

#[tokio::test(start_paused = true)]
async fn patience_is_used_up_even_by_waits_of_nothing() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let upstream = Scripted::conditions(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "0")]).into_response()
    })
    .await;
    let gatherer = hospital::gatherer(&upstream.base).patience(Duration::from_secs(5));
    let error = gather(&gatherer, Missing::Fail).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(1)));
    assert_eq!(asked.load(Ordering::Relaxed), 6);
}

#[tokio::test(start_paused = true)]
async fn the_sample_ehrs_own_quota_is_kept_to() {
    let ehr = hospital::open().await;
    let hour = Duration::from_secs(3600);
    ehr.switches().set_quota(Upstream::Medications, Some(Quota::new(1, hour)));
    let patient = hospital::files().into_keys().next().unwrap();
    let gatherer = hospital::gatherer(&ehr.base_url());
    let (id, all) = (hospital::id(&patient), Sections::all());
    let gathering = || gatherer.gather(&id, &all, Missing::Fail);
    gathering().await.unwrap();
    let error = gathering().await.unwrap_err();
    let GatherError::Upstream { asked: Source::MedicationRequest, status: 429, retry_after: Some(wait) } = error else {
        panic!("{error}")
    };
    assert!(wait <= hour);
    tokio::time::advance(wait).await;
    gathering().await.unwrap();
    ehr.stop().await;
}

#[tokio::test]
async fn pages_that_lead_in_a_circle_end_in_an_error() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let upstream = Scripted::conditions(move |uri| {
        count.fetch_add(1, Ordering::Relaxed);
        Json(searchset(json!([]), Some(&uri.to_string()))).into_response()
    })
    .await;
    let gatherer = hospital::gatherer(&upstream.base).pages(9);
    let error = gather(&gatherer, Missing::Tolerate).await.unwrap_err();
    assert_eq!(error, unusable(SearchsetProblem::TooManyPages { limit: 9 }));
    assert_eq!(asked.load(Ordering::Relaxed), 9);
}

#[tokio::test]
async fn a_next_page_on_another_server_is_not_followed() {
    let elsewhere = Scripted::new(|_| async { panic!("it was followed") }).await;
    for next in [elsewhere.base.clone(), "//elsewhere.example/x".into(), "ftp://127.0.0.1/".into(), "http://[".into()] {
        let upstream = Scripted::conditions(move |_| Json(searchset(json!([]), Some(&next))).into_response()).await;
        assert_eq!(upstream.gather().await.unwrap_err(), unusable(SearchsetProblem::ForeignLink));
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let upstream = Scripted::conditions(|_| {
        (StatusCode::FOUND, [(header::LOCATION, "http://elsewhere.example/")]).into_response()
    })
    .await;
    let error = upstream.gather().await.unwrap_err();
    assert!(matches!(error, GatherError::Upstream { status: 302, .. }), "{error}");
}

#[tokio::test]
async fn another_patients_resource_is_never_used_not_even_on_the_last_attempt() {
    let upstream = Scripted::conditions(|_| {
        Json(searchset(json!([condition("c-1", PATIENT), condition("c-2", "p-2")]), None)).into_response()
    })
    .await;
    let error = gather(&hospital::gatherer(&upstream.base), Missing::Tolerate).await.unwrap_err();
    assert_eq!(error, GatherError::Misplaced { asked: Source::Condition, problem: Misplaced::AnotherPatient });
    assert!(error.is_final());
}

#[tokio::test]
async fn another_patient_than_the_one_asked_for_is_never_used() {
    for patients in [
        json!([{"resourceType": "Patient", "id": "p-2"}]),
        json!([
            {"resourceType": "Patient", "id": PATIENT},
            {"resourceType": "Patient", "id": "p-2"},
        ]),
    ] {
        let upstream =
            Scripted::new(move |_| std::future::ready(Json(searchset(patients.clone(), None)).into_response())).await;
        let error = upstream.gather().await.unwrap_err();
        assert_eq!(error, GatherError::Misplaced { asked: Source::Patient, problem: Misplaced::AnotherPatient });
    }
}

#[tokio::test]
async fn an_answer_that_is_no_searchset_is_never_used() {
    let mut collection = searchset(json!([condition("c-1", PATIENT)]), None);
    collection["type"] = json!("collection");
    for body in [collection.to_string(), condition("c-1", PATIENT).to_string(), "<html>".into(), String::new()] {
        let upstream = Scripted::conditions(move |_| body.clone().into_response()).await;
        let error = gather(&hospital::gatherer(&upstream.base), Missing::Tolerate).await.unwrap_err();
        assert_eq!(error, unusable(SearchsetProblem::OtherForm));
    }
}

#[tokio::test]
async fn fewer_resources_than_the_total_says_are_not_taken_for_all() {
    let upstream = Scripted::conditions(|_| {
        let mut page = searchset(json!([condition("c-1", PATIENT)]), None);
        page["total"] = json!(2);
        Json(page).into_response()
    })
    .await;
    let problem = SearchsetProblem::Incomplete { total: 2, came: 1 };
    assert_eq!(upstream.gather().await.unwrap_err(), unusable(problem));
}

#[tokio::test]
async fn what_a_server_adds_to_an_answer_is_left_out() {
    let upstream = Scripted::conditions(|_| {
        let mut page = searchset(json!([condition("c-1", PATIENT), {"resourceType": "OperationOutcome"}]), None);
        page["entry"][0]["search"] = json!({"mode": "match"});
        page["entry"][1]["search"] = json!({"mode": "outcome"});
        Json(page).into_response()
    })
    .await;
    let sources = upstream.gather().await.unwrap();
    assert_eq!(sources.answer(Source::Condition), &Answer::Answered(vec![condition("c-1", PATIENT)]));
}

#[tokio::test]
async fn as_many_sources_as_allowed_are_asked_at_the_same_time_and_no_more() {
    // Answers go out two by two: one source at a time would wait for ever, and three would be seen.
    let two = Arc::new(Barrier::new(2));
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let highest = Arc::clone(&most);
    let upstream = Scripted::new(move |uri| {
        let (two, now, highest) = (Arc::clone(&two), Arc::clone(&now), Arc::clone(&highest));
        async move {
            if !uri.path().ends_with("/Patient") {
                highest.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                two.wait().await;
                now.fetch_sub(1, Ordering::SeqCst);
            }
            proper(&uri)
        }
    })
    .await;
    gather(&hospital::gatherer(&upstream.base).concurrency(2), Missing::Fail).await.unwrap();
    assert_eq!(most.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn no_error_says_anything_about_the_patient() {
    let upstream =
        Scripted::conditions(|_| Json(searchset(json!([condition("c-1", "p-2")]), None)).into_response()).await;
    let other = Scripted::conditions(|_| StatusCode::BAD_GATEWAY.into_response()).await;
    let errors = [
        upstream.gather().await.unwrap_err(),
        other.gather().await.unwrap_err(),
        gather(&hospital::gatherer("http://127.0.0.1:1"), Missing::Fail).await.unwrap_err(),
    ];
    for error in errors {
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains(PATIENT) && !shown.contains("p-2") && !shown.contains("c-1"), "{shown}");
    }
}

#[test]
fn a_base_that_is_no_http_url_is_refused() {
    for base in ["", "127.0.0.1:80", "ftp://127.0.0.1/", "https://127.0.0.1/"] {
        assert_eq!(Gatherer::new(base).unwrap_err(), GathererError::Base);
    }
    assert!(Gatherer::new("http://127.0.0.1:80/fhir").is_ok());
}
