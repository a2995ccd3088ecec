//! From the submission to the outcome on one connection, and what a drop leaves to do.

use super::*;

#[test]
fn names_are_said_before_they_are_used_and_only_once() {
    let mut scene = Scene::connected();
    let requester = scene.requester();
    scene.submit(requester, 1);
    assert_eq!(scene.names(), ["Bind", "Introduce", "Submit"]);
    scene.submit(requester, 2);
    assert_eq!(scene.names(), ["Submit"]);
}

#[test]
fn a_channel_that_was_refused_is_bound_again_at_its_next_use() {
    let mut scene = Scene::connected();
    let requester = scene.requester();
    let first = scene.submit(requester, 1);
    let refusal = Refusal::new(RefusalCode::UnknownChannel, "no such channel");
    scene.frames();
    scene.hear(Bound { number: ChannelNumber(0), refusal: Some(refusal.clone()) });
    scene.hear(Refused { ticket: first, refusal: refusal.clone() });
    assert_eq!(scene.accepted(first), Poll::Ready(Err(TicketFailure::Refused(refusal))));
    scene.submit(requester, 2);
    assert_eq!(scene.names(), ["Bind", "Submit"]);
}

#[test]
fn an_accepted_submission_has_its_ticket_and_then_its_outcome() {
    let mut scene = Scene::connected();
    let requester = scene.requester();
    let open = scene.submit(requester, 1);
    assert_eq!(scene.accepted(open), Poll::Pending);
    scene.hear(Accepted { ticket: open, services: 3, duplicate: None });
    assert_eq!(scene.accepted(open), Poll::Ready(Ok(())));
    assert_eq!(scene.state.services_when_accepted(open), Some(3));
    assert_eq!(scene.outcome(open), Poll::Pending);
    scene.hear_with(replied(open), "thumbnail");
    let Poll::Ready(Ok(outcome)) = scene.outcome(open) else { panic!("the outcome is there") };
    assert_eq!(&outcome.payload[..], b"thumbnail");
}

#[test]
fn an_outcome_implies_that_the_submission_was_accepted() {
    let mut scene = Scene::connected();
    let requester = scene.requester();
    let open = scene.submit(requester, 1);
    scene.hear(replied(open));
    assert_eq!(scene.accepted(open), Poll::Ready(Ok(())));
}

#[test]
fn a_payload_over_the_limit_is_refused_before_it_is_sent() {
    let mut scene = Scene::connected();
    let requester = scene.requester();
    let long = "0123456789".repeat(11).leak();
    let failed = scene.submit_as(requester, 1, true, long);
    let too_large = TicketFailure::TooLarge { part: "payload", found: 110, limit: 100 };
    assert_eq!(scene.accepted(failed), Poll::Ready(Err(too_large)));
    assert!(scene.names().is_empty());
}

#[test]
fn headers_over_the_limit_are_refused_before_they_are_sent() {
    let mut scene = Scene::connected();
    let requester = scene.requester();
    let submission = NewSubmission {
        requester,
        ticket: ticket(1),
        fresh: true,
        terms: terms(),
        operation: "".into(),
        label: Label { content_type: "x".repeat(70_000).into(), headers: Headers::default() },
        payload: Bytes::new(),
        timeout: None,
    };
    let failed = scene.state.submit(scene.now, submission);
    let Poll::Ready(Err(TicketFailure::TooLarge { part, .. })) = scene.accepted(failed) else { panic!("refused") };
    assert_eq!(part, "header");
    assert!(scene.names().is_empty());
}

#[test]
fn a_payload_that_the_broker_closes_the_connection_over_is_not_sent_again() {
    let mut scene = Scene::connected();
    let requester = scene.requester();
    let small = scene.submit_as(requester, 1, true, "small");
    let large = scene.submit_as(requester, 2, true, "a larger one");
    scene.frames();
    scene.hear(Error { code: ErrorCode::FrameTooLarge, message: String::new(), frame: 0x10, closes: true });
    assert!(matches!(scene.accepted(large), Poll::Ready(Err(TicketFailure::TooLarge { part: "payload", .. }))));
    scene.state.handle_broken(scene.now, None);
    scene.connect();
    assert_eq!(scene.names(), ["Bind", "Introduce", "Submit"]);
    scene.hear(Accepted { ticket: small, services: 1, duplicate: None });
    assert_eq!(scene.accepted(small), Poll::Ready(Ok(())));
}

#[test]
fn more_tickets_than_the_broker_allows_are_not_opened() {
    let mut scene = Scene::connected();
    let requester = scene.requester();
    let tickets: Vec<_> = (1..=5).map(|id| scene.submit(requester, id)).collect();
    assert_eq!(scene.accepted(tickets[3]), Poll::Pending);
    assert_eq!(scene.accepted(tickets[4]), Poll::Ready(Err(TicketFailure::TooManyOpen { limit: 4 })));
    scene.hear(replied(tickets[0]));
    scene.state.release_ticket(tickets[0]);
    let next = scene.submit(requester, 6);
    assert_eq!(scene.accepted(next), Poll::Pending);
}

#[test]
fn a_submission_without_an_answer_is_unconfirmed_after_its_time_and_not_sent_again() {
    let mut scene = Scene::connected();
    let requester = scene.requester();
    let waiting = scene.submit(requester, 1);
    assert_eq!(scene.state.next_deadline(), Some(scene.now + Duration::from_secs(10)));
    scene.frames();
    scene.pass(Duration::from_secs(10));
    assert_eq!(scene.accepted(waiting), Poll::Ready(Err(TicketFailure::Unconfirmed)));
    assert_eq!(scene.names(), ["Detach", "Ping"]);
    scene.hear(Accepted { ticket: waiting, services: 1, duplicate: None });
    assert_eq!(scene.accepted(waiting), Poll::Ready(Err(TicketFailure::Unconfirmed)));
    scene.break_connection();
    scene.connect();
    assert!(scene.names().is_empty());
}

#[test]
fn a_submission_made_while_disconnected_waits_for_the_connection() {
    let mut scene = Scene::new(FirstConnect::Forever);
    let requester = scene.requester();
    let waiting = scene.submit(requester, 1);
    assert_eq!(scene.accepted(waiting), Poll::Pending);
    scene.connect();
    assert_eq!(scene.names(), ["Bind", "Introduce", "Submit"]);
}

#[test]
fn a_submission_while_nobody_answers_is_unconfirmed_after_its_time() {
    let mut scene = Scene::new(FirstConnect::Forever);
    let requester = scene.requester();
    let waiting = scene.submit(requester, 1);
    scene.state.next_step(scene.now);
    scene.state.handle_unreachable(scene.now, Broken::Closed);
    scene.pass(Duration::from_secs(10));
    assert_eq!(scene.accepted(waiting), Poll::Ready(Err(TicketFailure::Unconfirmed)));
    scene.state.release_ticket(waiting);
    scene.state.next_step(scene.now);
    scene.state.handle_unreachable(scene.now, Broken::Closed);
    scene.connect();
    assert!(scene.names().is_empty());
}

#[test]
fn the_number_of_a_dropped_ticket_is_used_again_only_after_a_pong() {
    let mut scene = Scene::connected();
    let requester = scene.requester();
    let dropped = scene.open_ticket(requester, 1);
    scene.state.release_ticket(dropped);
    let sent = scene.frames();
    assert_eq!(sent[0].header, Header::Detach(Detach { ticket: dropped }));
    let Header::Ping(Ping { nonce }) = sent[1].header else { panic!("a ping marks the place") };
    assert_ne!(scene.submit(requester, 2), dropped);
    scene.hear_with(replied(dropped), "too late");
    scene.hear(Pong { nonce });
    assert_eq!(scene.submit(requester, 3), dropped);
}

#[test]
fn many_dropped_tickets_share_a_ping() {
    let mut scene = Scene::connected();
    let requester = scene.requester();
    let open: Vec<_> = (1..=4).map(|id| scene.open_ticket(requester, id)).collect();
    open.iter().for_each(|ticket| scene.state.release_ticket(*ticket));
    let sent = scene.frames();
    let pings: Vec<_> = sent.iter().filter(|frame| matches!(frame.header, Header::Ping(_))).collect();
    assert_eq!(pings.len(), 1);
    let Header::Ping(Ping { nonce }) = pings[0].header else { panic!("a ping") };
    scene.hear(Pong { nonce });
    assert_eq!(scene.names(), ["Ping"], "the others are freed behind one more");
}

#[test]
fn a_dropped_ticket_of_a_named_requester_leaves_its_outcome_in_the_mailbox() {
    let mut scene = Scene::connected();
    let requester = scene.requester();
    let open = scene.open_ticket(requester, 1);
    scene.hear(replied(open));
    scene.state.release_ticket(open);
    assert_eq!(scene.names(), ["Detach"]);
    assert!(scene.state.tickets.is_empty());
}

#[test]
fn a_dropped_ticket_of_an_unnamed_requester_is_acknowledged_when_its_outcome_comes() {
    let mut scene = Scene::connected();
    let requester = scene.unnamed();
    let open = scene.open_ticket(requester, 1);
    scene.state.release_ticket(open);
    scene.state.release_requester(requester);
    assert!(scene.names().is_empty());
    scene.hear(replied(open));
    let sent = scene.frames();
    assert_eq!(sent.len(), 1);
    let Header::Acknowledge(acknowledge) = &sent[0].header else { panic!("it is acknowledged") };
    assert_eq!(acknowledge.ticket, Some(open), "and let go of along with it");
    let call = acknowledge.call;
    scene.hear(Acknowledged { call, result: Acknowledgement::Done });
    assert_eq!(scene.names(), ["Goodbye"]);
    assert!(scene.state.tickets.is_empty() && scene.state.calls.is_empty());
}

#[test]
fn a_dropped_submission_of_a_named_requester_is_let_go() {
    let mut scene = Scene::connected();
    let requester = scene.requester();
    let waiting = scene.submit(requester, 1);
    scene.state.release_ticket(waiting);
    assert_eq!(scene.names(), ["Bind", "Introduce", "Submit", "Detach", "Ping"]);
}

#[test]
fn a_dropped_submission_that_was_not_sent_is_forgotten() {
    let mut scene = Scene::new(FirstConnect::Forever);
    let requester = scene.unnamed();
    let waiting = scene.submit(requester, 1);
    scene.state.release_ticket(waiting);
    scene.connect();
    assert!(scene.names().is_empty());
}

#[test]
fn an_attached_ticket_tells_its_state_progress_and_outcome() {
    let mut scene = Scene::connected();
    let requester = scene.requester();
    let attached = scene.state.attach(requester, &ticket(1));
    assert_eq!(scene.names(), ["Bind", "Attach"]);
    let progress = Progress { fraction: 0.5, stage: "half".into(), note: String::new() };
    let state = RequestState::InFlight { delivery: 2, attempt: 1 };
    scene.hear(State { progress: Some(progress.clone()), ..state_of(attached, state) });
    let told = scene.state.poll_state(attached, Waker::noop());
    assert!(matches!(told, Poll::Ready(Ok(told)) if told.state == state && told.progress == Some(progress.clone())));
    let mut seen = 0;
    assert_eq!(scene.state.poll_progress(attached, &mut seen, Waker::noop()), Poll::Ready(Some(progress)));
    assert_eq!(scene.state.poll_progress(attached, &mut seen, Waker::noop()), Poll::Pending);
    scene.hear(replied(attached));
    assert_eq!(scene.state.poll_progress(attached, &mut seen, Waker::noop()), Poll::Ready(None));
    assert!(matches!(scene.outcome(attached), Poll::Ready(Ok(_))));
}

#[test]
fn progress_that_nobody_read_in_time_is_overtaken_by_the_latest() {
    let mut scene = Scene::connected();
    let requester = scene.requester();
    let open = scene.open_ticket(requester, 1);
    for fraction in [0.1, 0.2, 0.3] {
        let progress = Progress { fraction, stage: String::new(), note: String::new() };
        scene.hear(ProgressUpdate { ticket: open, progress });
    }
    let mut seen = 0;
    let Poll::Ready(Some(progress)) = scene.state.poll_progress(open, &mut seen, Waker::noop()) else { panic!("told") };
    assert!((progress.fraction - 0.3).abs() < f32::EPSILON);
    assert_eq!(scene.state.poll_progress(open, &mut seen, Waker::noop()), Poll::Pending);
}

#[test]
fn a_dropped_attachment_of_an_unnamed_requester_acknowledges_nothing() {
    let mut scene = Scene::connected();
    let requester = scene.unnamed();
    let attached = scene.state.attach(requester, &ticket(1));
    scene.hear(replied(attached));
    scene.frames();
    scene.state.release_ticket(attached);
    assert_eq!(scene.names(), ["Detach"]);
}

#[test]
fn an_unknown_ticket_ends_the_wait() {
    let mut scene = Scene::connected();
    let requester = scene.requester();
    let attached = scene.state.attach(requester, &ticket(1));
    let refusal = Refusal::new(RefusalCode::UnknownTicket, "unknown");
    scene.hear(Refused { ticket: attached, refusal: refusal.clone() });
    assert_eq!(scene.outcome(attached), Poll::Ready(Err(TicketFailure::Refused(refusal))));
}

#[test]
fn the_same_name_twice_is_one_requester_until_its_last_use() {
    let mut scene = Scene::connected();
    let first = scene.requester();
    let second = scene.requester();
    assert_eq!(first, second);
    scene.open_ticket(first, 1);
    scene.state.release_requester(first);
    assert!(scene.names().is_empty());
}
