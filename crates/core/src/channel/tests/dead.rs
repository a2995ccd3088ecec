use super::*;

/// Each request is rejected by the service of connection 1.
fn rejected(ids: &[u32], change: impl FnOnce(&mut Settings)) -> World {
    let mut world = World::with(change);
    world.subscribe(1, 1);
    for &id in ids {
        world.submit_with(9, id, |submission| submission.bytes = 10);
        world.settle(1, token(id, 1), Settling::Reject(13));
        world.pass(seconds(1));
    }
    world
}

fn letters(world: &World) -> Vec<u32> {
    world.channel.dead_letters(None).map(|letter| number(letter.id)).collect()
}

fn spent(effects: &[Effect<Numbers>]) -> Vec<u32> {
    let spent = effects.iter().filter_map(|effect| match &effect.what {
        What::Spend { request } => Some(*request),
        _ => None,
    });
    spent.collect()
}

#[test]
fn a_dead_request_moves_whole_to_the_dead_letters() {
    let mut world = World::with(|settings| settings.max_attempts = 2);
    let accepted = world.now.time;
    world.submit_with(9, 1, |submission| {
        submission.bytes = 10;
        submission.priority = 7;
    });
    world.subscribe(1, 1);
    world.release(1, token(1, 1));
    world.pass(BACKED_OFF);
    world.retry(1, token(1, 2), None);
    world.pass(BACKED_OFF);
    let told = world.retry(1, token(1, 3), None);
    assert_eq!(told, ["9 outcome 1 dead attempts_exhausted last 13 after 2", "post 1", "1 answered Settled"]);
    let letter = world.channel.dead_letter(request(1)).unwrap();
    assert_eq!((letter.reason, letter.attempts, letter.deliveries), (DeadReason::AttemptsExhausted, 2, 3));
    assert_eq!((letter.accepted, letter.died), (accepted, world.now.time));
    assert_eq!((letter.request, letter.bytes, letter.priority, letter.last), (1, 10, 7, Some(13)));
    assert_eq!(letter.requester, requester("consumer"));
}

#[test]
fn a_letter_stays_when_its_outcome_is_acknowledged() {
    let mut world = rejected(&[1], |_| ());
    world.acknowledge(9, 1);
    assert_eq!(letters(&world), [1]);
    assert!(!world.channel.is_idle());
}

#[test]
fn letters_are_listed_oldest_first_and_from_a_place_on() {
    let world = rejected(&[3, 1, 2], |_| ());
    assert_eq!(letters(&world), [3, 1, 2]);
    let behind: Vec<_> = world.channel.dead_letters(Some(request(3))).map(|letter| number(letter.id)).collect();
    assert_eq!(behind, [1, 2]);
    assert!(world.channel.dead_letter(request(4)).is_none());
}

#[test]
fn the_oldest_letter_goes_and_is_counted_when_there_are_too_many() {
    let world = rejected(&[1, 2, 3], |settings| settings.max_dead_letters = 2);
    assert_eq!(letters(&world), [2, 3]);
    assert_eq!(world.channel.figures().dropped_dead_letters, 1);
}

#[test]
fn the_oldest_letters_go_when_they_have_too_many_bytes() {
    let world = rejected(&[1, 2, 3], |settings| settings.max_dead_letter_bytes = 25);
    assert_eq!(letters(&world), [2, 3]);
}

#[test]
fn a_letter_that_is_too_large_alone_goes_too() {
    let world = rejected(&[1], |settings| settings.max_dead_letter_bytes = 9);
    assert!(letters(&world).is_empty());
    assert_eq!(world.channel.figures().dropped_dead_letters, 1);
}

#[test]
fn a_letter_goes_when_it_is_too_old() {
    let mut world = rejected(&[1], |settings| settings.dead_letter_age = seconds(100));
    world.pass(seconds(98));
    assert_eq!(letters(&world), [1]);
    world.pass(seconds(1));
    assert!(letters(&world).is_empty());
    assert_eq!(world.channel.figures().dropped_dead_letters, 1);
}

#[test]
fn the_payload_of_a_dead_request_stays_with_its_letter() {
    let mut world = World::in_flight();
    let (peer, call) = (world.peer(1), Call(0));
    let reject = Command::Settle { peer, call, token: token(1, 1), settlement: Settling::Reject(13) };
    assert!(spent(&world.effects(reject)).is_empty());
    let (peer, id) = (world.peer(1), request(1));
    assert_eq!(spent(&world.effects(Command::Purge { peer, call, id })), [1]);
}

#[test]
fn the_payload_of_any_other_request_goes_with_its_outcome() {
    let mut world = World::in_flight();
    let (peer, call) = (world.peer(1), Call(0));
    let reply = Command::Settle { peer, call, token: token(1, 1), settlement: Settling::Reply(42) };
    assert_eq!(spent(&world.effects(reply)), [1]);
}

#[test]
fn a_letter_is_purged_once() {
    let mut world = rejected(&[1, 2], |_| ());
    assert_eq!(world.purge(8, 1), ["8 purged true"]);
    assert_eq!(world.purge(8, 1), ["8 purged false"]);
    assert_eq!(letters(&world), [2]);
    assert_eq!(world.channel.figures().dropped_dead_letters, 0, "nobody lost it");
    assert_eq!(world.attach(8, 1)[0], "8 state 1 ended dead", "the outcome stays");
}

#[test]
fn a_redriven_letter_is_a_new_request_at_the_end_of_the_queue() {
    let mut world = rejected(&[1], |_| ());
    world.credit(1, 0);
    world.submit(9, 2);
    assert_eq!(world.redrive(8, 1, 50), ["8 redriven as 50"]);
    assert!(letters(&world).is_empty());
    let told = world.credit(1, 10);
    assert_eq!(told, ["1 delivery 2/1 attempt 1", "1 delivery 50/1 attempt 1"]);
    let told = world.reply(1, token(50, 1));
    assert_eq!(told, ["post 50", "1 answered Settled"], "nobody follows it, and it is in the mailbox");
}

#[test]
fn a_redriven_request_names_the_first_one_and_counts_its_limits_from_now() {
    let mut world = rejected(&[1], |_| ());
    world.credit(1, 0);
    world.redrive(8, 1, 50);
    let peer = world.peer(8);
    let effects = world.effects(Command::Attach { peer, ticket: TicketNumber(50), id: request(50) });
    let What::Tell { tell: Tell::State { attempts, remaining, redrive_of, .. }, .. } = &effects[0].what else {
        panic!("expected a state, got {effects:?}");
    };
    assert_eq!((*attempts, *remaining, *redrive_of), (0, Some(DEADLINE), Some(request(1))));
}

#[test]
fn a_redriven_request_may_die_again() {
    let mut world = rejected(&[1], |_| ());
    world.redrive(8, 1, 50);
    world.settle(1, token(50, 1), Settling::Reject(14));
    assert_eq!(letters(&world), [50]);
}

#[test]
fn without_room_a_redrive_is_refused_and_the_letter_stays() {
    let mut world = rejected(&[1], |settings| settings.capacity = 1);
    world.credit(1, 0);
    world.submit(9, 2);
    assert_eq!(world.redrive(8, 1, 50), ["8 redriven refused channel_full"]);
    assert_eq!(letters(&world), [1]);
    assert_eq!(world.attach(8, 50), ["8 refused 50 unknown_ticket"]);
}

#[test]
fn without_a_service_a_channel_that_refuses_refuses_a_redrive() {
    let mut world = rejected(&[1], |settings| settings.no_service = NoService::Refuse);
    world.unsubscribe(1);
    assert_eq!(world.redrive(8, 1, 50), ["8 redriven refused no_service"]);
    assert_eq!(letters(&world), [1]);
}

#[test]
fn what_is_no_letter_cannot_be_redriven() {
    let mut world = World::in_flight();
    assert_eq!(world.redrive(8, 1, 50), ["8 redriven Unknown"]);
}
