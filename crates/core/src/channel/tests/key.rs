use super::*;

fn key(text: &str) -> Key {
    Key { requester: Some(requester("consumer")), text: text.to_owned(), fingerprint: 1 }
}

fn submit_keyed(world: &mut World, peer: u64, id: u32) -> Vec<String> {
    world.submit_with(peer, id, |submission| submission.key = Some(key("k")))
}

fn keyed() -> World {
    let mut world = World::new();
    assert_eq!(submit_keyed(&mut world, 9, 1), ["9 accepted 1 services 0"]);
    world
}

fn keyed_and_replied() -> World {
    let mut world = keyed();
    world.subscribe(1, 1);
    world.reply(1, token(1, 1));
    world
}

#[test]
fn the_same_key_is_the_same_request() {
    let mut world = keyed();
    assert_eq!(submit_keyed(&mut world, 19, 2), ["19 accepted 2 services 0 duplicate of 1"]);
    assert_eq!(world.subscribe(1, 10), ["1 delivery 1/1 attempt 1"], "one request, so one delivery");
    let told = world.reply(1, token(1, 1));
    assert_eq!(
        told,
        ["9 outcome 1 replied 42 after 1", "19 outcome 2 replied 42 after 1", "post 1", "1 answered Settled"]
    );
    assert_eq!(world.attach(8, 2), ["8 refused 2 unknown_ticket"]);
}

#[test]
fn a_duplicate_is_told_the_first_ones_return_address() {
    let mut world = World::new();
    let shared = || Some(Key { requester: None, ..key("k") });
    world.submit_with(9, 1, |submission| submission.key = shared());
    let effects = world.submit_for_effects(8, 2, |submission| {
        submission.requester = requester("other");
        submission.place = TestPlace::new(true);
        submission.key = shared();
    });
    let What::Tell { tell: Tell::Accepted { duplicate: Some(first), .. }, .. } = &effects[0].what else {
        panic!("expected a duplicate, got {effects:?}");
    };
    assert_eq!((first.id, &first.requester), (request(1), &requester("consumer")));
    assert!(Rc::ptr_eq(&first.place.mailbox, &world.place("consumer").mailbox));
}

#[test]
fn the_same_key_after_the_outcome_is_told_the_outcome() {
    let mut world = keyed_and_replied();
    let told = submit_keyed(&mut world, 19, 2);
    assert_eq!(told, ["19 accepted 2 services 1 duplicate of 1", "19 outcome 2 replied 42 after 1"]);
}

#[test]
fn the_same_key_with_another_request_is_refused() {
    let mut world = keyed();
    let told = world.submit_with(9, 2, |submission| {
        submission.key = Some(Key { fingerprint: 2, ..key("k") });
    });
    assert_eq!(told, ["9 refused 2 key_conflict"]);
}

#[test]
fn a_key_belongs_to_its_requester() {
    let mut world = keyed();
    let told = world.submit_with(9, 2, |submission| {
        submission.requester = requester("other");
        submission.key = Some(Key { requester: Some(requester("other")), ..key("k") });
    });
    assert_eq!(told, ["9 accepted 2 services 0"]);
    let told = world.submit_with(9, 3, |submission| submission.key = Some(Key { requester: None, ..key("k") }));
    assert_eq!(told, ["9 accepted 3 services 0"]);
    assert_eq!(world.channel.figures().keys, 3);
}

#[test]
fn a_key_is_known_until_retention_has_passed_after_the_outcome_acknowledged_or_not() {
    let mut world = keyed_and_replied();
    assert_eq!(world.acknowledge(9, 1), ["unpost 1", "9 acknowledged Done"]);
    world.pass(RETENTION - seconds(1));
    assert_eq!(submit_keyed(&mut world, 19, 2)[0], "19 accepted 2 services 1 duplicate of 1");
    assert!(world.pass(seconds(1)).is_empty());
    assert_eq!(submit_keyed(&mut world, 19, 3)[0], "19 accepted 3 services 1");
}

#[test]
fn an_acknowledged_outcome_is_read_by_ticket_for_as_long_as_its_key_is_known() {
    let mut world = keyed_and_replied();
    world.acknowledge(9, 1);
    assert_eq!(world.acknowledge(9, 1), ["9 acknowledged Done"], "twice");
    assert_eq!(world.attach(8, 1), ["8 state 1 ended replied", "8 outcome 1 replied 42 after 1"]);
    assert!(world.detach(8, 1).is_empty(), "it is in no mailbox");
    world.pass(RETENTION);
    assert_eq!(world.attach(8, 1), ["8 refused 1 unknown_ticket"]);
    assert_eq!(world.channel.figures().keys, 0);
}

#[test]
fn keys_are_bounded_and_beyond_the_bound_the_channel_is_full() {
    let mut world = World::with(|settings| settings.max_keys = 1);
    submit_keyed(&mut world, 9, 1);
    let effects = world.submit_for_effects(9, 2, |submission| submission.key = Some(key("another")));
    assert_eq!(lines(&effects), ["9 refused 2 channel_full"]);
    let What::Tell { tell: Tell::Refused { refusal, .. }, .. } = &effects[0].what else {
        panic!("expected a refusal, got {effects:?}");
    };
    assert!(refusal.message.contains("max_keys"), "it names the limit: {}", refusal.message);
    assert_eq!(world.submit(9, 3), ["9 accepted 3 services 0"], "without a key there is room");
    assert_eq!(submit_keyed(&mut world, 9, 4), ["9 accepted 4 services 0 duplicate of 1"]);
}

#[test]
fn the_same_key_is_accepted_again_by_a_full_channel() {
    let mut world = World::with(|settings| settings.capacity = 1);
    submit_keyed(&mut world, 9, 1);
    assert_eq!(submit_keyed(&mut world, 9, 2), ["9 accepted 2 services 0 duplicate of 1"]);
}

#[test]
fn the_same_id_under_its_key_is_no_duplicate() {
    let mut world = keyed();
    assert_eq!(submit_keyed(&mut world, 19, 1), ["19 accepted 1 services 0"]);
}

#[test]
fn the_parts_of_a_keyed_request_go_with_its_acknowledgement() {
    let mut world = keyed();
    world.subscribe(1, 1);
    world.add_part(1, token(1, 1), 1, 5);
    world.reply(1, token(1, 1));
    world.acknowledge(9, 1);
    world.attach(8, 1);
    let told = world.follow_parts(8, 1, (0, 0), 10);
    assert_eq!(told, ["8 parts from 1 1/2", "8 outcome 1 replied 42 after 1"]);
}
