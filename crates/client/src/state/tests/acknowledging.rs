//! Acknowledgements: once, under the requester's name, and never while the own submission is unanswered.

use super::*;

#[test]
fn an_outcome_that_was_handed_over_is_acknowledged_once() {
    let mut scene = Scene::connected();
    let requester = scene.requester();
    let open = scene.open_ticket(requester, 1);
    scene.hear(replied(open));
    scene.state.acknowledge_ticket(open);
    scene.state.acknowledge_ticket(open);
    scene.state.release_ticket(open);
    assert_eq!(scene.names(), ["Acknowledge", "Detach"]);
}

#[test]
fn an_outcome_that_was_handed_over_to_its_only_holder_is_acknowledged_and_let_go_of_in_one_frame() {
    let mut scene = Scene::connected();
    let requester = scene.requester();
    let open = scene.open_ticket(requester, 1);
    scene.hear(replied(open));
    scene.state.release_handed_over(open);
    let sent = scene.frames();
    let [Frame { header: Header::Acknowledge(acknowledge), .. }] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!(acknowledge.ticket, Some(open));
    // Over the next connection the number stands for nothing.
    scene.break_connection();
    scene.connect();
    let sent = scene.frames();
    let again = sent.iter().find_map(|frame| match &frame.header {
        Header::Acknowledge(acknowledge) => Some(acknowledge.ticket),
        _ => None,
    });
    assert_eq!(again, Some(None));
}

#[test]
fn an_acknowledgement_is_answered_to_whoever_waits() {
    let mut scene = Scene::connected();
    let requester = scene.requester();
    let call = scene.state.acknowledge(requester, &ticket(1));
    assert_eq!(scene.names(), ["Bind", "Introduce", "Acknowledge"]);
    assert_eq!(scene.state.poll_call(call, Waker::noop()), Poll::Pending);
    scene.hear(Acknowledged { call, result: Acknowledgement::NoOutcomeYet });
    let answer = CallAnswer::Acknowledged(Acknowledgement::NoOutcomeYet);
    assert_eq!(scene.state.poll_call(call, Waker::noop()), Poll::Ready(Some(answer)));
    scene.state.release_call(call);
    assert!(scene.state.calls.is_empty());
}

#[test]
fn nothing_is_acknowledged_while_the_own_submission_of_it_is_unanswered() {
    let mut scene = Scene::connected();
    let requester = scene.requester();
    let waiting = scene.submit_as(requester, 1, false, "{}");
    scene.frames();
    scene.state.acknowledge(requester, &ticket(1));
    assert!(scene.names().is_empty());
    scene.state.acknowledge(requester, &ticket(2));
    assert_eq!(scene.names(), ["Acknowledge"], "another request is not held back");
    scene.hear(Accepted { ticket: waiting, services: 1, duplicate: None });
    assert_eq!(scene.names(), ["Acknowledge"]);
}

#[test]
fn an_unanswered_acknowledgement_is_said_again_on_the_next_connection() {
    let mut scene = Scene::connected();
    let requester = scene.requester();
    let call = scene.state.acknowledge(requester, &ticket(1));
    scene.frames();
    scene.break_connection();
    scene.connect();
    assert_eq!(scene.names(), ["Bind", "Introduce", "Acknowledge"]);
    scene.hear(Acknowledged { call, result: Acknowledgement::Done });
    let answer = CallAnswer::Acknowledged(Acknowledgement::Done);
    assert_eq!(scene.state.poll_call(call, Waker::noop()), Poll::Ready(Some(answer)));
}

#[test]
fn an_acknowledgement_that_nobody_waits_for_is_said_all_the_same() {
    let mut scene = Scene::new(FirstConnect::Forever);
    let requester = scene.requester();
    let call = scene.state.acknowledge(requester, &ticket(1));
    scene.state.release_call(call);
    scene.connect();
    assert_eq!(scene.names(), ["Bind", "Introduce", "Acknowledge"]);
}
