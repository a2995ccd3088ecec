//! How requests end under a service: cancelled, expired, stopped, throttled, given back too often.

use std::time::Duration;

use roundtrip_broker::{Broker, ChannelSettings};
use roundtrip_protocol::*;
use tokio::time::Instant;

use crate::wire::{Way, new_id, next, over_both, submission};

fn orders() -> ChannelSettings {
    ChannelSettings::new("orders")
}

over_both! {
    async fn a_cancelled_request_ends_at_once_and_its_service_is_told(way) {
        let place = way.start(Broker::builder()).await;
        let mut requester = place.requester("ward").await;
        let mut service = place.service(1).await;
        let id = requester.submit(1, "").await;
        next!(requester, Accepted);
        let (delivery, _) = next!(service, Delivery);

        let mut anybody = place.requester("passer-by").await;
        assert_eq!(anybody.cancel(id).await, Cancellation::Cancelled);
        let (outcome, _) = next!(requester, Outcome);
        assert_eq!((outcome.attempts, outcome.ending), (1, Ending::Cancelled));
        let (stop, _) = next!(service, Stop);
        assert_eq!((stop.token, stop.reason), (delivery.token, StopReason::Cancelled));

        assert_eq!(anybody.cancel(id).await, Cancellation::Ended(OutcomeKind::Cancelled));
        assert_eq!(anybody.cancel(new_id()).await, Cancellation::UnknownTicket);
        requester.nothing_more().await;
        service.nothing_more().await;
    }

    async fn a_waiting_request_that_is_cancelled_is_delivered_to_nobody(way) {
        let place = way.start(Broker::builder()).await;
        let mut requester = place.requester("ward").await;
        let id = requester.submit(1, "").await;
        next!(requester, Accepted);
        let mut anybody = place.requester("passer-by").await;
        assert_eq!(anybody.cancel(id).await, Cancellation::Cancelled);
        let (outcome, _) = next!(requester, Outcome);
        assert_eq!((outcome.attempts, outcome.ending), (0, Ending::Cancelled));
        let mut service = place.service(1).await;
        service.nothing_more().await;
    }

    async fn an_outcome_that_was_first_wins_over_a_cancellation(way) {
        let place = way.start(Broker::builder()).await;
        let mut requester = place.requester("ward").await;
        let mut service = place.service(1).await;
        let id = requester.submit(1, "").await;
        next!(requester, Accepted);
        let (delivery, _) = next!(service, Delivery);
        service.reply(delivery.token, "done").await;
        next!(requester, Outcome);
        assert_eq!(requester.cancel(id).await, Cancellation::Ended(OutcomeKind::Replied));
        requester.nothing_more().await;
        service.nothing_more().await;
    }

    async fn a_cancelled_delivery_keeps_its_place_until_its_service_has_stopped(way) {
        let place = way.start(Broker::builder().channel(orders().max_in_flight(1))).await;
        let mut requester = place.requester("ward").await;
        let mut service = place.service(5).await;
        let mut other = place.service(5).await;
        let first = requester.submit(1, "").await;
        let second = requester.submit(2, "").await;
        next!(requester, Accepted);
        next!(requester, Accepted);
        let (delivery, _) = next!(service, Delivery);
        let mut anybody = place.requester("passer-by").await;
        assert_eq!(anybody.cancel(first).await, Cancellation::Cancelled);
        next!(service, Stop);

        assert_eq!(service.renew(delivery.token).await, Answer::Cancelled);
        assert_eq!(service.add_part(delivery.token, 1, "too late").await, Answer::Cancelled);
        service.nothing_more().await;
        other.nothing_more().await;
        place.until(|figures| figures.in_flight == 1 && figures.waiting == 1).await;

        service.send(Stopped { channel: ChannelNumber(0), token: delivery.token }).await;
        let (delivery, _) = next!(other, Delivery);
        assert_eq!(delivery.token.id, second);
        service.send(Stopped { channel: ChannelNumber(0), token: delivery.token }).await;
        assert_eq!(other.reply(delivery.token, "").await, Answer::Settled, "for a current delivery it does nothing");
    }

    async fn a_cancelled_delivery_that_settles_has_stopped(way) {
        let place = way.start(Broker::builder().channel(orders().max_in_flight(1))).await;
        let mut requester = place.requester("ward").await;
        let mut service = place.service(5).await;
        let first = requester.submit(1, "").await;
        let second = requester.submit(2, "").await;
        next!(requester, Accepted);
        next!(requester, Accepted);
        let (delivery, _) = next!(service, Delivery);
        let mut anybody = place.requester("passer-by").await;
        anybody.cancel(first).await;
        next!(service, Stop);
        assert_eq!(service.reply(delivery.token, "nevertheless").await, Answer::Cancelled);
        let (delivery, _) = next!(service, Delivery);
        assert_eq!(delivery.token.id, second);
        place.until(|figures| figures.stale == 1).await;
        let (outcome, payload) = next!(requester, Outcome);
        assert_eq!((outcome.ending, payload.len()), (Ending::Cancelled, 0));
    }

    async fn a_cancelled_delivery_ends_with_its_connection(way) {
        let place = way.start(Broker::builder().channel(orders().max_in_flight(1))).await;
        let mut requester = place.requester("ward").await;
        let mut service = place.service(1).await;
        let first = requester.submit(1, "").await;
        let second = requester.submit(2, "").await;
        next!(requester, Accepted);
        next!(requester, Accepted);
        next!(service, Delivery);
        let mut anybody = place.requester("passer-by").await;
        anybody.cancel(first).await;
        next!(service, Stop);
        drop(service);
        let mut other = place.service(1).await;
        let (delivery, _) = next!(other, Delivery);
        assert_eq!(delivery.token.id, second);
    }

    async fn a_waiting_request_expires_at_its_deadline(way) {
        let place = way.start(Broker::builder()).await;
        let mut requester = place.requester("ward").await;
        let id = new_id();
        requester.send(Submit { deadline_ms: Some(1), ..submission(1, id) }).await;
        next!(requester, Accepted);
        let (outcome, _) = next!(requester, Outcome);
        assert_eq!((outcome.attempts, outcome.ending), (0, Ending::Expired));
        let state = requester.attach(2, id).await;
        assert_eq!((state.state, state.remaining_ms), (RequestState::Ended(OutcomeKind::Expired), None));
    }

    async fn a_request_that_is_released_too_often_is_dead(way) {
        let moment = Duration::from_millis(1);
        let place = way.start(Broker::builder().channel(orders().max_releases(1).backoff(moment, moment))).await;
        let mut requester = place.requester("ward").await;
        let mut service = place.service(1).await;
        requester.submit(1, "").await;
        next!(requester, Accepted);
        for number in 1..=2 {
            let (delivery, _) = next!(service, Delivery);
            assert_eq!((delivery.attempt, delivery.token.delivery), (1, number));
            assert_eq!(service.settle(delivery.token, Settlement::Release, "").await, Answer::Settled);
        }
        let (outcome, _) = next!(requester, Outcome);
        let Ending::Dead { reason, .. } = outcome.ending else { panic!("it was released twice") };
        assert_eq!((outcome.attempts, reason), (0, DeadReason::ReleasesExhausted));
    }

    async fn a_throttled_request_waits_uncounted_and_the_channel_pauses(way) {
        let place = way.start(Broker::builder()).await;
        let mut requester = place.requester("ward").await;
        let mut service = place.service(5).await;
        let id = requester.submit(1, "").await;
        next!(requester, Accepted);
        let (delivery, _) = next!(service, Delivery);
        let throttle = Settlement::Throttle { retry_after_ms: 200_000 };
        assert_eq!(service.settle(delivery.token, throttle, "").await, Answer::Settled);
        requester.submit(2, "").await;
        next!(requester, Accepted);
        service.nothing_more().await;
        let state = requester.attach(3, id).await;
        assert_eq!((state.state, state.attempts, state.ahead), (RequestState::Waiting, 0, 0));
        place.until(|figures| figures.waiting == 2 && figures.paused_ms > 100_000).await;
    }

    async fn a_service_gets_the_lease_that_it_wishes_for_up_to_the_longest(way) {
        let (lease, longest) = (Duration::from_secs(5), Duration::from_secs(60));
        let place = way.start(Broker::builder().channel(orders().lease(lease).max_lease(longest))).await;
        let mut requester = place.requester("ward").await;
        for (ticket, (wish, got)) in [(None, 5_000), (Some(1_000), 1_000), (Some(90_000), 60_000)].into_iter().enumerate() {
            let mut service = place.connect().await;
            service.bind(0, "orders").await;
            service.send(subscription(wish)).await;
            let (subscribed, _) = next!(service, Subscribed);
            assert_eq!(subscribed.lease_ms, got);
            requester.submit(ticket as u32, "").await;
            next!(requester, Accepted);
            let (delivery, _) = next!(service, Delivery);
            assert_eq!(delivery.lease_ms, got);
            service.reply(delivery.token, "").await;
            next!(requester, Outcome);
            service.send(Close {}).await;
            next!(service, Close);
        }
        let mut service = place.connect().await;
        service.bind(0, "orders").await;
        service.send(subscription(Some(0))).await;
        let (unsubscribed, _) = next!(service, Unsubscribed);
        assert_eq!(unsubscribed.refusal.unwrap().code, RefusalCode::Invalid);
    }
}

fn subscription(lease_ms: Option<u64>) -> Subscribe {
    let (service, channel) = (ServiceNumber(0), ChannelNumber(0));
    Subscribe { service, channel, credit: 1, hold: Hold::Connection, lease_ms }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_expires_under_its_service_is_stopped_there() {
    let place = Way::InProcess.start(Broker::builder()).await;
    let mut requester = place.requester("ward").await;
    let mut service = place.service(1).await;
    let start = Instant::now();
    requester.send(Submit { deadline_ms: Some(10_000), ..submission(1, new_id()) }).await;
    next!(requester, Accepted);
    let (delivery, _) = next!(service, Delivery);
    assert_eq!((delivery.remaining_ms, delivery.attempt_ms), (10_000, None));
    let (outcome, _) = next!(requester, Outcome);
    assert_eq!((outcome.ending, start.elapsed().as_secs()), (Ending::Expired, 10));
    let (stop, _) = next!(service, Stop);
    assert_eq!((stop.token, stop.reason), (delivery.token, StopReason::Expired));
    place.until(|figures| figures.in_flight == 1).await;
    assert_eq!(service.reply(delivery.token, "late").await, Answer::Expired);
    place.until(|figures| figures.in_flight == 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_delivery_ends_at_the_attempt_timeout_however_alive_its_service_is() {
    let minute = Duration::from_secs(60);
    let settings = orders().attempt_timeout(Duration::from_secs(5)).backoff(minute, minute);
    let place = Way::InProcess.start(Broker::builder().channel(settings)).await;
    let mut requester = place.requester("ward").await;
    let mut service = place.service(1).await;
    let id = requester.submit(1, "").await;
    next!(requester, Accepted);
    let start = Instant::now();
    let (delivery, _) = next!(service, Delivery);
    assert_eq!(delivery.attempt_ms, Some(5_000));
    let (stop, _) = next!(service, Stop);
    assert_eq!((stop.reason, start.elapsed().as_secs()), (StopReason::AttemptTimeout, 5));
    assert_eq!(service.renew(delivery.token).await, Answer::LeaseLost);
    assert_eq!(service.reply(delivery.token, "").await, Answer::LeaseLost);
    service
        .send(TakeBack { call: Call(1), service: ServiceNumber(0), channel: ChannelNumber(0), token: delivery.token })
        .await;
    let (answered, _) = next!(service, Answered);
    assert_eq!(answered.answer, Answer::LeaseLost);
    let state = requester.attach(2, id).await;
    assert_eq!((state.state, state.attempts), (RequestState::BackingOff, 1));
}

#[tokio::test(start_paused = true)]
async fn a_pause_is_no_longer_than_the_channel_allows() {
    let settings = orders().max_throttle(Duration::from_secs(10));
    let place = Way::InProcess.start(Broker::builder().channel(settings)).await;
    let mut requester = place.requester("ward").await;
    let mut service = place.service(1).await;
    requester.submit(1, "").await;
    next!(requester, Accepted);
    let (delivery, _) = next!(service, Delivery);
    let start = Instant::now();
    service.settle(delivery.token, Settlement::Throttle { retry_after_ms: u64::MAX }, "").await;
    let (delivery, _) = next!(service, Delivery);
    assert_eq!((delivery.attempt, delivery.token.delivery), (1, 2));
    assert_eq!(start.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_rate_holds_across_services_and_lets_a_burst_go_at_once() {
    let place = Way::InProcess.start(Broker::builder().channel(orders().rate(1.0, 2))).await;
    let mut requester = place.requester("ward").await;
    let mut services = [place.service(2).await, place.service(2).await];
    let start = Instant::now();
    for ticket in 0..4 {
        requester.submit(ticket, "").await;
        next!(requester, Accepted);
    }
    for (in_flight, due) in [(2, 0), (3, 1), (4, 2)] {
        place.broker.until(|channels| channels[0].in_flight == in_flight).await;
        assert_eq!(start.elapsed().as_secs(), due);
    }
    for service in &mut services {
        next!(service, Delivery);
        next!(service, Delivery);
    }
}
