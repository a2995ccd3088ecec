//! How a broker stops.

use std::time::Duration;

use roundtrip_broker::Broker;
use roundtrip_protocol::*;

use crate::wire::{Way, hello, new_id, new_instance, next, over_both, submission};

over_both! {
    async fn a_draining_broker_lets_work_end_and_ends_with_it(way) {
        let place = way.start(Broker::builder()).await;
        let mut requester = place.requester("ward").await;
        let mut service = place.service(1).await;
        let first = requester.submit(1, "").await;
        let second = requester.submit(2, "").await;
        next!(requester, Accepted);
        next!(requester, Accepted);
        let (delivery, _) = next!(service, Delivery);

        let shutdown = tokio::spawn(place.broker.shutdown());
        let (drain, _) = next!(service, Drain);
        assert!(drain.remaining_ms > 20_000);
        next!(requester, Drain);
        requester.submit(3, "").await;
        let (refused, _) = next!(requester, Refused);
        assert_eq!(refused.refusal.code, RefusalCode::Draining);
        assert!(refused.refusal.retry_after_ms.is_some());
        // What was accepted before is accepted.
        requester.submit_as(4, second, "").await;
        next!(requester, Accepted);

        service.reply(delivery.token, "").await;
        let (delivery, _) = next!(service, Delivery);
        service.reply(delivery.token, "").await;
        for _ in 0..3 {
            next!(requester, Outcome);
        }
        for id in [first, second] {
            assert_eq!(requester.acknowledge(id).await, Acknowledgement::Done);
        }
        requester.is_closed_with(ErrorCode::Stopping).await;
        service.is_closed_with(ErrorCode::Stopping).await;
        drop((requester, service));
        let report = shutdown.await.unwrap();
        assert_eq!((report.failed, report.unacknowledged), (0, 0));
    }

    async fn what_is_left_when_the_time_is_over_fails(way) {
        let place = way.start(Broker::builder().drain_timeout(Duration::from_millis(50))).await;
        let mut requester = place.requester("ward").await;
        let mut service = place.service(1).await;
        let worked_on = requester.submit(1, "").await;
        let waiting = requester.submit(2, "").await;
        next!(requester, Accepted);
        next!(requester, Accepted);
        let (delivery, _) = next!(service, Delivery);
        let shutdown = tokio::spawn(place.broker.shutdown());
        next!(requester, Drain);
        for _ in 0..2 {
            let (outcome, _) = next!(requester, Outcome);
            let Ending::Failed { problem, .. } = outcome.ending else { panic!("the broker stopped") };
            assert_eq!(problem.code, "broker_stopped");
        }
        next!(service, Drain);
        let (stop, _) = next!(service, Stop);
        assert_eq!((stop.token, stop.reason), (delivery.token, StopReason::BrokerStopped));
        for id in [worked_on, waiting] {
            assert_eq!(requester.acknowledge(id).await, Acknowledgement::Done);
        }
        requester.is_closed_with(ErrorCode::Stopping).await;
        drop((requester, service));
        let report = shutdown.await.unwrap();
        assert_eq!((report.failed, report.unacknowledged), (2, 0));
    }

    async fn a_client_may_ask_for_a_drain_where_that_is_allowed(way) {
        let place = way.start(Broker::builder().remote_drain(true)).await;
        let mut operator = place.connect().await;
        operator.send(RequestDrain { call: Call(6) }).await;
        let (answered, _) = next!(operator, DrainAnswered);
        assert_eq!(answered, DrainAnswered { call: Call(6), refusal: None });
        place.broker.drain_requested().await;
        let shutdown = tokio::spawn(place.broker.shutdown());
        next!(operator, Drain);
        drop(operator);
        assert_eq!(shutdown.await.unwrap().failed, 0);
    }

    async fn an_embedded_broker_is_not_drained_by_its_clients(way) {
        let place = way.start(Broker::builder()).await;
        let mut operator = place.connect().await;
        operator.send(RequestDrain { call: Call(6) }).await;
        let (answered, _) = next!(operator, DrainAnswered);
        assert_eq!(answered.refusal.unwrap().code, RefusalCode::Forbidden);
        operator.nothing_more().await;
    }

    async fn a_draining_broker_redrives_no_dead_letter(way) {
        let place = way.start(Broker::builder()).await;
        let mut requester = place.requester("ward").await;
        let mut service = place.service(1).await;
        let id = requester.submit(1, "").await;
        next!(requester, Accepted);
        let (delivery, _) = next!(service, Delivery);
        service.settle(delivery.token, Settlement::Reject(Problem::new("poison", "")), "").await;
        next!(requester, Outcome);
        let shutdown = tokio::spawn(place.broker.shutdown());
        next!(requester, Drain);
        requester.send(RedriveDeadLetter { call: Call(1), channel: ChannelNumber(0), id }).await;
        let (redriven, _) = next!(requester, Redriven);
        let Redrive::Refused(refusal) = redriven.result else { panic!("the broker stops") };
        assert_eq!(refusal.code, RefusalCode::Draining);
        assert_eq!(requester.acknowledge(id).await, Acknowledgement::Done);
        drop((requester, service));
        assert_eq!(shutdown.await.unwrap().failed, 0);
    }

    async fn whoever_comes_during_a_drain_is_told(way) {
        let place = way.start(Broker::builder()).await;
        let mut requester = place.requester("ward").await;
        let id = requester.submit(1, "").await;
        next!(requester, Accepted);
        let connector = place.connector();
        let shutdown = tokio::spawn(place.broker.shutdown());
        next!(requester, Drain);
        let connection = connector.connect().await.unwrap();
        let mut late = crate::wire::Wire::over(connection);
        late.send(hello(new_instance(), 1)).await;
        next!(late, Welcome);
        next!(late, Drain);
        late.bind(0, "orders").await;
        late.subscribe(0, 1, Hold::Connection).await;
        let (delivery, _) = next!(late, Delivery);
        late.reply(delivery.token, "in time").await;
        let (_, payload) = next!(requester, Outcome);
        assert_eq!(payload, "in time");
        requester.acknowledge(id).await;
        drop(late);
        drop(requester);
        assert_eq!(shutdown.await.unwrap().failed, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_broker_stops_at_once() {
    let place = Way::InProcess.start(Broker::builder()).await;
    let mut requester = place.requester("ward").await;
    let start = tokio::time::Instant::now();
    let report = place.broker.shutdown().await;
    assert_eq!((report.failed, report.unacknowledged), (0, 0));
    assert_eq!(start.elapsed(), Duration::ZERO);
    next!(requester, Drain);
    requester.is_closed_with(ErrorCode::Stopping).await;
}

#[tokio::test(start_paused = true)]
async fn outcomes_have_two_seconds_to_be_acknowledged() {
    let place = Way::InProcess.start(Broker::builder()).await;
    let mut requester = place.requester("ward").await;
    requester.submit(1, "").await;
    next!(requester, Accepted);
    let start = tokio::time::Instant::now();
    let report = place.broker.shutdown().await;
    assert_eq!((report.failed, report.unacknowledged), (1, 1));
    assert_eq!(start.elapsed().as_secs(), 32);
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_for_no_outcome_that_is_in_no_mailbox() {
    let place = Way::InProcess.start(Broker::builder()).await;
    let mut requester = place.requester("ward").await;
    let mut service = place.service(2).await;
    // One that wants no reply, and one that is acknowledged and known by its key alone.
    requester.send(Submit { reply: ReplyTo::Nowhere, ..submission(1, new_id()) }).await;
    let keyed = new_id();
    requester.send(Submit { key: Some("k".into()), ..submission(2, keyed) }).await;
    for _ in 0..2 {
        next!(requester, Accepted);
    }
    for _ in 0..2 {
        let (delivery, _) = next!(service, Delivery);
        service.reply(delivery.token, "done").await;
        next!(requester, Outcome);
    }
    requester.acknowledge(keyed).await;
    place.until(|figures| figures.retained == 2).await;
    drop((requester, service));
    let start = tokio::time::Instant::now();
    let report = place.broker.shutdown().await;
    assert_eq!((report.failed, report.unacknowledged), (0, 0));
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn a_shutdown_that_is_dropped_stops_at_once() {
    let place = Way::Tcp.start(Broker::builder()).await;
    let mut requester = place.requester("ward").await;
    requester.submit(1, "").await;
    next!(requester, Accepted);
    tokio::select! {
        biased;
        report = place.broker.shutdown() => panic!("there was work left, but {report:?}"),
        (drain, _) = async { next!(requester, Drain) } => assert!(drain.remaining_ms > 0),
    }
    requester.ends().await;
}
