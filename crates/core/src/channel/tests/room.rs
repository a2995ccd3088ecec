use super::*;

/// Requests of no mailbox that have their outcomes.
fn replied(ids: std::ops::RangeInclusive<u32>) -> World {
    let mut world = World::with(|settings| settings.capacity = 1_000);
    world.subscribe(1, 1);
    for id in ids {
        world.submit_one_way(9, id);
        world.reply(1, token(id, 1));
        world.pass(Duration::from_millis(1));
    }
    world
}

fn make_room(world: &mut World) -> Vec<String> {
    world.ask(Command::MakeRoom)
}

fn retained(world: &World) -> usize {
    world.channel.figures().retained
}

#[test]
fn an_outcome_in_no_mailbox_goes_for_room_once_it_was_fetched() {
    let mut world = replied(1..=2);
    make_room(&mut world);
    assert_eq!(retained(&world), 2, "nobody fetched them");
    world.detach(9, 1);
    make_room(&mut world);
    assert_eq!(retained(&world), 1);
    assert_eq!(world.attach(8, 1), ["8 refused 1 unknown_ticket"]);
}

#[test]
fn the_oldest_go_first_and_not_all_at_once() {
    let mut world = replied(1..=70);
    for id in (1..=70).rev() {
        world.detach(9, id);
    }
    make_room(&mut world);
    assert_eq!(retained(&world), 6);
    assert_eq!(world.attach(8, 64), ["8 refused 64 unknown_ticket"]);
    assert_eq!(world.attach(8, 65)[0], "8 state 65 ended replied");
    make_room(&mut world);
    assert_eq!(retained(&world), 0);
}

#[test]
fn an_outcome_in_a_mailbox_never_goes_for_room() {
    let mut world = World::in_flight();
    world.reply(1, token(1, 1));
    world.detach(9, 1);
    make_room(&mut world);
    assert_eq!(world.attach(8, 1)[1], "8 outcome 1 replied 42 after 1");
}

#[test]
fn an_outcome_under_a_key_never_goes_for_room() {
    let mut world = World::new();
    world.subscribe(1, 1);
    world.submit_with(9, 1, |submission| {
        submission.place = TestPlace::new(false);
        submission.key = Some(Key { requester: None, text: "k".into(), fingerprint: 1 });
    });
    world.reply(1, token(1, 1));
    world.detach(9, 1);
    make_room(&mut world);
    assert_eq!(retained(&world), 1);
}

#[test]
fn who_lost_its_connection_fetched_nothing() {
    let mut world = replied(1..=1);
    world.gone(9);
    make_room(&mut world);
    assert_eq!(retained(&world), 1);
}

#[test]
fn who_detached_before_the_outcome_fetched_nothing() {
    let mut world = World::new();
    world.submit_one_way(9, 1);
    world.detach(9, 1);
    world.subscribe(1, 1);
    world.reply(1, token(1, 1));
    make_room(&mut world);
    assert_eq!(retained(&world), 1);
}
