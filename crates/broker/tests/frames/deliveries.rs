//! Services: credit, lost connections, taking back, leases.

use std::time::Duration;

use roundtrip_broker::{Broker, ChannelSettings};
use roundtrip_protocol::*;

use crate::wire::{Way, new_instance, next, over_both};

fn orders() -> ChannelSettings {
    let minute = Duration::from_secs(60);
    ChannelSettings::new("orders").backoff(minute, minute)
}

over_both! {
    async fn credit_bounds_what_a_service_holds(way) {
        let place = way.start(Broker::builder()).await;
        let mut requester = place.requester("ward").await;
        let mut service = place.service(0).await;
        for ticket in 0..3 {
            requester.submit(ticket, "").await;
            next!(requester, Accepted);
        }
        service.nothing_more().await;
        service.send(Credit { service: ServiceNumber(0), credit: 2 }).await;
        let (first, _) = next!(service, Delivery);
        next!(service, Delivery);
        service.nothing_more().await;
        service.reply(first.token, "").await;
        next!(service, Delivery);
    }

    async fn an_unsubscribed_service_gives_back_at_once_and_uncounted(way) {
        let place = way.start(Broker::builder().channel(orders())).await;
        let mut requester = place.requester("ward").await;
        let mut first = place.service(1).await;
        requester.submit(1, "").await;
        next!(requester, Accepted);
        next!(first, Delivery);
        first.send(Unsubscribe { service: ServiceNumber(0) }).await;
        let (unsubscribed, _) = next!(first, Unsubscribed);
        assert_eq!(unsubscribed.refusal, None);
        let mut second = place.service(1).await;
        let (delivery, _) = next!(second, Delivery);
        assert_eq!((delivery.attempt, delivery.token.delivery), (1, 2));
    }

    async fn a_closed_connection_gives_back_and_says_so_last(way) {
        let place = way.start(Broker::builder().channel(orders())).await;
        let mut requester = place.requester("ward").await;
        let mut first = place.service(1).await;
        requester.submit(1, "").await;
        next!(requester, Accepted);
        next!(first, Delivery);
        first.send(Close {}).await;
        next!(first, Close);
        first.ends().await;
        let mut second = place.service(1).await;
        let (delivery, _) = next!(second, Delivery);
        assert_eq!(delivery.attempt, 1);
    }

    async fn a_lost_delivery_is_taken_back_over_a_new_connection(way) {
        let place = way.start(Broker::builder().channel(orders())).await;
        let mut requester = place.requester("ward").await;
        let instance = new_instance();
        let mut service = place.connect_as(instance, 1).await;
        service.bind(0, "orders").await;
        service.subscribe(0, 1, Hold::Connection).await;
        let id = requester.submit(1, "work of hours").await;
        next!(requester, Accepted);
        let (delivery, _) = next!(service, Delivery);
        drop(service);
        place.until(|figures| figures.services == 0 && figures.in_flight == 1).await;
        requester.send(Attach { ticket: TicketNumber(2), channel: ChannelNumber(0), id }).await;
        let (state, _) = next!(requester, State);
        assert_eq!(state.state, RequestState::BackingOff);

        let (call, channel) = (Call(1), ChannelNumber(0));
        let take_back = TakeBack { call, service: ServiceNumber(0), channel, token: delivery.token };
        let mut stranger = place.connect().await;
        stranger.bind(0, "orders").await;
        stranger.send(take_back.clone()).await;
        let (answered, _) = next!(stranger, Answered);
        assert_eq!(answered.answer, Answer::LeaseLost, "another instance did not get it");

        let mut back = place.connect_as(instance, 2).await;
        back.bind(0, "orders").await;
        back.send(take_back).await;
        let (answered, _) = next!(back, Answered);
        assert_eq!(answered, Answered { call, answer: Answer::TakenBack });
        back.subscribe(0, 1, Hold::Connection).await;
        assert_eq!(back.reply(delivery.token, "kept").await, Answer::Settled);
        let mut outcomes = Vec::new();
        for _ in 0..2 {
            let (outcome, payload) = next!(requester, Outcome);
            assert_eq!((outcome.attempts, payload.as_ref()), (1, &b"kept"[..]));
            outcomes.push(outcome.ticket);
        }
        assert_eq!(outcomes, [TicketNumber(1), TicketNumber(2)]);
    }

    async fn a_stale_delivery_cannot_settle(way) {
        let place = way.start(Broker::builder()).await;
        let mut requester = place.requester("ward").await;
        let mut service = place.service(1).await;
        requester.submit(1, "").await;
        next!(requester, Accepted);
        let (delivery, _) = next!(service, Delivery);
        for stale in [
            Token { start: delivery.token.start + 1, ..delivery.token },
            Token { delivery: 9, ..delivery.token },
        ] {
            assert_eq!(service.reply(stale, "wrong").await, Answer::LeaseLost);
        }
        assert_eq!(service.reply(delivery.token, "right").await, Answer::Settled);
        let (_, payload) = next!(requester, Outcome);
        assert_eq!(payload, "right");
    }

    async fn a_delivery_held_by_lease_alone_outlives_its_connection(way) {
        let place = way.start(Broker::builder()).await;
        let mut requester = place.requester("ward").await;
        let mut taker = place.connect().await;
        taker.bind(0, "orders").await;
        taker.subscribe(0, 1, Hold::Lease).await;
        requester.submit(1, "").await;
        next!(requester, Accepted);
        let (delivery, _) = next!(taker, Delivery);
        drop(taker);
        place.until(|figures| figures.services == 0).await;

        let mut anyone = place.connect().await;
        anyone.bind(0, "orders").await;
        assert_eq!(anyone.renew(delivery.token).await, Answer::Renewed);
        assert_eq!(anyone.reply(delivery.token, "").await, Answer::Settled);
        next!(requester, Outcome);
    }

    async fn a_rejected_request_is_dead(way) {
        let place = way.start(Broker::builder()).await;
        let mut requester = place.requester("ward").await;
        let mut service = place.service(1).await;
        requester.submit(1, "").await;
        next!(requester, Accepted);
        let (delivery, _) = next!(service, Delivery);
        service.settle(delivery.token, Settlement::Reject(Problem::new("poison", "")), "").await;
        let (outcome, _) = next!(requester, Outcome);
        let Ending::Dead { reason, last } = outcome.ending else { panic!("it is dead") };
        assert_eq!((reason, last.unwrap().code.as_str()), (DeadReason::Rejected, "poison"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_attempt_comes_back_after_its_backoff_under_paused_time() {
    let place = Way::InProcess.start(Broker::builder().channel(orders())).await;
    let mut requester = place.requester("ward").await;
    let mut service = place.service(1).await;
    requester.submit(1, "").await;
    next!(requester, Accepted);
    let (delivery, _) = next!(service, Delivery);
    let start = tokio::time::Instant::now();
    let retry = Settlement::Retry { problem: Problem::new("later", ""), retry_after_ms: None };
    assert_eq!(service.settle(delivery.token, retry, "").await, Answer::Settled);
    place.broker.until(|channels| channels[0].in_flight == 1).await;
    assert!(start.elapsed() >= Duration::from_secs(60), "jitter only lengthens it");
    let (delivery, _) = next!(service, Delivery);
    assert_eq!(delivery.attempt, 2);
}

#[tokio::test(start_paused = true)]
async fn an_in_process_service_may_work_for_hours_in_silence() {
    let place = Way::InProcess.start(Broker::builder()).await;
    let mut requester = place.requester("ward").await;
    let mut service = place.service(1).await;
    requester.submit(1, "").await;
    next!(requester, Accepted);
    let (delivery, _) = next!(service, Delivery);
    tokio::time::sleep(Duration::from_secs(36_000)).await;
    assert_eq!(service.reply(delivery.token, "").await, Answer::Settled);
}

#[tokio::test(start_paused = true)]
async fn a_lease_alone_runs_out_under_paused_time() {
    let place = Way::InProcess.start(Broker::builder().channel(orders().max_attempts(1))).await;
    let mut requester = place.requester("ward").await;
    let mut taker = place.connect().await;
    taker.bind(0, "orders").await;
    taker.subscribe(0, 1, Hold::Lease).await;
    requester.submit(1, "").await;
    next!(requester, Accepted);
    let (delivery, _) = next!(taker, Delivery);
    place.broker.until(|channels| channels[0].retained == 1).await;
    let (outcome, _) = next!(requester, Outcome);
    let Ending::Dead { reason, .. } = outcome.ending else { panic!("its only attempt was lost") };
    assert_eq!(reason, DeadReason::AttemptsExhausted);
    let (stop, _) = next!(taker, Stop);
    assert_eq!((stop.token, stop.reason), (delivery.token, StopReason::LeaseLost));
}

#[tokio::test(start_paused = true)]
async fn an_idle_broker_arms_no_timer() {
    let place = Way::InProcess.start(Broker::builder()).await;
    let mut requester = place.requester("ward").await;
    requester.nothing_more().await;
    let hour = Duration::from_secs(3600);
    let start = tokio::time::Instant::now();
    // With the clock paused, time jumps to the next timer that anybody has set: only ours is there.
    tokio::time::sleep(hour).await;
    assert_eq!(start.elapsed(), hour);
    requester.nothing_more().await;
}
