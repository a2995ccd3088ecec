//! What the next connection is told, and in which order.

use super::*;

#[test]
fn everything_is_restored_in_the_order_in_which_nothing_is_doubled_or_lost() {
    let mut scene = Scene::connected();
    let requester = scene.requester();
    let (service, running) = scene.service_at_work(Hold::Connection, 30_000);
    let open = scene.open_ticket(requester, 2);
    let unanswered = scene.submit(requester, 3);
    let mailbox = scene.state.open_mailbox(requester, &reply_channel(), OpenMode::Take, 4);
    scene.hear(MailboxOpened { mailbox, opening: Opening::Opened });
    scene.state.acknowledge(requester, &ticket(4));
    scene.frames();
    scene.break_connection();
    scene.settle(running);

    scene.connect();
    let first = scene.frames();
    let names: Vec<_> = first.iter().map(|frame| frame.header.name()).collect();
    assert_eq!(names, ["Bind", "TakeBack", "Settle", "Subscribe", "Introduce", "Submit"]);
    assert!(matches!(&first[5].header, Header::Submit(submit) if submit.id == id(3)));

    scene.hear(Answered { call: call_of(&first[1].header), answer: Answer::TakenBack });
    scene.hear(Answered { call: call_of(&first[2].header), answer: Answer::Settled });
    scene.hear(Subscribed { service, lease_ms: 30_000 });
    assert!(scene.names().is_empty(), "the submission is unanswered");
    scene.hear(Accepted { ticket: unanswered, services: 1, duplicate: None });
    let second = scene.frames();
    assert_eq!(second.len(), 1);
    assert_eq!(second[0].header, Header::Attach(Attach { ticket: open, channel: ChannelNumber(0), id: id(2) }));

    scene.hear(state_of(open, RequestState::Waiting));
    let third = scene.frames();
    assert!(matches!(&third[0].header, Header::Acknowledge(acknowledge) if acknowledge.id == id(4)));
    assert!(matches!(&third[1].header, Header::OpenMailbox(open) if open.mode == OpenMode::IfFree));
    assert_eq!(third.len(), 2);
}

#[test]
fn unanswered_submissions_are_sent_again_under_the_same_id_in_their_order() {
    let mut scene = Scene::connected();
    let requester = scene.requester();
    let dropped = scene.open_ticket(requester, 9);
    scene.submit(requester, 1);
    scene.hear(replied(dropped));
    scene.state.release_ticket(dropped);
    scene.submit(requester, 2);
    scene.submit(requester, 3);
    scene.break_connection();
    scene.connect();
    let ids: Vec<_> = scene
        .frames()
        .iter()
        .filter_map(|frame| match &frame.header {
            Header::Submit(submit) => Some(submit.id),
            _ => None,
        })
        .collect();
    assert_eq!(ids, [id(1), id(2), id(3)]);
}

#[test]
fn what_is_submitted_while_things_are_restored_goes_out_at_once() {
    let mut scene = Scene::connected();
    let requester = scene.requester();
    scene.submit(requester, 1);
    scene.break_connection();
    scene.connect();
    scene.frames();
    scene.submit(requester, 2);
    assert_eq!(scene.names(), ["Submit"]);
}

#[test]
fn a_connection_that_breaks_while_things_are_restored_changes_nothing() {
    let mut scene = Scene::connected();
    let requester = scene.requester();
    let open = scene.open_ticket(requester, 1);
    let unanswered = scene.submit(requester, 2);
    scene.break_connection();
    scene.connect();
    scene.break_connection();
    scene.connect();
    assert_eq!(scene.names(), ["Bind", "Introduce", "Submit"]);
    scene.hear(Accepted { ticket: unanswered, services: 1, duplicate: None });
    assert_eq!(scene.names(), ["Attach"]);
    scene.hear(state_of(open, RequestState::Waiting));
    scene.hear(replied(open));
    assert!(matches!(scene.outcome(open), Poll::Ready(Ok(_))));
}

#[test]
fn a_delivery_that_cannot_be_taken_back_stops_its_handler() {
    let mut scene = Scene::connected();
    let (service, key) = scene.service_at_work(Hold::Connection, 30_000);
    scene.break_connection();
    scene.connect();
    let sent = scene.frames();
    scene.hear(Answered { call: call_of(&sent[1].header), answer: Answer::LeaseLost });
    assert!(
        matches!(scene.service_event(service), Poll::Ready(ServiceEvent::Stopped { delivery, .. }) if delivery == key)
    );
}

#[test]
fn a_delivery_that_was_taken_back_goes_on() {
    let mut scene = Scene::connected();
    let (service, key) = scene.service_at_work(Hold::Connection, 30_000);
    scene.break_connection();
    scene.connect();
    let sent = scene.frames();
    let Header::TakeBack(take_back) = &sent[1].header else { panic!("it is taken back") };
    assert_eq!((take_back.service, take_back.token), (service, token()));
    scene.hear(Answered { call: take_back.call, answer: Answer::TakenBack });
    assert!(matches!(scene.service_event(service), Poll::Pending));
    scene.settle(key);
    assert_eq!(scene.names(), ["Settle"]);
}

#[test]
fn a_settlement_that_had_arrived_is_not_settled_twice() {
    let mut scene = Scene::connected();
    let (_, key) = scene.service_at_work(Hold::Connection, 30_000);
    scene.settle(key);
    scene.state.release_delivery(key);
    scene.break_connection();
    scene.connect();
    let sent = scene.frames();
    scene.hear(Answered { call: call_of(&sent[1].header), answer: Answer::Settled });
    scene.hear(Answered { call: call_of(&sent[2].header), answer: Answer::Settled });
    assert!(scene.state.deliveries.is_empty());
}

#[test]
fn a_delivery_by_lease_alone_needs_no_taking_back() {
    let mut scene = Scene::connected();
    let (_, key) = scene.service_at_work(Hold::Lease, 30_000);
    scene.break_connection();
    scene.state.settle_by_hand(key, Settlement::Release, Bytes::new()).unwrap();
    scene.connect();
    let names = scene.names();
    assert_eq!(names[..2], ["Bind", "Settle"]);
    assert!(!names.contains(&"TakeBack"));
}

#[test]
fn a_ticket_that_was_acknowledged_elsewhere_ends_its_wait_after_a_reconnect() {
    let mut scene = Scene::connected();
    let requester = scene.requester();
    let open = scene.open_ticket(requester, 1);
    scene.break_connection();
    scene.connect();
    assert_eq!(scene.names(), ["Bind", "Attach"]);
    let refusal = Refusal::new(RefusalCode::UnknownTicket, "unknown");
    scene.hear(Refused { ticket: open, refusal: refusal.clone() });
    assert_eq!(scene.outcome(open), Poll::Ready(Err(TicketFailure::Refused(refusal))));
}

#[test]
fn a_dropped_ticket_of_an_unnamed_requester_is_followed_to_its_end_over_connections() {
    let mut scene = Scene::connected();
    let requester = scene.unnamed();
    let open = scene.open_ticket(requester, 1);
    scene.state.release_ticket(open);
    scene.break_connection();
    scene.connect();
    assert_eq!(scene.names(), ["Bind", "Attach"]);
    scene.hear(state_of(open, RequestState::Ended(OutcomeKind::Replied)));
    scene.hear(replied(open));
    assert_eq!(scene.names(), ["Introduce", "Acknowledge"]);
}

#[test]
fn a_ticket_dropped_while_its_attachment_is_awaited_holds_nothing_up() {
    let mut scene = Scene::connected();
    let requester = scene.requester();
    let open = scene.open_ticket(requester, 1);
    let mailbox = scene.state.open_mailbox(requester, &reply_channel(), OpenMode::Follow, 4);
    scene.hear(MailboxOpened { mailbox, opening: Opening::Opened });
    scene.break_connection();
    scene.connect();
    assert_eq!(scene.names(), ["Bind", "Attach"]);
    scene.state.release_ticket(open);
    assert!(scene.names().contains(&"OpenMailbox"));
}

#[test]
fn the_list_of_channels_is_asked_for_again() {
    let mut scene = Scene::connected();
    let call = scene.state.list_channels();
    scene.break_connection();
    scene.connect();
    assert_eq!(call_of(&scene.next_sent()), call);
    let figures = |name: &str| ChannelFigures {
        channel: ChannelName::new(name).unwrap(),
        waiting: 1,
        scheduled: 0,
        in_flight: 0,
        services: 0,
        retained: 0,
        dead: 0,
        oldest_ms: 0,
        paused_ms: 0,
        stale: 0,
    };
    scene.hear(Channels { call, channels: vec![figures("a")], more: true });
    assert_eq!(scene.state.poll_call(call, Waker::noop()), Poll::Pending);
    scene.hear(Channels { call, channels: vec![figures("b")], more: false });
    let all = CallAnswer::Channels(vec![figures("a"), figures("b")]);
    assert_eq!(scene.state.poll_call(call, Waker::noop()), Poll::Ready(Some(all)));
}
