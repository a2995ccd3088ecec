//! When the client connects, gives up, says something and hangs up.

use super::*;
use crate::events::ConnectionEvent;

#[test]
fn the_first_reconnect_is_tried_at_once_and_later_ones_wait_longer() {
    let mut scene = Scene::connected();
    scene.pass(Duration::from_secs(2));
    scene.break_connection();
    assert_eq!(scene.state.next_step(scene.now), Some(Step::Connect));
    let mut waits = Vec::new();
    for _ in 0..12 {
        scene.state.handle_unreachable(scene.now, Broken::Closed);
        let at = scene.state.next_deadline().unwrap();
        assert_eq!(scene.state.next_step(at - Duration::from_millis(1)), None);
        waits.push(at - scene.now);
        scene.now = at;
        assert_eq!(scene.state.next_step(at), Some(Step::Connect));
    }
    assert!(waits[0] >= Duration::from_millis(50) && waits[0] <= Duration::from_millis(100));
    assert!(waits[4] > waits[0]);
    assert!(waits.iter().all(|wait| *wait <= Duration::from_secs(5)));
    assert_ne!(waits[10], waits[11], "jitter keeps many clients apart");
}

#[test]
fn a_broker_that_turns_every_connection_away_is_not_asked_in_a_loop() {
    let mut scene = Scene::connected();
    scene.break_connection();
    scene.connect();
    scene.break_connection();
    assert_eq!(scene.state.next_step(scene.now), None);
}

#[test]
fn each_connection_has_a_higher_number() {
    let mut scene = Scene::new(FirstConnect::Forever);
    let mut numbers = Vec::new();
    for _ in 0..3 {
        scene.now = scene.now.max(scene.state.next_deadline().unwrap());
        scene.state.next_step(scene.now);
        scene.state.handle_connected(scene.now);
        let Header::Hello(hello) = scene.next_sent() else { panic!("the client speaks first") };
        numbers.push(hello.connection);
        scene.break_connection();
    }
    assert_eq!(numbers, [1, 2, 3]);
}

#[test]
fn the_first_connection_is_given_up_when_its_time_has_passed() {
    let mut scene = Scene::new(FirstConnect::Forever);
    scene = Scene::new(FirstConnect::Until(scene.now + Duration::from_secs(5)));
    while let Some(Step::Connect) = scene.state.next_step(scene.now) {
        scene.state.handle_unreachable(scene.now, Broken::Closed);
        let Some(at) = scene.state.next_deadline() else { break };
        scene.now = at;
        scene.state.handle_deadline(at);
    }
    let failed = scene.state.poll_first_connection(Waker::noop());
    assert!(matches!(failed, Poll::Ready(Err(ConnectFailure::Unreachable(Broken::Closed)))));
    assert_eq!(scene.state.next_step(scene.now), Some(Step::End));
}

#[test]
fn one_attempt_is_one_attempt() {
    let now = Instant::now();
    let mut scene = Scene::new(FirstConnect::Once { until: now + Duration::from_secs(60) });
    assert_eq!(scene.state.next_step(scene.now), Some(Step::Connect));
    scene.state.handle_unreachable(scene.now, Broken::Closed);
    assert!(matches!(scene.state.poll_first_connection(Waker::noop()), Poll::Ready(Err(_))));
}

#[test]
fn whoever_says_nothing_in_time_is_no_broker() {
    let now = Instant::now();
    let mut scene = Scene::new(FirstConnect::Once { until: now + Duration::from_secs(60) });
    scene.state.next_step(scene.now);
    scene.state.handle_connected(scene.now);
    scene.pass(Duration::from_secs(5));
    assert!(!scene.state.is_connected());
    scene.state.handle_broken(scene.now, None);
    let failed = scene.state.poll_first_connection(Waker::noop());
    assert!(matches!(failed, Poll::Ready(Err(ConnectFailure::Silent))));
}

#[test]
fn a_broker_of_another_version_is_told_in_its_own_words() {
    let mut scene = Scene::new(FirstConnect::Until(Instant::now() + Duration::from_secs(60)));
    scene.state.next_step(scene.now);
    scene.state.handle_connected(scene.now);
    let message = "this broker speaks version 2, the client version 1".to_owned();
    scene.hear(Error { code: ErrorCode::UnsupportedVersion, message: message.clone(), frame: 1, closes: true });
    match scene.state.poll_first_connection(Waker::noop()) {
        Poll::Ready(Err(ConnectFailure::TurnedAway(told))) => assert_eq!(told, message),
        other => panic!("expected to be turned away, got {other:?}"),
    }
}

#[test]
fn a_stopped_broker_of_the_same_process_is_not_waited_for() {
    let mut scene = Scene::connected();
    let requester = scene.requester();
    let open = scene.open_ticket(requester, 1);
    scene.break_connection();
    scene.state.next_step(scene.now);
    scene.state.handle_unreachable(scene.now, Broken::BrokerGone);
    assert_eq!(scene.outcome(open), Poll::Ready(Err(TicketFailure::Closed)));
    assert_eq!(scene.state.next_step(scene.now), Some(Step::End));
}

#[test]
fn an_idle_connection_without_heartbeats_arms_no_timer() {
    let mut scene = Scene::connected();
    assert_eq!(scene.state.next_deadline(), None);
    let requester = scene.requester();
    let open = scene.open_ticket(requester, 1);
    assert_eq!(scene.state.next_deadline(), None, "an answered submission waits for nothing");
    scene.hear(replied(open));
    scene.state.release_ticket(open);
    assert_eq!(scene.state.next_deadline(), None);
}

#[test]
fn a_client_that_has_nothing_to_say_sends_a_heartbeat() {
    let mut scene = Scene::new(FirstConnect::Forever);
    scene.connect_with(HEARTBEAT.as_millis() as u32);
    scene.frames();
    assert_eq!(scene.state.next_deadline(), Some(scene.now + HEARTBEAT));
    scene.pass(HEARTBEAT);
    assert_eq!(scene.names(), ["Ping"]);
    scene.pass(HEARTBEAT / 2);
    assert!(scene.names().is_empty());
}

#[test]
fn a_line_that_takes_nothing_leaves_the_client_at_rest() {
    let mut scene = Scene::new(FirstConnect::Forever);
    scene.connect_with(HEARTBEAT.as_millis() as u32);
    scene.frames();
    for _ in 0..2 {
        scene.pass(HEARTBEAT);
        let (now, deadline) = (scene.now, scene.state.next_deadline());
        assert!(deadline.is_some_and(|deadline| deadline > now), "the client has nothing to do now");
    }
}

#[test]
fn a_short_lease_is_kept_by_more_frequent_signs_of_life_also_without_heartbeats() {
    let mut scene = Scene::connected();
    let (_, key) = scene.service_at_work(Hold::Connection, 900);
    assert_eq!(scene.state.next_deadline(), Some(scene.now + Duration::from_millis(300)));
    scene.pass(Duration::from_millis(300));
    assert_eq!(scene.names(), ["Ping"]);
    scene.settle(key);
    let call = call_of(&scene.next_sent());
    scene.hear(Answered { call, answer: Answer::Settled });
    assert_eq!(scene.state.next_deadline(), None);
}

#[test]
fn a_delivery_by_lease_alone_is_not_kept_by_signs_of_life() {
    let mut scene = Scene::connected();
    scene.service_at_work(Hold::Lease, 900);
    assert_eq!(scene.state.next_deadline(), None);
}

#[test]
fn a_silent_broker_is_let_go_after_two_and_a_half_heartbeats() {
    let mut scene = Scene::new(FirstConnect::Forever);
    scene.connect_with(HEARTBEAT.as_millis() as u32);
    scene.pass(HEARTBEAT * 2);
    assert!(scene.state.is_connected());
    scene.state.handle_heard(scene.now);
    scene.pass(HEARTBEAT * 2);
    assert!(scene.state.is_connected());
    scene.pass(HEARTBEAT / 2);
    assert!(!scene.state.is_connected());
}

#[test]
fn the_broker_is_answered_when_it_asks_for_a_sign_of_life() {
    let mut scene = Scene::connected();
    scene.hear(Ping { nonce: 99 });
    assert_eq!(scene.next_sent(), Header::Pong(Pong { nonce: 99 }));
}

#[test]
fn a_superseded_connection_is_replaced() {
    let mut scene = Scene::connected();
    scene.hear(Error { code: ErrorCode::Superseded, message: String::new(), frame: 0, closes: true });
    assert!(!scene.state.is_connected());
    scene.state.handle_broken(scene.now, None);
    scene.connect();
}

#[test]
fn an_error_that_closes_nothing_changes_nothing() {
    let mut scene = Scene::connected();
    scene.hear(Error { code: ErrorCode::UnknownFrame, message: String::new(), frame: 0x7f, closes: false });
    assert!(scene.state.is_connected());
}

#[test]
fn events_tell_of_the_connection_from_now_on() {
    let mut scene = Scene::connected();
    let watcher = scene.state.watch_connection();
    scene.hear(Drain { remaining_ms: 500 });
    scene.break_connection();
    scene.connect();
    let mut told = Vec::new();
    while let Poll::Ready(Some(event)) = scene.state.poll_connection_event(watcher, Waker::noop()) {
        told.push(event);
    }
    let remaining = Duration::from_millis(500);
    use ConnectionEvent::{Connected, Disconnected, Draining};
    assert_eq!(told, [Connected, Draining { remaining }, Disconnected, Connected]);
}

#[test]
fn closing_says_goodbye_and_ends_when_the_broker_has_said_it_too() {
    let mut scene = Scene::connected();
    let requester = scene.requester();
    let open = scene.open_ticket(requester, 1);
    scene.state.close(scene.now);
    assert_eq!(scene.names(), ["Close"]);
    assert_eq!(scene.state.poll_closed(Waker::noop()), Poll::Pending);
    scene.hear(Close {});
    assert_eq!(scene.state.poll_closed(Waker::noop()), Poll::Ready(()));
    assert_eq!(scene.outcome(open), Poll::Ready(Err(TicketFailure::Closed)));
    assert_eq!(scene.state.next_step(scene.now), Some(Step::End));
}

#[test]
fn a_broker_that_does_not_answer_the_goodbye_is_not_waited_for_long() {
    let mut scene = Scene::connected();
    scene.state.close(scene.now);
    scene.pass(Duration::from_secs(5));
    assert_eq!(scene.state.poll_closed(Waker::noop()), Poll::Ready(()));
}

#[test]
fn a_disconnected_client_that_owes_nothing_closes_at_once() {
    let mut scene = Scene::connected();
    scene.break_connection();
    scene.state.close(scene.now);
    assert_eq!(scene.state.next_step(scene.now), Some(Step::End));
}

#[test]
fn a_disconnected_client_that_keeps_a_settlement_brings_it_before_it_closes() {
    let mut scene = Scene::connected();
    let (_, key) = scene.service_at_work(Hold::Connection, 30_000);
    scene.break_connection();
    scene.settle(key);
    scene.state.release_delivery(key);
    scene.state.close(scene.now);
    scene.connect();
    let sent = scene.frames();
    let names: Vec<_> = sent.iter().map(|frame| frame.header.name()).collect();
    assert_eq!(names, ["Bind", "TakeBack", "Settle", "Subscribe"]);
    scene.hear(Answered { call: call_of(&sent[1].header), answer: Answer::TakenBack });
    scene.hear(Answered { call: call_of(&sent[2].header), answer: Answer::Settled });
    scene.hear(Subscribed { service: ServiceNumber(1), lease_ms: 30_000 });
    assert_eq!(scene.names(), ["Close"]);
}

#[test]
fn a_broker_that_closes_unasked_is_left_and_tried_again() {
    let mut scene = Scene::connected();
    scene.hear(Close {});
    assert!(!scene.state.is_connected());
    scene.state.handle_broken(scene.now, None);
    scene.connect();
}
