use super::*;

/// Connection 9 follows the parts of request 1, which the service of connection 1 holds.
fn followed(window: u32) -> World {
    let mut world = World::in_flight();
    assert_eq!(world.follow_parts(9, 1, (0, 0), window), ["9 parts from 1 1/1"]);
    world
}

fn add(world: &mut World, numbers: std::ops::RangeInclusive<u32>) {
    for number in numbers {
        assert!(world.add_part(1, token(1, 1), number, 1).contains(&"1 answered PartKept".to_owned()));
    }
}

#[test]
fn parts_are_sent_in_order_to_everybody_who_follows_them() {
    let mut world = followed(10);
    world.attach(8, 1);
    world.follow_parts(8, 1, (0, 0), 10);
    let told = world.add_part(1, token(1, 1), 1, 1);
    assert_eq!(told, ["1 answered PartKept", "9 part 1 1/1", "8 part 1 1/1"]);
    let told = world.add_part(1, token(1, 1), 2, 1);
    assert_eq!(told, ["1 answered PartKept", "9 part 1 1/2", "8 part 1 1/2"]);
}

#[test]
fn who_follows_the_request_alone_is_sent_no_parts() {
    let mut world = World::in_flight();
    assert_eq!(world.add_part(1, token(1, 1), 1, 1), ["1 answered PartKept"]);
}

#[test]
fn parts_are_kept_for_who_follows_them_later() {
    let mut world = World::in_flight();
    add(&mut world, 1..=2);
    let told = world.follow_parts(9, 1, (0, 0), 10);
    assert_eq!(told, ["9 parts from 1 1/1", "9 part 1 1/1", "9 part 1 1/2"]);
}

#[test]
fn no_more_parts_are_sent_than_the_window_allows() {
    let mut world = followed(1);
    add(&mut world, 1..=3);
    assert_eq!(world.parts_window(9, 1, 2), ["9 part 1 1/2", "9 part 1 1/3"]);
}

#[test]
fn a_follower_goes_on_behind_the_last_part_that_it_has() {
    let mut world = World::in_flight();
    add(&mut world, 1..=3);
    assert_eq!(world.follow_parts(9, 1, (1, 2), 10), ["9 parts from 1 1/3", "9 part 1 1/3"]);
}

#[test]
fn a_part_that_comes_again_is_kept_once() {
    let mut world = followed(10);
    add(&mut world, 1..=2);
    assert_eq!(world.add_part(1, token(1, 1), 1, 1), ["1 answered PartKept"]);
    assert_eq!(world.add_part(1, token(1, 1), 2, 1), ["1 answered PartKept"]);
}

#[test]
fn a_part_after_a_gap_is_not_kept_and_the_next_is_named() {
    let mut world = followed(10);
    add(&mut world, 1..=1);
    assert_eq!(world.add_part(1, token(1, 1), 3, 1), ["1 answered PartMissing { next: 2 }"]);
}

#[test]
fn a_part_for_which_there_can_never_be_room_is_too_large() {
    let mut world = followed(10);
    assert_eq!(world.add_part(1, token(1, 1), 1, 11), ["1 answered TooLarge { max_payload: 10 }"]);
}

#[test]
fn a_stale_delivery_adds_no_part() {
    let mut world = followed(10);
    assert_eq!(world.add_part(1, token(1, 2), 1, 1), ["1 answered LeaseLost"]);
    world.gone(1);
    assert_eq!(world.add_part(11, token(1, 1), 1, 1), ["11 answered LeaseLost"]);
}

#[test]
fn a_new_delivery_starts_again_at_1_and_whoever_follows_is_told() {
    let mut world = followed(10);
    add(&mut world, 1..=2);
    world.retry(1, token(1, 1), None);
    assert_eq!(world.pass(BACKED_OFF), ["1 delivery 1/2 attempt 2", "9 parts from 1 2/1"]);
    assert_eq!(world.add_part(1, token(1, 2), 1, 1), ["1 answered PartKept", "9 part 1 2/1"]);
}

#[test]
fn who_comes_back_with_parts_of_the_delivery_before_is_told_where_the_new_ones_begin() {
    let mut world = followed(10);
    add(&mut world, 1..=2);
    world.retry(1, token(1, 1), None);
    world.pass(BACKED_OFF);
    world.add_part(1, token(1, 2), 1, 1);
    world.attach(19, 1);
    assert_eq!(world.follow_parts(19, 1, (1, 2), 10), ["19 parts from 1 2/1", "19 part 1 2/1"]);
}

#[test]
fn taking_back_keeps_the_parts() {
    let mut world = followed(10);
    add(&mut world, 1..=2);
    world.gone(1);
    assert_eq!(world.take_back(11, token(1, 1)), ["11 answered TakenBack"]);
    assert_eq!(world.add_part(11, token(1, 1), 3, 1), ["11 answered PartKept", "9 part 1 1/3"]);
}

#[test]
fn the_parts_of_a_lost_delivery_stay_until_the_next() {
    let mut world = World::in_flight();
    add(&mut world, 1..=1);
    world.gone(1);
    world.pass(BACKED_OFF);
    assert_eq!(world.follow_parts(9, 1, (0, 0), 10), ["9 parts from 1 1/1", "9 part 1 1/1"]);
    assert_eq!(world.subscribe(2, 1), ["2 delivery 1/2 attempt 2", "9 parts from 1 2/1"]);
}

#[test]
fn beyond_the_room_the_service_waits_and_is_told_once_when_there_is_some() {
    let mut world = World::in_flight();
    assert_eq!(world.add_part(1, token(1, 1), 1, 6), ["1 answered PartKept"]);
    assert_eq!(world.add_part(1, token(1, 1), 2, 6), ["1 answered PartsFull"]);
    assert_eq!(world.acknowledge_parts(1, 1, 1), ["1 parts room 1/1"]);
    assert_eq!(world.add_part(1, token(1, 1), 2, 6), ["1 answered PartKept"]);
    assert!(world.acknowledge_parts(1, 1, 2).is_empty(), "nothing waits for room");
}

#[test]
fn only_the_requester_acknowledges_parts_and_only_of_this_delivery() {
    let mut world = World::in_flight();
    world.add_part(1, token(1, 1), 1, 6);
    world.add_part(1, token(1, 1), 2, 6);
    let other = requester("other");
    let told = world.ask(Command::AcknowledgeParts { id: request(1), requester: other, delivery: 1, through: 1 });
    assert!(told.is_empty());
    assert!(world.acknowledge_parts(1, 2, 1).is_empty());
    assert_eq!(world.follow_parts(9, 1, (0, 0), 10), ["9 parts from 1 1/1", "9 part 1 1/1"]);
}

#[test]
fn a_follower_who_asks_for_parts_that_are_gone_is_told_the_first_that_is_kept() {
    let mut world = World::in_flight();
    add(&mut world, 1..=3);
    world.acknowledge_parts(1, 1, 2);
    assert_eq!(world.follow_parts(9, 1, (0, 0), 10), ["9 parts from 1 1/3", "9 part 1 1/3"]);
    assert_eq!(world.follow_parts(9, 1, (1, 1), 10), ["9 parts from 1 1/3", "9 part 1 1/3"]);
}

#[test]
fn without_a_mailbox_the_oldest_parts_go_instead_and_are_counted() {
    let mut world = World::new();
    world.submit_one_way(9, 1);
    world.subscribe(1, 1);
    for number in 1..=3 {
        assert_eq!(world.add_part(1, token(1, 1), number, 4), ["1 answered PartKept"]);
    }
    assert_eq!(world.channel.figures().dropped_parts, 1);
    assert_eq!(world.follow_parts(9, 1, (0, 0), 10), ["9 parts from 1 1/2", "9 part 1 1/2", "9 part 1 1/3"]);
}

#[test]
fn a_service_that_waits_for_room_is_told_when_the_requester_is_gone_for_good() {
    let mut world = World::in_flight();
    world.add_part(1, token(1, 1), 1, 6);
    world.add_part(1, token(1, 1), 2, 6);
    assert_eq!(world.requester_gone("consumer"), ["1 parts room 1/1"]);
    assert_eq!(world.add_part(1, token(1, 1), 2, 6), ["1 answered PartKept"]);
}

#[test]
fn the_outcome_comes_after_the_last_part() {
    let mut world = followed(1);
    add(&mut world, 1..=2);
    assert_eq!(world.reply(1, token(1, 1)), ["post 1", "1 answered Settled"]);
    assert_eq!(world.parts_window(9, 1, 1), ["9 part 1 1/2", "9 outcome 1 replied 42 after 1"]);
}

#[test]
fn parts_stay_after_the_outcome_and_it_is_told_again_behind_them() {
    let mut world = World::in_flight();
    add(&mut world, 1..=1);
    assert_eq!(world.reply(1, token(1, 1))[0], "9 outcome 1 replied 42 after 1");
    let told = world.follow_parts(9, 1, (0, 0), 10);
    assert_eq!(told, ["9 parts from 1 1/1", "9 part 1 1/1", "9 outcome 1 replied 42 after 1"]);
}

#[test]
fn who_detaches_before_the_last_part_is_sent_nothing_more() {
    let mut world = followed(0);
    add(&mut world, 1..=1);
    world.reply(1, token(1, 1));
    assert_eq!(world.detach(9, 1), ["repost 1 to 9"]);
    assert!(world.parts_window(9, 1, 10).is_empty());
}

#[test]
fn nobody_is_left_waiting_for_parts_that_go_with_an_acknowledged_outcome() {
    let mut world = followed(0);
    add(&mut world, 1..=1);
    world.reply(1, token(1, 1));
    let told = world.acknowledge(8, 1);
    assert_eq!(told, ["9 parts from 1 1/2", "9 outcome 1 replied 42 after 1", "unpost 1", "8 acknowledged Done"]);
}

#[test]
fn parts_of_a_request_that_nobody_follows_are_followed_by_nobody() {
    let mut world = World::in_flight();
    assert!(world.follow_parts(8, 1, (0, 0), 10).is_empty());
    assert!(world.parts_window(8, 1, 10).is_empty());
}
