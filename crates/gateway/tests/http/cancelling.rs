//! `DELETE` only cancels.

use reqwest::{Method, Response, StatusCode};
use serde_json::Value;

use crate::stage::{Stage, header};

async fn delete(stage: &Stage, path: &str) -> Response {
    let response = stage.call(Method::DELETE, path).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    response
}

#[tokio::test]
async fn an_open_request_is_cancelled_and_stays_so() {
    let stage = Stage::new().await;
    let path = stage.submit("a_request", "hello").await;
    for ended_before in [false, true] {
        let response = delete(&stage, &path).await;
        assert_eq!(header(&response, "roundtrip-outcome"), "cancelled");
        let body: Value = response.json().await.unwrap();
        assert_eq!((&body["outcome"], &body["channel"]), (&"cancelled".into(), &"a_request".into()));
        assert_eq!(body["ended_before"], ended_before);
    }
}

#[tokio::test]
async fn the_outcome_that_was_first_is_told_and_kept() {
    let stage = Stage::new().await;
    let _service = stage.shout("a_request").await;
    let path = stage.submit("a_request", "hello").await;
    stage.get(&format!("{path}?wait=60")).await;
    let response = delete(&stage, &path).await;
    assert_eq!(header(&response, "roundtrip-outcome"), "replied");
    assert_eq!(response.json::<Value>().await.unwrap()["ended_before"], true);
    let reply = stage.get(&format!("{path}/reply")).await;
    assert_eq!(reply.text().await.unwrap(), "HELLO");
}
