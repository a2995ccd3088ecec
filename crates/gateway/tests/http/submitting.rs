//! What a submission carries, and what is answered to it.

use std::time::Duration;

use reqwest::StatusCode;
use roundtrip_client::{Message, Request};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::stage::{Stage, header, refusal};

/// A service that hands every request to the test, and answers with a header of each kind.
async fn inspected(stage: &Stage, channel: &str) -> mpsc::UnboundedReceiver<Request> {
    let (sender, receiver) = mpsc::unbounded_channel();
    let service = stage
        .serve(channel, move |request, _| {
            let sender = sender.clone();
            async move {
                sender.send(request).unwrap();
                let reply = Message::new("{}").content_type("application/fhir+json").header("ward", "7 süd");
                Ok(reply.header("traceparent", "00-1").header("ce-id", "9").header("not\nHTTP", "x"))
            }
        })
        .await;
    service.detach();
    receiver
}

#[tokio::test]
async fn an_accepted_request_is_answered_with_its_place_and_a_small_status() {
    let stage = Stage::new().await;
    let response = stage.post("/v1/channels/a_request/requests").body("hello").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    assert_eq!(header(&response, "retry-after"), "1");
    assert!(!response.headers().contains_key("roundtrip-outcome"));
    assert!(!response.headers().contains_key("preference-applied"));
    let location = header(&response, "location").to_owned();
    let status: Value = response.json().await.unwrap();
    assert_eq!(location, format!("/v1/requests/{}", status["ticket"].as_str().unwrap()));
    assert_eq!((&status["channel"], &status["state"]), (&"a_request".into(), &"accepted".into()));
    assert_eq!(status["reply"], format!("{location}/reply"));
    assert_eq!(status["services"], 0);
    let _service = stage.shout("a_request").await;
    let second = stage.post("/v1/channels/a_request/requests").body("hello").send().await.unwrap();
    assert_eq!(second.json::<Value>().await.unwrap()["services"], 1);
}

#[tokio::test]
async fn payload_content_type_operation_and_headers_reach_the_service_and_come_back() {
    let stage = Stage::new().await;
    let mut requests = inspected(&stage, "a_request").await;
    let call = stage.post("/v1/channels/a_request/requests").header("prefer", "wait=60");
    let call =
        call.header("content-type", "application/fhir+json; fhirVersion=4.0").header("roundtrip-operation", "sum");
    let call = call.header("Roundtrip-Meta-Ward", "7 süd").header("traceparent", "00-2").header("tracestate", "a=b");
    let response = call.header("ce-id", "8").header("x-other", "stays").body("payload").send().await.unwrap();

    let request = requests.recv().await.unwrap();
    assert_eq!(&*request.payload, b"payload");
    assert_eq!(&*request.content_type, "application/fhir+json; fhirVersion=4.0");
    assert_eq!(&*request.operation, "sum");
    let mut names: Vec<_> = request.headers.0.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    names.sort_unstable();
    assert_eq!(names, [("ce-id", "8"), ("traceparent", "00-2"), ("tracestate", "a=b"), ("ward", "7 süd")]);

    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header(&response, "content-type"), "application/fhir+json");
    assert_eq!(response.headers()["roundtrip-meta-ward"].as_bytes(), "7 süd".as_bytes());
    assert_eq!((header(&response, "traceparent"), header(&response, "ce-id")), ("00-1", "9"));
}

#[tokio::test]
async fn a_preferred_wait_brings_the_outcome_with_the_place_of_the_request() {
    let stage = Stage::new().await;
    let _service = stage.shout("a_request").await;
    let call = stage.post("/v1/channels/a_request/requests").header("prefer", "respond-async, wait=60");
    let response = call.body("hello").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header(&response, "roundtrip-outcome"), "replied");
    assert_eq!(header(&response, "preference-applied"), "respond-async, wait=60");
    assert!(header(&response, "location").starts_with("/v1/requests/a_request:"));
    assert_eq!(response.text().await.unwrap(), "HELLO");
}

#[tokio::test]
async fn a_preferred_wait_that_passes_is_answered_with_202() {
    let gateway = roundtrip_gateway::Gateway::builder().longest_wait(Duration::from_millis(50));
    let stage = Stage::with(roundtrip_broker::Broker::builder(), gateway).await;
    let call = stage.post("/v1/channels/a_request/requests").header("prefer", "wait=60");
    let response = call.body("hello").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    assert_eq!(header(&response, "preference-applied"), "wait=60");
    assert!(!response.headers().contains_key("roundtrip-outcome"));
    header(&response, "location");
}

#[tokio::test]
async fn respond_async_alone_does_not_wait() {
    let stage = Stage::new().await;
    let call = stage.post("/v1/channels/a_request/requests").header("prefer", "respond-async");
    let response = call.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    assert_eq!(header(&response, "preference-applied"), "respond-async");
}

#[tokio::test]
async fn the_same_key_bare_or_quoted_is_the_same_request() {
    let stage = Stage::new().await;
    let submit = |key: &'static str, payload: &'static str| {
        stage.post("/v1/channels/a_request/requests").header("idempotency-key", key).body(payload).send()
    };
    let first = submit("smith-2026", "hello").await.unwrap();
    assert!(!first.headers().contains_key("roundtrip-duplicate"));
    let second = submit("\"smith-2026\"", "hello").await.unwrap();
    assert_eq!(second.status(), StatusCode::ACCEPTED);
    assert_eq!(header(&second, "roundtrip-duplicate"), "true");
    assert_eq!(header(&first, "location"), header(&second, "location"));
    stage.until("a_request", |figures| figures.waiting == 1).await;
    refusal(submit("smith-2026", "other").await.unwrap(), 422, "key_conflict").await;
}

#[tokio::test]
async fn a_delayed_request_is_scheduled_and_a_priority_goes_first() {
    let stage = Stage::new().await;
    let delayed = stage.post("/v1/channels/a_request/requests").header("roundtrip-delay", "3600.5");
    let delayed = delayed.header("roundtrip-deadline", "7200").send().await.unwrap();
    let status: Value = stage.get(header(&delayed, "location")).await.json().await.unwrap();
    assert_eq!(status["state"], "scheduled");
    let begins_in = status["begins_in"].as_f64().unwrap();
    assert!(begins_in > 3_500.0 && begins_in <= 3_600.5, "{begins_in}");

    let plain = stage.submit("b_request", "plain").await;
    let urgent = stage.post("/v1/channels/b_request/requests").header("roundtrip-priority", "9").send().await.unwrap();
    let ahead = async |path: &str| stage.get(path).await.json::<Value>().await.unwrap()["ahead"].as_u64().unwrap();
    assert_eq!((ahead(header(&urgent, "location")).await, ahead(&plain).await), (0, 1));
}

#[tokio::test]
async fn a_named_requesters_outcome_goes_to_its_mailbox_and_stays_there_until_it_is_acknowledged() {
    let stage = Stage::new().await;
    let _service = stage.shout("a_request").await;
    let call = stage.post("/v1/channels/a_request/requests").header("roundtrip-requester", "night-shift");
    let call = call.header("roundtrip-reply-channel", "elsewhere_reply").header("prefer", "wait=60");
    let response = call.body("hello").send().await.unwrap();
    assert_eq!(header(&response, "roundtrip-outcome"), "replied");
    let mut replies = stage.client.requester("night-shift").replies("elsewhere_reply").await.unwrap();
    let reply = replies.next().await.unwrap().unwrap();
    assert_eq!(header(&response, "location"), format!("/v1/requests/{}", reply.ticket));
}
