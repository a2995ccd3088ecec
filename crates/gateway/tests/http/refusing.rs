//! Bad input, and what the broker refuses: each is told with its code and what to do, and no value is repeated.

use reqwest::Method;
use roundtrip_broker::{Broker, ChannelSettings, NoService, OnUnknown};
use roundtrip_gateway::Gateway;

use crate::stage::{Stage, header, refusal};

#[tokio::test]
async fn a_header_that_is_not_as_it_has_to_be_is_named_and_not_repeated() {
    let stage = Stage::new().await;
    let bad = [
        ("roundtrip-deadline", "secret"),
        ("roundtrip-deadline", "0"),
        ("roundtrip-delay", "-1"),
        ("roundtrip-priority", "10"),
        ("roundtrip-priority", ""),
        ("roundtrip-requester", "no name"),
        ("roundtrip-reply-channel", "b_reply"),
        ("roundtrip-dealine", "secret"),
        ("roundtrip-meta-", "secret"),
        ("idempotency-key", "\"secret"),
        ("idempotency-key", ""),
    ];
    for (name, value) in bad {
        let call = stage.post("/v1/channels/a_request/requests").header(name, value);
        let problem = refusal(call.send().await.unwrap(), 400, "invalid").await;
        assert!(!problem.to_string().contains("secret"), "{name}: {problem}");
    }
    let twice = stage.post("/v1/channels/a_request/requests").header("roundtrip-priority", "1");
    refusal(twice.header("roundtrip-priority", "1").send().await.unwrap(), 400, "invalid").await;
    let bytes = stage.post("/v1/channels/a_request/requests").header("roundtrip-operation", &b"\xff"[..]);
    refusal(bytes.send().await.unwrap(), 400, "invalid").await;
}

#[tokio::test]
async fn the_longest_deadline_that_can_be_written_is_taken() {
    let stage = Stage::new().await;
    let call = stage.post("/v1/channels/a_request/requests").header("roundtrip-deadline", "18446744073709551615.9");
    assert_eq!(call.send().await.unwrap().status(), 202);
    stage.submit("a_request", "and it goes on").await;
}

#[tokio::test]
async fn a_path_that_holds_no_name_or_ticket_is_bad_input() {
    let stage = Stage::new().await;
    refusal(stage.post("/v1/channels/no%20channel/requests").send().await.unwrap(), 400, "invalid").await;
    refusal(stage.post("/v1/channels/%FF/requests").send().await.unwrap(), 400, "invalid").await;
    for ticket in ["nonsense", "a_request:1", ":", "%FF"] {
        refusal(stage.get(&format!("/v1/requests/{ticket}")).await, 400, "invalid").await;
        refusal(stage.get(&format!("/v1/requests/{ticket}/reply")).await, 400, "invalid").await;
    }
}

#[tokio::test]
async fn a_ticket_whose_channel_cannot_be_is_unknown() {
    let stage = Stage::new().await;
    let path = format!("/v1/requests/{}:0190d5a3-7b1e-7cc0-8000-3c5f1f6a2b11", "x".repeat(128));
    for path in [&path, &format!("{path}?wait=1"), &format!("{path}/reply"), &format!("{path}/reply?wait=1")] {
        refusal(stage.get(path).await, 404, "unknown_ticket").await;
    }
    refusal(stage.call(Method::DELETE, &path).send().await.unwrap(), 404, "unknown_ticket").await;
}

#[tokio::test]
async fn a_wait_that_is_none_is_bad_input() {
    let stage = Stage::new().await;
    let path = stage.submit("a_request", "hello").await;
    for query in ["wait=61", "wait=soon", "wait=", "wiat=1", "wait=1&wait=2"] {
        refusal(stage.get(&format!("{path}?{query}")).await, 400, "invalid").await;
        refusal(stage.get(&format!("{path}/reply?{query}")).await, 400, "invalid").await;
    }
}

#[tokio::test]
async fn other_paths_and_methods_are_told_what_there_is() {
    let stage = Stage::new().await;
    refusal(stage.get("/").await, 404, "unknown_path").await;
    let response = stage.call(Method::PUT, "/v1/channels/a_request/requests").send().await.unwrap();
    assert_eq!(header(&response, "allow"), "POST");
    refusal(response, 405, "other_method").await;
}

#[tokio::test]
async fn what_the_broker_refuses_has_its_code_and_when_to_come_back() {
    let broker = Broker::builder()
        .on_unknown(OnUnknown::Refuse)
        .channel(ChannelSettings::new("full_request").capacity(1))
        .channel(ChannelSettings::new("nobody_request").no_service(NoService::Refuse))
        .channel(ChannelSettings::new("sums_request").operations(["sum"]))
        .channel(ChannelSettings::new("json_request").content_types(["application/json"]));
    let stage = Stage::with(broker, Gateway::builder()).await;
    let submit = async |channel: &str| {
        let path = format!("/v1/channels/{channel}/requests");
        stage.post(&path).header("content-type", "text/plain").body("hello").send().await.unwrap()
    };
    refusal(submit("other_request").await, 404, "unknown_channel").await;
    refusal(submit("sums_request").await, 400, "unknown_operation").await;
    refusal(submit("json_request").await, 415, "unknown_content_type").await;
    let nobody = submit("nobody_request").await;
    header(&nobody, "retry-after");
    refusal(nobody, 503, "no_service").await;
    assert_eq!(submit("full_request").await.status(), 202);
    let full = submit("full_request").await;
    header(&full, "retry-after");
    refusal(full, 429, "channel_full").await;
}

#[tokio::test]
async fn a_full_mailbox_is_429() {
    let stage = Stage::with(Broker::builder().mailbox_capacity(1), Gateway::builder()).await;
    let submit = || stage.post("/v1/channels/a_request/requests").header("roundtrip-requester", "night-shift").send();
    assert_eq!(submit().await.unwrap().status(), 202);
    refusal(submit().await.unwrap(), 429, "mailbox_full").await;
}
