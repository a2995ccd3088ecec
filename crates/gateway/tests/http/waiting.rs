//! Where a request is, and waiting for its end.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use roundtrip_broker::Broker;
use roundtrip_client::Message;
use roundtrip_gateway::Gateway;
use serde_json::{Value, json};

use crate::stage::{Stage, header, refusal};

const UNKNOWN: &str = "/v1/requests/a_request:0190d5a3-7b1e-7cc0-8000-3c5f1f6a2b11";

#[tokio::test]
async fn a_waiting_request_says_how_many_go_before_it() {
    let stage = Stage::new().await;
    stage.submit("a_request", "first").await;
    let second = stage.submit("a_request", "second").await;
    let response = stage.get(&second).await;
    assert_eq!(response.status(), StatusCode::OK);
    let ticket = second.trim_start_matches("/v1/requests/");
    let mut status: Value = response.json().await.unwrap();
    let remaining = status["remaining"].take().as_f64().unwrap();
    assert!(remaining > 80_000.0 && remaining <= 86_400.0, "the channel's default deadline is a day: {remaining}");
    let expected = json!({"ticket": ticket, "channel": "a_request", "state": "waiting", "delivery": null,
        "attempt": null, "progress": null, "ahead": 1, "services": 0, "attempts": 0, "remaining": null});
    assert_eq!(status, expected);
}

#[tokio::test]
async fn a_request_in_flight_tells_its_delivery_and_the_latest_progress() {
    let stage = Stage::new().await;
    let _service = stage
        .serve("a_request", |_, job| async move {
            job.progress(0.5, "medications");
            std::future::pending().await
        })
        .await;
    let path = stage.submit("a_request", "hello").await;
    let status = loop {
        let status: Value = stage.get(&path).await.json().await.unwrap();
        if !status["progress"].is_null() {
            break status;
        }
    };
    assert_eq!((&status["state"], &status["delivery"]), (&"in_flight".into(), &1.into()));
    assert_eq!((&status["attempt"], &status["services"]), (&1.into(), &1.into()));
    let progress = &status["progress"];
    assert_eq!(*progress, json!({"fraction": 0.5, "stage": "medications", "note": ""}));
}

#[tokio::test]
async fn a_request_with_an_outcome_leads_to_its_reply() {
    let stage = Stage::new().await;
    let _service = stage.shout("a_request").await;
    let path = stage.submit("a_request", "hello").await;
    let response = stage.get(&format!("{path}?wait=60")).await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    assert_eq!(header(&response, "location"), format!("{path}/reply"));
    assert!(!response.headers().contains_key("roundtrip-outcome"));
    assert_eq!(stage.get(&path).await.status(), StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_reply_can_be_read_again_and_again() {
    let stage = Stage::new().await;
    let path = stage.submit("a_request", "hello").await;
    let _service = stage.shout("a_request").await;
    for query in ["?wait=60s", "?wait=0", ""] {
        let response = stage.get(&format!("{path}/reply{query}")).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(header(&response, "roundtrip-outcome"), "replied");
        assert_eq!(header(&response, "content-type"), "text/plain");
        assert_eq!(response.text().await.unwrap(), "HELLO");
    }
}

#[tokio::test]
async fn a_reply_that_is_not_there_is_answered_with_202_and_the_status() {
    let gateway = Gateway::builder().longest_wait(Duration::from_millis(50));
    let stage = Stage::with(Broker::builder(), gateway).await;
    let path = stage.submit("a_request", "hello").await;
    for query in ["", "?wait=60"] {
        let response = stage.get(&format!("{path}/reply{query}")).await;
        assert_eq!(response.status(), StatusCode::ACCEPTED);
        assert_eq!(header(&response, "retry-after"), "1");
        assert!(!response.headers().contains_key("roundtrip-outcome"));
        assert_eq!(response.json::<Value>().await.unwrap()["state"], "waiting");
        assert_eq!(stage.get(&format!("{path}{query}")).await.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn a_caller_that_hangs_up_while_waiting_cancels_nothing() {
    let stage = Stage::new().await;
    let path = stage.submit("a_request", "hello").await;
    let request = format!("GET {path}/reply?wait=60 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    drop(stage.connect(&request).await);
    let submission = "POST /v1/channels/a_request/requests HTTP/1.1\r\nHost: localhost\r\nPrefer: wait=60\r\n\
                      Content-Length: 3\r\n\r\nbye";
    let waiting = stage.connect(submission).await;
    stage.until("a_request", |figures| figures.waiting == 2).await;
    drop(waiting);

    let service = stage.serve("a_request", |request, _| async move { Ok(Message::new(request.payload)) }).await;
    stage.until("a_request", |figures| figures.retained == 2).await;
    let reply = stage.get(&format!("{path}/reply")).await;
    assert_eq!(header(&reply, "roundtrip-outcome"), "replied");
    assert_eq!(reply.text().await.unwrap(), "hello");
    drop(service);
}

#[tokio::test]
async fn a_ticket_that_the_broker_does_not_know_is_404_everywhere() {
    let stage = Stage::new().await;
    for path in ["", "?wait=60", "/reply", "/reply?wait=60"] {
        refusal(stage.get(&format!("{UNKNOWN}{path}")).await, 404, "unknown_ticket").await;
    }
    refusal(stage.call(Method::DELETE, UNKNOWN).send().await.unwrap(), 404, "unknown_ticket").await;
}
