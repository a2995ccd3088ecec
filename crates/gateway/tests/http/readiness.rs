//! `/healthz` and `/readyz`, and a broker that stops or is not there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use roundtrip_broker::Broker;
use roundtrip_client::ConnectionEvent;
use roundtrip_gateway::Gateway;

use crate::stage::{Stage, header, refusal};

#[tokio::test]
async fn a_connected_gateway_is_ready() {
    let stage = Stage::new().await;
    assert_eq!(stage.get("/healthz").await.status(), 200);
    while stage.get("/readyz").await.status() != 200 {}
}

#[tokio::test]
async fn a_gateway_whose_broker_reads_what_it_kept_is_not_ready_and_goes_on() {
    let recovering = Arc::new(AtomicBool::new(true));
    let told = Arc::clone(&recovering);
    let stage =
        Stage::with(Broker::builder(), Gateway::builder().recovering(move || told.load(Ordering::Relaxed))).await;
    let _service = stage.shout("a_request").await;
    let path = stage.submit("a_request", "hello").await;
    assert_eq!(stage.get(&format!("{path}/reply?wait=60")).await.text().await.unwrap(), "HELLO");
    refusal(stage.get("/readyz").await, 503, "recovering").await;
    recovering.store(false, Ordering::Relaxed);
    assert_eq!(stage.get("/readyz").await.status(), 200);
}

#[tokio::test]
async fn a_gateway_whose_broker_drains_is_not_ready_and_refuses_with_503_while_outcomes_can_be_read() {
    let mut stage = Stage::new().await;
    let service = stage.shout("a_request").await;
    let done = stage.submit("a_request", "hello").await;
    stage.get(&format!("{done}?wait=60")).await;
    service.stop().await.unwrap();
    stage.submit("a_request", "open").await;

    let mut events = stage.client.events();
    let shutdown = tokio::spawn(stage.broker.take().unwrap().shutdown());
    while !matches!(events.next().await.unwrap(), ConnectionEvent::Draining { .. }) {}
    refusal(stage.get("/readyz").await, 503, "draining").await;
    assert_eq!(stage.get("/healthz").await.status(), 200);
    let refused = stage.post("/v1/channels/a_request/requests").send().await.unwrap();
    header(&refused, "retry-after");
    refusal(refused, 503, "draining").await;
    assert_eq!(stage.get(&format!("{done}/reply")).await.text().await.unwrap(), "HELLO");
    shutdown.abort();
}

#[tokio::test]
async fn a_gateway_whose_broker_is_gone_says_so_and_does_not_hang() {
    let gateway = Gateway::builder().answer_timeout(Duration::from_millis(50));
    let mut stage = Stage::with(Broker::builder(), gateway).await;
    let path = stage.submit("a_request", "hello").await;
    drop(stage.broker.take());
    while stage.get("/readyz").await.status() == 200 {}
    refusal(stage.get("/readyz").await, 503, "no_broker").await;
    assert_eq!(stage.get("/healthz").await.status(), 200);
    refusal(stage.get(&path).await, 503, "no_broker").await;
    refusal(stage.get(&format!("{path}/reply?wait=1")).await, 503, "no_broker").await;
    let submitted = stage.post("/v1/channels/a_request/requests").send().await.unwrap();
    header(&submitted, "location");
    refusal(submitted, 503, "unconfirmed").await;
}
