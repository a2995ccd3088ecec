//! Deliveries that are known by their tokens alone, and such as are left to their leases.

use super::*;
use crate::part::WithoutRoom;

/// A delivery that is gone on with by its token.
fn held() -> (Scene, DeliveryKey) {
    let mut scene = Scene::connected();
    let key = scene.state.hold_by_token(&channel(), token());
    (scene, key)
}

fn settle(scene: &mut Scene, key: DeliveryKey) -> Call {
    scene.state.settle_by_hand(key, Settlement::Reply(Label::default()), Bytes::new()).unwrap();
    let frames = scene.frames();
    call_of(&frames.last().expect("it was sent").header)
}

fn settled(scene: &mut Scene, key: DeliveryKey) -> Poll<Result<(), SettleFailure>> {
    scene.state.poll_settled(key, Waker::noop())
}

fn assert_nothing_is_left(scene: &mut Scene) {
    assert!(scene.names().is_empty());
    let state = &scene.state;
    assert!(state.deliveries.is_empty() && state.calls.is_empty() && state.parts.is_empty());
}

#[test]
fn a_delivery_is_settled_by_its_token_over_any_connection() {
    let (mut scene, key) = held();
    settle(&mut scene, key);
    scene.break_connection();
    scene.connect();
    let frames = scene.frames();
    let Some(Header::Settle(again)) = frames.last().map(|frame| &frame.header) else { panic!("{frames:?}") };
    assert_eq!((again.token, &again.settlement), (token(), &Settlement::Reply(Label::default())));
    let call = again.call;
    scene.hear(Answered { call, answer: Answer::Settled });
    assert_eq!(settled(&mut scene, key), Poll::Ready(Ok(())));
    scene.state.let_go_of_delivery(key);
    assert_nothing_is_left(&mut scene);
}

#[test]
fn nothing_is_taken_back_and_nothing_given_back_for_it() {
    let (mut scene, key) = held();
    scene.break_connection();
    scene.connect();
    assert!(scene.names().is_empty());
    scene.state.let_go_of_delivery(key);
    assert_nothing_is_left(&mut scene);
}

#[test]
fn where_there_is_no_room_for_its_reply_it_is_told_when_there_may_be() {
    let (mut scene, key) = held();
    let call = settle(&mut scene, key);
    scene.hear(Answered { call, answer: Answer::MailboxBusy { retry_after_ms: 250 } });
    let busy = SettleFailure::MailboxBusy { retry_after: Duration::from_millis(250) };
    assert_eq!(settled(&mut scene, key), Poll::Ready(Err(busy)));
    scene.pass(Duration::from_secs(1));
    assert!(scene.names().is_empty(), "it is not settled again by itself");
    let call = settle(&mut scene, key);
    scene.hear(Answered { call, answer: Answer::Settled });
    assert_eq!(settled(&mut scene, key), Poll::Ready(Ok(())));
}

#[test]
fn a_settlement_that_may_have_arrived_is_kept_until_it_is_answered() {
    let (mut scene, key) = held();
    let call = settle(&mut scene, key);
    scene.state.let_go_of_delivery(key);
    assert!(!scene.state.deliveries.is_empty());
    scene.hear(Answered { call, answer: Answer::MailboxBusy { retry_after_ms: 250 } });
    assert_nothing_is_left(&mut scene);
}

#[test]
fn a_settlement_that_was_never_sent_is_not_sent_behind_its_callers_back() {
    let (mut scene, key) = held();
    scene.break_connection();
    scene.state.settle_by_hand(key, Settlement::Release, Bytes::new()).unwrap();
    scene.state.let_go_of_delivery(key);
    scene.connect();
    assert_nothing_is_left(&mut scene);
}

#[test]
fn its_part_goes_behind_those_that_the_broker_keeps() {
    let (mut scene, key) = held();
    let part = add(&mut scene, key);
    let (call, number) = sent_part(&mut scene);
    assert_eq!(number, u32::MAX, "nobody here knows how many there are");
    scene.hear(Answered { call, answer: Answer::PartMissing { next: 3 } });
    let (call, number) = sent_part(&mut scene);
    assert_eq!(number, 3);
    scene.hear(Answered { call, answer: Answer::PartKept });
    assert_eq!(scene.state.poll_part(part, Waker::noop()), Poll::Ready(Ok(3)));
    scene.state.release_part(part);
    add(&mut scene, key);
    assert_eq!(sent_part(&mut scene).1, 4);
}

#[test]
fn a_part_behind_one_that_is_named_is_that_one_or_none() {
    let (mut scene, key) = held();
    scene.state.go_on_behind_part(key, 6);
    let part = add(&mut scene, key);
    let (call, number) = sent_part(&mut scene);
    assert_eq!(number, 7);
    scene.hear(Answered { call, answer: Answer::PartMissing { next: 3 } });
    let missing = Poll::Ready(Err(PartFailure::Missing { next: 3 }));
    assert_eq!(scene.state.poll_part(part, Waker::noop()), missing);
}

#[test]
fn the_last_progress_is_said_before_it_is_left() {
    let (mut scene, key) = held();
    let progress = Progress { fraction: 0.5, stage: "labs".into(), note: String::new() };
    scene.state.report_progress(key, token(), progress.clone());
    scene.state.let_go_of_delivery(key);
    let frames = scene.frames();
    let Some(Header::ProgressReport(report)) = frames.last().map(|frame| &frame.header) else { panic!("{frames:?}") };
    assert_eq!((report.token, &report.progress), (token(), &progress));
    assert_nothing_is_left(&mut scene);
}

#[test]
fn what_was_pulled_and_left_is_not_released() {
    let mut scene = Scene::connected();
    let (service, key) = scene.service_at_work(Hold::Lease, 30_000);
    scene.state.leave_to_lease(key);
    scene.state.let_go_of_delivery(key);
    assert!(scene.names().is_empty());
    scene.state.end_service(service);
    assert_eq!(scene.names(), ["Unsubscribe"]);
    scene.hear(Unsubscribed { service, refusal: None });
    assert_nothing_is_left(&mut scene);
}

#[test]
fn what_was_pulled_is_released_where_nobody_hears_that_its_settlement_was_not_taken() {
    let mut scene = Scene::connected();
    let (_, key) = scene.service_at_work(Hold::Lease, 30_000);
    let call = settle(&mut scene, key);
    scene.state.let_go_of_delivery(key);
    scene.hear(Answered { call, answer: Answer::Invalid });
    let frames = scene.frames();
    let Some(Header::Settle(settle)) = frames.last().map(|frame| &frame.header) else { panic!("{frames:?}") };
    assert_eq!(settle.settlement, Settlement::Release);
}

fn add(scene: &mut Scene, key: DeliveryKey) -> PartKey {
    let message = (Label::default(), Bytes::from_static(b"part"));
    scene.state.add_part(key, token(), message, WithoutRoom::GiveUp).unwrap()
}

fn sent_part(scene: &mut Scene) -> (Call, u32) {
    match scene.frames().pop() {
        Some(Frame { header: Header::AddPart(part), .. }) => (part.call, part.number),
        other => panic!("expected a part, got {other:?}"),
    }
}
