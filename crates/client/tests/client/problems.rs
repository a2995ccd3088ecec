//! Outcomes that are no reply, as errors and in the form of RFC 9457.

use roundtrip_client::{CallError, OutcomeError};
use roundtrip_protocol::*;
use serde_json::json;

use crate::script::{Resize, ResizeError, client, failed};

/// An outcome as a raw ticket and as a call see it.
async fn outcome(ending: Ending, payload: &'static str) -> (roundtrip_client::Outcome, OutcomeError<ResizeError>) {
    let (client, mut script) = client();
    let letters = client.requester("letters");
    let submitting = letters.submit_raw("picture_request", "resize", roundtrip_client::Message::default());
    let raw = tokio::spawn(async move { submitting.await.unwrap().outcome().await.unwrap() });
    let mut peer = script.welcome().await;
    let (submit, _) = peer.submit().await;
    peer.say(Accepted { ticket: submit.ticket, services: 1, duplicate: None });
    peer.say_with(Outcome { ticket: submit.ticket, attempts: 3, ending: ending.clone() }, payload);
    let raw = raw.await.unwrap();
    let calling = tokio::spawn(letters.call(Resize { width: 64 }).into_future());
    let submit = loop {
        match peer.header().await {
            Header::Submit(submit) => break submit,
            Header::Detach(_) => {}
            other => panic!("expected Submit, got {}", other.name()),
        }
    };
    peer.say_with(Outcome { ticket: submit.ticket, attempts: 3, ending }, payload);
    match calling.await.unwrap() {
        Err(CallError::Outcome(error)) => (raw, error),
        other => panic!("expected an outcome that is no reply, got {other:?}"),
    }
}

#[tokio::test]
async fn an_expired_request_is_told_as_such() {
    let (raw, error) = outcome(Ending::Expired, "").await;
    assert_eq!(error, OutcomeError::Expired);
    assert_eq!(
        serde_json::to_value(raw.problem().unwrap()).unwrap(),
        json!({
            "type": "urn:roundtrip:problem:expired",
            "title": "The request expired.",
            "detail": "Its deadline passed before it had a reply.",
            "code": "expired",
            "outcome": "expired",
            "attempts": 3,
        })
    );
}

#[tokio::test]
async fn a_cancelled_request_is_told_as_such() {
    let (raw, error) = outcome(Ending::Cancelled, "").await;
    assert_eq!(error, OutcomeError::Cancelled);
    assert_eq!((raw.kind(), raw.problem().unwrap().code.as_str()), (OutcomeKind::Cancelled, "cancelled"));
}

#[tokio::test]
async fn a_typed_error_is_the_details_of_its_problem() {
    let Outcome { ending, .. } = failed(TicketNumber(0), "failed", Some("application/json"));
    let (raw, error) = outcome(ending, r#""UnknownPicture""#).await;
    assert_eq!(
        serde_json::to_value(raw.problem().unwrap()).unwrap(),
        json!({
            "type": "urn:roundtrip:problem:failed",
            "title": "The request failed finally.",
            "detail": "about Mr Smith",
            "code": "failed",
            "outcome": "failed",
            "attempts": 3,
            "details": "UnknownPicture",
        })
    );
    assert_eq!(error.problem().unwrap().extensions.details().as_deref(), Some(r#""UnknownPicture""#));
}

#[tokio::test]
async fn a_dead_request_tells_what_its_last_attempt_failed_with() {
    let last = Some(Problem::new("upstream", "about Mr Smith"));
    let (raw, error) = outcome(Ending::Dead { reason: DeadReason::AttemptsExhausted, last }, "").await;
    let expected = json!({
        "type": "urn:roundtrip:problem:attempts_exhausted",
        "title": "The request is dead: it is not tried again.",
        "detail": "The last allowed attempt failed or was lost.",
        "code": "attempts_exhausted",
        "outcome": "dead",
        "attempts": 3,
        "last": { "code": "upstream", "message": "about Mr Smith" },
    });
    assert_eq!(serde_json::to_value(raw.problem().unwrap()).unwrap(), expected);
    assert_eq!(serde_json::to_value(error.problem().unwrap()).unwrap(), expected);
}

#[tokio::test]
async fn a_problem_shows_nothing_of_the_service_unless_it_is_serialized() {
    let Outcome { ending, .. } = failed(TicketNumber(0), "failed", Some("application/json"));
    let (raw, _) = outcome(ending, r#""Smith""#).await;
    let problem = raw.problem().unwrap();
    assert!(!format!("{problem} {problem:?}").contains("Smith"));
}
