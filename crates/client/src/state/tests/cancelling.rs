//! Cancelling: asked again until it is answered, and what a dropped ticket cancels.

use super::*;

#[test]
fn a_cancellation_is_answered_to_whoever_waits() {
    let mut scene = Scene::connected();
    let call = scene.state.cancel(&ticket(1));
    let frames = scene.frames();
    assert_eq!(frames[1].header, Header::Cancel(Cancel { call, channel: ChannelNumber(0), id: id(1) }));
    assert_eq!(scene.state.poll_call(call, Waker::noop()), Poll::Pending);
    let result = Cancellation::Ended(OutcomeKind::Replied);
    scene.hear(Cancelled { call, result });
    assert_eq!(scene.state.poll_call(call, Waker::noop()), Poll::Ready(Some(CallAnswer::Cancelled(result))));
    scene.state.release_call(call);
    assert!(scene.state.calls.is_empty());
}

#[test]
fn an_unanswered_cancellation_is_asked_for_again_when_the_tickets_are_restored() {
    let mut scene = Scene::connected();
    let requester = scene.requester();
    let open = scene.open_ticket(requester, 1);
    let call = scene.state.cancel(&ticket(1));
    scene.frames();
    scene.break_connection();
    scene.connect();
    assert_eq!(scene.names(), ["Bind", "Attach"]);
    scene.hear(state_of(open, RequestState::Waiting));
    assert_eq!(call_of(&scene.next_sent()), call);
}

#[test]
fn a_cancellation_goes_behind_the_submission_that_it_may_be_about() {
    let mut scene = Scene::new(FirstConnect::Forever);
    let requester = scene.requester();
    let unanswered = scene.submit_as(requester, 1, false, "{}");
    scene.state.cancel(&ticket(1));
    scene.connect();
    assert_eq!(scene.names(), ["Bind", "Introduce", "Submit"]);
    scene.hear(Accepted { ticket: unanswered, services: 1, duplicate: None });
    assert_eq!(scene.names(), ["Cancel"]);
}

#[test]
fn a_cancellation_that_nobody_waits_for_is_asked_for_all_the_same() {
    let mut scene = Scene::new(FirstConnect::Forever);
    let call = scene.state.cancel(&ticket(1));
    scene.state.release_call(call);
    scene.connect();
    assert_eq!(scene.names(), ["Bind", "Cancel"]);
    scene.break_connection();
    scene.connect();
    assert_eq!(scene.names(), ["Bind", "Cancel"]);
    scene.hear(Cancelled { call, result: Cancellation::Cancelled });
    assert!(scene.state.calls.is_empty());
}

#[test]
fn a_ticket_that_cancels_when_dropped_cancels_and_leaves_the_outcome_in_the_mailbox() {
    let mut scene = Scene::connected();
    let requester = scene.requester();
    let open = scene.open_ticket(requester, 1);
    scene.state.cancel_on_drop(open);
    scene.state.release_ticket(open);
    assert_eq!(scene.names(), ["Cancel", "Detach", "Ping"]);
}

#[test]
fn the_cancelled_outcome_of_an_unnamed_requester_is_acknowledged() {
    let mut scene = Scene::connected();
    let requester = scene.unnamed();
    let open = scene.open_ticket(requester, 1);
    scene.state.cancel_on_drop(open);
    scene.state.release_ticket(open);
    assert_eq!(scene.names(), ["Cancel"]);
    scene.hear(Outcome { ticket: open, attempts: 0, ending: Ending::Cancelled });
    assert_eq!(scene.names(), ["Acknowledge"]);
}

#[test]
fn a_ticket_with_its_outcome_cancels_nothing_when_dropped() {
    let mut scene = Scene::connected();
    let requester = scene.requester();
    let open = scene.open_ticket(requester, 1);
    scene.state.cancel_on_drop(open);
    scene.hear(replied(open));
    scene.state.release_ticket(open);
    assert_eq!(scene.names(), ["Detach"]);
}

#[test]
fn a_closing_client_says_what_it_cancelled_before_goodbye() {
    let mut scene = Scene::connected();
    let requester = scene.requester();
    let open = scene.open_ticket(requester, 1);
    scene.break_connection();
    scene.state.cancel_on_drop(open);
    scene.state.release_ticket(open);
    scene.state.close(scene.now);
    scene.connect();
    assert_eq!(scene.names(), ["Bind", "Cancel", "Close"]);
}
