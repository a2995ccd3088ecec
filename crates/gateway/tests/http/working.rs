//! What a service tells while it works: progress and parts.

use roundtrip_broker::{Broker, ChannelSettings};
use roundtrip_client::{PartEvent, TicketId};
use roundtrip_gateway::Gateway;
use serde_json::{Value, json};

use crate::stage::{Stage, header, refusal};

#[tokio::test]
async fn progress_is_told_to_whoever_asks() {
    let stage = Stage::new().await;
    let path = stage.submit("a_request", "work").await;
    let delivery = stage.take("a_request").await;
    stage.told(&delivery, "progress", r#"{"fraction": 0.25, "stage": "labs", "note": "two of eight"}"#).await;
    stage.told(&delivery, "progress", r#"{"fraction": 0.5}"#).await;
    let expected = json!({"fraction": 0.5, "stage": "", "note": ""});
    while stage.get(&path).await.json::<Value>().await.unwrap()["progress"] != expected {}
}

#[tokio::test]
async fn the_progress_of_a_stale_delivery_is_refused_dropped_and_counted() {
    let backoff = std::time::Duration::from_millis(1);
    let settings = ChannelSettings::new("a_request").backoff(backoff, backoff);
    let stage = Stage::with(Broker::builder().channel(settings), Gateway::builder()).await;
    let path = stage.submit("a_request", "work").await;
    let stale = stage.take("a_request").await;
    stage.told(&stale, "release", "").await;
    stage.take("a_request").await;
    refusal(stage.tell(&stale, "progress", r#"{"fraction": 0.5}"#).await, 409, "lease_lost").await;
    stage.until("a_request", |figures| figures.stale == 1).await;
    assert!(stage.get(&path).await.json::<Value>().await.unwrap()["progress"].is_null());
}

#[tokio::test]
async fn a_stage_of_any_length_is_taken_and_cut() {
    let stage = Stage::new().await;
    let path = stage.submit("a_request", "work").await;
    let delivery = stage.take("a_request").await;
    let progress = json!({"fraction": 1, "stage": "s".repeat(100_000), "note": "n".repeat(100_000)});
    stage.told(&delivery, "progress", progress.to_string()).await;
    let reached = loop {
        let status: Value = stage.get(&path).await.json().await.unwrap();
        if !status["progress"].is_null() {
            break status["progress"].clone();
        }
    };
    assert_eq!(reached["stage"], "s".repeat(256));
    assert_eq!(reached["note"], "n".repeat(1024));
}

#[tokio::test]
async fn parts_are_numbered_in_the_order_in_which_they_come() {
    let stage = Stage::new().await;
    let path = stage.submit("a_request", "work").await;
    let delivery = stage.take("a_request").await;
    for number in ["1", "2", "3"] {
        let part = stage.post(&format!("{delivery}/part")).header("Content-Type", "text/plain");
        let response = part.header("Roundtrip-Meta-Page", number).body(format!("part {number}")).send().await.unwrap();
        assert_eq!(header(&response, "roundtrip-part"), number);
    }
    stage.told(&delivery, "reply", "done").await;

    let ticket: TicketId = path.trim_start_matches("/v1/requests/").parse().unwrap();
    let requester = stage.client.requester("follower");
    let mut parts = requester.attach_raw(ticket).parts().follow();
    for number in 1..=3 {
        let Some(PartEvent::Part(part)) = parts.next().await else { panic!("part {number} is missing") };
        assert_eq!((part.number, &part.payload[..]), (number, format!("part {number}").as_bytes()));
        assert_eq!(part.content_type, "text/plain");
    }
}

#[tokio::test]
async fn a_part_with_its_number_is_added_once() {
    let stage = Stage::new().await;
    stage.submit("a_request", "work").await;
    let delivery = stage.take("a_request").await;
    for (number, expected) in [("1", "1"), ("2", "2"), ("1", "1"), ("2", "2"), ("3", "3")] {
        let response = stage.tell(&delivery, &format!("part?number={number}"), "part").await;
        assert_eq!(header(&response, "roundtrip-part"), expected);
    }
    let told = refusal(stage.tell(&delivery, "part?number=9", "part").await, 400, "invalid").await;
    assert!(told["detail"].as_str().unwrap().contains("the next one is 4"), "{told}");
}

#[tokio::test]
async fn a_part_for_which_there_is_no_room_may_be_added_again() {
    let settings = ChannelSettings::new("a_request").parts_room(10);
    let stage = Stage::with(Broker::builder().channel(settings), Gateway::builder()).await;
    let submit = stage.post("/v1/channels/a_request/requests").header("Roundtrip-Requester", "ward").body("work");
    let ticket = header(&submit.send().await.unwrap(), "location").trim_start_matches("/v1/requests/").to_owned();
    let delivery = stage.take("a_request").await;
    stage.told(&delivery, "part", "eight by").await;
    let full = stage.tell(&delivery, "part", "four").await;
    header(&full, "retry-after");
    refusal(full, 503, "parts_full").await;
    refusal(stage.tell(&delivery, "part", "more than ten").await, 413, "too_large").await;

    let requester = stage.client.requester("ward");
    let mut parts = requester.attach_raw(ticket.parse().unwrap()).parts();
    parts.next().await.unwrap();
    // What its requester handled is acknowledged as the next one is asked for.
    let next = tokio::spawn(async move { parts.next().await });
    while stage.tell(&delivery, "part", "four").await.status() != 204 {}
    assert!(matches!(next.await.unwrap(), Some(PartEvent::Part(part)) if part.number == 2));
}
