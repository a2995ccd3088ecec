//! Saying that an outcome was handled.

use reqwest::{Response, StatusCode};

use crate::stage::{Stage, header, refusal};

async fn acknowledge(stage: &Stage, path: &str, requester: Option<&str>) -> Response {
    let call = stage.post(&format!("{path}/acknowledge"));
    requester.into_iter().fold(call, |call, name| call.header("roundtrip-requester", name)).send().await.unwrap()
}

#[tokio::test]
async fn an_acknowledged_outcome_is_gone_and_acknowledging_again_does_no_harm() {
    let stage = Stage::new().await;
    let _service = stage.shout("a_request").await;
    let path = stage.submit("a_request", "hello").await;
    stage.get(&format!("{path}/reply?wait=60")).await;
    assert_eq!(acknowledge(&stage, &path, None).await.status(), StatusCode::NO_CONTENT);
    refusal(stage.get(&format!("{path}/reply")).await, 404, "unknown_ticket").await;
    assert_eq!(acknowledge(&stage, &path, None).await.status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn without_an_outcome_there_is_nothing_to_acknowledge() {
    let stage = Stage::new().await;
    let path = stage.submit("a_request", "hello").await;
    refusal(acknowledge(&stage, &path, None).await, 409, "no_outcome_yet").await;
    assert_eq!(stage.get(&path).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_named_requesters_outcome_is_acknowledged_under_its_name_alone() {
    let stage = Stage::new().await;
    let _service = stage.shout("a_request").await;
    let call = stage.post("/v1/channels/a_request/requests").header("roundtrip-requester", "night-shift");
    let response = call.header("prefer", "wait=60").body("hello").send().await.unwrap();
    let path = header(&response, "location");
    refusal(acknowledge(&stage, path, None).await, 403, "forbidden").await;
    refusal(acknowledge(&stage, path, Some("day-shift")).await, 403, "forbidden").await;
    assert_eq!(acknowledge(&stage, path, Some("night-shift")).await.status(), StatusCode::NO_CONTENT);
    refusal(stage.get(path).await, 404, "unknown_ticket").await;
}
