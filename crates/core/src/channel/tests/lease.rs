use super::*;

/// Request 1 with the service of connection 1, which was heard just now.
fn in_flight() -> World {
    let mut world = World::new();
    world.heard(1);
    world.submit(9, 1);
    assert_eq!(world.subscribe(1, 1), ["1 delivery 1/1 attempt 1"]);
    world
}

fn in_flight_by_lease() -> World {
    let mut world = World::new();
    world.submit(9, 1);
    assert_eq!(world.subscribe_by_lease(1, 1), ["1 delivery 1/1 attempt 1"]);
    world
}

#[test]
fn a_silent_connection_loses_its_deliveries_when_the_lease_ends() {
    let mut world = in_flight();
    world.credit(1, 0);
    assert!(world.pass(LEASE - seconds(1)).is_empty());
    assert_eq!(world.pass(seconds(1)), ["1 stop 1/1 LeaseLost"]);
    assert_eq!(world.attach(8, 1), ["8 state 1 BackingOff"]);
    assert_eq!(world.reply(1, token(1, 1)), ["1 answered LeaseLost"]);
}

#[test]
fn whatever_is_heard_from_a_connection_renews_what_it_holds() {
    let mut world = in_flight();
    for _ in 0..5 {
        assert!(world.pass(LEASE - seconds(1)).is_empty());
        world.heard(1);
    }
    assert!(world.pass(LEASE - seconds(1)).is_empty());
    assert_eq!(world.pass(seconds(1)), ["1 stop 1/1 LeaseLost"], "a lease after the last sign of life");
}

#[test]
fn a_lease_begins_when_the_delivery_is_handed_over() {
    let mut world = World::new();
    world.heard(1);
    world.subscribe(1, 1);
    world.pass(seconds(8));
    world.submit(9, 1);
    assert!(world.pass(LEASE - seconds(1)).is_empty(), "though the connection was last heard before");
    assert_eq!(world.pass(seconds(1)), ["1 stop 1/1 LeaseLost"]);
}

#[test]
fn a_connection_that_lives_until_it_is_gone_needs_no_sign_of_life() {
    let mut world = World::new();
    world.submit(9, 1);
    world.subscribe(1, 1);
    assert_eq!(world.channel.next_deadline(), Some(world.now.time + DEADLINE), "only the request's own");
    assert!(world.pass(100 * LEASE).is_empty());
}

#[test]
fn a_lease_alone_is_not_renewed_by_its_connection() {
    let mut world = in_flight_by_lease();
    assert_eq!(world.peer(1).last_heard(), Time::NEVER);
    assert_eq!(world.pass(LEASE), ["1 stop 1/1 LeaseLost"]);
}

#[test]
fn a_lease_alone_is_renewed_by_its_token_over_any_connection() {
    let mut world = in_flight_by_lease();
    for _ in 0..3 {
        world.pass(LEASE - seconds(1));
        assert_eq!(world.renew(2, token(1, 1)), ["2 answered Renewed"]);
    }
    assert!(world.pass(LEASE - seconds(1)).is_empty());
    assert_eq!(world.reply(3, token(1, 1)).last().unwrap(), "3 answered Settled");
}

#[test]
fn the_end_of_a_connection_does_nothing_to_a_lease_alone() {
    let mut world = in_flight_by_lease();
    assert!(world.gone(1).is_empty());
    assert_eq!(world.attach(8, 1), ["8 state 1 in flight 1 attempt 1"]);
    assert_eq!(world.renew(2, token(1, 1)), ["2 answered Renewed"]);
    assert!(world.pass(LEASE).is_empty(), "nobody is there to be told");
    assert_eq!(world.attach(8, 1), ["8 state 1 BackingOff"]);
}

#[test]
fn a_lost_lease_alone_is_taken_back_by_whoever_shows_its_token() {
    let mut world = in_flight_by_lease();
    world.gone(1);
    world.pass(LEASE);
    assert_eq!(world.take_back(2, token(1, 1)), ["2 answered TakenBack"]);
    assert_eq!(world.attach(8, 1), ["8 state 1 in flight 1 attempt 1"]);
}

#[test]
fn a_lease_alone_that_another_connection_takes_is_stopped_on_the_former() {
    let mut world = in_flight_by_lease();
    assert_eq!(world.take_back(2, token(1, 1)), ["1 stop 1/1 LeaseLost", "2 answered TakenBack"]);
    assert_eq!(world.take_back(2, token(1, 1)), ["2 answered TakenBack"], "it has it already");
    assert_eq!(world.channel.figures().in_flight, 1);
    world.submit(9, 2);
    assert_eq!(world.credit(1, 1), Vec::<String>::new(), "and the former has its credit for another");
    assert_eq!(world.attach(8, 2), ["8 state 2 in flight 1 attempt 1"]);
}

#[test]
fn a_lost_connection_loses_its_deliveries_at_once() {
    let mut world = in_flight();
    assert!(world.gone(1).is_empty());
    assert_eq!(world.attach(8, 1), ["8 state 1 BackingOff"]);
    assert_eq!(world.channel.figures(), Figures { open: 1, in_flight: 1, ..Figures::default() });
}

#[test]
fn a_lost_delivery_is_taken_back_by_its_service_and_goes_on_as_the_same_attempt() {
    let mut world = in_flight();
    world.subscribe(2, 1);
    world.gone(1);
    assert_eq!(world.take_back(11, token(1, 1)), ["11 answered TakenBack"]);
    assert!(world.pass(BACKED_OFF).is_empty(), "nobody else gets it");
    assert_eq!(world.reply(11, token(1, 1)), ["9 outcome 1 replied 42 after 1", "post 1", "11 answered Settled"]);
}

#[test]
fn until_it_is_taken_back_nothing_is_accepted_from_a_lost_delivery() {
    let mut world = in_flight();
    world.gone(1);
    assert_eq!(world.reply(11, token(1, 1)), ["11 answered LeaseLost"]);
    assert_eq!(world.renew(11, token(1, 1)), ["11 answered LeaseLost"]);
    assert!(world.report(token(1, 1), 0.5).is_empty());
    assert_eq!(world.take_back(11, token(1, 1)), ["11 answered TakenBack"]);
}

#[test]
fn another_service_cannot_take_a_lost_delivery() {
    let mut world = in_flight();
    assert_eq!(world.take_back(2, token(1, 1)), ["2 answered LeaseLost"], "nor one that is held");
    world.gone(1);
    assert_eq!(world.take_back(2, token(1, 1)), ["2 answered LeaseLost"]);
    let peer = world.peer(11);
    let service = ServiceInstance { service: ServiceNumber(2), ..service_of(11) };
    let told = world.ask(Command::TakeBack { peer, call: Call(0), service, token: token(1, 1) });
    assert_eq!(told, ["11 answered LeaseLost"], "another service of the same client is another service");
}

#[test]
fn a_delivery_moves_to_a_new_connection_before_the_end_of_the_old_is_known() {
    let mut world = in_flight();
    assert_eq!(world.take_back(11, token(1, 1)), ["1 stop 1/1 LeaseLost", "11 answered TakenBack"]);
    assert!(world.gone(1).is_empty());
    assert_eq!(world.attach(8, 1), ["8 state 1 in flight 1 attempt 1"]);
    assert_eq!(world.reply(11, token(1, 1)).last().unwrap(), "11 answered Settled");
}

#[test]
fn what_was_taken_back_uses_credit() {
    let mut world = in_flight();
    world.gone(1);
    world.take_back(11, token(1, 1));
    world.submit(9, 2);
    assert!(world.subscribe(11, 1).is_empty());
    assert_eq!(world.reply(11, token(1, 1)).last().unwrap(), "11 delivery 2/1 attempt 1");
}

#[test]
fn who_took_back_and_never_subscribed_is_no_service() {
    let mut world = in_flight();
    world.gone(1);
    world.take_back(11, token(1, 1));
    assert_eq!(world.channel.figures().services, 0);
    world.submit(9, 2);
    assert!(world.credit(11, 5).is_empty());
    world.reply(11, token(1, 1));
    world.subscribe(2, 1);
    world.reply(2, token(2, 1));
    world.unsubscribe(2);
    world.acknowledge(9, 1);
    world.acknowledge(9, 2);
    assert!(world.channel.is_idle(), "nothing is left of it");
}

#[test]
fn what_was_taken_back_is_lost_again_with_its_new_connection() {
    let mut world = in_flight();
    world.gone(1);
    world.take_back(11, token(1, 1));
    world.gone(11);
    assert_eq!(world.attach(8, 1), ["8 state 1 BackingOff"]);
    assert_eq!(world.take_back(21, token(1, 1)), ["21 answered TakenBack"]);
}

#[test]
fn what_nobody_takes_back_is_given_up_after_the_backoff_and_delivered_again() {
    let mut world = in_flight();
    world.subscribe(2, 1);
    world.gone(1);
    assert!(world.pass(BACKOFF - Duration::from_millis(1)).is_empty());
    assert_eq!(world.pass(BACKOFF), ["2 delivery 1/2 attempt 2"]);
    assert_eq!(world.take_back(11, token(1, 1)), ["11 answered LeaseLost"]);
    assert_eq!(world.reply(11, token(1, 1)), ["11 answered LeaseLost"]);
}

#[test]
fn what_was_given_up_waits_for_a_service_and_is_not_taken_back() {
    let mut world = in_flight();
    let deadline = world.now.time + DEADLINE;
    world.gone(1);
    world.pass(BACKED_OFF);
    assert_eq!(world.attach(8, 1), ["8 state 1 Waiting"]);
    assert_eq!(world.take_back(11, token(1, 1)), ["11 answered LeaseLost"]);
    assert_eq!(world.channel.next_deadline(), Some(deadline), "only the request's own");
}

#[test]
fn a_request_whose_services_all_die_is_dead_after_max_attempts() {
    let mut world = World::new();
    world.submit(9, 1);
    for delivery in 1..=3 {
        assert_eq!(world.subscribe(1, 1), [format!("1 delivery 1/{delivery} attempt {delivery}")]);
        assert!(world.gone(1).is_empty());
        let told = world.pass(BACKED_OFF);
        let dead = ["9 outcome 1 dead attempts_exhausted after 3", "post 1"];
        assert_eq!(told, if delivery < 3 { &dead[..0] } else { &dead[..] });
    }
    assert!(world.subscribe(1, 1).is_empty());
}

#[test]
fn the_last_attempt_may_be_taken_back_too() {
    let mut world = World::with(|settings| settings.max_attempts = 1);
    world.submit(9, 1);
    world.subscribe(1, 1);
    world.gone(1);
    assert_eq!(world.take_back(11, token(1, 1)), ["11 answered TakenBack"]);
    assert_eq!(world.reply(11, token(1, 1))[0], "9 outcome 1 replied 42 after 1");
}

#[test]
fn a_settlement_that_had_arrived_is_told_to_who_takes_back() {
    let mut world = in_flight();
    world.reply(1, token(1, 1));
    world.gone(1);
    assert_eq!(world.take_back(11, token(1, 1)), ["11 answered Settled"]);
}

#[test]
fn a_silent_service_takes_back_over_the_same_connection() {
    let mut world = in_flight();
    world.credit(1, 0);
    world.pass(LEASE);
    world.heard(1);
    assert_eq!(world.take_back(1, token(1, 1)), ["1 answered TakenBack"]);
    assert!(world.pass(LEASE - seconds(1)).is_empty(), "with a new lease");
}
