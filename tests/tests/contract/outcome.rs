//! Every way in which a request ends, and what happens to it before.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use roundtrip::{
    CallError, DeadReason, Ending, Failure, Message, OutcomeError, OutcomeKind, Problem, Progress, RequestState,
};

use crate::stage::{Double, NotDoubled, Stage, Way, Witness, both_ways, doubled, quick};

both_ways! {
    a_request_is_answered,
    a_call_is_answered,
    a_reply_in_bytes_keeps_its_media_type_and_headers,
    a_typed_failure_arrives_whole,
    a_problem_arrives_with_its_code_and_message,
    a_retryable_failure_is_tried_again,
    a_panic_is_a_retryable_failure,
    a_request_is_dead_after_its_last_attempt,
    a_rejected_request_is_dead_at_once,
    a_released_request_comes_again_and_the_release_does_not_count,
    an_unknown_operation_fails_finally,
    a_payload_that_does_not_decode_fails_finally,
    progress_arrives_and_ends_with_the_outcome,
    the_state_says_where_a_request_is,
}

async fn a_request_is_answered(way: Way) {
    let stage = Stage::open(way).await;
    let _service = stage.client().await.service(doubled).spawn();

    let ticket = stage.client().await.requester("test").submit(Double::of(21)).await.unwrap();
    assert_eq!(ticket.await, Ok(42));
}

async fn a_call_is_answered(way: Way) {
    let stage = Stage::open(way).await;
    let _service = stage.client().await.service(doubled).spawn();

    let requester = stage.client().await.anonymous();
    assert_eq!(requester.call(Double::of(21)).await, Ok(42));
    let failure = requester.call(Double::of(u64::MAX)).await;
    assert!(matches!(failure, Err(CallError::Outcome(OutcomeError::Failed(NotDoubled::TooLarge { .. })))));
}

async fn a_reply_in_bytes_keeps_its_media_type_and_headers(way: Way) {
    let stage = Stage::open(way).await;
    let service = stage.client().await.raw_service("echo_request", async |request, _| {
        let trace = request.headers.value("trace").unwrap_or_default().to_owned();
        Ok(Message::new(request.payload).content_type(request.content_type).header("seen", trace))
    });
    let _service = service.spawn();

    let payload = Bytes::from((0..=255).collect::<Vec<u8>>());
    let message = Message::new(payload.clone()).content_type("image/x-every-byte").header("trace", "t-1");
    let requester = stage.client().await.requester("test");
    let outcome = requester.submit_raw("echo_request", "echo", message).await.unwrap().await.unwrap();
    assert_eq!(outcome.payload, payload);
    let Ending::Replied(label) = outcome.ending else { panic!("{outcome:?}") };
    assert_eq!(label.content_type, "image/x-every-byte");
    assert_eq!(label.headers.value("seen"), Some("t-1"));
}

async fn a_typed_failure_arrives_whole(way: Way) {
    let stage = Stage::open(way).await;
    let _service = stage.client().await.service(doubled).spawn();

    let ticket = stage.client().await.requester("test").submit(Double::of(u64::MAX)).await.unwrap();
    assert_eq!(ticket.await, Err(OutcomeError::Failed(NotDoubled::TooLarge { largest: u64::MAX / 2 })));
}

async fn a_problem_arrives_with_its_code_and_message(way: Way) {
    let stage = Stage::open(way).await;
    let service = stage
        .client()
        .await
        .service(async |_: Double, _| Err(Failure::problem("no_paper", "the printer has no paper")));
    let _service = service.spawn();

    let ticket = stage.client().await.requester("test").submit(Double::of(1)).await.unwrap();
    let problem = Problem::new("no_paper", "the printer has no paper");
    assert_eq!(ticket.await, Err(OutcomeError::Problem(problem)));
}

async fn a_retryable_failure_is_tried_again(way: Way) {
    let stage = Stage::open(way).await;
    let service = stage.client().await.service(async |command: Double, job| {
        if job.attempt() == 1 {
            "not a number".parse::<u64>()?;
        }
        Ok(command.number * 2)
    });
    let _service = service.spawn();

    let ticket = stage.client().await.requester("test").submit(Double::of(21)).await.unwrap().into_raw();
    let outcome = ticket.await.unwrap();
    assert_eq!(outcome.attempts, 2);
    assert_eq!(outcome.decode::<Double>(), Ok(42));
}

async fn a_panic_is_a_retryable_failure(way: Way) {
    let stage = Stage::open(way).await;
    let service = stage.client().await.service(async |command: Double, job| {
        assert!(job.attempt() > 1, "this panic is part of a test");
        Ok(command.number * 2)
    });
    let _service = service.spawn();

    let ticket = stage.client().await.requester("test").submit(Double::of(21)).await.unwrap();
    assert_eq!(ticket.await, Ok(42));
}

async fn a_request_is_dead_after_its_last_attempt(way: Way) {
    let stage = Stage::with_channels(way, quick().max_attempts(3)).await;
    let handled = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&handled);
    let service = stage.client().await.service(move |_: Double, _| {
        counter.fetch_add(1, Ordering::Relaxed);
        async { Err(Failure::retry("the text stays with the service").code("upstream_busy")) }
    });
    let _service = service.spawn();

    let ticket = stage.client().await.requester("test").submit(Double::of(1)).await.unwrap();
    let last = Some(Problem::new("upstream_busy", ""));
    assert_eq!(ticket.await, Err(OutcomeError::Dead { reason: DeadReason::AttemptsExhausted, attempts: 3, last }));
    assert_eq!(handled.load(Ordering::Relaxed), 3);
}

async fn a_rejected_request_is_dead_at_once(way: Way) {
    let stage = Stage::open(way).await;
    let service = stage.client().await.service(async |_: Double, _| Err(Failure::reject("poison").code("poison")));
    let _service = service.spawn();

    let ticket = stage.client().await.requester("test").submit(Double::of(1)).await.unwrap();
    let last = Some(Problem::new("poison", ""));
    assert_eq!(ticket.await, Err(OutcomeError::Dead { reason: DeadReason::Rejected, attempts: 1, last }));
}

async fn a_released_request_comes_again_and_the_release_does_not_count(way: Way) {
    let stage = Stage::open(way).await;
    let service = stage.client().await.service(async |command: Double, job| {
        assert_eq!(job.attempt(), 1);
        if job.delivery() < 3 { Err(Failure::release()) } else { Ok(command.number * 2) }
    });
    let _service = service.spawn();

    let ticket = stage.client().await.requester("test").submit(Double::of(21)).await.unwrap().into_raw();
    let outcome = ticket.await.unwrap();
    assert_eq!(outcome.attempts, 1);
    assert_eq!(outcome.decode::<Double>(), Ok(42));
}

async fn an_unknown_operation_fails_finally(way: Way) {
    let stage = Stage::open(way).await;
    let _service = stage.client().await.service(doubled).spawn();

    let requester = stage.client().await.requester("test");
    let ticket = requester.submit_raw("double_request", "triple", Message::new("{}")).await.unwrap();
    assert_failed_with(&ticket.await.unwrap().ending, "unknown_operation");
}

async fn a_payload_that_does_not_decode_fails_finally(way: Way) {
    let stage = Stage::open(way).await;
    let _service = stage.client().await.service(doubled).spawn();

    let requester = stage.client().await.requester("test");
    let ticket = requester.submit_raw("double_request", "", Message::new("{ \"number\": \"three\" }")).await.unwrap();
    let outcome = ticket.await.unwrap();
    assert_failed_with(&outcome.ending, "invalid_payload");
    assert_eq!(outcome.attempts, 1);
}

fn assert_failed_with(ending: &Ending, code: &str) {
    let Ending::Failed { problem, .. } = ending else { panic!("{ending:?}") };
    assert_eq!(problem.code, code);
}

async fn progress_arrives_and_ends_with_the_outcome(way: Way) {
    let stage = Stage::open(way).await;
    let witness = Witness::new();
    let handler = witness.clone();
    let service = stage.client().await.service(move |command: Double, job| {
        let witness = handler.clone();
        async move {
            job.progress(0.25, "counting");
            witness.hold(&job).await;
            job.note(0.75, "counting on", "nearly there");
            witness.hold(&job).await;
            Ok(command.number * 2)
        }
    });
    let _service = service.spawn();

    let ticket = stage.client().await.requester("test").submit(Double::of(21)).await.unwrap();
    let mut progress = ticket.progress();
    let expected = Progress { fraction: 0.25, stage: "counting".into(), note: String::new() };
    assert_eq!(progress.next().await, Some(expected));
    witness.let_go(1);
    let expected = Progress { fraction: 0.75, stage: "counting on".into(), note: "nearly there".into() };
    assert_eq!(progress.next().await, Some(expected));
    witness.let_go(1);
    assert_eq!(progress.next().await, None);
    assert_eq!(ticket.await, Ok(42));
}

async fn the_state_says_where_a_request_is(way: Way) {
    let stage = Stage::open(way).await;
    let ticket = stage.client().await.requester("test").submit(Double::of(21)).await.unwrap();
    assert_eq!(ticket.services(), Some(0));
    assert_eq!(ticket.state().await.unwrap().state, RequestState::Waiting);

    let witness = Witness::new();
    let handler = witness.clone();
    let service = stage.client().await.service(move |command: Double, job| {
        let witness = handler.clone();
        async move {
            job.progress(0.5, "half of it");
            witness.hold(&job).await;
            Ok(command.number * 2)
        }
    });
    let _service = service.spawn();
    witness.begun().await;
    assert_eq!(ticket.progress().next().await.map(|progress| progress.stage), Some("half of it".into()));
    let in_flight = ticket.state().await.unwrap();
    assert_eq!(in_flight.state, RequestState::InFlight { delivery: 1, attempt: 1 });
    assert_eq!(in_flight.services, 1);
    assert_eq!(in_flight.progress.map(|progress| progress.fraction), Some(0.5));

    witness.let_go(1);
    assert_eq!(ticket.outcome().await, Ok(42));
    assert_eq!(ticket.state().await.unwrap().state, RequestState::Ended(OutcomeKind::Replied));
}
