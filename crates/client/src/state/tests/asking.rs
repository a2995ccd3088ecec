//! Questions about dead letters and the request to drain, through broken connections.

use super::*;

fn entry(number: u8) -> DeadLetterEntry {
    DeadLetterEntry {
        id: id(number),
        operation: "resize".into(),
        requester: RequesterName::new("letters").unwrap(),
        reason: DeadReason::Rejected,
        attempts: 1,
        deliveries: 1,
        bytes: 2,
        accepted_ms_ago: 20,
        died_ms_ago: 10,
        last: None,
    }
}

fn answer_to(scene: &mut Scene, call: Call) -> CallAnswer {
    match scene.state.poll_call(call, Waker::noop()) {
        Poll::Ready(Some(answer)) => answer,
        other => panic!("expected an answer, got {other:?}"),
    }
}

#[test]
fn a_list_of_dead_letters_is_asked_for_again() {
    let mut scene = Scene::connected();
    let call = scene.state.list_dead_letters(&channel(), Some(id(1)), 10);
    scene.frames();
    scene.break_connection();
    scene.connect();
    let asked = ListDeadLetters { call, channel: ChannelNumber(0), after: Some(id(1)), most: 10 };
    assert_eq!(scene.frames()[1].header, Header::ListDeadLetters(asked));
    scene.hear(DeadLetters { call, letters: vec![entry(2)], more: true });
    assert_eq!(answer_to(&mut scene, call), CallAnswer::DeadLetters { letters: vec![entry(2)], more: true });
}

#[test]
fn a_refused_channel_answers_for_its_dead_letters() {
    let mut scene = Scene::connected();
    let call = scene.state.list_dead_letters(&channel(), None, 10);
    scene.frames();
    let refusal = Refusal::new(RefusalCode::UnknownChannel, "no such channel");
    scene.hear(Bound { number: ChannelNumber(0), refusal: Some(refusal.clone()) });
    assert_eq!(scene.state.poll_call(call, Waker::noop()), Poll::Pending, "the number is still taken");
    scene.hear(DeadLetters { call, letters: Vec::new(), more: false });
    assert_eq!(answer_to(&mut scene, call), CallAnswer::Refused(refusal));
}

#[test]
fn a_redrive_over_two_connections_says_so() {
    let mut scene = Scene::connected();
    let call = scene.state.redrive_dead_letter(&channel(), id(1));
    scene.frames();
    scene.break_connection();
    scene.connect();
    assert_eq!(scene.names(), ["Bind", "RedriveDeadLetter"]);
    scene.hear(Redriven { call, result: Redrive::Unknown });
    assert_eq!(answer_to(&mut scene, call), CallAnswer::Redriven { result: Redrive::Unknown, repeated: true });
}

#[test]
fn a_redrive_that_nobody_waits_for_is_not_repeated() {
    let mut scene = Scene::connected();
    let call = scene.state.redrive_dead_letter(&channel(), id(1));
    scene.frames();
    scene.state.release_call(call);
    scene.break_connection();
    scene.connect();
    assert!(scene.names().is_empty());
    assert!(scene.state.calls.is_empty());
}

#[test]
fn a_broker_that_drains_has_answered_the_request_to() {
    let mut scene = Scene::connected();
    let call = scene.state.request_drain();
    assert_eq!(scene.names(), ["RequestDrain"]);
    scene.hear(Drain { remaining_ms: 30_000 });
    scene.break_connection();
    assert_eq!(answer_to(&mut scene, call), CallAnswer::Draining(None));
    scene.state.release_call(call);
    assert!(scene.state.calls.is_empty());
}

#[test]
fn a_broker_that_does_not_drain_says_why() {
    let mut scene = Scene::connected();
    let call = scene.state.request_drain();
    scene.frames();
    let refusal = Refusal::new(RefusalCode::Forbidden, "it is stopped by its program");
    scene.hear(DrainAnswered { call, refusal: Some(refusal.clone()) });
    assert_eq!(answer_to(&mut scene, call), CallAnswer::Draining(Some(refusal)));
}
