use super::*;

/// How long request 1 backs off after a delivery that is settled or lost by `end`.
fn backoff_after(world: &mut World, end: impl FnOnce(&mut World)) -> Duration {
    let before = world.now.time;
    end(world);
    world.channel.next_deadline().unwrap().since(before)
}

#[test]
fn a_reply_is_the_outcome_and_is_answered_after_it_was_told() {
    let mut world = World::in_flight();
    assert_eq!(world.reply(1, token(1, 1)), ["9 outcome 1 replied 42 after 1", "post 1", "1 answered Settled"]);
}

#[test]
fn a_final_failure_is_the_outcome() {
    let mut world = World::in_flight();
    let told = world.settle(1, token(1, 1), Settling::Fail(13));
    assert_eq!(told, ["9 outcome 1 failed 13 after 1", "post 1", "1 answered Settled"]);
}

#[test]
fn a_rejected_request_is_dead_with_what_the_service_said() {
    let mut world = World::in_flight();
    let told = world.settle(1, token(1, 1), Settling::Reject(13));
    assert_eq!(told, ["9 outcome 1 dead rejected last 13 after 1", "post 1", "1 answered Settled"]);
}

#[test]
fn a_retryable_failure_is_delivered_again_as_the_next_attempt() {
    let mut world = World::in_flight();
    assert_eq!(world.retry(1, token(1, 1), None), ["1 answered Settled"]);
    assert_eq!(world.pass(BACKED_OFF), ["1 delivery 1/2 attempt 2"]);
}

#[test]
fn the_last_retryable_failure_is_death_with_what_it_said() {
    let mut world = World::in_flight();
    for attempt in 1..3 {
        world.retry(1, token(1, attempt), None);
        world.pass(BACKED_OFF);
    }
    let told = world.retry(1, token(1, 3), None);
    assert_eq!(told, ["9 outcome 1 dead attempts_exhausted last 13 after 3", "post 1", "1 answered Settled"]);
}

#[test]
fn a_death_by_silence_tells_what_an_earlier_attempt_failed_with() {
    let mut world = World::with(|settings| settings.max_attempts = 2);
    world.submit(9, 1);
    world.subscribe(1, 1);
    world.retry(1, token(1, 1), None);
    world.pass(BACKED_OFF);
    world.gone(1);
    assert_eq!(world.pass(BACKED_OFF), ["9 outcome 1 dead attempts_exhausted last 13 after 2", "post 1"]);
}

#[test]
fn a_failure_waits_as_long_as_the_service_asks() {
    let mut world = World::in_flight();
    world.retry(1, token(1, 1), Some(seconds(60)));
    assert!(world.pass(seconds(59)).is_empty());
    assert_eq!(world.pass(seconds(1)), ["1 delivery 1/2 attempt 2"]);
}

#[test]
fn a_failure_never_waits_less_than_the_backoff() {
    let mut world = World::in_flight();
    let waits = backoff_after(&mut world, |world| drop(world.retry(1, token(1, 1), Some(Duration::ZERO))));
    assert!(waits >= BACKOFF);
}

#[test]
fn backoff_doubles_up_to_its_limit_and_jitter_lengthens_it_by_at_most_a_half() {
    for random in [0, 1, 77, u64::MAX / 3, u64::MAX] {
        let mut world = World::with(|settings| settings.max_attempts = 10);
        world.now.random = random;
        world.submit(9, 1);
        world.subscribe(1, 1);
        for (attempt, plain) in (1..).zip([1, 2, 4, 4, 4].map(seconds)) {
            let waits = backoff_after(&mut world, |world| drop(world.retry(1, token(1, attempt), None)));
            assert!(plain <= waits && waits <= plain * 3 / 2, "attempt {attempt} backs off for {waits:?}");
            world.pass(waits);
        }
    }
}

#[test]
fn jitter_spreads_requests_that_fail_together() {
    let mut world = World::new();
    world.subscribe(1, 10);
    for id in 1..=10 {
        world.submit(9, id);
        world.retry(1, token(id, 1), None);
    }
    let mut moments = BTreeSet::new();
    let until = world.now.time + BACKED_OFF;
    while let Some(due) = world.channel.next_deadline().filter(|due| *due <= until) {
        moments.insert(due);
        world.now.time = due;
        world.channel.handle_deadline(world.now, &mut Vec::new());
    }
    assert!(moments.len() > 5, "ten requests came back at only {} moments", moments.len());
}

#[test]
fn the_longest_backoff_there_can_be_ends_with_the_requests_deadline() {
    let mut world = World::with(|settings| {
        settings.backoff_first = Duration::MAX;
        settings.backoff_max = Duration::MAX;
    });
    world.submit(9, 1);
    world.subscribe(1, 1);
    world.retry(1, token(1, 1), Some(Duration::MAX));
    assert_eq!(world.pass(DEADLINE), ["9 outcome 1 expired after 1", "post 1"]);
}

#[test]
fn a_released_delivery_comes_back_uncounted_after_the_first_backoff_step() {
    let mut world = World::in_flight();
    world.retry(1, token(1, 1), None);
    world.pass(BACKED_OFF);
    let waits = backoff_after(&mut world, |world| {
        assert_eq!(world.release(1, token(1, 2)), ["1 answered Settled"]);
    });
    assert!(BACKOFF <= waits && waits <= BACKOFF * 3 / 2, "it comes back after {waits:?}");
    assert_eq!(world.pass(BACKED_OFF), ["1 delivery 1/3 attempt 2"]);
}

#[test]
fn a_request_that_is_released_too_often_is_dead() {
    let mut world = World::in_flight();
    for delivery in 1..=2 {
        assert_eq!(world.release(1, token(1, delivery)), ["1 answered Settled"]);
        world.pass(BACKED_OFF);
    }
    let told = world.release(1, token(1, 3));
    assert_eq!(told, ["9 outcome 1 dead releases_exhausted after 0", "post 1", "1 answered Settled"]);
}

#[test]
fn a_stale_delivery_can_do_nothing() {
    let mut world = World::in_flight();
    world.gone(1);
    world.subscribe(2, 1);
    assert_eq!(world.pass(BACKED_OFF), ["2 delivery 1/2 attempt 2"]);
    for settlement in [Settling::Reply(1), Settling::Fail(1), Settling::Reject(1), Settling::Release] {
        assert_eq!(world.settle(11, token(1, 1), settlement), ["11 answered LeaseLost"]);
    }
    assert_eq!(world.retry(11, token(1, 1), None), ["11 answered LeaseLost"]);
    assert_eq!(world.renew(11, token(1, 1)), ["11 answered LeaseLost"]);
    assert_eq!(world.take_back(11, token(1, 1)), ["11 answered LeaseLost"]);
    assert!(world.report(token(1, 1), 0.5).is_empty());
    assert_eq!(world.reply(2, token(1, 2))[0], "9 outcome 1 replied 42 after 2");
}

#[test]
fn a_token_of_another_start_of_the_broker_is_stale() {
    let mut world = World::in_flight();
    let before = Token { start: START - 1, ..token(1, 1) };
    assert_eq!(world.reply(1, before), ["1 answered LeaseLost"]);
    assert_eq!(world.renew(1, before), ["1 answered LeaseLost"]);
    assert_eq!(world.take_back(1, before), ["1 answered LeaseLost"]);
    assert!(world.report(before, 0.5).is_empty());
    assert_eq!(world.reply(1, token(1, 1)).last().unwrap(), "1 answered Settled");
}

#[test]
fn a_token_of_a_delivery_that_never_was_is_stale() {
    let mut world = World::in_flight();
    assert_eq!(world.reply(1, token(1, 2)), ["1 answered LeaseLost"]);
    assert_eq!(world.reply(1, token(2, 1)), ["1 answered LeaseLost"]);
}

#[test]
fn a_repeated_settlement_is_answered_the_same_and_changes_nothing() {
    let mut world = World::in_flight();
    world.reply(1, token(1, 1));
    assert_eq!(world.reply(11, token(1, 1)), ["11 answered Settled"]);
    assert_eq!(world.settle(11, token(1, 1), Settling::Fail(13)), ["11 answered Settled"]);
    assert_eq!(world.attach(8, 1)[1], "8 outcome 1 replied 42 after 1");
}

#[test]
fn every_settlement_is_answered_the_same_again_while_the_request_is_known() {
    let mut world = World::in_flight();
    world.retry(1, token(1, 1), None);
    assert_eq!(world.retry(1, token(1, 1), None), ["1 answered Settled"], "while it backs off");
    assert_eq!(world.pass(BACKED_OFF), ["1 delivery 1/2 attempt 2"], "one backoff, one delivery");
    assert_eq!(world.retry(1, token(1, 1), None), ["1 answered Settled"], "beside the next delivery");
    world.release(1, token(1, 2));
    world.pass(BACKED_OFF);
    world.reply(1, token(1, 3));
    for delivery in 1..=3 {
        assert_eq!(world.reply(1, token(1, delivery)), ["1 answered Settled"]);
    }
}

#[test]
fn what_is_due_comes_before_the_command() {
    let mut world = World::new();
    world.submit(9, 1);
    world.subscribe_by_lease(1, 1);
    world.credit(1, 0);
    world.now.time = world.now.time + LEASE;
    assert_eq!(world.reply(1, token(1, 1)), ["1 stop 1/1 LeaseLost", "1 answered LeaseLost"]);
}

#[test]
fn a_throttled_request_comes_back_uncounted_when_the_pause_is_over() {
    let mut world = World::in_flight();
    assert_eq!(world.throttle(1, token(1, 1), seconds(30)), ["1 answered Settled"]);
    assert_eq!(world.attach(8, 1), ["8 state 1 Waiting"]);
    assert!(world.pass(seconds(29)).is_empty());
    assert_eq!(world.pass(seconds(1)), ["1 delivery 1/2 attempt 1"]);
}

#[test]
fn throttling_is_limited_by_the_deadline_alone() {
    let mut world = World::with(|settings| settings.max_releases = 0);
    world.submit_with(9, 1, |submission| submission.deadline = Some(seconds(60)));
    world.subscribe(1, 1);
    for delivery in 1..=5 {
        assert_eq!(world.throttle(1, token(1, delivery), seconds(10)), ["1 answered Settled"]);
        assert_eq!(world.pass(seconds(10)), [format!("1 delivery 1/{} attempt 1", delivery + 1)]);
    }
    world.throttle(1, token(1, 6), seconds(60));
    assert_eq!(world.pass(seconds(10)), ["9 outcome 1 expired after 0", "post 1"]);
}

#[test]
fn what_a_stale_delivery_asked_for_is_counted() {
    let mut world = World::in_flight();
    world.gone(1);
    world.reply(11, token(1, 1));
    world.renew(11, token(1, 1));
    world.add_part(11, token(1, 1), 1, 1);
    world.report(token(1, 1), 0.5);
    assert_eq!(world.channel.figures().stale, 4);
    world.take_back(11, token(1, 1));
    world.reply(11, token(1, 1));
    world.reply(11, token(1, 1));
    assert_eq!(world.channel.figures().stale, 4, "a repeated settlement is not stale");
}
