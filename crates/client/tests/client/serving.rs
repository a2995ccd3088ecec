//! Services: what a handler's result means, what happens while disconnected, and how a service stops.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use roundtrip_client::{Context, Failure, Message, Operation, RawFailure, Request};
use roundtrip_protocol::*;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use crate::script::{Resize, ResizeError, client};

const WIDTH_64: &str = r#"{"width":64}"#;

/// What the broker is told when a handler ends like this.
async fn settlement_of(result: fn(Resize) -> Result<String, Failure<ResizeError>>) -> (Settlement, Vec<u8>) {
    settlement_of_request(result, "resize", WIDTH_64).await
}

async fn settlement_of_request(
    result: fn(Resize) -> Result<String, Failure<ResizeError>>,
    operation: &str,
    payload: &'static str,
) -> (Settlement, Vec<u8>) {
    let (client, mut script) = client();
    let _service = client.service(move |command: Resize, _job: Context| async move { result(command) }).spawn();
    let mut peer = script.welcome().await;
    let subscribe = peer.subscribe().await;
    let token = peer.deliver(&subscribe, 1, operation, payload);
    let (settle, payload) = peer.settle().await;
    assert_eq!(settle.token, token);
    (settle.settlement, payload.to_vec())
}

#[tokio::test]
async fn a_reply_is_sent_as_json() {
    let (settlement, payload) = settlement_of(|command| Ok(format!("{} wide", command.width))).await;
    assert!(matches!(settlement, Settlement::Reply(label) if label.content_type == "application/json"));
    assert_eq!(payload, br#""64 wide""#);
}

#[tokio::test]
async fn a_final_failure_carries_its_value() {
    let (settlement, payload) = settlement_of(|_| Err(Failure::fail(ResizeError::UnknownPicture))).await;
    assert!(matches!(settlement, Settlement::Fail { content_type: Some(_), .. }));
    assert_eq!(payload, br#""UnknownPicture""#);
}

#[tokio::test]
async fn the_question_mark_is_a_retryable_failure_whose_text_goes_nowhere() {
    let (settlement, payload) = settlement_of(|_| {
        let width: u32 = "Smith".parse()?;
        Ok(width.to_string())
    })
    .await;
    let Settlement::Retry { problem, retry_after_ms: None } = settlement else { panic!("it may be tried again") };
    assert_eq!((problem.code.as_str(), problem.message.as_str()), ("retryable", ""));
    assert!(payload.is_empty());
}

#[tokio::test]
async fn a_retryable_failure_says_when_and_why_in_a_word() {
    let after = Duration::from_secs(3);
    let (settlement, _) =
        settlement_of(|_| Err(Failure::retry("Smith").code("upstream_busy").after(Duration::from_secs(3)))).await;
    let Settlement::Retry { problem, retry_after_ms } = settlement else { panic!("it may be tried again") };
    assert_eq!(problem, Problem::new("upstream_busy", ""));
    assert_eq!(retry_after_ms, Some(after.as_millis() as u64));
}

#[tokio::test]
async fn poison_is_rejected_and_what_cannot_be_done_here_is_released() {
    let (settlement, _) = settlement_of(|_| Err(Failure::reject("Smith"))).await;
    assert_eq!(settlement, Settlement::Reject(Problem::new("rejected", "")));
    let (settlement, _) = settlement_of(|_| Err(Failure::release())).await;
    assert_eq!(settlement, Settlement::Release);
    let (settlement, _) = settlement_of(|_| Err(Failure::throttle(Duration::from_secs(2)))).await;
    assert_eq!(settlement, Settlement::Throttle { retry_after_ms: 2000 });
}

#[tokio::test]
async fn a_panic_is_a_retryable_failure() {
    let (settlement, _) = settlement_of(|_| panic!("a deliberate panic of this test")).await;
    assert!(matches!(settlement, Settlement::Retry { problem, .. } if problem.code == "handler_panicked"));
}

#[tokio::test]
async fn a_payload_that_does_not_decode_fails_finally() {
    let (settlement, _) = settlement_of_request(|_| Ok(String::new()), "resize", r#"{"patient":"Smith"}"#).await;
    let Settlement::Fail { problem, content_type: None } = settlement else { panic!("it is final") };
    assert_eq!(problem.code, "invalid_payload");
    assert!(!problem.message.contains("Smith"));
}

#[tokio::test]
async fn an_operation_that_the_service_does_not_know_fails_finally() {
    let (settlement, _) = settlement_of_request(|_| Ok(String::new()), "crop", WIDTH_64).await;
    assert!(matches!(settlement, Settlement::Fail { problem, .. } if problem.code == "unknown_operation"));
}

#[tokio::test]
async fn a_request_without_an_operation_is_taken_as_the_services_own() {
    let (settlement, _) = settlement_of_request(|_| Ok(String::new()), "", WIDTH_64).await;
    assert!(matches!(settlement, Settlement::Reply(_)));
}

#[tokio::test]
async fn a_raw_service_takes_bytes_and_answers_bytes() {
    let (client, mut script) = client();
    let echo = |request: Request, job: Context| async move {
        if job.headers().value("fail").is_some() {
            return Err(RawFailure::fail(Message::new("no").content_type("text/plain")));
        }
        Ok(Message::new(request.payload).content_type("text/plain").header("operation", request.operation))
    };
    let _service = client.raw_service("picture_request", echo).spawn();
    let mut peer = script.welcome().await;
    let subscribe = peer.subscribe().await;
    peer.deliver(&subscribe, 1, "whatever", "bytes");
    let (settle, payload) = peer.settle().await;
    assert_eq!(&payload[..], b"bytes");
    assert!(
        matches!(settle.settlement, Settlement::Reply(label) if label.headers.value("operation") == Some("whatever"))
    );
}

#[tokio::test]
async fn a_handler_knows_its_delivery_and_reports_progress() {
    let (client, mut script) = client();
    let handler = |_: Resize, job: Context| async move {
        job.progress(0.5, "halfway");
        job.cancelled().cancelled().await;
        Ok::<_, Failure<ResizeError>>(format!("{}/{}/{}", job.ticket(), job.attempt(), job.requester()))
    };
    let _service = client.service(handler).spawn();
    let mut peer = script.welcome().await;
    let subscribe = peer.subscribe().await;
    let token = peer.deliver(&subscribe, 1, Resize::NAME, WIDTH_64);
    let Header::ProgressReport(report) = peer.header().await else { panic!("progress is reported") };
    assert_eq!((report.token, report.progress.stage.as_str()), (token, "halfway"));
}

#[tokio::test]
async fn a_stopped_delivery_fires_the_handlers_token_and_its_result_goes_nowhere() {
    let (client, mut script) = client();
    let (told, mut stopped) = mpsc::unbounded_channel();
    let handler = move |command: Resize, job: Context| {
        let told = told.clone();
        async move {
            if command.width == 64 {
                job.progress(0.0, "begun");
                job.cancelled().cancelled().await;
                told.send(job.delivery()).unwrap();
            }
            Ok::<_, Failure<ResizeError>>(command.width.to_string())
        }
    };
    let _service = client.service(handler).spawn();
    let mut peer = script.welcome().await;
    let subscribe = peer.subscribe().await;
    let token = peer.deliver(&subscribe, 1, "resize", WIDTH_64);
    assert!(matches!(peer.header().await, Header::ProgressReport(_)), "else it is not begun");
    peer.say(Stop { service: subscribe.service, token, reason: StopReason::LeaseLost });
    assert_eq!(stopped.recv().await, Some(1));
    let second = peer.deliver(&subscribe, 2, "resize", r#"{"width":1}"#);
    let (settle, _) = peer.settle().await;
    assert_eq!(settle.token, second);
}

#[tokio::test]
async fn a_handler_outlives_a_broken_connection_and_its_work_is_kept() {
    let (client, mut script) = client();
    let started = Arc::new(AtomicUsize::new(0));
    let (runs, finish) = (Arc::clone(&started), Arc::new(Notify::new()));
    let may_finish = Arc::clone(&finish);
    let handler = move |_: Resize, _: Context| {
        let (runs, may_finish) = (Arc::clone(&runs), Arc::clone(&may_finish));
        async move {
            runs.fetch_add(1, Ordering::Relaxed);
            may_finish.notified().await;
            Ok::<_, Failure<ResizeError>>("thumbnail".to_owned())
        }
    };
    let _service = client.service(handler).spawn();
    let mut peer = script.welcome().await;
    let subscribe = peer.subscribe().await;
    let token = peer.deliver(&subscribe, 1, "resize", WIDTH_64);
    peer.cut();
    let mut peer = script.welcome().await;
    let Header::TakeBack(take_back) = peer.header().await else { panic!("it takes its delivery back first") };
    assert_eq!((take_back.token, take_back.service), (token, subscribe.service));
    peer.answer(take_back.call, Answer::TakenBack);
    assert_eq!(peer.subscribe().await.service, subscribe.service);
    finish.notify_one();
    let (settle, payload) = peer.settle().await;
    assert_eq!((settle.token, &payload[..]), (token, &br#""thumbnail""#[..]));
    assert_eq!(started.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn no_more_handlers_run_than_allowed_also_when_a_lost_one_is_still_busy() {
    let (client, mut script) = client();
    let (told, mut starts) = mpsc::unbounded_channel();
    let finish = Arc::new(Notify::new());
    let may_finish = Arc::clone(&finish);
    let handler = move |command: Resize, _: Context| {
        let (told, may_finish) = (told.clone(), Arc::clone(&may_finish));
        async move {
            told.send(command.width).unwrap();
            may_finish.notified().await;
            Ok::<_, Failure<ResizeError>>(String::new())
        }
    };
    let _service = client.service(handler).concurrency(1).spawn();
    let mut peer = script.welcome().await;
    let subscribe = peer.subscribe().await;
    assert_eq!(subscribe.credit, 1);
    let token = peer.deliver(&subscribe, 1, "resize", r#"{"width":1}"#);
    assert_eq!(starts.recv().await, Some(1));
    peer.say(Stop { service: subscribe.service, token, reason: StopReason::LeaseLost });
    let second = peer.deliver(&subscribe, 2, "resize", r#"{"width":2}"#);
    peer.say(Ping { nonce: 5 });
    assert!(matches!(peer.header().await, Header::Pong(_)), "the client reads on");
    assert!(starts.try_recv().is_err());
    finish.notify_one();
    assert_eq!(starts.recv().await, Some(2));
    finish.notify_one();
    assert_eq!(peer.settle().await.0.token, second);
}

#[tokio::test]
async fn a_graceful_shutdown_finishes_what_is_at_work() {
    let (client, mut script) = client();
    let finish = Arc::new(Notify::new());
    let may_finish = Arc::clone(&finish);
    let handler = move |_: Resize, _: Context| {
        let may_finish = Arc::clone(&may_finish);
        async move {
            may_finish.notified().await;
            Ok::<_, Failure<ResizeError>>("thumbnail".to_owned())
        }
    };
    let stop = CancellationToken::new();
    let running = client.service(handler).with_graceful_shutdown(stop.clone().cancelled_owned()).run();
    let running = tokio::spawn(running);
    let mut peer = script.welcome().await;
    let subscribe = peer.subscribe().await;
    peer.deliver(&subscribe, 1, "resize", WIDTH_64);
    peer.say(Ping { nonce: 5 });
    assert!(matches!(peer.header().await, Header::Pong(_)));
    stop.cancel();
    assert!(matches!(peer.header().await, Header::Credit(credit) if credit.credit == 0));
    finish.notify_one();
    let (settle, _) = peer.settle().await;
    peer.answer(settle.call, Answer::Settled);
    assert!(matches!(peer.header().await, Header::Unsubscribe(_)));
    peer.say(Unsubscribed { service: subscribe.service, refusal: None });
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_handler_can_be_called_without_a_broker() {
    let job = Context::for_test();
    job.progress(0.5, "halfway");
    assert_eq!((job.attempt(), job.delivery(), job.requester().as_str()), (1, 1, "test"));
    assert!(!job.cancelled().is_cancelled());
}

#[tokio::test]
async fn a_service_on_a_channel_that_is_refused_ends_with_the_refusal() {
    let (client, mut script) = client();
    let running = tokio::spawn(client.service(|_: Resize, _: Context| pending::<Result<_, _>>()).run());
    let mut peer = script.welcome().await;
    let Header::Subscribe(subscribe) = peer.header().await else { panic!("it subscribes") };
    let refusal = Refusal::new(RefusalCode::UnknownChannel, "no such channel");
    peer.say(Unsubscribed { service: subscribe.service, refusal: Some(refusal) });
    assert!(running.await.unwrap().unwrap_err().to_string().contains("no such channel"));
}

/// As many deliveries as handlers that wait for each other before they return.
async fn settle_together(handlers: u8, handler: impl Fn(Resize, Context) -> Handled + Send + Sync + 'static) {
    let (client, mut script) = client();
    let _service = client.service(handler).spawn();
    let mut peer = script.welcome().await;
    let subscribe = peer.subscribe().await;
    for number in 1..=handlers {
        peer.deliver(&subscribe, number, "resize", WIDTH_64);
    }
    for _ in 0..handlers {
        peer.settle().await;
    }
}

type Handled = std::future::Ready<Result<String, Failure<ResizeError>>>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_blocks_its_thread_leaves_the_others_to_the_other_handlers() {
    let both = std::sync::Barrier::new(2);
    settle_together(2, move |_, _| {
        both.wait();
        std::future::ready(Ok("thumbnail".to_owned()))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_handlers_than_threads_may_block_in_place_at_once() {
    let all = std::sync::Barrier::new(8);
    settle_together(8, move |_, _| {
        tokio::task::block_in_place(|| all.wait());
        std::future::ready(Ok("thumbnail".to_owned()))
    })
    .await;
}
