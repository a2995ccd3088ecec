//! What each outcome is over HTTP.

use std::time::Duration;

use reqwest::{Method, Response};
use roundtrip_broker::{Broker, ChannelSettings};
use roundtrip_client::{Failure, Message};
use roundtrip_gateway::Gateway;

use crate::stage::{Stage, header, problem};

/// What becomes of a request whose service fails it so.
async fn failed_with(error: &'static str) -> Response {
    let stage = Stage::new().await;
    let _service = stage
        .serve("a_request", move |_, _| async move {
            Err(Failure::fail(Message::new(error).content_type("application/json")))
        })
        .await;
    let path = stage.submit("a_request", "hello").await;
    let response = stage.get(&format!("{path}/reply?wait=60")).await;
    assert_eq!(header(&response, "roundtrip-outcome"), "failed");
    response
}

#[tokio::test]
async fn a_failure_has_the_status_that_its_service_wants() {
    let problem = problem(failed_with(r#"{"status": 404, "unknown": "patient"}"#).await, 404, "failed").await;
    assert_eq!(problem["details"]["unknown"], "patient");
    assert_eq!(problem["outcome"], "failed");
}

#[tokio::test]
async fn a_status_that_is_no_error_is_not_passed_on() {
    for error in [
        r#"{"status": 200}"#,
        r#"{"status": "404"}"#,
        r#"{"status": 600}"#,
        r#"{"status": -1}"#,
        "[404]",
        "no JSON",
        "",
    ] {
        problem(failed_with(error).await, 500, "failed").await;
    }
}

#[tokio::test]
async fn a_dead_request_is_502() {
    let stage = Stage::new().await;
    let _service = stage.serve("a_request", |_, _| async { Err(Failure::reject("poison")) }).await;
    let call = stage.post("/v1/channels/a_request/requests").header("prefer", "wait=60");
    let response = call.send().await.unwrap();
    assert_eq!(header(&response, "roundtrip-outcome"), "dead");
    header(&response, "location");
    assert_eq!(header(&response, "roundtrip-attempts"), "1");
    let problem = problem(response, 502, "rejected").await;
    assert_eq!((&problem["attempts"], &problem["last"]["code"]), (&1.into(), &"rejected".into()));
}

#[tokio::test]
async fn an_expired_request_is_504() {
    let stage = Stage::new().await;
    let call = stage.post("/v1/channels/a_request/requests").header("roundtrip-deadline", "0.05");
    let response = call.header("prefer", "wait=60").send().await.unwrap();
    assert_eq!(header(&response, "roundtrip-outcome"), "expired");
    problem(response, 504, "expired").await;
}

#[tokio::test]
async fn a_cancelled_request_is_410() {
    let stage = Stage::new().await;
    let path = stage.submit("a_request", "hello").await;
    stage.call(Method::DELETE, &path).send().await.unwrap();
    let response = stage.get(&format!("{path}/reply")).await;
    assert_eq!(header(&response, "roundtrip-outcome"), "cancelled");
    problem(response, 410, "cancelled").await;
}

#[tokio::test]
async fn an_outcome_whose_retention_passed_is_unknown() {
    let retention = Duration::from_millis(1);
    let broker = Broker::builder().channel(ChannelSettings::new("a_request").retention(retention));
    let stage = Stage::with(broker, Gateway::builder()).await;
    let path = stage.submit("a_request", "hello").await;
    stage.call(Method::DELETE, &path).send().await.unwrap();
    stage.until("a_request", |figures| figures.retained == 0).await;
    crate::stage::refusal(stage.get(&format!("{path}/reply")).await, 404, "unknown_ticket").await;
}

#[tokio::test]
async fn no_answer_is_kept_guessed_at_or_run_by_a_browser() {
    let stage = Stage::new().await;
    let _service = stage
        .serve("a_request", |_, _| async { Ok(Message::new("<script>x</script>").content_type("text/html")) })
        .await;
    let path = stage.submit("a_request", "hello").await;
    let response = stage.get(&format!("{path}/reply?wait=60")).await;
    assert_eq!(header(&response, "content-type"), "text/html");
    assert_eq!(header(&response, "cache-control"), "no-store");
    assert_eq!(header(&response, "x-content-type-options"), "nosniff");
    assert!(header(&response, "content-security-policy").contains("sandbox"));
}

#[tokio::test]
async fn a_reply_without_a_content_type_has_none() {
    let stage = Stage::new().await;
    let _service = stage.serve("a_request", |_, _| async { Ok(Message::new("plain")) }).await;
    let path = stage.submit("a_request", "hello").await;
    let response = stage.get(&format!("{path}/reply?wait=60")).await;
    assert_eq!(header(&response, "roundtrip-attempts"), "1");
    assert!(!response.headers().contains_key("content-type"));
    assert_eq!(response.text().await.unwrap(), "plain");
}
