//! The testkit does what it says: its broker waits for nothing, and its parties die as real ones do.
#![allow(clippy::unwrap_used, reason = "a test ends where its expectation does")]

use std::sync::Arc;
use std::time::Duration;

use roundtrip::broker::ChannelSettings;
use roundtrip::testkit::TestBroker;
use roundtrip::{Context, DeadReason, Failure, Operation, OutcomeError, WaitError};
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

#[derive(Serialize, Deserialize)]
struct Double(u64);

impl Operation for Double {
    const NAME: &'static str = "double";
    const CHANNEL: &'static str = "double_request";
    type Reply = u64;
    type Error = String;
}

async fn double(Double(number): Double, _: Context) -> Result<u64, Failure<String>> {
    Ok(number * 2)
}

/// A handler that never ends, and tells when it begins and when it is dropped.
fn hanging(tell: &mpsc::UnboundedSender<&'static str>) -> impl Fn(Double, Context) -> Hanging + use<> {
    let tell = tell.clone();
    move |_, _| {
        let tell = tell.clone();
        Box::pin(async move {
            tell.send("begun").unwrap();
            let _dropped = Dropped(tell);
            std::future::pending().await
        })
    }
}

type Hanging = std::pin::Pin<Box<dyn Future<Output = Result<u64, Failure<String>>> + Send>>;

struct Dropped(mpsc::UnboundedSender<&'static str>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.send("dropped").ok();
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_survives_the_crash_of_its_service() {
    let broker = TestBroker::start();
    let (tell, mut told) = mpsc::unbounded_channel();
    let first = broker.client().service(hanging(&tell)).spawn();
    let ticket = broker.client().requester("test").submit(Double(21)).await.unwrap().into_raw();
    broker.in_flight("double_request", 1).await;
    assert_eq!(told.recv().await, Some("begun"));
    first.crash().await;
    assert_eq!(told.try_recv(), Ok("dropped"), "when the crash is over, the handlers are gone");

    let _second = broker.client().service(double).spawn();
    let outcome = ticket.await.unwrap();
    assert_eq!((outcome.attempts, outcome.decode::<Double>()), (2, Ok(42)), "a crash counts");
    broker.assert_idle().await;
}

#[tokio::test(start_paused = true)]
async fn a_crash_that_is_repeated_kills_a_request() {
    let broker = TestBroker::with(|builder| builder.defaults(ChannelSettings::for_undeclared().max_attempts(3)));
    let (tell, mut told) = mpsc::unbounded_channel();
    let ticket = broker.client().requester("test").submit(Double(21)).await.unwrap();
    for _ in 0..3 {
        let service = broker.client().service(hanging(&tell)).spawn();
        assert_eq!(told.recv().await, Some("begun"));
        service.crash().await;
        assert_eq!(told.recv().await, Some("dropped"));
    }
    let dead = OutcomeError::Dead { reason: DeadReason::AttemptsExhausted, attempts: 3, last: None };
    assert_eq!(ticket.await, Err(dead));
    let letters = broker.client().dead_letters("double_request");
    assert_eq!(letters.purge_all().await, Ok(1));
    broker.assert_idle().await;
}

#[tokio::test(start_paused = true)]
async fn what_else_a_crashed_process_waited_for_ends() {
    let broker = TestBroker::start();
    let process = broker.client();
    let _service = process.service(double).spawn();
    let other = broker.client();
    let ticket =
        process.requester("test").submit_raw("elsewhere_request", "", roundtrip::Message::new("")).await.unwrap();
    let id = ticket.id().clone();
    process.crash().await;
    assert_eq!(ticket.await.unwrap_err(), WaitError::ClientClosed);
    broker.until("double_request", |figures| figures.services == 0).await;
    other.cancel(&id).await.unwrap();
    other.requester("test").attach_raw(id).await.unwrap();
    broker.assert_idle().await;
}

#[tokio::test(start_paused = true)]
async fn a_stalled_service_takes_work_and_loses_it_when_the_lease_has_passed() {
    let lease = Duration::from_secs(600);
    let broker = TestBroker::with(|builder| builder.defaults(ChannelSettings::for_undeclared().lease(lease)));
    let stalled = broker.client().service(double).spawn();
    broker.services("double_request", 1).await;
    stalled.stall();
    let began = Instant::now();
    let ticket = broker.client().requester("test").submit(Double(21)).await.unwrap().into_raw();
    broker.in_flight("double_request", 1).await;
    let _second = broker.client().service(double).spawn();
    let outcome = ticket.await.unwrap();
    assert_eq!((outcome.attempts, outcome.decode::<Double>()), (2, Ok(42)));
    assert!(began.elapsed() >= lease, "nobody knew before: {:?}", began.elapsed());
    assert!(began.elapsed() < lease + Duration::from_secs(2), "{:?}", began.elapsed());
    broker.assert_idle().await;
}

#[tokio::test(start_paused = true)]
async fn a_stall_shorter_than_the_lease_loses_nothing() {
    let broker = TestBroker::start();
    let service = broker.client().service(double).spawn();
    broker.services("double_request", 1).await;
    service.stall();
    let ticket = broker.client().requester("test").submit(Double(21)).await.unwrap().into_raw();
    broker.in_flight("double_request", 1).await;
    tokio::time::sleep(Duration::from_secs(29)).await;
    service.resume();
    let outcome = ticket.await.unwrap();
    assert_eq!((outcome.attempts, outcome.decode::<Double>()), (1, Ok(42)));
    broker.assert_idle().await;
}

#[tokio::test(start_paused = true)]
async fn a_service_that_stalled_too_long_is_told_to_stop_when_it_goes_on() {
    let broker = TestBroker::start();
    let (begun, mut begins) = mpsc::unbounded_channel();
    let stalled = broker.client().service(move |_: Double, job: Context| {
        begun.send(job.clone()).unwrap();
        async move {
            job.cancelled().cancelled().await;
            Ok(0)
        }
    });
    let stalled = stalled.spawn();
    let ticket = broker.client().requester("test").submit(Double(21)).await.unwrap();
    let job = begins.recv().await.unwrap();
    stalled.stall();
    let _second = broker.client().service(double).spawn();
    assert_eq!(ticket.await, Ok(42));
    assert!(!job.cancelled().is_cancelled(), "nobody could tell it");
    stalled.resume();
    job.cancelled().cancelled().await;
    broker.assert_idle().await;
}

#[tokio::test(start_paused = true)]
async fn connections_that_are_cut_are_made_again_and_work_goes_on() {
    let broker = TestBroker::start();
    let finish = Arc::new(Notify::new());
    let gate = Arc::clone(&finish);
    let client = broker.client();
    let service = client.service(move |Double(number): Double, _| {
        let gate = Arc::clone(&gate);
        async move {
            gate.notified().await;
            Ok(number * 2)
        }
    });
    let _service = service.spawn();
    let ticket = broker.client().requester("test").submit(Double(21)).await.unwrap().into_raw();
    broker.in_flight("double_request", 1).await;
    broker.cut_connections();
    broker.services("double_request", 1).await;
    client.cut();
    broker.services("double_request", 1).await;
    finish.notify_one();
    let outcome = ticket.await.unwrap();
    assert_eq!((outcome.attempts, outcome.decode::<Double>()), (1, Ok(42)), "what was cut was taken back");
    broker.assert_idle().await;
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "double_request has 1 waiting, 1 with an outcome that nobody has acknowledged")]
async fn what_is_left_of_a_test_is_named() {
    let broker = TestBroker::start();
    let client = broker.client();
    let service = client.service(double).spawn();
    client.requester("test").submit(Double(1)).await.unwrap();
    broker.until("double_request", |figures| figures.retained == 1).await;
    service.stop().await.unwrap();
    client.requester("test").submit(Double(2)).await.unwrap();
    broker.waiting("double_request", 1).await;
    broker.assert_idle().await;
}

#[tokio::test(start_paused = true)]
async fn the_mailbox_of_an_unnamed_requester_that_crashed_is_gone_in_the_end() {
    let broker = TestBroker::start();
    let _service = broker.client().service(double).spawn();
    let client = broker.client();
    assert_eq!(client.anonymous().call(Double(21)).await, Ok(42));
    broker.until("double_request", |figures| figures.retained == 0).await; // A crash also takes what was not sent yet.
    client.crash().await;
    broker.assert_idle().await;
}

#[tokio::test(start_paused = true)]
async fn a_durable_channel_needs_no_folder_in_a_test() {
    let settings = ChannelSettings::new("double_request").durable(true);
    let broker = TestBroker::with(|builder| builder.channel(settings));
    let _service = broker.client().service(double).spawn();
    assert_eq!(broker.client().requester("test").call(Double(21)).await, Ok(42));
    broker.assert_idle().await;
}
