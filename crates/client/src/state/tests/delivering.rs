//! Deliveries: handed over, settled until answered, stopped, given back.

use super::*;

#[test]
fn a_settlement_is_kept_until_it_is_answered() {
    let mut scene = Scene::connected();
    let (_, key) = scene.service_at_work(Hold::Connection, 30_000);
    scene.settle(key);
    scene.state.release_delivery(key);
    let sent = scene.frames();
    assert_eq!(&sent[0].payload[..], b"done");
    scene.hear(Answered { call: call_of(&sent[0].header), answer: Answer::Settled });
    assert!(scene.state.deliveries.is_empty() && scene.state.calls.is_empty());
}

#[test]
fn a_settlement_without_room_is_tried_again_later() {
    let mut scene = Scene::connected();
    let (_, key) = scene.service_at_work(Hold::Connection, 30_000);
    scene.settle(key);
    let call = call_of(&scene.next_sent());
    scene.hear(Answered { call, answer: Answer::MailboxBusy { retry_after_ms: 200 } });
    assert!(scene.names().is_empty());
    scene.pass(Duration::from_millis(199));
    assert!(scene.names().is_empty());
    scene.pass(Duration::from_millis(1));
    let call = call_of(&scene.next_sent());
    scene.hear(Answered { call, answer: Answer::Settled });
    scene.state.release_delivery(key);
    assert!(scene.state.deliveries.is_empty());
}

#[test]
fn a_reply_over_the_channels_limit_becomes_a_final_failure() {
    let mut scene = Scene::connected();
    let (_, key) = scene.service_at_work(Hold::Connection, 30_000);
    scene.settle(key);
    let call = call_of(&scene.next_sent());
    scene.hear(Answered { call, answer: Answer::TooLarge { max_payload: 2 } });
    let Header::Settle(settle) = scene.next_sent() else { panic!("it is settled in another way") };
    assert!(matches!(settle.settlement, Settlement::Fail { problem, .. } if problem.code == "reply_too_large"));
}

#[test]
fn a_reply_over_the_connections_limit_is_not_sent() {
    let mut scene = Scene::connected();
    let (_, key) = scene.service_at_work(Hold::Connection, 30_000);
    scene.state.settle(key, Settlement::Reply(Label::default()), Bytes::from(vec![0; 101]));
    let sent = scene.frames();
    assert_eq!(sent.len(), 1);
    assert!(sent[0].payload.is_empty());
}

#[test]
fn one_who_settles_by_hand_is_told_and_may_settle_in_another_way() {
    let mut scene = Scene::connected();
    let (_, key) = scene.service_at_work(Hold::Lease, 30_000);
    let reply = || (Settlement::Reply(Label::default()), Bytes::from_static(b"done"));
    let (settlement, payload) = reply();
    scene.state.settle_by_hand(key, settlement, payload).unwrap();
    let call = call_of(&scene.next_sent());
    scene.hear(Answered { call, answer: Answer::TooLarge { max_payload: 2 } });
    let too_large = Poll::Ready(Err(SettleFailure::TooLarge { limit: 2 }));
    assert_eq!(scene.state.poll_settled(key, Waker::noop()), too_large);
    scene.state.settle_by_hand(key, Settlement::Release, Bytes::new()).unwrap();
    let call = call_of(&scene.next_sent());
    scene.hear(Answered { call, answer: Answer::Settled });
    assert_eq!(scene.state.poll_settled(key, Waker::noop()), Poll::Ready(Ok(())));
    let (settlement, payload) = reply();
    assert_eq!(scene.state.settle_by_hand(key, settlement, payload), Err(SettleFailure::SettledBefore));
}

#[test]
fn a_stopped_delivery_is_told_to_its_service_and_its_settlement_goes_nowhere() {
    let mut scene = Scene::connected();
    let (service, key) = scene.service_at_work(Hold::Connection, 30_000);
    scene.hear(Stop { service, token: token(), reason: StopReason::LeaseLost });
    assert!(
        matches!(scene.service_event(service), Poll::Ready(ServiceEvent::Stopped { delivery, .. }) if delivery == key)
    );
    scene.settle(key);
    scene.state.release_delivery(key);
    assert!(scene.names().is_empty());
    assert!(scene.state.deliveries.is_empty());
}

#[test]
fn a_delivery_dropped_by_hand_is_released() {
    let mut scene = Scene::connected();
    let (_, key) = scene.service_at_work(Hold::Lease, 30_000);
    scene.state.release_delivery(key);
    let Header::Settle(settle) = scene.next_sent() else { panic!("it is settled") };
    assert_eq!(settle.settlement, Settlement::Release);
}

#[test]
fn a_renewal_is_answered() {
    let mut scene = Scene::connected();
    let (_, key) = scene.service_at_work(Hold::Lease, 30_000);
    let call = scene.state.renew(key).unwrap();
    assert_eq!(call_of(&scene.next_sent()), call);
    scene.hear(Answered { call, answer: Answer::Renewed });
    let renewed = CallAnswer::Answered(Answer::Renewed);
    assert_eq!(scene.state.poll_call(call, Waker::noop()), Poll::Ready(Some(renewed)));
}

#[test]
fn only_the_latest_progress_is_sent_and_none_after_the_settlement() {
    let mut scene = Scene::connected();
    let (_, key) = scene.service_at_work(Hold::Connection, 30_000);
    let progress = |fraction| Progress { fraction, stage: String::new(), note: String::new() };
    scene.state.report_progress(key, token(), progress(0.25));
    scene.state.report_progress(key, token(), progress(0.5));
    let sent = scene.frames();
    assert_eq!(sent.len(), 1);
    assert!(matches!(&sent[0].header, Header::ProgressReport(report) if report.progress == progress(0.5)));
    scene.state.report_progress(key, token(), progress(0.75));
    scene.settle(key);
    assert_eq!(scene.names(), ["Settle"]);
}

#[test]
fn progress_for_another_delivery_under_the_same_number_goes_nowhere() {
    let mut scene = Scene::connected();
    let (_, key) = scene.service_at_work(Hold::Connection, 30_000);
    let earlier = Token { delivery: 0, ..token() };
    scene.state.report_progress(key, earlier, Progress { fraction: 0.5, stage: String::new(), note: String::new() });
    assert!(scene.names().is_empty());
}

#[test]
fn a_draining_service_finishes_what_it_holds_and_then_ends() {
    let mut scene = Scene::connected();
    let (service, key) = scene.service_at_work(Hold::Connection, 30_000);
    scene.state.drain_service(service);
    scene.state.drain_service(service);
    assert_eq!(scene.next_sent(), Header::Credit(Credit { service, credit: 0 }));
    assert!(scene.names().is_empty());
    scene.settle(key);
    let call = call_of(&scene.next_sent());
    scene.hear(Answered { call, answer: Answer::Settled });
    assert_eq!(scene.names(), ["Unsubscribe"]);
    scene.hear(Unsubscribed { service, refusal: None });
    assert!(matches!(scene.service_event(service), Poll::Ready(ServiceEvent::Ended(Ok(())))));
}

#[test]
fn what_reaches_a_draining_service_is_given_back() {
    let mut scene = Scene::connected();
    let (service, _) = scene.service_at_work(Hold::Connection, 30_000);
    scene.state.drain_service(service);
    scene.frames();
    let second = Token { start: 1, id: id(2), delivery: 1 };
    scene.hear(Delivery { token: second, ..delivery(service, 30_000) });
    let Header::Settle(settle) = scene.next_sent() else { panic!("it is settled") };
    assert_eq!((settle.token, settle.settlement), (second, Settlement::Release));
}

#[test]
fn an_abandoned_service_ends_its_subscription_which_gives_back_at_once() {
    let mut scene = Scene::connected();
    let (service, key) = scene.service_at_work(Hold::Connection, 30_000);
    scene.state.end_service(service);
    scene.state.release_delivery(key);
    assert_eq!(scene.names(), ["Unsubscribe"]);
    scene.hear(Delivery { token: Token { start: 1, id: id(2), delivery: 1 }, ..delivery(service, 30_000) });
    assert!(scene.names().is_empty(), "what crossed the goodbye is given back with the rest");
    scene.hear(Unsubscribed { service, refusal: None });
    assert!(scene.state.services.is_empty() && scene.state.deliveries.is_empty() && scene.state.leases.is_empty());
}

#[test]
fn an_abandoned_service_keeps_its_subscription_while_a_finished_reply_waits_for_room() {
    let mut scene = Scene::connected();
    let (service, key) = scene.service_at_work(Hold::Connection, 30_000);
    scene.settle(key);
    scene.state.release_delivery(key);
    let call = call_of(&scene.next_sent());
    scene.hear(Answered { call, answer: Answer::MailboxBusy { retry_after_ms: 100 } });
    scene.state.end_service(service);
    assert_eq!(scene.names(), ["Credit"]);
    scene.pass(Duration::from_millis(100));
    let call = call_of(&scene.next_sent());
    scene.hear(Answered { call, answer: Answer::Settled });
    assert_eq!(scene.names(), ["Unsubscribe"]);
}

#[test]
fn a_service_abandoned_while_disconnected_gives_back_over_the_next_connection() {
    let mut scene = Scene::connected();
    let (service, key) = scene.service_at_work(Hold::Connection, 30_000);
    scene.break_connection();
    scene.state.end_service(service);
    scene.state.release_delivery(key);
    scene.connect();
    let sent = scene.frames();
    assert!(matches!(&sent[1].header, Header::TakeBack(_)));
    assert!(matches!(&sent[2].header, Header::Settle(settle) if settle.settlement == Settlement::Release));
    scene.hear(Answered { call: call_of(&sent[1].header), answer: Answer::TakenBack });
    scene.hear(Answered { call: call_of(&sent[2].header), answer: Answer::Settled });
    assert!(scene.names().is_empty());
    assert!(scene.state.services.is_empty() && scene.state.deliveries.is_empty());
}

#[test]
fn a_puller_gets_what_comes_until_its_subscription_has_ended() {
    let mut scene = Scene::connected();
    let (service, _) = scene.service_at_work(Hold::Lease, 30_000);
    scene.state.stop_taking(service);
    assert_eq!(scene.names(), ["Unsubscribe"]);
    scene.hear(Delivery { token: Token { start: 1, id: id(2), delivery: 1 }, ..delivery(service, 30_000) });
    scene.hear(Unsubscribed { service, refusal: None });
    assert!(matches!(scene.service_event(service), Poll::Ready(ServiceEvent::Delivery(_))));
    assert!(matches!(scene.service_event(service), Poll::Ready(ServiceEvent::Ended(Ok(())))));
}

#[test]
fn a_puller_that_was_dropped_gives_back_what_it_did_not_take() {
    let mut scene = Scene::connected();
    let service = scene.state.open_service(&channel(), 8, Hold::Lease, None);
    scene.hear(Subscribed { service, lease_ms: 30_000 });
    scene.hear(delivery(service, 30_000));
    scene.frames();
    scene.state.end_service(service);
    let sent = scene.frames();
    let settles =
        sent.iter().filter(|frame| matches!(&frame.header, Header::Settle(it) if it.settlement == Settlement::Release));
    assert_eq!(settles.count(), 1);
    assert!(sent.iter().any(|frame| matches!(frame.header, Header::Unsubscribe(_))));
    scene.hear(Delivery { token: Token { start: 1, id: id(2), delivery: 1 }, ..delivery(service, 30_000) });
    assert_eq!(scene.names(), ["Settle"], "what crossed the goodbye is given back by hand");
}

#[test]
fn a_service_that_is_refused_for_now_asks_again() {
    let mut scene = Scene::connected();
    let service = scene.state.open_service(&channel(), 8, Hold::Connection, None);
    scene.frames();
    let refusal = Refusal::passing(RefusalCode::BrokerFull, "full", 300);
    scene.hear(Unsubscribed { service, refusal: Some(refusal) });
    assert!(matches!(scene.service_event(service), Poll::Pending));
    scene.pass(Duration::from_millis(300));
    assert_eq!(scene.names(), ["Subscribe"]);
}

#[test]
fn a_service_that_is_refused_for_good_ends() {
    let mut scene = Scene::connected();
    let service = scene.state.open_service(&channel(), 8, Hold::Connection, None);
    let refusal = Refusal::new(RefusalCode::UnknownChannel, "no such channel");
    scene.hear(Unsubscribed { service, refusal: Some(refusal.clone()) });
    assert!(matches!(scene.service_event(service), Poll::Ready(ServiceEvent::Ended(Err(told))) if told == refusal));
}
