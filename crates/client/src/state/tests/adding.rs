//! Parts: added one after the other, kept before the reply, added again over a new connection.

use super::*;
use crate::part::WithoutRoom;

impl Scene {
    fn add(&mut self, key: DeliveryKey, payload: &'static str) -> PartKey {
        self.add_part(key, payload, WithoutRoom::Wait).unwrap()
    }

    fn try_to_add(&mut self, key: DeliveryKey, payload: &'static str) -> Result<PartKey, PartFailure> {
        self.add_part(key, payload, WithoutRoom::GiveUp)
    }

    fn add_part(
        &mut self,
        key: DeliveryKey,
        payload: &'static str,
        without_room: WithoutRoom,
    ) -> Result<PartKey, PartFailure> {
        let message = (Label::default(), Bytes::from_static(payload.as_bytes()));
        self.state.add_part(key, token(), message, without_room)
    }

    fn part(&mut self, part: PartKey) -> Poll<Result<u32, PartFailure>> {
        self.state.poll_part(part, Waker::noop())
    }

    /// The one part that was sent: its call, number and payload.
    fn sent_part(&mut self) -> (Call, u32, Bytes) {
        let mut frames = self.frames();
        frames.retain(|frame| !matches!(frame.header, Header::Bind(_)));
        assert_eq!(frames.len(), 1);
        match frames.pop() {
            Some(Frame { header: Header::AddPart(part), payload }) => (part.call, part.number, payload),
            other => panic!("expected a part, got {other:?}"),
        }
    }

    fn answer(&mut self, call: Call, answer: Answer) {
        self.hear(Answered { call, answer });
    }

    fn parts_have_room(&mut self, service: ServiceNumber) {
        self.hear(PartsRoom { service, token: token() });
    }
}

fn at_work() -> (Scene, ServiceNumber, DeliveryKey) {
    let mut scene = Scene::connected();
    let (service, key) = scene.service_at_work(Hold::Connection, 30_000);
    (scene, service, key)
}

#[test]
fn parts_are_added_one_after_the_other_and_numbered_from_one() {
    let (mut scene, _, key) = at_work();
    let (first, second) = (scene.add(key, "one"), scene.add(key, "two"));
    let (call, number, payload) = scene.sent_part();
    assert_eq!((number, &payload[..]), (1, &b"one"[..]));
    assert_eq!(scene.part(first), Poll::Pending);
    scene.answer(call, Answer::PartKept);
    assert_eq!(scene.part(first), Poll::Ready(Ok(1)));
    let (call, number, payload) = scene.sent_part();
    assert_eq!((number, &payload[..]), (2, &b"two"[..]));
    scene.answer(call, Answer::PartKept);
    assert_eq!(scene.part(second), Poll::Ready(Ok(2)));
    scene.state.release_part(first);
    scene.state.release_part(second);
    assert!(scene.state.parts.is_empty() && scene.state.calls.is_empty());
}

#[test]
fn a_part_without_room_waits_until_there_is_some() {
    let (mut scene, service, key) = at_work();
    let part = scene.add(key, "one");
    let (call, ..) = scene.sent_part();
    scene.answer(call, Answer::PartsFull);
    assert!(scene.names().is_empty());
    scene.parts_have_room(service);
    let (call, number, _) = scene.sent_part();
    assert_eq!((number, scene.part(part)), (1, Poll::Pending));
    scene.answer(call, Answer::PartKept);
    assert_eq!(scene.part(part), Poll::Ready(Ok(1)));
    scene.parts_have_room(service);
    assert!(scene.names().is_empty(), "nothing waits any more");
}

#[test]
fn a_part_of_a_delivery_by_lease_alone_asks_for_room_by_itself() {
    let mut scene = Scene::connected();
    let (_, key) = scene.service_at_work(Hold::Lease, 30_000);
    let part = scene.add(key, "one");
    scene.break_connection();
    scene.connect();
    let Header::AddPart(again) = scene.frames().swap_remove(1).header else { panic!("it is added again") };
    scene.answer(again.call, Answer::PartsFull);
    assert!(scene.names().is_empty());
    scene.pass(Duration::from_secs(1));
    let (call, ..) = scene.sent_part();
    scene.answer(call, Answer::PartKept);
    assert_eq!(scene.part(part), Poll::Ready(Ok(1)));
}

#[test]
fn one_who_only_tries_is_told_that_there_is_no_room() {
    let (mut scene, service, key) = at_work();
    let tried = scene.try_to_add(key, "one").unwrap();
    let (call, ..) = scene.sent_part();
    scene.answer(call, Answer::PartsFull);
    assert_eq!(scene.part(tried), Poll::Ready(Err(PartFailure::Full)));
    scene.state.release_part(tried);

    let waiting = scene.add(key, "two");
    let behind = scene.try_to_add(key, "three").unwrap();
    let (call, number, _) = scene.sent_part();
    assert_eq!(number, 1, "the part that was not kept left no gap");
    scene.answer(call, Answer::PartsFull);
    assert_eq!(scene.part(behind), Poll::Ready(Err(PartFailure::Full)), "the one before it waits");
    assert_eq!(scene.try_to_add(key, "four"), Err(PartFailure::Full));
    scene.parts_have_room(service);
    let (call, ..) = scene.sent_part();
    scene.answer(call, Answer::PartKept);
    assert_eq!(scene.part(waiting), Poll::Ready(Ok(1)));
    scene.try_to_add(key, "five").unwrap();
    assert_eq!(scene.sent_part().1, 2);
}

#[test]
fn a_part_for_which_the_broker_has_no_memory_is_added_again_later() {
    let (mut scene, _, key) = at_work();
    let part = scene.add(key, "one");
    let (call, ..) = scene.sent_part();
    scene.answer(call, Answer::MailboxBusy { retry_after_ms: 200 });
    scene.pass(Duration::from_millis(199));
    assert!(scene.names().is_empty());
    scene.pass(Duration::from_millis(1));
    let (call, number, _) = scene.sent_part();
    scene.answer(call, Answer::PartKept);
    assert_eq!((number, scene.part(part)), (1, Poll::Ready(Ok(1))));
}

#[test]
fn a_part_that_is_too_large_is_told_the_limit_and_the_next_one_goes_on() {
    let (mut scene, _, key) = at_work();
    let (large, next) = (scene.add(key, "one"), scene.add(key, "2"));
    let (call, ..) = scene.sent_part();
    scene.answer(call, Answer::TooLarge { max_payload: 2 });
    assert_eq!(scene.part(large), Poll::Ready(Err(PartFailure::TooLarge { limit: 2 })));
    let (call, number, _) = scene.sent_part();
    scene.answer(call, Answer::PartKept);
    assert_eq!((number, scene.part(next)), (1, Poll::Ready(Ok(1))));
}

#[test]
fn a_part_over_the_connections_limit_is_not_sent() {
    let (mut scene, _, key) = at_work();
    let message = (Label::default(), Bytes::from(vec![0; 101]));
    let part = scene.state.add_part(key, token(), message, WithoutRoom::Wait).unwrap();
    assert_eq!(scene.part(part), Poll::Ready(Err(PartFailure::TooLarge { limit: 100 })));
    assert!(scene.names().is_empty());
}

#[test]
fn the_reply_is_sent_when_all_parts_are_kept() {
    let (mut scene, service, key) = at_work();
    let (first, second) = (scene.add(key, "one"), scene.add(key, "two"));
    scene.settle(key);
    scene.state.release_delivery(key);
    let (call, ..) = scene.sent_part();
    scene.answer(call, Answer::PartKept);
    let (call, ..) = scene.sent_part();
    scene.answer(call, Answer::PartsFull);
    assert!(scene.names().is_empty());
    scene.parts_have_room(service);
    let (call, ..) = scene.sent_part();
    scene.answer(call, Answer::PartKept);
    assert_eq!((scene.part(first), scene.part(second)), (Poll::Ready(Ok(1)), Poll::Ready(Ok(2))));
    let call = call_of(&scene.next_sent());
    scene.answer(call, Answer::Settled);
    assert!(scene.state.deliveries.is_empty());
}

#[test]
fn what_is_given_back_waits_for_no_parts() {
    let again = Settlement::Retry { problem: Problem::new("busy", ""), retry_after_ms: None };
    for settlement in [again, Settlement::Release, Settlement::Throttle { retry_after_ms: 5 }] {
        let (mut scene, _, key) = at_work();
        let part = scene.add(key, "one");
        let (part_call, ..) = scene.sent_part();
        scene.state.settle(key, settlement.clone(), Bytes::new());
        assert!(matches!(scene.next_sent(), Header::Settle(settle) if settle.settlement == settlement));
        assert_eq!(scene.part(part), Poll::Ready(Err(PartFailure::Settled)));
        scene.answer(part_call, Answer::PartKept);
        assert_eq!(scene.add_part(key, "two", WithoutRoom::Wait), Err(PartFailure::Settled));
    }
}

#[test]
fn a_part_that_nobody_waits_for_any_more_is_withdrawn_unless_the_broker_may_have_it() {
    let (mut scene, _, key) = at_work();
    let parts = [scene.add(key, "one"), scene.add(key, "two"), scene.add(key, "three")];
    let (call, ..) = scene.sent_part();
    scene.state.release_part(parts[1]);
    scene.state.release_part(parts[0]);
    scene.settle(key);
    assert!(scene.names().is_empty());
    scene.answer(call, Answer::PartKept);
    let (call, number, payload) = scene.sent_part();
    assert_eq!((number, &payload[..]), (2, &b"three"[..]));
    scene.answer(call, Answer::PartsFull);
    scene.state.release_part(parts[2]);
    assert_eq!(scene.names(), ["Settle"]);
    assert!(scene.state.parts.is_empty());
}

#[test]
fn a_part_that_nobody_waits_for_does_not_wait_for_room_either() {
    let (mut scene, _, key) = at_work();
    let part = scene.add(key, "one");
    let (call, ..) = scene.sent_part();
    scene.state.release_part(part);
    scene.settle(key);
    scene.answer(call, Answer::PartsFull);
    assert_eq!(scene.names(), ["Settle"]);
    assert!(scene.state.parts.is_empty());
}

#[test]
fn an_unanswered_part_is_added_again_over_the_next_connection_under_the_same_number() {
    let (mut scene, _, key) = at_work();
    let (kept, unanswered) = (scene.add(key, "one"), scene.add(key, "two"));
    let (call, ..) = scene.sent_part();
    scene.answer(call, Answer::PartKept);
    assert_eq!(scene.sent_part().1, 2);
    scene.break_connection();
    scene.settle(key);
    scene.connect();
    let sent = scene.frames();
    let names: Vec<_> = sent.iter().map(|frame| frame.header.name()).collect();
    assert_eq!(names, ["Bind", "TakeBack", "AddPart", "Subscribe"], "the reply comes behind its parts");
    let Frame { header: Header::AddPart(again), payload } = &sent[2] else { panic!("it is added again") };
    assert_eq!((again.number, &payload[..]), (2, &b"two"[..]));
    scene.answer(call_of(&sent[1].header), Answer::TakenBack);
    scene.answer(again.call, Answer::PartKept);
    assert_eq!((scene.part(kept), scene.part(unanswered)), (Poll::Ready(Ok(1)), Poll::Ready(Ok(2))));
    assert_eq!(scene.names(), ["Settle"]);
}

#[test]
fn a_part_dropped_while_disconnected_is_added_again_if_the_broker_may_have_it() {
    let (mut scene, _, key) = at_work();
    let (sent, queued) = (scene.add(key, "one"), scene.add(key, "two"));
    scene.sent_part();
    scene.break_connection();
    scene.state.release_part(sent);
    scene.state.release_part(queued);
    let later = scene.add(key, "three");
    scene.connect();
    let frames = scene.frames();
    let Frame { header: Header::AddPart(again), payload } = &frames[2] else { panic!("it is added again") };
    assert_eq!((again.number, &payload[..]), (1, &b"one"[..]));
    scene.answer(again.call, Answer::PartKept);
    let (call, number, payload) = scene.sent_part();
    assert_eq!((number, &payload[..]), (2, &b"three"[..]));
    scene.answer(call, Answer::PartKept);
    assert_eq!(scene.part(later), Poll::Ready(Ok(2)));
}

#[test]
fn a_part_that_waits_for_room_asks_again_over_the_next_connection() {
    let (mut scene, _, key) = at_work();
    scene.add(key, "one");
    let (call, ..) = scene.sent_part();
    scene.answer(call, Answer::PartsFull);
    scene.break_connection();
    scene.connect();
    assert_eq!(scene.names()[..3], ["Bind", "TakeBack", "AddPart"]);
}

#[test]
fn a_stop_ends_the_parts_that_wait() {
    for reason in [StopReason::Cancelled, StopReason::LeaseLost] {
        let (mut scene, service, key) = at_work();
        let (waiting, queued) = (scene.add(key, "one"), scene.add(key, "two"));
        let (call, ..) = scene.sent_part();
        scene.answer(call, Answer::PartsFull);
        scene.hear(Stop { service, token: token(), reason });
        for part in [waiting, queued] {
            assert_eq!(scene.part(part), Poll::Ready(Err(PartFailure::Stopped(reason))));
            scene.state.release_part(part);
        }
        assert_eq!(scene.add_part(key, "three", WithoutRoom::Wait), Err(PartFailure::Stopped(reason)));
        scene.parts_have_room(service);
        assert!(scene.names().is_empty() && scene.state.parts.is_empty());
    }
}

#[test]
fn a_part_is_told_of_the_stop_that_it_meets_at_the_broker() {
    let (mut scene, service, key) = at_work();
    let part = scene.add(key, "one");
    let (call, ..) = scene.sent_part();
    scene.answer(call, Answer::Cancelled);
    assert_eq!(scene.part(part), Poll::Ready(Err(PartFailure::Stopped(StopReason::Cancelled))));
    assert!(matches!(
        scene.service_event(service),
        Poll::Ready(ServiceEvent::Stopped { delivery, reason: StopReason::Cancelled }) if delivery == key
    ));
    scene.settle(key);
    assert_eq!(scene.names(), ["Stopped"]);
}

#[test]
fn an_answer_to_a_part_that_was_given_up_is_for_nobody_else() {
    let (mut scene, service, key) = at_work();
    let part = scene.add(key, "one");
    let (late, ..) = scene.sent_part();
    scene.hear(Stop { service, token: token(), reason: StopReason::LeaseLost });
    scene.state.release_part(part);
    scene.state.release_delivery(key);
    assert!(matches!(scene.service_event(service), Poll::Ready(ServiceEvent::Stopped { .. })));
    scene.hear(Delivery { token: Token { delivery: 2, ..token() }, ..delivery(service, 30_000) });
    let Poll::Ready(ServiceEvent::Delivery(handed)) = scene.service_event(service) else { panic!("delivered again") };
    let message = (Label::default(), Bytes::from_static(b"first of the second"));
    let next = scene.state.add_part(handed.key, handed.token, message, WithoutRoom::Wait).unwrap();
    let (call, number, _) = scene.sent_part();
    assert_eq!(number, 1);
    scene.answer(late, Answer::PartKept);
    assert_eq!(scene.part(next), Poll::Pending);
    scene.answer(call, Answer::PartKept);
    assert_eq!(scene.part(next), Poll::Ready(Ok(1)));
}

#[test]
fn a_part_of_another_delivery_under_the_same_key_is_not_added() {
    let (mut scene, _, key) = at_work();
    let message = (Label::default(), Bytes::new());
    let earlier = Token { delivery: 0, ..token() };
    assert_eq!(scene.state.add_part(key, earlier, message, WithoutRoom::Wait), Err(PartFailure::Settled));
}

#[test]
fn an_abandoned_service_keeps_its_subscription_while_a_reply_waits_for_its_parts() {
    let (mut scene, service, key) = at_work();
    scene.add(key, "one");
    let (call, ..) = scene.sent_part();
    scene.settle(key);
    scene.state.release_delivery(key);
    scene.state.end_service(service);
    assert_eq!(scene.names(), ["Credit"]);
    scene.answer(call, Answer::PartKept);
    let call = call_of(&scene.next_sent());
    scene.answer(call, Answer::Settled);
    assert_eq!(scene.names(), ["Unsubscribe"]);
}

#[test]
fn a_closed_client_ends_the_wait_for_a_part() {
    let (mut scene, _, key) = at_work();
    let part = scene.add(key, "one");
    scene.sent_part();
    scene.state.close(scene.now);
    scene.hear(Close {});
    assert_eq!(scene.part(part), Poll::Ready(Err(PartFailure::Closed)));
}
