//! The service and the consumer over a broker in this process, against the sample EHR over HTTP.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use roundtrip::{Broker, Client, OutcomeError, PartEvent, RequestState};
use roundtrip_patient_summary::consumer::ledger::{Account, Event, Ledger, read};
use roundtrip_patient_summary::consumer::{Consumer, ConsumerEvent, patient_ids};
use roundtrip_patient_summary::ehr::{Quota, SampleEhr, Upstream};
use roundtrip_patient_summary::fhir::PatientId;
use roundtrip_patient_summary::operation::{self, PatientSummary, SummaryError};
use roundtrip_patient_summary::patients::Records;
use roundtrip_patient_summary::request::GeneratePatientSummary;
use roundtrip_patient_summary::service::{ServiceEvent, SummaryService};
use roundtrip_patient_summary::sources::gather::Gatherer;
use roundtrip_patient_summary::summary::Counts;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

struct Hospital {
    broker: Broker,
    ehr: SampleEhr,
    patients: Vec<PatientId>,
}

impl Hospital {
    async fn open() -> Self {
        let records = Records::embedded().unwrap();
        let patients = patient_ids(records.ids()).unwrap();
        let ehr = SampleEhr::builder(records).latency(Duration::ZERO..=Duration::from_millis(5));
        let ehr = ehr.start(([127, 0, 0, 1], 0).into()).await.unwrap();
        let broker = Broker::builder().channel(operation::channel()).start().unwrap();
        Self { broker, ehr, patients }
    }

    fn client(&self) -> Client {
        Client::new(self.broker.connect())
    }

    fn service(&self, gatherer: impl FnOnce(Gatherer) -> Gatherer) -> SummaryService {
        SummaryService::new(gatherer(Gatherer::new(&self.ehr.base_url()).unwrap()))
    }

    fn serve(&self) {
        self.service(|gatherer| gatherer).serve(&self.client(), |_| {}).spawn().detach();
    }
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("roundtrip-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn ledger(&self) -> PathBuf {
        self.0.join("ledger.jsonl")
    }

    fn summaries(&self) -> usize {
        let names = fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.ends_with(".json")).count()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

#[tokio::test]
async fn a_request_comes_back_as_a_summary_with_its_media_type() {
    let hospital = Hospital::open().await;
    let _client = hospital.client();
    let service = hospital.service(|gatherer| gatherer).serve(&hospital.client(), |_| {}).spawn();
    let requester = hospital.client().requester("ward");
    let ticket = requester.submit(GeneratePatientSummary::of(hospital.patients[0].as_str())).await.unwrap();
    let outcome = ticket.into_raw().outcome().await.unwrap();
    let roundtrip::Ending::Replied(label) = &outcome.ending else { panic!("{outcome:?}") };
    assert_eq!(label.content_type, "application/fhir+json");
    assert!(Counts::of(&serde_json::from_slice(&outcome.payload).unwrap()).is_some());
    drop(service);
}

#[tokio::test]
async fn what_no_attempt_mends_fails_finally_in_the_services_own_words() {
    let hospital = Hospital::open().await;
    let service = hospital.service(|gatherer| gatherer).serve(&hospital.client(), |_| {}).spawn();
    let requester = hospital.client().requester("ward");
    let mut vitals = GeneratePatientSummary::of(hospital.patients[0].as_str());
    vitals.sections = Some(vec!["vitals".into()]);
    let unknown = GeneratePatientSummary::of("nobody");
    let ask = |command| async { requester.submit(command).await.unwrap().await.unwrap_err() };
    assert_eq!(ask(unknown).await, OutcomeError::Failed(SummaryError::UnknownPatient));
    assert!(matches!(ask(vitals).await, OutcomeError::Failed(SummaryError::UnknownSection(_))));
    let impossible = ask(GeneratePatientSummary::of("no body")).await;
    assert_eq!(impossible, OutcomeError::Failed(SummaryError::InvalidPatientId));
    drop(service);
}

#[tokio::test]
async fn an_upstream_that_is_down_fails_the_attempt_and_not_the_request() {
    let hospital = Hospital::open().await;
    let switches = hospital.ehr.switches();
    switches.fail(Upstream::Medications, true);
    let mend = switches.clone();
    let told = move |event| {
        if let ServiceEvent::Done { replied: false, .. } = event {
            mend.fail(Upstream::Medications, false);
        }
    };
    let service = hospital.service(|gatherer| gatherer).serve(&hospital.client(), told).spawn();
    let requester = hospital.client().requester("ward");
    let ticket = requester.submit(GeneratePatientSummary::of(hospital.patients[0].as_str())).await.unwrap().into_raw();
    let outcome = ticket.outcome().await.unwrap();
    assert_eq!((outcome.kind().as_str(), outcome.attempts), ("replied", 2));
    assert_eq!(switches.served(Upstream::Medications).failed, 1);
    drop(service);
}

#[tokio::test]
async fn a_quota_pauses_the_channel_as_long_as_the_upstream_says_and_costs_no_attempt() {
    let hospital = Hospital::open().await;
    // One request in ten minutes, and it is used up; nobody here waits that long.
    let wait = Duration::from_secs(600);
    hospital.ehr.switches().set_quota(Upstream::Ehr, Some(Quota::new(1, wait)));
    let impatient = hospital.service(|gatherer| gatherer.patience(Duration::ZERO));
    let service = impatient.serve(&hospital.client(), |_| {}).spawn();
    let requester = hospital.client().requester("ward");
    let ticket = requester.submit(GeneratePatientSummary::of(hospital.patients[0].as_str())).await.unwrap();
    hospital.broker.until(|channels| channels.iter().any(|channel| channel.paused_ms > 0)).await;
    let state = ticket.state().await.unwrap();
    assert!(matches!(state.state, RequestState::Waiting), "{state:?}");
    assert_eq!(state.attempts, 0);
    // The channel allows a pause of five minutes at most, and the upstream asked for more.
    let paused = hospital.broker.channels()[0].paused_ms;
    assert!(paused > 240_000, "{paused} ms");
    drop(service);
}

#[tokio::test]
async fn each_section_is_a_part_before_the_summary_is_whole() {
    let hospital = Hospital::open().await;
    hospital.serve();
    let requester = hospital.client().requester("ward");
    let patient = hospital.patients[0].as_str();
    let ticket = requester.submit(GeneratePatientSummary::of(patient)).await.unwrap();
    let mut parts = ticket.parts();
    let mut sections = BTreeMap::new();
    while let Some(event) = parts.next().await {
        let PartEvent::Part(part) = event else { panic!("{event:?}") };
        let section: serde_json::Value = part.json().unwrap();
        sections.insert(section["name"].as_str().unwrap().to_owned(), section);
    }
    let PatientSummary(document) = ticket.await.unwrap();
    let composed = document["entry"][0]["resource"]["section"].as_array().unwrap();
    assert_eq!(sections.len(), composed.len());
    for section in sections.values() {
        let whole = composed.iter().find(|whole| whole["code"] == section["section"]["code"]).unwrap();
        assert_eq!(whole["entry"], section["section"]["entry"], "the part lists what the summary does");
        assert_eq!(whole["text"], section["section"]["text"]);
    }
}

#[tokio::test]
async fn a_consumer_that_reads_no_parts_holds_nothing_up() {
    let records = Records::embedded().unwrap();
    let patients = patient_ids(records.ids()).unwrap();
    let ehr = SampleEhr::builder(records).latency(Duration::ZERO..=Duration::ZERO);
    let ehr = ehr.start(([127, 0, 0, 1], 0).into()).await.unwrap();
    // No part finds room.
    let broker = Broker::builder().channel(operation::channel().parts_room(16)).start().unwrap();
    let hospital = Hospital { broker, ehr, patients };
    hospital.serve();
    let requester = hospital.client().requester("ward");
    requester.call(GeneratePatientSummary::of(hospital.patients[0].as_str())).await.unwrap();
}

#[tokio::test]
async fn giving_up_cancels_what_is_open_and_the_service_stops_working_on_it() {
    let hospital = Hospital::open().await;
    let folder = Folder::new("giving-up");
    // The first summary begins and cannot end: its upstream wants to be left alone.
    hospital.ehr.switches().set_quota(Upstream::Ehr, Some(Quota::new(1, Duration::from_secs(600))));
    let patient_one = hospital.service(|gatherer| gatherer.patience(Duration::from_secs(3600)));
    let (working, stopped) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let told = {
        let (working, stopped) = (Arc::clone(&working), Arc::clone(&stopped));
        move |event| match event {
            ServiceEvent::Taken { .. } => working.notify_one(),
            ServiceEvent::Done { .. } => stopped.notify_one(),
            _ => {}
        }
    };
    let _service = patient_one.serve(&hospital.client(), told).concurrency(1).spawn();
    let give_up = CancellationToken::new();
    let client = hospital.client();
    let consumer = Consumer::new(&client, "api-consumer", Ledger::open(folder.ledger()).unwrap(), &folder.0)
        .give_up_on(give_up.clone());
    let giving_up = async {
        working.notified().await;
        hospital.broker.until(|channels| channels.iter().any(|channel| channel.waiting == 1)).await;
        give_up.cancel();
        stopped.notified().await;
    };
    let (collected, ()) = tokio::join!(consumer.collect(&hospital.patients[..2], |_| {}), giving_up);
    collected.unwrap();
    let entries = read(folder.ledger()).unwrap();
    let outcomes: Vec<_> = entries
        .iter()
        .filter_map(|entry| match &entry.event {
            Event::Outcome { outcome, .. } => Some(outcome.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(outcomes, ["cancelled", "cancelled"]);
    hospital.broker.until(|channels| channels.iter().all(|channel| channel.in_flight == 0)).await;
}

#[tokio::test]
async fn a_summary_that_takes_too_long_expires() {
    let hospital = Hospital::open().await;
    let folder = Folder::new("deadline");
    let client = hospital.client();
    let consumer = Consumer::new(&client, "api-consumer", Ledger::open(folder.ledger()).unwrap(), &folder.0)
        .deadline(Duration::from_millis(20));
    // Nobody serves.
    consumer.collect(&hospital.patients[..1], |_| {}).await.unwrap();
    let entries = read(folder.ledger()).unwrap();
    let expired = |event: &Event| matches!(event, Event::Outcome { outcome, .. } if outcome == "expired");
    assert!(entries.iter().any(|entry| expired(&entry.event)));
}

#[tokio::test]
async fn a_consumer_that_dies_at_any_point_collects_every_summary_once() {
    let hospital = Hospital::open().await;
    hospital.serve();
    let folder = Folder::new("dying-consumer");
    let all = hospital.patients.len();
    // It dies with each acceptance and each outcome that it hears of, whatever its other requests are at just then.
    for life in 0.. {
        assert!(life <= 2 * all, "each life brings it further");
        let ledger = Ledger::open(folder.ledger()).unwrap();
        let consumer = Consumer::new(&hospital.client(), "api-consumer", ledger, &folder.0);
        let further = Arc::new(Notify::new());
        let told = {
            let further = Arc::clone(&further);
            move |event| {
                if let ConsumerEvent::Accepted { .. } | ConsumerEvent::Outcome { .. } = event {
                    further.notify_one();
                }
            }
        };
        tokio::select! {
            biased;
            () = further.notified() => {}
            collected = consumer.collect(&hospital.patients, told) => {
                collected.unwrap();
                break;
            }
        }
    }
    let entries = read(folder.ledger()).unwrap();
    let account = Account::of(&entries);
    assert_eq!((account.accepted, account.outcomes, account.lost, account.doubled), (all, all, 0, 0));
    assert_eq!(folder.summaries(), all);
    hospital.broker.until(|channels| channels.iter().all(|channel| channel.retained == 0)).await;
}

#[tokio::test]
async fn a_consumer_goes_on_with_other_work_while_its_tickets_are_open() {
    let hospital = Hospital::open().await;
    let folder = Folder::new("busy-consumer");
    let ledger = Ledger::open(folder.ledger()).unwrap();
    let client = hospital.client();
    let consumer = Consumer::new(&client, "api-consumer", ledger, &folder.0);
    // Nobody serves yet: only when letters were written meanwhile, somebody does.
    let (worked, seen) = (Arc::new(Notify::new()), Arc::new(Mutex::new(BTreeSet::new())));
    let told = {
        let (worked, seen) = (Arc::clone(&worked), Arc::clone(&seen));
        move |event| match event {
            ConsumerEvent::OtherWork { done } if done > 2 => worked.notify_one(),
            ConsumerEvent::Outcome { patient, .. } => {
                seen.lock().unwrap().insert(patient);
            }
            _ => {}
        }
    };
    let serving = async {
        worked.notified().await;
        assert!(seen.lock().unwrap().is_empty());
        hospital.serve();
    };
    let (collected, ()) = tokio::join!(consumer.collect(&hospital.patients[..2], told), serving);
    collected.unwrap();
    assert_eq!(seen.lock().unwrap().len(), 2);
}
