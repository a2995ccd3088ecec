//! Deliveries that are stopped: who is told, and what the broker is told when the work has ended.

use super::*;

const REMAINING: Duration = Duration::from_secs(60);

/// A service at work on a request that has `REMAINING` until its deadline.
fn at_work_until(scene: &mut Scene, attempt: Option<Duration>) -> (ServiceNumber, DeliveryKey) {
    let service = scene.state.open_service(&channel(), 8, Hold::Connection, None);
    scene.hear(Subscribed { service, lease_ms: 30_000 });
    let attempt_ms = attempt.map(|time| time.as_millis() as u64);
    let remaining_ms = REMAINING.as_millis() as u64;
    scene.hear(Delivery { remaining_ms, attempt_ms, ..delivery(service, 30_000) });
    scene.frames();
    match scene.service_event(service) {
        Poll::Ready(ServiceEvent::Delivery(handed)) => (service, handed.key),
        other => panic!("expected a delivery, got {other:?}"),
    }
}

fn stop(scene: &mut Scene, service: ServiceNumber, reason: StopReason) {
    scene.hear(Stop { service, token: token(), reason });
}

/// Why the service was told to stop, if it was.
fn told(scene: &mut Scene, service: ServiceNumber) -> Option<StopReason> {
    match scene.service_event(service) {
        Poll::Ready(ServiceEvent::Stopped { reason, .. }) => Some(reason),
        _ => None,
    }
}

fn assert_nothing_is_left(scene: &mut Scene) {
    assert!(scene.names().is_empty());
    let state = &scene.state;
    assert!(state.deliveries.is_empty() && state.calls.is_empty() && state.parts.is_empty());
    assert!(state.deadlines.is_empty() && state.leases.is_empty());
}

#[test]
fn a_cancelled_delivery_is_stopped_when_its_handler_has_ended() {
    for reason in [StopReason::Cancelled, StopReason::Expired] {
        let mut scene = Scene::connected();
        let (service, key) = scene.service_at_work(Hold::Connection, 30_000);
        stop(&mut scene, service, reason);
        assert_eq!(told(&mut scene, service), Some(reason));
        assert!(scene.names().is_empty(), "its handler still works");
        scene.settle(key);
        assert_eq!(scene.next_sent(), Header::Stopped(Stopped { channel: ChannelNumber(0), token: token() }));
        scene.state.release_delivery(key);
        assert_nothing_is_left(&mut scene);
    }
}

#[test]
fn a_cancelled_delivery_is_stopped_when_its_handler_was_dropped() {
    let mut scene = Scene::connected();
    let (service, key) = scene.service_at_work(Hold::Connection, 30_000);
    stop(&mut scene, service, StopReason::Cancelled);
    scene.state.release_delivery(key);
    assert_eq!(scene.names(), ["Stopped"]);
    assert_nothing_is_left(&mut scene);
}

#[test]
fn nothing_is_owed_for_a_delivery_that_is_stopped_for_another_reason() {
    for reason in [StopReason::LeaseLost, StopReason::AttemptTimeout, StopReason::BrokerStopped] {
        let mut scene = Scene::connected();
        let (service, key) = scene.service_at_work(Hold::Connection, 30_000);
        stop(&mut scene, service, reason);
        assert_eq!(told(&mut scene, service), Some(reason));
        scene.settle(key);
        scene.state.release_delivery(key);
        assert_nothing_is_left(&mut scene);
    }
}

#[test]
fn a_settlement_that_crosses_its_cancellation_counts_as_stopped() {
    let mut scene = Scene::connected();
    let (service, key) = scene.service_at_work(Hold::Connection, 30_000);
    scene.settle(key);
    scene.state.release_delivery(key);
    let call = call_of(&scene.next_sent());
    stop(&mut scene, service, StopReason::Cancelled);
    assert!(scene.names().is_empty(), "the settlement will be answered");
    scene.hear(Answered { call, answer: Answer::Cancelled });
    assert_nothing_is_left(&mut scene);
}

#[test]
fn a_settlement_that_waits_for_room_when_its_request_is_cancelled_is_not_sent_again() {
    let mut scene = Scene::connected();
    let (service, key) = scene.service_at_work(Hold::Connection, 30_000);
    scene.settle(key);
    scene.state.release_delivery(key);
    let call = call_of(&scene.next_sent());
    scene.hear(Answered { call, answer: Answer::MailboxBusy { retry_after_ms: 100 } });
    stop(&mut scene, service, StopReason::Cancelled);
    assert_eq!(scene.names(), ["Stopped"]);
    scene.pass(Duration::from_millis(100));
    assert_nothing_is_left(&mut scene);
}

#[test]
fn one_who_settles_by_hand_is_told_that_the_request_has_its_outcome() {
    let mut scene = Scene::connected();
    let (service, key) = scene.service_at_work(Hold::Lease, 30_000);
    stop(&mut scene, service, StopReason::Expired);
    let expired = Err(SettleFailure::Stopped(StopReason::Expired));
    assert_eq!(scene.state.renew(key), Err(SettleFailure::Stopped(StopReason::Expired)));
    assert_eq!(scene.state.settle_by_hand(key, Settlement::Release, Bytes::new()), expired);
    assert_eq!(scene.names(), ["Stopped"], "whoever settles has ended the work");
    assert_eq!(scene.state.settle_by_hand(key, Settlement::Release, Bytes::new()), expired);
    scene.state.release_delivery(key);
    assert_nothing_is_left(&mut scene);
}

#[test]
fn a_delivery_cancelled_while_disconnected_is_stopped_over_the_next_connection() {
    for (answer, reason) in [(Answer::Cancelled, StopReason::Cancelled), (Answer::Expired, StopReason::Expired)] {
        let mut scene = Scene::connected();
        let (service, key) = scene.service_at_work(Hold::Connection, 30_000);
        scene.break_connection();
        scene.connect();
        let sent = scene.frames();
        scene.hear(Answered { call: call_of(&sent[1].header), answer });
        assert_eq!(told(&mut scene, service), Some(reason));
        assert!(scene.names().is_empty());
        scene.settle(key);
        scene.state.release_delivery(key);
        assert_eq!(scene.names(), ["Stopped"]);
        assert_nothing_is_left(&mut scene);
    }
}

#[test]
fn work_that_ended_while_disconnected_is_said_to_have_stopped_over_the_next_connection() {
    let mut scene = Scene::connected();
    let (service, key) = scene.service_at_work(Hold::Connection, 30_000);
    stop(&mut scene, service, StopReason::Cancelled);
    scene.break_connection();
    scene.settle(key);
    scene.state.release_delivery(key);
    scene.connect();
    assert_eq!(scene.names(), ["Bind", "Stopped", "Subscribe"]);
    assert_nothing_is_left(&mut scene);
}

#[test]
fn a_stopped_delivery_is_not_taken_back() {
    let mut scene = Scene::connected();
    let (service, key) = scene.service_at_work(Hold::Connection, 30_000);
    stop(&mut scene, service, StopReason::Cancelled);
    scene.break_connection();
    scene.connect();
    assert_eq!(scene.names(), ["Bind", "Subscribe"]);
    scene.settle(key);
    assert_eq!(scene.names(), ["Stopped"]);
}

#[test]
fn a_draining_service_ends_when_its_stopped_handlers_have() {
    let mut scene = Scene::connected();
    let (service, key) = scene.service_at_work(Hold::Connection, 30_000);
    stop(&mut scene, service, StopReason::Cancelled);
    scene.state.drain_service(service);
    assert_eq!(scene.names(), ["Credit"]);
    scene.settle(key);
    assert_eq!(scene.names(), ["Stopped", "Unsubscribe"]);
}

#[test]
fn an_abandoned_service_owes_nothing_for_what_its_subscription_ends() {
    let mut scene = Scene::connected();
    let (service, key) = scene.service_at_work(Hold::Connection, 30_000);
    stop(&mut scene, service, StopReason::Cancelled);
    scene.state.end_service(service);
    scene.state.release_delivery(key);
    assert_eq!(scene.names(), ["Unsubscribe"]);
    scene.hear(Unsubscribed { service, refusal: None });
    assert_nothing_is_left(&mut scene);
}

#[test]
fn the_work_is_stopped_at_the_deadline_though_the_broker_is_out_of_reach() {
    let mut scene = Scene::connected();
    let (service, key) = at_work_until(&mut scene, None);
    let until = scene.now + REMAINING;
    scene.break_connection();
    scene.state.next_step(scene.now);
    while scene.now < until {
        assert_eq!(told(&mut scene, service), None);
        let next = scene.state.next_deadline().unwrap();
        assert!(next <= until, "nobody sleeps past the deadline");
        scene.pass(next - scene.now);
        scene.state.next_step(scene.now);
    }
    assert_eq!(told(&mut scene, service), Some(StopReason::Expired));
    scene.state.release_delivery(key);
}

#[test]
fn the_attempt_timeout_stops_the_work_if_it_comes_before_the_deadline() {
    let mut scene = Scene::connected();
    let (service, _) = at_work_until(&mut scene, Some(Duration::from_secs(5)));
    scene.pass(Duration::from_secs(5));
    assert_eq!(told(&mut scene, service), Some(StopReason::AttemptTimeout));
    scene.pass(REMAINING);
    assert_eq!(told(&mut scene, service), None, "once is enough");
}

#[test]
fn what_counts_at_the_deadline_is_the_brokers_clock() {
    let mut scene = Scene::connected();
    let (_, key) = at_work_until(&mut scene, None);
    scene.pass(REMAINING);
    scene.frames();
    scene.settle(key);
    let call = call_of(&scene.next_sent());
    scene.hear(Answered { call, answer: Answer::Settled });
    scene.state.release_delivery(key);
    assert_nothing_is_left(&mut scene);
}

#[test]
fn no_deadline_is_kept_for_work_that_is_done() {
    let mut scene = Scene::connected();
    let (_, key) = at_work_until(&mut scene, None);
    scene.settle(key);
    let call = call_of(&scene.next_sent());
    scene.hear(Answered { call, answer: Answer::Settled });
    scene.state.release_delivery(key);
    assert_eq!(scene.state.next_deadline(), None);
}

#[test]
fn a_deadline_may_be_as_far_away_as_it_likes() {
    let mut scene = Scene::connected();
    let service = scene.state.open_service(&channel(), 8, Hold::Connection, None);
    scene.hear(Delivery { remaining_ms: u64::MAX, attempt_ms: Some(u64::MAX), ..delivery(service, 30_000) });
    assert!(matches!(scene.service_event(service), Poll::Ready(ServiceEvent::Delivery(_))));
}

#[test]
fn a_service_asks_for_the_lease_it_wishes_for() {
    let mut scene = Scene::connected();
    scene.state.open_service(&channel(), 8, Hold::Lease, Some(Duration::from_nanos(1)));
    scene.next_sent();
    assert!(matches!(scene.next_sent(), Header::Subscribe(subscribe) if subscribe.lease_ms == Some(1)));
}
