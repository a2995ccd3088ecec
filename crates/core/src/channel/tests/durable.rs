use super::*;

fn spends_before_keeping(effects: &[Effect<Numbers>]) -> bool {
    let at = |which: fn(&What<Numbers>) -> bool| effects.iter().position(|effect| which(&effect.what)).unwrap();
    at(|what| matches!(what, What::Spend { .. })) < at(|what| matches!(what, What::Keep(_)))
}

#[test]
fn a_channel_in_memory_keeps_no_records() {
    let mut world = World::in_flight();
    world.retry(1, token(1, 1), None);
    world.pass(BACKED_OFF);
    world.add_part(1, token(1, 2), 1, 1);
    let told = world.settle(1, token(1, 2), Settling::Reject(13));
    assert!(told.iter().all(|line| !line.starts_with("keep")));
    assert_eq!(world.last_change, Change::default());
}

#[test]
fn an_acceptance_is_kept_before_it_is_told() {
    let mut world = World::durable();
    assert_eq!(world.submit(9, 1), ["keep accept 1 order 0", "9 accepted 1 services 0"]);
    assert_eq!(world.submit(9, 1), ["9 accepted 1 services 0"], "it is kept once");
    assert_eq!(world.submit(9, 2)[0], "keep accept 2 order 1");
}

#[test]
fn everything_that_was_accepted_is_kept() {
    let mut world = World::durable();
    let key = Key { requester: None, text: "k".into(), fingerprint: 1 };
    let effects = world.submit_for_effects(9, 1, |submission| {
        submission.bytes = 10;
        submission.priority = 7;
        submission.deadline = Some(seconds(60));
        submission.key = Some(key.clone());
    });
    let What::Keep(Record::Accept(accepted)) = &effects[0].what else { panic!("expected a record, got {effects:?}") };
    let now = world.now.time;
    assert_eq!((accepted.id, &accepted.requester), (request(1), &requester("consumer")));
    assert_eq!((accepted.bytes, accepted.priority, accepted.key.as_ref()), (10, 7, Some(&key)));
    assert_eq!((accepted.accepted, accepted.deadline, accepted.redrive_of), (now, now + seconds(60), None));
}

#[test]
fn a_refusal_is_nothing_that_is_kept() {
    let mut world = World::with(|settings| {
        settings.is_durable = true;
        settings.capacity = 0;
    });
    assert_eq!(world.submit(9, 1), ["9 refused 1 channel_full"]);
}

#[test]
fn the_end_of_a_delay_is_kept() {
    let mut world = World::durable();
    let told = world.submit_with(9, 1, |submission| submission.delay = seconds(60));
    assert_eq!(told[0], "keep accept 1 until 1060s");
    assert_eq!(world.pass(seconds(60)), ["keep move 1 order 0 deliveries 0/0/0"]);
}

#[test]
fn an_attempt_is_kept_when_it_is_settled_for_another() {
    let mut world = World::durable_in_flight();
    let told = world.retry(1, token(1, 1), None);
    assert_eq!(told, ["keep move 1 order 0 until 1001s deliveries 1/1/0 last 13", "1 answered Settled"]);
    assert_eq!(world.pass(BACKED_OFF), ["1 delivery 1/2 attempt 2"], "the end of the backoff is no record");
}

#[test]
fn a_release_is_kept() {
    let mut world = World::durable_in_flight();
    let told = world.release(1, token(1, 1));
    assert_eq!(told, ["keep move 1 order 0 until 1001s deliveries 1/0/1", "1 answered Settled"]);
}

#[test]
fn what_is_given_back_is_kept() {
    let mut world = World::durable_in_flight();
    let told = world.throttle(1, token(1, 1), seconds(60));
    assert_eq!(told, ["keep move 1 order 0 deliveries 1/0/0", "1 answered Settled"]);
    world.pass(seconds(60));
    assert_eq!(world.unsubscribe(1), ["keep move 1 order 0 deliveries 2/0/0"]);
}

#[test]
fn a_lost_delivery_is_kept_when_it_is_given_up() {
    let mut world = World::durable_in_flight();
    assert!(world.gone(1).is_empty(), "it may be taken back");
    assert_eq!(world.pass(BACKED_OFF), ["keep move 1 order 0 deliveries 1/1/0"]);
}

#[test]
fn what_a_service_shows_of_its_life_is_nothing_that_is_kept() {
    let mut world = World::durable_in_flight();
    assert_eq!(world.renew(1, token(1, 1)), ["1 answered Renewed"]);
    assert_eq!(world.report(token(1, 1), 0.5), ["9 progress 1 0.5"]);
    world.gone(1);
    assert_eq!(world.take_back(11, token(1, 1)), ["11 answered TakenBack"]);
}

#[test]
fn an_outcome_is_kept_before_anybody_is_told() {
    let mut world = World::durable_in_flight();
    let told = world.reply(1, token(1, 1));
    assert_eq!(
        told,
        [
            "keep end 1 replied 42 after 1 deliveries 1 by 7/1",
            "9 outcome 1 replied 42 after 1",
            "post 1",
            "1 answered Settled"
        ]
    );
}

#[test]
fn an_outcome_that_no_service_gave_was_settled_by_none() {
    let mut world = World::durable_in_flight();
    world.submit_with(9, 2, |submission| submission.deadline = Some(seconds(60)));
    assert_eq!(world.cancel(9, 1)[0], "keep end 1 cancelled after 1 deliveries 1");
    assert_eq!(world.pass(seconds(60))[0], "keep end 2 expired after 0 deliveries 0");
}

#[test]
fn a_settlement_that_uses_the_attempts_up_is_the_one_that_settled() {
    let mut world = World::with(|settings| {
        settings.is_durable = true;
        settings.max_attempts = 1;
    });
    world.submit(9, 1);
    world.subscribe(1, 1);
    let told = world.retry(1, token(1, 1), None);
    assert_eq!(told[0], "keep end 1 dead attempts_exhausted last 13 after 1 deliveries 1 by 7/1");
}

#[test]
fn an_acknowledged_request_is_forgotten_in_one_record() {
    let mut world = World::durable_in_flight();
    world.add_part(1, token(1, 1), 1, 1);
    world.reply(1, token(1, 1));
    assert_eq!(world.acknowledge(9, 1), ["keep forget 1", "unpost 1", "9 acknowledged Done"]);
}

#[test]
fn an_outcome_whose_retention_has_passed_is_forgotten() {
    let mut world = World::durable_in_flight();
    world.reply(1, token(1, 1));
    assert_eq!(world.pass(RETENTION), ["keep forget 1", "unpost 1"]);
}

#[test]
fn what_a_follower_is_told_of_parts_that_go_comes_after_their_record() {
    let mut world = World::durable_in_flight();
    world.follow_parts(9, 1, (0, 0), 0);
    world.add_part(1, token(1, 1), 1, 1);
    world.reply(1, token(1, 1));
    let told = world.acknowledge(9, 1);
    assert_eq!(
        told,
        ["keep forget 1", "9 parts from 1 1/2", "9 outcome 1 replied 42 after 1", "unpost 1", "9 acknowledged Done"]
    );
}

#[test]
fn parts_are_kept_and_go_with_their_acknowledgement() {
    let mut world = World::durable_in_flight();
    assert_eq!(world.add_part(1, token(1, 1), 1, 6), ["keep add part 1 1/1 1 of 6", "1 answered PartKept"]);
    assert_eq!(world.add_part(1, token(1, 1), 1, 6), ["1 answered PartKept"], "it is kept once");
    assert_eq!(world.add_part(1, token(1, 1), 2, 6), ["1 answered PartsFull"]);
    world.add_part(1, token(1, 1), 2, 4);
    assert_eq!(world.acknowledge_parts(1, 1, 1), ["keep drop parts 1 1/1"]);
    assert!(world.acknowledge_parts(1, 1, 1).is_empty());
}

#[test]
fn the_number_of_a_delivery_outlives_its_last_part() {
    let mut world = World::durable_in_flight();
    world.add_part(1, token(1, 1), 1, 6);
    let told = world.acknowledge_parts(1, 1, 1);
    assert_eq!(told, ["keep move 1 order 0 deliveries 1/0/0", "keep drop parts 1 1/1"], "and it does not count yet");
}

#[test]
fn parts_that_go_for_room_go_before_the_one_that_comes() {
    let mut world = World::durable();
    world.submit_one_way(9, 1);
    world.subscribe(1, 1);
    world.add_part(1, token(1, 1), 1, 4);
    world.add_part(1, token(1, 1), 2, 4);
    let told = world.add_part(1, token(1, 1), 3, 8);
    assert_eq!(told, ["keep drop parts 1 1/2", "keep add part 1 1/3 3 of 8", "1 answered PartKept"]);
}

#[test]
fn a_redriven_request_comes_before_its_letter_goes() {
    let mut world = World::durable_in_flight();
    let told = world.settle(1, token(1, 1), Settling::Reject(13));
    assert_eq!(told[0], "keep end 1 dead rejected last 13 after 1 deliveries 1 by 7/1");
    world.credit(1, 0);
    assert_eq!(world.redrive(8, 1, 50), ["keep accept 50 order 1", "keep exhume 1", "8 redriven as 50"]);
}

#[test]
fn a_letter_that_goes_is_told_whyever_it_goes() {
    let mut world = World::with(|settings| {
        settings.is_durable = true;
        settings.max_dead_letters = 1;
        settings.dead_letter_age = seconds(100);
    });
    world.subscribe(1, 1);
    world.submit(9, 1);
    world.settle(1, token(1, 1), Settling::Reject(13));
    world.submit(9, 2);
    let told = world.settle(1, token(2, 1), Settling::Reject(13));
    assert_eq!(told[..2], ["keep end 2 dead rejected last 13 after 1 deliveries 1 by 7/1", "keep exhume 1"]);
    assert_eq!(world.purge(8, 2), ["keep exhume 2", "8 purged true"]);
    assert_eq!(world.purge(8, 2), ["8 purged false"]);
    world.submit(9, 3);
    world.settle(1, token(3, 1), Settling::Reject(13));
    assert_eq!(world.pass(seconds(100)), ["keep exhume 3"]);
}

#[test]
fn a_payload_is_spent_only_after_the_record_that_spends_it() {
    let mut world = World::durable_in_flight();
    let (peer, call) = (world.peer(1), Call(0));
    let reply = Command::Settle { peer, call, token: token(1, 1), settlement: Settling::Reply(42) };
    assert!(!spends_before_keeping(&world.effects(reply)));
}

#[test]
fn the_place_that_was_set_aside_is_given_back_itself() {
    let unposted = |with_key: bool| {
        let mut world = World::durable();
        world.submit_with(9, 1, |submission| {
            submission.place = TestPlace::new(true);
            submission.key = with_key.then(|| Key { requester: None, text: "k".into(), fingerprint: 1 });
        });
        world.subscribe(1, 1);
        world.reply(1, token(1, 1));
        let (peer, requester) = (world.peer(9), requester("consumer"));
        let effects =
            world.effects(Command::Acknowledge { peer, call: Call(0), id: request(1), requester, ticket: None });
        effects.iter().filter(|effect| matches!(&effect.what, What::Unpost { place, .. } if place.is_original)).count()
    };
    assert_eq!((unposted(false), unposted(true)), (1, 1));
}
