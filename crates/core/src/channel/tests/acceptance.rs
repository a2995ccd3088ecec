use super::*;

#[test]
fn an_accepted_request_is_told_how_many_services_there_are() {
    let mut world = World::new();
    assert_eq!(world.submit(9, 1), ["9 accepted 1 services 0"]);
    world.subscribe(1, 0);
    world.subscribe(2, 0);
    assert_eq!(world.submit(9, 2), ["9 accepted 2 services 2"]);
}

#[test]
fn a_full_channel_refuses_and_keeps_nothing() {
    let mut world = World::with(|settings| settings.capacity = 2);
    world.submit(9, 1);
    world.submit(9, 2);
    let effects = world.submit_for_effects(9, 3, |_| ());
    let What::Tell { tell: Tell::Refused { refusal, .. }, .. } = &effects[0].what else {
        panic!("expected a refusal, got {effects:?}");
    };
    assert_eq!(refusal.code, RefusalCode::ChannelFull);
    assert!(refusal.retry_after_ms.is_some(), "a refusal that passes says when to try again");
    assert_eq!(world.attach(9, 3), ["9 refused 3 unknown_ticket"]);
    assert_eq!(world.channel.figures().waiting, 2);
}

#[test]
fn what_is_in_flight_or_has_its_outcome_takes_no_capacity() {
    let mut world = World::with(|settings| settings.capacity = 1);
    world.submit(9, 1);
    assert_eq!(world.submit(9, 2), ["9 refused 2 channel_full"]);
    world.subscribe(1, 1);
    assert_eq!(world.submit(9, 3), ["9 accepted 3 services 1"]);
    assert_eq!(world.submit(9, 4), ["9 refused 4 channel_full"]);
    world.cancel(9, 3);
    assert_eq!(world.submit(9, 5), ["9 accepted 5 services 1"]);
}

#[test]
fn what_backs_off_takes_capacity_and_what_may_be_taken_back_does_not() {
    let mut world = World::with(|settings| settings.capacity = 1);
    world.submit(9, 1);
    world.subscribe(1, 1);
    world.credit(1, 0);
    world.retry(1, token(1, 1), None);
    assert_eq!(world.submit(9, 2), ["9 refused 2 channel_full"]);
    world.pass(BACKED_OFF);
    world.credit(1, 1);
    world.gone(1);
    assert_eq!(world.submit(9, 3), ["9 accepted 3 services 0"]);
}

#[test]
fn the_same_id_before_the_outcome_is_the_same_request() {
    let mut world = World::new();
    world.submit(9, 1);
    assert_eq!(world.submit(19, 1), ["19 accepted 1 services 0"]);
    assert_eq!(world.subscribe(1, 10), ["1 delivery 1/1 attempt 1"], "one request, so one delivery");
    assert_eq!(
        world.reply(1, token(1, 1)),
        ["9 outcome 1 replied 42 after 1", "19 outcome 1 replied 42 after 1", "post 1", "1 answered Settled"]
    );
}

#[test]
fn the_same_id_on_the_same_ticket_is_told_once() {
    let mut world = World::new();
    world.submit(9, 1);
    world.submit(9, 1);
    world.subscribe(1, 1);
    let told = world.reply(1, token(1, 1));
    assert_eq!(told, ["9 outcome 1 replied 42 after 1", "post 1", "1 answered Settled"]);
}

#[test]
fn the_same_id_after_the_outcome_is_accepted_and_told_the_outcome() {
    let mut world = World::new();
    world.subscribe(1, 1);
    world.submit(9, 1);
    world.reply(1, token(1, 1));
    assert_eq!(world.submit(19, 1), ["19 accepted 1 services 1", "19 outcome 1 replied 42 after 1"]);
}

#[test]
fn the_same_id_after_the_acknowledgement_is_a_new_request() {
    let mut world = World::new();
    world.subscribe(1, 1);
    world.submit(9, 1);
    world.reply(1, token(1, 1));
    world.acknowledge(9, 1);
    assert_eq!(world.submit(9, 1), ["9 accepted 1 services 1", "1 delivery 1/1 attempt 1"]);
}

#[test]
fn the_same_id_under_another_requester_is_refused_and_changes_nothing() {
    let mut world = World::new();
    world.submit(9, 1);
    let told = world.submit_with(8, 1, |submission| submission.requester = requester("other"));
    assert_eq!(told, ["8 refused 1 invalid"]);
    world.subscribe(1, 1);
    let told = world.reply(1, token(1, 1));
    assert_eq!(told, ["9 outcome 1 replied 42 after 1", "post 1", "1 answered Settled"]);
}

#[test]
fn the_same_id_is_accepted_again_by_a_full_channel() {
    let mut world = World::with(|settings| settings.capacity = 1);
    world.submit(9, 1);
    assert_eq!(world.submit(19, 1), ["19 accepted 1 services 0"]);
}

#[test]
fn a_new_channel_is_idle_and_has_no_deadline() {
    let world = World::new();
    assert!(world.channel.is_idle());
    assert_eq!(world.channel.next_deadline(), None);
    assert_eq!(world.channel.figures(), Figures::default());
}

#[test]
fn a_channel_is_idle_again_when_all_is_done() {
    let mut world = World::new();
    world.subscribe(1, 2);
    world.submit(9, 1);
    world.submit(9, 2);
    let figures = Figures { open: 2, in_flight: 2, services: 1, ..Figures::default() };
    assert_eq!(world.channel.figures(), figures);
    world.reply(1, token(1, 1));
    world.retry(1, token(2, 1), None);
    let figures = Figures { open: 1, waiting: 1, services: 1, retained: 1, ..Figures::default() };
    assert_eq!(world.channel.figures(), figures);
    world.pass(BACKED_OFF);
    world.reply(1, token(2, 2));
    world.acknowledge(9, 1);
    world.acknowledge(9, 2);
    assert_eq!(world.channel.next_deadline(), None);
    assert!(!world.channel.is_idle(), "it still has a service");
    world.unsubscribe(1);
    assert!(world.channel.is_idle());
}

#[test]
fn a_stopped_broker_fails_what_is_open_and_stops_the_services() {
    let mut world = World::new();
    for id in 1..=4 {
        world.submit(9, id);
    }
    world.subscribe(1, 3);
    world.reply(1, token(1, 1));
    world.retry(1, token(2, 1), Some(seconds(60)));
    world.credit(1, 1);
    let told = world.ask(Command::Stop { answer: 99 });
    assert_eq!(
        told,
        [
            "9 outcome 2 failed 99 after 1",
            "post 2",
            "9 outcome 3 failed 99 after 1",
            "post 3",
            "1 stop 3/1 BrokerStopped",
            "9 outcome 4 failed 99 after 1",
            "post 4",
            "1 stop 4/1 BrokerStopped",
        ]
    );
    assert_eq!(world.reply(1, token(3, 1)), ["1 answered LeaseLost"]);
    assert_eq!(world.channel.figures(), Figures { services: 1, retained: 4, stale: 1, ..Figures::default() });
}

#[test]
fn what_tells_of_a_change_names_it_and_what_tells_of_none_names_the_last() {
    let mut world = World::durable();
    world.subscribe(1, 1);
    let after = |effects: &[Effect<Numbers>]| effects.iter().map(|effect| effect.after.0).collect::<Vec<_>>();
    let told = world.submit_for_effects(9, 1, |_| ());
    assert_eq!(after(&told), [1, 1, 1], "kept, then accepted, then delivered");
    let renew = Command::Renew { peer: TestPeer::new(1), call: Call(0), token: token(1, 1) };
    assert_eq!(after(&world.effects(renew)), [1], "a renewed lease is no change");
    let settlement = Settling::Reply(42);
    let settle = Command::Settle { peer: TestPeer::new(1), call: Call(0), token: token(1, 1), settlement };
    assert_eq!(
        after(&world.effects(settle)),
        [2, 2, 2, 2, 2],
        "record, outcome, mailbox, payload and answer tell of the same change"
    );
}

#[test]
fn who_wants_the_outcome_alone_is_told_of_the_acceptance_only_when_asking_again() {
    let mut world = World::new();
    let quietly = |submission: &mut Submission<Numbers>| submission.tells_acceptance = false;
    assert_eq!(world.submit_with(9, 1, quietly), [""; 0]);
    assert_eq!(world.submit_with(9, 1, quietly), ["9 accepted 1 services 0"]);
}
