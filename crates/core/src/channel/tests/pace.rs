use super::*;

fn submit_all(world: &mut World, ids: std::ops::RangeInclusive<u32>) {
    for id in ids {
        world.submit(9, id);
    }
}

#[test]
fn no_more_are_in_flight_than_the_channel_allows_over_all_services() {
    let mut world = World::with(|settings| settings.max_in_flight = Some(2));
    submit_all(&mut world, 1..=3);
    assert_eq!(world.subscribe(1, 1), ["1 delivery 1/1 attempt 1"]);
    assert_eq!(world.subscribe(2, 5), ["2 delivery 2/1 attempt 1"]);
    assert_eq!(world.reply(1, token(1, 1)).len(), 4, "its place goes to the third");
    assert_eq!(world.channel.figures().in_flight, 2);
}

#[test]
fn a_lost_delivery_keeps_its_place_until_it_is_given_up() {
    let mut world = World::with(|settings| settings.max_in_flight = Some(1));
    submit_all(&mut world, 1..=2);
    world.subscribe(1, 1);
    world.subscribe(2, 1);
    assert!(world.gone(1).is_empty());
    assert!(world.pass(BACKOFF - Duration::from_millis(1)).is_empty());
    assert_eq!(world.pass(BACKED_OFF), ["2 delivery 1/2 attempt 2"], "it waits before the second");
}

#[test]
fn what_is_taken_back_has_its_place_still() {
    let mut world = World::with(|settings| settings.max_in_flight = Some(1));
    submit_all(&mut world, 1..=2);
    world.subscribe(1, 1);
    world.gone(1);
    assert_eq!(world.take_back(11, token(1, 1)), ["11 answered TakenBack"]);
    assert_eq!(world.channel.figures().in_flight, 1);
    assert!(world.subscribe(2, 1).is_empty());
}

#[test]
fn a_delivery_that_is_settled_for_another_attempt_leaves_its_place() {
    let mut world = World::with(|settings| settings.max_in_flight = Some(1));
    submit_all(&mut world, 1..=2);
    world.subscribe(1, 1);
    assert_eq!(world.retry(1, token(1, 1), None), ["1 answered Settled", "1 delivery 2/1 attempt 1"]);
}

#[test]
fn a_burst_goes_out_at_once_and_the_rest_at_the_rate() {
    let mut world = World::with(|settings| settings.rate = Some(Rate { per_second: 2.0, burst: 3 }));
    submit_all(&mut world, 1..=6);
    assert_eq!(world.subscribe(1, 10).len(), 3);
    assert!(world.pass(Duration::from_millis(499)).is_empty());
    assert_eq!(world.pass(Duration::from_millis(1)), ["1 delivery 4/1 attempt 1"]);
    assert_eq!(world.pass(Duration::from_millis(1000)).len(), 2);
}

#[test]
fn after_a_pause_there_is_a_burst_again_and_no_more() {
    let mut world = World::with(|settings| settings.rate = Some(Rate { per_second: 2.0, burst: 3 }));
    world.subscribe(1, 100);
    submit_all(&mut world, 1..=3);
    world.pass(seconds(60));
    submit_all(&mut world, 4..=9);
    assert_eq!(world.channel.figures().in_flight, 6);
}

#[test]
fn the_rate_holds_across_services() {
    let mut world = World::with(|settings| settings.rate = Some(Rate { per_second: 1.0, burst: 1 }));
    submit_all(&mut world, 1..=3);
    assert_eq!(world.subscribe(1, 1).len(), 1);
    assert!(world.subscribe(2, 1).is_empty());
    assert_eq!(world.pass(seconds(1)).len(), 1);
}

#[test]
fn taking_back_uses_no_rate() {
    let mut world = World::with(|settings| settings.rate = Some(Rate { per_second: 1.0, burst: 2 }));
    world.submit(9, 1);
    world.subscribe(1, 1);
    world.gone(1);
    world.take_back(11, token(1, 1));
    world.submit(9, 2);
    assert_eq!(world.subscribe(11, 2), ["11 delivery 2/1 attempt 1"]);
}

#[test]
fn a_channel_that_must_not_hand_out_yet_wakes_when_it_may() {
    let mut world = World::with(|settings| settings.rate = Some(Rate { per_second: 1.0, burst: 1 }));
    submit_all(&mut world, 1..=2);
    world.subscribe(1, 1);
    let deadline = world.now.time + DEADLINE;
    assert_eq!(world.channel.next_deadline(), Some(deadline), "no service could take the second");
    world.credit(1, 2);
    assert_eq!(world.channel.next_deadline(), Some(world.now.time + seconds(1)));
}

#[test]
fn throttling_pauses_the_whole_channel() {
    let mut world = World::new();
    submit_all(&mut world, 1..=2);
    world.subscribe(1, 1);
    assert_eq!(world.throttle(1, token(1, 1), seconds(5)), ["1 answered Settled"]);
    assert!(world.subscribe(2, 5).is_empty());
    assert_eq!(world.channel.figures().paused_until, Some(world.now.time + seconds(5)));
    assert_eq!(world.pass(seconds(5)).len(), 2);
}

#[test]
fn the_longest_pause_wins() {
    let mut world = World::new();
    submit_all(&mut world, 1..=2);
    world.subscribe(1, 2);
    world.throttle(1, token(1, 1), seconds(20));
    world.throttle(1, token(2, 1), seconds(5));
    assert!(world.pass(seconds(19)).is_empty());
    assert_eq!(world.pass(seconds(1)).len(), 2);
}

#[test]
fn a_pause_is_never_longer_than_the_channel_allows() {
    let mut world = World::with(|settings| settings.max_throttle = seconds(10));
    world.submit(9, 1);
    world.subscribe(1, 1);
    world.throttle(1, token(1, 1), seconds(3600));
    assert_eq!(world.pass(seconds(10)), ["1 delivery 1/2 attempt 1"]);
}

#[test]
fn what_is_in_flight_goes_on_in_a_pause() {
    let mut world = World::new();
    submit_all(&mut world, 1..=2);
    world.subscribe(1, 2);
    world.throttle(1, token(1, 1), seconds(20));
    assert_eq!(world.reply(1, token(2, 1))[0], "9 outcome 2 replied 42 after 1");
}
