//! A broker that stops: what is at work may end, what is left is told, and nothing new comes.

use std::time::Duration;

use roundtrip::{Broker, ConnectionEvent, OutcomeError, RefusalCode};

use crate::stage::{Double, LIMIT, Stage, Way, Witness, both_ways, quick};

both_ways! {
    what_is_in_flight_may_settle_while_the_broker_drains,
    what_is_left_when_the_time_is_up_fails,
    an_idle_broker_stops_at_once,
}

async fn what_is_in_flight_may_settle_while_the_broker_drains(way: Way) {
    let stage = Stage::with(way, Broker::builder().defaults(quick()).drain_timeout(LIMIT * 10)).await;
    let client = stage.client().await;
    let witness = Witness::new();
    let _service = client.service(witness.holding()).spawn();
    let requester = client.requester("test");
    let ticket = requester.submit(Double::of(21)).await.unwrap();
    witness.begun().await;

    let mut events = client.events();
    assert_eq!(events.next().await, Some(ConnectionEvent::Connected));
    let broker = stage.broker;
    let stopping = tokio::spawn(async move { broker.shutdown().await });
    assert!(matches!(events.next().await, Some(ConnectionEvent::Draining { .. })));
    let refused = requester.submit(Double::of(1)).await.unwrap_err();
    assert_eq!(refused.code(), Some(RefusalCode::Draining));
    witness.let_go(1);
    assert_eq!(ticket.await, Ok(42));
    stopping.await.unwrap();
}

async fn what_is_left_when_the_time_is_up_fails(way: Way) {
    let stage = Stage::with(way, Broker::builder().defaults(quick()).drain_timeout(Duration::ZERO)).await;
    let client = stage.client().await;
    let witness = Witness::new();
    let _service = client.service(witness.holding()).concurrency(1).spawn();
    let requester = client.requester("test");
    let at_work = requester.submit(Double::of(1)).await.unwrap();
    let waiting = requester.submit(Double::of(2)).await.unwrap();
    let job = witness.begun().await;
    stage.until("double_request", |figures| figures.waiting == 1).await;

    let broker = stage.broker;
    let stopping = tokio::spawn(async move { broker.shutdown().await });
    for ticket in [at_work, waiting] {
        let outcome = ticket.await;
        let Err(OutcomeError::Problem(problem)) = outcome else { panic!("{outcome:?}") };
        assert_eq!(problem.code, "broker_stopped");
    }
    job.cancelled().cancelled().await;
    stopping.await.unwrap();
}

async fn an_idle_broker_stops_at_once(way: Way) {
    let stage = Stage::with(way, Broker::builder().defaults(quick()).drain_timeout(LIMIT * 10)).await;
    let client = stage.client().await;
    let mut events = client.events();
    assert_eq!(events.next().await, Some(ConnectionEvent::Connected));
    stage.broker.shutdown().await;
    while events.next().await.is_some_and(|event| event != ConnectionEvent::Disconnected) {}
}
