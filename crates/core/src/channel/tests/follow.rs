use super::*;

fn replied() -> World {
    let mut world = World::new();
    world.submit(9, 1);
    world.subscribe(1, 1);
    world.reply(1, token(1, 1));
    world
}

#[test]
fn attaching_tells_where_the_request_is() {
    let mut world = World::new();
    world.submit(9, 1);
    assert_eq!(world.attach(8, 1), ["8 state 1 Waiting"]);
    world.subscribe(1, 1);
    assert_eq!(world.attach(8, 1), ["8 state 1 in flight 1 attempt 1"]);
    world.report(token(1, 1), 0.5);
    assert_eq!(world.attach(8, 1), ["8 state 1 in flight 1 attempt 1 progress 0.5"]);
    world.retry(1, token(1, 1), None);
    assert_eq!(world.attach(8, 1), ["8 state 1 BackingOff"]);
}

#[test]
fn attaching_after_the_outcome_tells_the_state_and_then_the_outcome() {
    let mut world = replied();
    assert_eq!(world.attach(8, 1), ["8 state 1 ended replied", "8 outcome 1 replied 42 after 1"]);
}

#[test]
fn attaching_before_the_outcome_tells_it_when_it_comes() {
    let mut world = World::new();
    world.submit(9, 1);
    world.attach(8, 1);
    world.gone(9);
    world.subscribe(1, 1);
    let told = world.reply(1, token(1, 1));
    assert_eq!(told, ["8 outcome 1 replied 42 after 1", "post 1", "1 answered Settled"]);
}

#[test]
fn an_unknown_ticket_ends_the_wait() {
    let mut world = World::new();
    assert_eq!(world.attach(8, 1), ["8 refused 1 unknown_ticket"]);
}

#[test]
fn progress_is_told_to_everybody_who_follows() {
    let mut world = World::new();
    world.submit(9, 1);
    world.attach(8, 1);
    world.subscribe(1, 1);
    assert_eq!(world.report(token(1, 1), 0.25), ["9 progress 1 0.25", "8 progress 1 0.25"]);
    world.detach(8, 1);
    assert_eq!(world.report(token(1, 1), 0.5), ["9 progress 1 0.5"]);
}

#[test]
fn a_new_delivery_has_no_progress_of_the_one_before() {
    let mut world = World::new();
    world.submit(9, 1);
    world.subscribe(1, 1);
    world.report(token(1, 1), 0.5);
    world.retry(1, token(1, 1), None);
    world.pass(BACKED_OFF);
    assert_eq!(world.attach(8, 1), ["8 state 1 in flight 2 attempt 2"]);
}

#[test]
fn who_detached_is_told_no_outcome() {
    let mut world = World::new();
    world.submit(9, 1);
    assert!(world.detach(9, 1).is_empty());
    world.subscribe(1, 1);
    assert_eq!(world.reply(1, token(1, 1)), ["post 1", "1 answered Settled"]);
}

#[test]
fn detaching_from_an_outcome_offers_it_to_the_connections_mailbox_again() {
    let mut world = replied();
    assert!(matches!(world.channel.outcome(request(1), PeerId(9)), Reading::Followed));
    assert_eq!(world.detach(9, 1), ["repost 1 to 9"]);
    let reading = world.channel.outcome(request(1), PeerId(9));
    let Reading::Outcome { outcome, request: 1, redrive_of: None } = reading else {
        panic!("expected the outcome of request 1, got {reading:?}");
    };
    assert_eq!(outcome_name(outcome), "replied 42 after 1");
    assert!(world.detach(9, 1).is_empty(), "it detached already");
}

#[test]
fn an_outcome_that_is_followed_under_another_ticket_is_not_offered_again() {
    let mut world = replied();
    let peer = world.peer(9);
    world.ask(Command::Attach { peer, ticket: TicketNumber(50), id: request(1) });
    assert!(world.detach(9, 1).is_empty());
    assert!(matches!(world.channel.outcome(request(1), PeerId(9)), Reading::Followed));
}

#[test]
fn a_mailbox_reader_on_another_connection_reads_what_is_followed_here() {
    let world = replied();
    assert!(matches!(world.channel.outcome(request(1), PeerId(8)), Reading::Outcome { .. }));
    assert!(matches!(world.channel.outcome(request(2), PeerId(8)), Reading::Gone));
}

#[test]
fn an_acknowledged_outcome_is_gone() {
    let mut world = replied();
    assert_eq!(world.acknowledge(9, 1), ["unpost 1", "9 acknowledged Done"]);
    assert_eq!(world.acknowledge(9, 1), ["9 acknowledged Done"], "again, as after a lost answer");
    assert_eq!(world.attach(9, 1), ["9 refused 1 unknown_ticket"]);
    assert!(world.detach(9, 1).is_empty());
    assert_eq!(world.reply(1, token(1, 1)), ["1 answered LeaseLost"]);
}

#[test]
fn who_acknowledges_may_detach_in_the_same_step() {
    let mut world = World::new();
    world.submit_with(9, 1, |submission| {
        submission.key = Some(Key { requester: None, text: "k".into(), fingerprint: 1 });
    });
    assert_eq!(world.acknowledge_and_detach(9, 1), ["9 acknowledged NoOutcomeYet"]);
    assert!(world.channel.followed.is_empty());
    world.attach(9, 1);
    world.subscribe(1, 1);
    world.reply(1, token(1, 1));
    assert_eq!(world.acknowledge_and_detach(9, 1), ["unpost 1", "9 acknowledged Done"]);
    assert!(world.channel.followed.is_empty(), "although its key keeps the request");
}

#[test]
fn any_connection_may_acknowledge_under_the_requesters_name() {
    let mut world = replied();
    assert_eq!(world.acknowledge(8, 1), ["unpost 1", "8 acknowledged Done"]);
}

#[test]
fn another_requester_may_not_acknowledge() {
    let mut world = replied();
    let peer = world.peer(8);
    let other = requester("other");
    let told = world.ask(Command::Acknowledge { peer, call: Call(0), id: request(1), requester: other, ticket: None });
    assert_eq!(told, ["8 acknowledged Forbidden"]);
    assert_eq!(world.channel.figures().retained, 1);
}

#[test]
fn what_has_no_outcome_cannot_be_acknowledged() {
    let mut world = World::new();
    world.submit(9, 1);
    assert_eq!(world.acknowledge(9, 1), ["9 acknowledged NoOutcomeYet"]);
    assert_eq!(world.attach(9, 1), ["9 state 1 Waiting"]);
}

#[test]
fn an_outcome_is_kept_for_the_retention_and_then_forgotten() {
    let mut world = replied();
    world.gone(9);
    assert!(world.pass(RETENTION - seconds(1)).is_empty());
    assert_eq!(world.attach(8, 1)[1], "8 outcome 1 replied 42 after 1");
    assert_eq!(world.pass(seconds(1)), ["unpost 1"]);
    assert_eq!(world.attach(8, 1), ["8 refused 1 unknown_ticket"]);
    assert_eq!(world.channel.next_deadline(), None);
}

#[test]
fn reading_acknowledges_nothing() {
    let mut world = replied();
    for _ in 0..3 {
        assert_eq!(world.attach(8, 1)[1], "8 outcome 1 replied 42 after 1");
    }
    assert_eq!(world.channel.figures().retained, 1);
}

#[test]
fn a_channel_knows_every_connection_once() {
    let mut world = World::in_flight();
    world.subscribe_by_lease(2, 1);
    world.submit(8, 2);
    world.attach(8, 1);
    world.attach(2, 1);
    world.submit(7, 3);
    world.subscribe(3, 1);
    world.gone(1);
    world.take_back(11, token(1, 1));
    world.cancel(9, 3);
    world.unsubscribe(3);
    let known: Vec<_> = world.channel.peers().iter().map(|peer| peer.id.0).collect();
    assert_eq!(known, [2, 7, 8, 9, 11], "with a service, with what they took back, and who follows");
    for peer in known {
        world.gone(peer);
    }
    assert!(world.channel.peers().is_empty());
}

#[test]
fn a_connection_that_holds_what_is_stopping_is_known() {
    let mut world = World::in_flight();
    world.gone(1);
    world.take_back(11, token(1, 1));
    world.cancel(9, 1);
    world.gone(9);
    let known: Vec<_> = world.channel.peers().iter().map(|peer| peer.id.0).collect();
    assert_eq!(known, [11]);
    world.stopped(token(1, 1));
    assert!(world.channel.peers().is_empty());
}
