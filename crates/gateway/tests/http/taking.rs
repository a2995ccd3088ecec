//! Taking deliveries: what comes with one, who has it then, and what becomes of one that its caller never saw.

use std::time::Duration;

use reqwest::StatusCode;
use roundtrip_broker::{Broker, ChannelSettings, OnUnknown};
use roundtrip_client::{Client, Message};
use roundtrip_gateway::Gateway;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::stage::{Stage, header, refusal};

const TAKE: &str = "/v1/channels/a_request/deliveries";

#[tokio::test]
async fn a_delivery_comes_with_all_that_a_service_needs() {
    let stage = Stage::new().await;
    let submitted = stage
        .post("/v1/channels/a_request/requests")
        .header("Content-Type", "text/plain; charset=utf-8")
        .header("Roundtrip-Requester", "ward-7")
        .header("Roundtrip-Operation", "shout")
        .header("Roundtrip-Deadline", "600")
        .header("Roundtrip-Meta-Ward", "seven")
        .header("traceparent", "00-1-2-03")
        .body("hello")
        .send()
        .await
        .unwrap();
    let location = header(&submitted, "location").to_owned();

    let taken = stage.post(&format!("{TAKE}?wait=60&lease=0.5")).send().await.unwrap();
    assert_eq!(taken.status(), StatusCode::OK);
    let ticket = location.trim_start_matches("/v1/requests/");
    let expected = [
        ("content-type", "text/plain; charset=utf-8"),
        ("roundtrip-ticket", ticket),
        ("roundtrip-requester", "ward-7"),
        ("roundtrip-operation", "shout"),
        ("roundtrip-attempt", "1"),
        ("roundtrip-lease", "0.500"),
        ("roundtrip-meta-ward", "seven"),
        ("traceparent", "00-1-2-03"),
    ];
    for (name, value) in expected {
        assert_eq!(header(&taken, name), value, "{name}");
    }
    assert!(header(&taken, "roundtrip-delivery").starts_with(&format!("/v1/deliveries/{ticket}:1:")));
    let remaining: f64 = header(&taken, "roundtrip-remaining").parse().unwrap();
    assert!((500.0..=600.0).contains(&remaining), "{remaining}");
    assert!(!taken.headers().contains_key("roundtrip-outcome"));
    assert_eq!(taken.text().await.unwrap(), "hello");
}

#[tokio::test]
async fn where_there_is_no_work_nothing_comes() {
    let stage = Stage::new().await;
    for query in ["", "?wait=0"] {
        let response = stage.post(&format!("{TAKE}{query}")).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
        assert!(!response.headers().contains_key("roundtrip-delivery"));
    }
    stage.submit("a_request", "there").await;
    let response = stage.post(TAKE).send().await.unwrap();
    assert_eq!(response.text().await.unwrap(), "there", "what is there is handed over without a wait");
}

#[tokio::test]
async fn a_caller_waits_for_work() {
    let stage = Stage::new().await;
    let waiting = tokio::spawn(stage.post(&format!("{TAKE}?wait=60")).send());
    stage.until("a_request", |figures| figures.services == 1).await;
    stage.submit("a_request", "come").await;
    assert_eq!(waiting.await.unwrap().unwrap().text().await.unwrap(), "come");
    stage.until("a_request", |figures| figures.services == 0 && figures.in_flight == 1).await;
}

#[tokio::test]
async fn the_lease_is_the_channels_and_no_longer_than_it_allows() {
    let settings = ChannelSettings::new("a_request").lease(Duration::from_secs(20)).max_lease(Duration::from_secs(90));
    let stage = Stage::with(Broker::builder().channel(settings), Gateway::builder()).await;
    for (query, lease) in [("", "20"), ("?lease=900", "90"), ("?lease=40", "40")] {
        stage.submit("a_request", "work").await;
        let taken = stage.post(&format!("{TAKE}{query}")).send().await.unwrap();
        assert_eq!(header(&taken, "roundtrip-lease"), lease, "{query}");
    }
}

#[tokio::test]
async fn a_caller_that_hangs_up_while_it_waits_takes_nothing() {
    let stage = Stage::new().await;
    let waiting =
        stage.connect("POST /v1/channels/a_request/deliveries?wait=60 HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    stage.until("a_request", |figures| figures.services == 1).await;
    drop(waiting);
    stage.until("a_request", |figures| figures.services == 0).await;
    stage.submit("a_request", "work").await;
    let taken = stage.post(TAKE).send().await.unwrap();
    assert_eq!(header(&taken, "roundtrip-attempt"), "1");
}

#[tokio::test]
async fn a_caller_that_is_gone_before_the_answer_was_written_has_released_it() {
    let backoff = Duration::from_millis(1);
    let settings = ChannelSettings::new("a_request").lease(Duration::from_secs(600)).backoff(backoff, backoff);
    let gateway = Gateway::builder().read_timeout(Duration::from_millis(100));
    let stage = Stage::with(Broker::builder().channel(settings), gateway).await;
    // More than the buffers between the two ends hold.
    let path = stage.submit_bytes("a_request", vec![b'x'; 12 << 20]).await;
    let taker =
        stage.connect("POST /v1/channels/a_request/deliveries?wait=60 HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    stage.until("a_request", |figures| figures.in_flight == 1).await;
    // It reads nothing: its line is closed, and the delivery is another's, not counted as an attempt.
    let taken = stage.post(&format!("{TAKE}?wait=60")).send().await.unwrap();
    assert_eq!(header(&taken, "roundtrip-attempt"), "1");
    assert!(header(&taken, "roundtrip-delivery").contains(&format!("{}:2:", path.trim_start_matches("/v1/requests/"))));
    assert_eq!(taken.bytes().await.unwrap().len(), 12 << 20);
    drop(taker);
}

#[tokio::test]
async fn a_delivery_outlives_the_gateway_that_gave_it() {
    let mut stage = Stage::new().await;
    let path = stage.submit("a_request", "hello").await;
    let delivery = stage.take("a_request").await;
    stage.stop_serving().await;

    let gateway = Gateway::builder().build(Client::new(stage.broker.as_ref().unwrap().connect()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    stage.address = listener.local_addr().unwrap().to_string();
    let serving = tokio::spawn(async move { gateway.serve(listener).await });
    stage.told(&delivery, "part", "half").await;
    stage.told(&delivery, "renew", "").await;
    stage.told(&delivery, "reply", "HELLO").await;
    assert_eq!(stage.get(&format!("{path}/reply")).await.text().await.unwrap(), "HELLO");
    serving.abort();
}

#[tokio::test]
async fn a_call_that_makes_no_sense_takes_nothing() {
    let broker = Broker::builder().channel(ChannelSettings::new("a_request")).on_unknown(OnUnknown::Refuse);
    let stage = Stage::with(broker, Gateway::builder()).await;
    stage.submit("a_request", "work").await;
    for query in ["?lease=0", "?lease=-1", "?lease=1m", "?wait=61", "?wait=1.5", "?max=2", "?lease=1&lease=2"] {
        let response = stage.post(&format!("{TAKE}{query}")).send().await.unwrap();
        refusal(response, 400, "invalid").await;
    }
    let response = stage.post("/v1/channels/b_request/deliveries").send().await.unwrap();
    refusal(response, 404, "unknown_channel").await;
    stage.until("a_request", |figures| figures.waiting == 1 && figures.in_flight == 0).await;
}

#[tokio::test]
async fn without_a_broker_nobody_is_told_that_there_is_no_work() {
    let mut stage = Stage::new().await;
    drop(stage.broker.take());
    let refused = loop {
        let response = stage.post(TAKE).send().await.unwrap();
        if response.status() != StatusCode::NO_CONTENT {
            break response;
        }
    };
    refusal(refused, 503, "no_broker").await;
}

#[tokio::test]
async fn a_redriven_request_says_of_which_dead_letter_it_was_made() {
    let stage = Stage::new().await;
    stage.submit("a_request", "work").await;
    let delivery = stage.take("a_request").await;
    stage.told(&delivery, "reject", "").await;
    let letters = stage.client.dead_letters("a_request");
    let id = letters.list().await.unwrap()[0].id;
    let ticket = letters.redrive(id).await.unwrap();
    let status: Value = stage.get(&format!("/v1/requests/{ticket}")).await.json().await.unwrap();
    assert_eq!(status["redrive_of"], id.to_string());
    let taken = stage.post(&format!("{TAKE}?wait=60")).send().await.unwrap();
    assert_eq!(header(&taken, "roundtrip-redrive-of"), id.to_string());
    stage.told(header(&taken, "roundtrip-delivery"), "reply", Message::new("done").payload).await;
}
