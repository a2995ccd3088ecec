//! Saying that an outcome was handled.

use reqwest::{Response, StatusCode};
use roundtrip_broker::{Broker, ChannelSettings};
use roundtrip_gateway::Gateway;

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

/// Room for one part of eight bytes, and the path of a request whose parts need it.
async fn little_room() -> (Stage, String) {
    let settings = ChannelSettings::new("a_request").parts_room(10);
    let stage = Stage::with(Broker::builder().channel(settings), Gateway::builder()).await;
    let submit = stage.post("/v1/channels/a_request/requests").header("roundtrip-requester", "night-shift");
    let path = header(&submit.body("work").send().await.unwrap(), "location").to_owned();
    (stage, path)
}

#[tokio::test]
async fn parts_that_were_acknowledged_make_room_for_others() {
    let (stage, path) = little_room().await;
    let delivery = stage.take("a_request").await;
    stage.told(&delivery, "part", "eight by").await;
    refusal(stage.tell(&delivery, "part", "eight by").await, 503, "parts_full").await;
    let part = format!("{path}/parts/1.1");
    assert_eq!(acknowledge(&stage, &part, Some("day-shift")).await.status(), StatusCode::NO_CONTENT);
    refusal(stage.tell(&delivery, "part", "eight by").await, 503, "parts_full").await;
    assert_eq!(acknowledge(&stage, &part, Some("night-shift")).await.status(), StatusCode::NO_CONTENT);
    stage.told(&delivery, "part", "eight by").await;
    assert_eq!(acknowledge(&stage, &part, Some("night-shift")).await.status(), StatusCode::NO_CONTENT);
    refusal(stage.tell(&delivery, "part", "eight by").await, 503, "parts_full").await;
}

#[tokio::test]
async fn parts_are_acknowledged_by_their_id_and_under_a_name() {
    let (stage, path) = little_room().await;
    refusal(acknowledge(&stage, &format!("{path}/parts/1.1"), None).await, 400, "invalid").await;
    for part in ["1", "outcome", "secret"] {
        let told = acknowledge(&stage, &format!("{path}/parts/{part}"), Some("night-shift")).await;
        let problem = refusal(told, 400, "invalid").await;
        assert!(!problem.to_string().contains("secret"), "{problem}");
    }
    let unknown = "/v1/requests/a_request:0190d5a3-7b1e-7cc0-8000-3c5f1f6a2b11/parts/1.1";
    refusal(acknowledge(&stage, unknown, Some("night-shift")).await, 404, "unknown_ticket").await;
}
