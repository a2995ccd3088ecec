//! Payloads that are too large, too slow, or half there.

use std::time::Duration;

use roundtrip_broker::{Broker, ChannelSettings};
use roundtrip_gateway::Gateway;
use tokio::io::AsyncWriteExt;

use crate::stage::{Stage, read_to_end, refusal};

const HEAD: &str = "POST /v1/channels/a_request/requests HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";

#[tokio::test]
async fn a_payload_that_is_announced_too_large_is_refused_before_it_comes() {
    let stage = Stage::with(Broker::builder(), Gateway::builder().max_payload(1000)).await;
    let answer = stage.raw(&format!("{HEAD}Content-Length: 1001\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("too_large") && answer.contains("1000"), "{answer}");
}

#[tokio::test]
async fn a_payload_that_grows_too_large_without_saying_so_is_refused() {
    let stage = Stage::with(Broker::builder(), Gateway::builder().max_payload(1000)).await;
    let piece = format!("100\r\n{}\r\n", "x".repeat(256));
    let answer = stage.raw(&format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n{}", piece.repeat(4))).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert_eq!(stage.channels(), Vec::<String>::new());
}

#[tokio::test]
async fn a_payload_in_pieces_is_submitted_whole() {
    let stage = Stage::new().await;
    let _service = stage.shout("a_request").await;
    let answer = stage
        .raw(&format!(
            "{HEAD}Prefer: wait=60\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n1\r\nf\r\n0\r\n\r\n"
        ))
        .await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("ABCDEF"), "{answer}");
}

#[tokio::test]
async fn the_channels_own_limit_is_told_too() {
    let broker = Broker::builder().channel(ChannelSettings::new("a_request").max_payload(10));
    let stage = Stage::with(broker, Gateway::builder()).await;
    let response = stage.post("/v1/channels/a_request/requests").body("more than ten").send().await.unwrap();
    refusal(response, 413, "too_large").await;
}

#[tokio::test]
async fn half_a_payload_submits_nothing_and_harms_nobody() {
    let stage = Stage::new().await;
    let mut half = stage.connect(&format!("{HEAD}Content-Length: 10\r\n\r\nhalf")).await;
    stage.submit("b_request", "whole").await;
    half.shutdown().await.unwrap();
    read_to_end(&mut half).await;
    assert_eq!(stage.channels(), ["b_request"]);
}

#[tokio::test]
async fn a_payload_that_stops_coming_is_given_up() {
    let gateway = Gateway::builder().payload_timeout(Duration::from_millis(50));
    let stage = Stage::with(Broker::builder(), gateway).await;
    let answer = stage.raw(&format!("{HEAD}Content-Length: 10\r\n\r\nhalf")).await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("too_slow"), "{answer}");
    assert_eq!(stage.channels(), Vec::<String>::new());
}

#[tokio::test]
async fn half_payloads_take_no_more_room_than_there_is_and_give_it_back() {
    let stage = Stage::with(Broker::builder(), Gateway::builder().max_payload(1000).payload_room(1000)).await;
    let half = format!("{HEAD}Content-Length: 1000\r\n\r\n{}", "x".repeat(900));
    let held = stage.connect(&half).await;
    let refused = loop {
        // The first has its room once the gateway has read it.
        let response = stage.post("/v1/channels/a_request/requests").body("x".repeat(500)).send().await.unwrap();
        if response.status() != 202 {
            break response;
        }
    };
    refusal(refused, 503, "gateway_full").await;
    drop(held);
    while stage.post("/v1/channels/a_request/requests").body("x".repeat(500)).send().await.unwrap().status() != 202 {}
}
