//! Settling: every way in which a delivery ends, and what its requester sees then.

use reqwest::StatusCode;
use roundtrip_broker::{Broker, ChannelSettings};
use roundtrip_gateway::Gateway;
use serde_json::json;

use crate::stage::{Stage, header, problem, refusal};

/// A request that was taken: the path of its outcome, and that of its delivery.
async fn taken(stage: &Stage) -> (String, String) {
    let path = stage.submit("a_request", "work").await;
    (format!("{path}/reply"), stage.take("a_request").await)
}

#[tokio::test]
async fn a_reply_goes_to_the_requester_with_its_type_and_headers() {
    let stage = Stage::new().await;
    let (outcome, delivery) = taken(&stage).await;
    let reply = stage.post(&format!("{delivery}/reply")).header("Content-Type", "text/plain");
    let reply = reply.header("Roundtrip-Meta-Pages", "2").header("ce-type", "summary").body("done");
    assert_eq!(reply.send().await.unwrap().status(), StatusCode::NO_CONTENT);
    let response = stage.get(&outcome).await;
    assert_eq!(response.status(), StatusCode::OK);
    for (name, value) in [("content-type", "text/plain"), ("roundtrip-meta-pages", "2"), ("ce-type", "summary")] {
        assert_eq!(header(&response, name), value);
    }
    assert_eq!(response.text().await.unwrap(), "done");
}

#[tokio::test]
async fn what_settled_is_settled_again_and_nothing_else_is() {
    let stage = Stage::new().await;
    let (outcome, delivery) = taken(&stage).await;
    stage.told(&delivery, "reply", "done").await;
    stage.told(&delivery, "reply", "done").await;
    stage.told(&delivery, "release", "").await;
    refusal(stage.tell(&delivery, "renew", "").await, 409, "lease_lost").await;
    assert_eq!(stage.get(&outcome).await.text().await.unwrap(), "done");
}

#[tokio::test]
async fn a_final_failure_travels_whole_with_its_code_message_and_status() {
    let stage = Stage::new().await;
    let (outcome, delivery) = taken(&stage).await;
    let error = json!({"code": "unknown_patient", "message": "nobody has this number", "status": 404, "number": 7});
    let fail = stage.post(&format!("{delivery}/fail")).json(&error).send().await.unwrap();
    assert_eq!(fail.status(), StatusCode::NO_CONTENT);
    let response = stage.get(&outcome).await;
    assert_eq!(header(&response, "roundtrip-outcome"), "failed");
    let problem = problem(response, 404, "unknown_patient").await;
    assert_eq!((&problem["detail"], &problem["details"]), (&json!("nobody has this number"), &error));
}

#[tokio::test]
async fn a_failure_may_say_nothing_or_something_that_is_no_json() {
    let stage = Stage::new().await;
    for body in ["", "out of paper", "[1]", "{\"code\": 5}"] {
        let (outcome, delivery) = taken(&stage).await;
        stage.told(&delivery, "fail", body).await;
        problem(stage.get(&outcome).await, 500, "failed").await;
    }
}

#[tokio::test]
async fn a_retryable_failure_comes_back_and_counts() {
    let backoff = std::time::Duration::from_millis(1);
    let settings = ChannelSettings::new("a_request").max_attempts(2).backoff(backoff, backoff);
    let stage = Stage::with(Broker::builder().channel(settings), Gateway::builder()).await;
    let (outcome, delivery) = taken(&stage).await;
    stage.told(&delivery, "fail?retry=true&after=0.001", "").await;
    let again = stage.post("/v1/channels/a_request/deliveries?wait=60").send().await.unwrap();
    assert_eq!(header(&again, "roundtrip-attempt"), "2");
    let again = header(&again, "roundtrip-delivery").to_owned();
    stage.told(&again, "fail?retry=true", r#"{"code": "ehr_down", "message": "no answer"}"#).await;
    let response = stage.get(&outcome).await;
    assert_eq!(header(&response, "roundtrip-outcome"), "dead");
    let problem = problem(response, 502, "attempts_exhausted").await;
    assert_eq!(problem["last"], json!({"code": "ehr_down", "message": "no answer"}));
}

#[tokio::test]
async fn a_rejected_request_is_dead_at_once() {
    let stage = Stage::new().await;
    let (outcome, delivery) = taken(&stage).await;
    stage.told(&delivery, "reject", r#"{"code": "poison"}"#).await;
    let problem = problem(stage.get(&outcome).await, 502, "rejected").await;
    assert_eq!(problem["last"]["code"], "poison");
}

#[tokio::test]
async fn what_is_released_or_throttled_comes_back_uncounted() {
    let backoff = std::time::Duration::from_millis(1);
    let settings = ChannelSettings::new("a_request").backoff(backoff, backoff);
    let stage = Stage::with(Broker::builder().channel(settings), Gateway::builder()).await;
    let (_, delivery) = taken(&stage).await;
    stage.told(&delivery, "release", "").await;
    let again = stage.take("a_request").await;
    assert!(again.contains(":2:"), "{again}");
    stage.told(&again, "throttle?after=0.001", "").await;
    let third = stage.post("/v1/channels/a_request/deliveries?wait=60").send().await.unwrap();
    assert_eq!(header(&third, "roundtrip-attempt"), "1");
}

#[tokio::test]
async fn a_throttled_channel_pauses() {
    let stage = Stage::new().await;
    let (_, delivery) = taken(&stage).await;
    stage.told(&delivery, "throttle?after=60", "").await;
    stage.until("a_request", |figures| figures.paused_ms > 0).await;
    let taken = stage.post("/v1/channels/a_request/deliveries").send().await.unwrap();
    assert_eq!(taken.status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_reply_over_the_channels_limit_leaves_the_delivery_as_it_was() {
    let settings = ChannelSettings::new("a_request").max_payload(10);
    let stage = Stage::with(Broker::builder().channel(settings), Gateway::builder()).await;
    let (outcome, delivery) = taken(&stage).await;
    let told = refusal(stage.tell(&delivery, "reply", "more than ten").await, 413, "too_large").await;
    assert!(told["detail"].as_str().unwrap().contains("10 bytes"), "{told}");
    assert_eq!(told["limit"], 10);
    stage.told(&delivery, "reply", "ten").await;
    assert_eq!(stage.get(&outcome).await.text().await.unwrap(), "ten");
}

#[tokio::test]
async fn a_reply_for_which_there_is_no_room_may_be_sent_again() {
    // Every accepted request has a little room set aside for its reply; a large one needs more than is left.
    let broker = Broker::builder().memory(8 << 20);
    let stage = Stage::with(broker, Gateway::builder()).await;
    let (outcome, delivery) = taken(&stage).await;
    let mut fill = Vec::new();
    while let response = stage.post("/v1/channels/b_request/requests").body(vec![b'x'; 1 << 20]).send().await.unwrap()
        && response.status() == StatusCode::ACCEPTED
    {
        fill.push(header(&response, "location").to_owned());
    }
    let busy = stage.tell(&delivery, "reply", vec![b'y'; 6 << 20]).await;
    header(&busy, "retry-after");
    refusal(busy, 503, "mailbox_busy").await;
    for path in fill {
        stage.call(reqwest::Method::DELETE, &path).send().await.unwrap();
        stage.post(&format!("{path}/acknowledge")).send().await.unwrap();
    }
    stage.told(&delivery, "reply", vec![b'y'; 4 << 20]).await;
    assert_eq!(stage.get(&outcome).await.bytes().await.unwrap().len(), 4 << 20);
}

#[tokio::test]
async fn a_call_that_makes_no_sense_settles_nothing() {
    let stage = Stage::new().await;
    let (_, delivery) = taken(&stage).await;
    let calls = [
        ("fail?after=1", ""),
        ("fail?retry=yes", ""),
        ("fail?retry=true", "no json"),
        ("fail?retry=true", r#"{"code": 5}"#),
        ("reject", "no json"),
        ("throttle", ""),
        ("throttle?after=-1", ""),
        ("reply?retry=true", ""),
        ("part?number=0", ""),
        ("progress", "half"),
        ("progress", r#"{"fraction": 2}"#),
        ("progress", r#"{"stage": "labs"}"#),
    ];
    for (what, body) in calls {
        refusal(stage.tell(&delivery, what, body.to_owned()).await, 400, "invalid").await;
    }
    for path in ["/v1/deliveries/nonsense/reply", "/v1/deliveries/a_request:1:2:3/reply"] {
        refusal(stage.post(path).send().await.unwrap(), 400, "invalid").await;
    }
    stage.told(&delivery, "renew", "").await;
}

#[tokio::test]
async fn a_list_is_no_object_whose_names_were_left_out() {
    let stage = Stage::new().await;
    let (_, delivery) = taken(&stage).await;
    let lists = [("reject", r#"["poison", "again"]"#), ("fail?retry=true", "[null, null]"), ("progress", "[0.5]")];
    for (what, body) in lists {
        refusal(stage.tell(&delivery, what, body).await, 400, "invalid").await;
    }
    refusal(stage.tell(&delivery, "progress", r#"{"fraction": 1.00000000001}"#).await, 400, "invalid").await;
    stage.told(&delivery, "reply", "done").await;
}

#[tokio::test]
async fn a_token_that_stands_for_nothing_has_lost_its_lease() {
    let stage = Stage::new().await;
    let (_, delivery) = taken(&stage).await;
    let later = delivery.replace(":1:", ":2:");
    let other_digit = if delivery.ends_with('5') { '6' } else { '5' };
    let of_another_start = format!("{}{other_digit}", &delivery[..delivery.len() - 1]);
    let of_nobody = "/v1/deliveries/b_request:0190d5a3-7b1e-7cc0-8000-3c5f1f6a2b11:1:5a";
    // A channel of this name would have no good name for its reply channel.
    let of_no_channel = &of_nobody.replace("b_request", &"b".repeat(126));
    for token in [&later, &of_another_start, of_nobody, of_no_channel] {
        for (what, body) in [("reply", "done"), ("renew", ""), ("fail", ""), ("part", "half"), ("stopped", "")] {
            refusal(stage.tell(token, what, body).await, 409, "lease_lost").await;
        }
    }
    for token in [&later, of_nobody, of_no_channel] {
        refusal(stage.tell(token, "progress", r#"{"fraction": 0.5}"#).await, 409, "lease_lost").await;
    }
    stage.told(&delivery, "reply", "done").await;
}
