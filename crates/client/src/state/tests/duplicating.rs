//! Submissions whose idempotency key was there before: the ticket stands for the first request.

use super::*;

fn first_of(name: &str) -> Duplicate {
    let requester = RequesterName::new(name).unwrap();
    Duplicate { id: id(7), requester, reply_channel: Some(reply_channel()) }
}

fn duplicate(scene: &mut Scene, requester: RequesterNumber, first: Duplicate) -> TicketNumber {
    let keyed = Terms { key: Some("smith-2026".into()), ..terms() };
    let ticket = scene.submit_on(requester, 1, true, "{}", keyed);
    let sent = scene.frames();
    let Some(Header::Submit(submit)) = sent.last().map(|frame| &frame.header) else { panic!("it submits") };
    assert_eq!(submit.key.as_deref(), Some("smith-2026"));
    scene.hear(Accepted { ticket, services: 1, duplicate: Some(first) });
    ticket
}

#[test]
fn a_duplicate_has_the_ticket_of_the_first_request() {
    let mut scene = Scene::connected();
    let requester = scene.requester();
    let second = duplicate(&mut scene, requester, first_of("letters"));
    let first = scene.state.first_request(second).expect("it is a duplicate");
    assert_eq!((first.id, first.is_own), (id(7), true));
    scene.hear(replied(second));
    scene.state.acknowledge_ticket(second);
    assert!(matches!(scene.next_sent(), Header::Acknowledge(acknowledge) if acknowledge.id == id(7)));
}

#[test]
fn a_duplicate_of_another_requesters_request_is_never_acknowledged() {
    let mut scene = Scene::connected();
    let requester = scene.unnamed();
    let second = duplicate(&mut scene, requester, first_of("somebody"));
    assert!(!scene.state.first_request(second).expect("it is a duplicate").is_own);
    scene.hear(replied(second));
    scene.state.acknowledge_ticket(second);
    scene.state.release_ticket(second);
    assert_eq!(scene.names(), ["Detach"]);
}

#[test]
fn a_duplicate_of_another_requesters_request_is_never_cancelled_by_a_drop() {
    let mut scene = Scene::connected();
    let requester = scene.requester();
    let second = duplicate(&mut scene, requester, first_of("somebody"));
    scene.state.cancel_on_drop(second);
    scene.state.release_ticket(second);
    assert_eq!(scene.names(), ["Detach", "Ping"]);
}

#[test]
fn a_duplicate_that_nobody_waits_for_is_let_go_of_when_it_turns_out_to_be_another_requesters() {
    let mut scene = Scene::connected();
    let requester = scene.unnamed();
    let second = scene.submit(requester, 1);
    scene.frames();
    scene.state.release_ticket(second);
    assert!(scene.names().is_empty());
    scene.hear(Accepted { ticket: second, services: 1, duplicate: Some(first_of("somebody")) });
    assert_eq!(scene.names(), ["Detach", "Ping"]);
}

#[test]
fn a_duplicate_is_followed_under_the_first_requests_ticket_after_a_broken_connection() {
    let mut scene = Scene::connected();
    let requester = scene.requester();
    let second = duplicate(&mut scene, requester, first_of("letters"));
    scene.break_connection();
    scene.connect();
    let attach = Attach { ticket: second, channel: ChannelNumber(0), id: id(7) };
    assert_eq!(scene.frames().pop().unwrap().header, Header::Attach(attach));
}

#[test]
fn acknowledgements_wait_for_the_answer_under_the_id_that_was_submitted() {
    let mut scene = Scene::connected();
    let requester = scene.requester();
    let second = scene.submit_as(requester, 1, false, "{}");
    scene.state.acknowledge(requester, &ticket(1));
    assert_eq!(scene.names(), ["Bind", "Introduce", "Submit"]);
    scene.hear(Accepted { ticket: second, services: 1, duplicate: Some(first_of("letters")) });
    assert_eq!(scene.names(), ["Acknowledge"]);
}

#[test]
fn the_outcome_of_a_one_way_request_stays_when_its_ticket_is_dropped_and_goes_when_it_is_awaited() {
    let mut scene = Scene::connected();
    let requester = scene.unnamed();
    let one_way = Terms { reply: ReplyTo::Nowhere, ..terms() };
    let dropped = scene.submit_on(requester, 1, true, "{}", one_way.clone());
    let awaited = scene.submit_on(requester, 2, true, "{}", one_way);
    for ticket in [dropped, awaited] {
        scene.hear(Accepted { ticket, services: 1, duplicate: None });
        scene.hear(replied(ticket));
    }
    scene.frames();
    scene.state.release_ticket(dropped);
    assert_eq!(scene.names(), ["Detach"]);
    scene.state.acknowledge_ticket(awaited);
    assert_eq!(scene.names(), ["Acknowledge"]);
}
