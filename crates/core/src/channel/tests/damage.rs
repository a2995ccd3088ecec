use super::*;

fn letter(world: &World, id: u32) -> Option<(DeadReason, u32)> {
    world.channel.dead_letter(request(id)).map(|letter| (letter.reason, letter.attempts))
}

#[test]
fn a_damaged_request_that_waits_is_dead_and_a_letter() {
    let mut world = World::durable();
    world.submit(9, 1);
    let told = world.damaged(1);
    assert_eq!(told, ["keep end 1 dead damaged after 0 deliveries 0", "9 outcome 1 dead damaged after 0", "post 1"]);
    assert_eq!(letter(&world, 1), Some((DeadReason::Damaged, 0)));
    assert!(world.subscribe(1, 1).is_empty(), "it waits no longer");
}

#[test]
fn a_damaged_request_that_is_scheduled_or_backs_off_is_dead_too() {
    let mut world = World::durable_in_flight();
    world.retry(1, token(1, 1), None);
    world.submit_with(9, 2, |submission| submission.delay = seconds(60));
    assert_eq!(world.damaged(1)[0], "keep end 1 dead damaged last 13 after 1 deliveries 1");
    assert_eq!(world.damaged(2)[0], "keep end 2 dead damaged after 0 deliveries 0");
    assert_eq!(world.channel.figures(), Figures { services: 1, retained: 2, dead: 2, ..Figures::default() });
}

#[test]
fn a_delivery_that_nobody_was_told_of_frees_its_place_and_counts_for_nothing() {
    let mut world = World::with(|settings| {
        settings.is_durable = true;
        settings.max_in_flight = Some(1);
    });
    world.submit(9, 1);
    world.submit(9, 2);
    world.subscribe(1, 1);
    let told = world.damaged(1);
    assert_eq!(
        told,
        [
            "keep end 1 dead damaged after 0 deliveries 1",
            "9 outcome 1 dead damaged after 0",
            "post 1",
            "1 delivery 2/1 attempt 1"
        ]
    );
    assert_eq!(world.reply(1, token(1, 1)), ["1 answered LeaseLost"]);
}

#[test]
fn a_lost_delivery_of_a_damaged_request_frees_its_place() {
    let mut world = World::durable_in_flight();
    world.gone(1);
    assert_eq!(world.damaged(1)[0], "keep end 1 dead damaged after 0 deliveries 1");
    assert_eq!(world.channel.figures().in_flight, 0);
    assert_eq!(world.take_back(11, token(1, 1)), ["11 answered LeaseLost"]);
}

#[test]
fn a_damaged_outcome_is_another_one_and_who_follows_is_told_again() {
    let mut world = World::durable_in_flight();
    world.reply(1, token(1, 1));
    world.pass(seconds(60));
    let told = world.damaged(1);
    assert_eq!(told, ["keep end 1 dead damaged after 1 deliveries 1 by 7/1", "9 outcome 1 dead damaged after 1"]);
    assert_eq!(world.channel.unacknowledged(), 1, "the entry in the mailbox is the same");
    assert_eq!(letter(&world, 1), Some((DeadReason::Damaged, 1)));
    assert_eq!(world.reply(1, token(1, 1)), ["1 answered Settled"], "it did settle");
    assert_eq!(world.acknowledge(9, 1), ["keep forget 1", "unpost 1", "9 acknowledged Done"]);
    assert_eq!(world.channel.unacknowledged(), 0);
}

#[test]
fn a_damaged_outcome_is_kept_for_the_retention_from_then_on() {
    let mut world = World::durable_in_flight();
    world.reply(1, token(1, 1));
    world.pass(RETENTION - seconds(1));
    world.damaged(1);
    assert!(world.pass(RETENTION - seconds(1)).is_empty());
    assert_eq!(world.pass(seconds(1)), ["keep forget 1", "unpost 1"]);
}

#[test]
fn a_damaged_outcome_that_was_fetched_is_to_be_fetched_again() {
    let mut world = World::durable();
    world.submit_one_way(9, 1);
    world.subscribe(1, 1);
    world.reply(1, token(1, 1));
    world.detach(9, 1);
    assert_eq!(world.channel.fetched(), 1);
    world.damaged(1);
    assert_eq!(world.channel.fetched(), 0);
    assert_eq!(world.attach(9, 1)[1], "9 outcome 1 dead damaged after 1");
}

#[test]
fn a_damaged_outcome_that_was_acknowledged_stays_so() {
    let mut world = World::durable();
    world.submit_with(9, 1, |submission| {
        submission.key = Some(Key { requester: None, text: "k".into(), fingerprint: 1 });
    });
    world.subscribe(1, 1);
    world.reply(1, token(1, 1));
    assert_eq!(world.acknowledge(9, 1), ["keep acknowledge 1", "unpost 1", "9 acknowledged Done"]);
    let told = world.damaged(1);
    assert_eq!(
        told,
        [
            "keep end 1 dead damaged after 1 deliveries 1 by 7/1",
            "keep acknowledge 1",
            "9 outcome 1 dead damaged after 1"
        ]
    );
    assert_eq!(world.channel.unacknowledged(), 0);
    assert_eq!(world.pass(RETENTION), ["keep forget 1"]);
}

#[test]
fn a_damaged_outcome_that_is_dead_already_is_the_same_letter_for_another_reason() {
    let mut world = World::durable_in_flight();
    world.settle(1, token(1, 1), Settling::Reject(13));
    let told = world.damaged(1);
    assert_eq!(told, ["keep end 1 dead damaged after 1 deliveries 1 by 7/1", "9 outcome 1 dead damaged after 1"]);
    assert_eq!(world.channel.figures().dead, 1);
    assert_eq!(letter(&world, 1), Some((DeadReason::Damaged, 1)));
}

#[test]
fn damage_is_told_once() {
    let mut world = World::durable_in_flight();
    world.damaged(1);
    assert!(world.damaged(1).is_empty());
}

#[test]
fn a_damaged_letter_says_so() {
    let mut world = World::durable_in_flight();
    world.settle(1, token(1, 1), Settling::Reject(13));
    world.acknowledge(9, 1);
    assert!(world.damaged(1).is_empty(), "its outcome is gone, and nobody waits for it");
    assert_eq!(letter(&world, 1), Some((DeadReason::Damaged, 1)));
}

#[test]
fn what_nobody_knows_cannot_be_damaged() {
    let mut world = World::durable();
    assert!(world.damaged(1).is_empty());
    assert!(world.channel.is_idle());
}

#[test]
fn a_delivery_that_was_stopping_when_its_request_was_damaged_frees_its_place() {
    let mut world = World::durable_in_flight();
    world.cancel(9, 1);
    assert_eq!(world.channel.figures().in_flight, 1);
    world.damaged(1);
    assert_eq!(world.channel.figures().in_flight, 0);
}
