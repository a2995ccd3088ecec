//! Leases: a delivery lives by its own alone, and its end is told to whoever renews.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use roundtrip_broker::{Broker, ChannelSettings};
use roundtrip_gateway::Gateway;

use crate::stage::{Stage, header, refusal};

#[tokio::test]
async fn a_lease_that_nobody_renews_ends_the_delivery() {
    let backoff = Duration::from_millis(1);
    let settings = ChannelSettings::new("a_request").lease(Duration::from_millis(50)).backoff(backoff, backoff);
    let stage = Stage::with(Broker::builder().channel(settings), Gateway::builder()).await;
    stage.submit("a_request", "work").await;
    let delivery = stage.take("a_request").await;
    let again = stage.post("/v1/channels/a_request/deliveries?wait=60&lease=600").send().await.unwrap();
    assert_eq!(header(&again, "roundtrip-attempt"), "2", "a lost lease counts");
    for what in ["renew", "reply", "part"] {
        refusal(stage.tell(&delivery, what, "").await, 409, "lease_lost").await;
    }
}

#[tokio::test]
async fn a_renewed_lease_begins_anew() {
    let stage = Stage::new().await;
    let path = stage.submit("a_request", "work").await;
    let taken = stage.post("/v1/channels/a_request/deliveries?lease=2").send().await.unwrap();
    let delivery = header(&taken, "roundtrip-delivery").to_owned();
    let began = tokio::time::Instant::now();
    while began.elapsed() < Duration::from_secs(3) {
        stage.told(&delivery, "renew", "").await;
        tokio::task::yield_now().await;
    }
    stage.told(&delivery, "reply", "done").await;
    let response = stage.get(&format!("{path}/reply")).await;
    assert_eq!(response.text().await.unwrap(), "done");
}

#[tokio::test]
async fn whoever_renews_is_told_that_the_request_was_cancelled() {
    let stage = Stage::with(one_at_a_time(), Gateway::builder()).await;
    let path = stage.submit("a_request", "work").await;
    stage.submit("a_request", "next").await;
    let delivery = stage.take("a_request").await;
    stage.call(Method::DELETE, &path).send().await.unwrap();

    let told = refusal(stage.tell(&delivery, "renew", "").await, 409, "cancelled").await;
    assert!(told["detail"].as_str().unwrap().contains("/stopped"), "{told}");
    refusal(stage.tell(&delivery, "part", "half").await, 409, "cancelled").await;
    refusal(stage.tell(&delivery, "progress", r#"{"fraction": 0.5}"#).await, 409, "cancelled").await;
    let next = stage.post("/v1/channels/a_request/deliveries").send().await.unwrap();
    assert_eq!(next.status(), StatusCode::NO_CONTENT, "its place is taken until the work has ended");
    stage.told(&delivery, "stopped", "").await;
    let next = stage.post("/v1/channels/a_request/deliveries?wait=60").send().await.unwrap();
    assert_eq!(next.text().await.unwrap(), "next");
}

#[tokio::test]
async fn a_settlement_of_a_cancelled_request_is_told_so_and_frees_its_place() {
    let stage = Stage::with(one_at_a_time(), Gateway::builder()).await;
    let path = stage.submit("a_request", "work").await;
    stage.submit("a_request", "next").await;
    let delivery = stage.take("a_request").await;
    stage.call(Method::DELETE, &path).send().await.unwrap();
    refusal(stage.tell(&delivery, "reply", "done").await, 409, "cancelled").await;
    let next = stage.post("/v1/channels/a_request/deliveries?wait=60").send().await.unwrap();
    assert_eq!(next.text().await.unwrap(), "next");
}

#[tokio::test]
async fn whoever_renews_is_told_that_the_request_has_expired() {
    let stage = Stage::new().await;
    let submit = stage.post("/v1/channels/a_request/requests").header("Roundtrip-Deadline", "0.05");
    let path = header(&submit.body("work").send().await.unwrap(), "location").to_owned();
    let delivery = stage.take("a_request").await;
    let outcome = stage.get(&format!("{path}/reply?wait=60")).await;
    assert_eq!(header(&outcome, "roundtrip-outcome"), "expired");
    refusal(stage.tell(&delivery, "renew", "").await, 409, "expired").await;
    stage.told(&delivery, "stopped", "").await;
    refusal(stage.tell(&delivery, "renew", "").await, 409, "lease_lost").await;
}

#[tokio::test]
async fn who_has_not_been_stopped_cannot_say_so() {
    let stage = Stage::new().await;
    stage.submit("a_request", "work").await;
    let delivery = stage.take("a_request").await;
    refusal(stage.tell(&delivery, "stopped", "").await, 409, "not_stopped").await;
    stage.told(&delivery, "reply", "done").await;
}

fn one_at_a_time() -> roundtrip_broker::BrokerBuilder {
    Broker::builder().channel(ChannelSettings::new("a_request").max_in_flight(1))
}
