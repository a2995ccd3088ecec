use super::*;

/// The service of connection 1 holds request 1, which was cancelled; request 2 waits for a place.
fn stopping_with(change: impl FnOnce(&mut Settings)) -> World {
    let mut world = World::with(|settings| {
        settings.max_in_flight = Some(1);
        change(settings);
    });
    world.submit(9, 1);
    world.submit(9, 2);
    world.heard(1);
    world.subscribe(1, 2);
    assert_eq!(world.cancel(8, 1).last().unwrap(), "8 cancelled Cancelled");
    world
}

fn stopping() -> World {
    stopping_with(|_| ())
}

#[test]
fn a_stopping_delivery_keeps_its_place_until_the_service_says_stopped() {
    let mut world = stopping();
    assert_eq!(world.channel.figures().in_flight, 1);
    assert_eq!(world.stopped(token(1, 1)), ["1 delivery 2/1 attempt 1"]);
}

#[test]
fn a_stopping_delivery_uses_its_services_credit() {
    let mut world = stopping_with(|settings| settings.max_in_flight = None);
    assert_eq!(world.credit(1, 1), Vec::<String>::new());
    world.submit(9, 3);
    world.reply(1, token(2, 1));
    assert_eq!(world.attach(8, 3), ["8 state 3 Waiting"], "it holds one");
    assert_eq!(world.stopped(token(1, 1)), ["1 delivery 3/1 attempt 1"]);
}

#[test]
fn a_settlement_of_a_stopping_delivery_is_stale_and_frees_its_place() {
    let mut world = stopping();
    assert_eq!(world.reply(1, token(1, 1)), ["1 answered Cancelled", "1 delivery 2/1 attempt 1"]);
    assert_eq!(world.channel.figures().stale, 1);
    assert_eq!(world.attach(8, 1)[1], "8 outcome 1 cancelled after 1");
}

#[test]
fn a_stopping_delivery_keeps_its_place_until_its_lease_ends_which_nothing_renews() {
    let mut world = stopping();
    world.pass(LEASE - seconds(1));
    world.heard(1);
    assert_eq!(world.renew(1, token(1, 1)), ["1 answered Cancelled"]);
    assert_eq!(world.pass(seconds(1)), ["1 delivery 2/1 attempt 1"]);
}

#[test]
fn over_a_connection_that_is_never_silent_it_keeps_its_place_until_that_is_gone() {
    let mut world = World::with(|settings| settings.max_in_flight = Some(1));
    world.submit(9, 1);
    world.submit(9, 2);
    world.subscribe(1, 1);
    world.subscribe(2, 1);
    world.cancel(8, 1);
    assert!(world.pass(100 * LEASE).is_empty());
    assert_eq!(world.gone(1), ["2 delivery 2/1 attempt 1"]);
}

#[test]
fn a_stopping_delivery_ends_with_its_subscription() {
    let mut world = stopping();
    world.subscribe(2, 1);
    assert_eq!(world.unsubscribe(1), ["2 delivery 2/1 attempt 1"]);
}

#[test]
fn a_stopping_delivery_by_lease_alone_keeps_its_place_when_its_connection_is_gone() {
    let mut world = World::with(|settings| settings.max_in_flight = Some(1));
    world.submit(9, 1);
    world.submit(9, 2);
    world.subscribe_by_lease(1, 1);
    world.subscribe(2, 1);
    world.cancel(8, 1);
    assert!(world.gone(1).is_empty());
    assert_eq!(world.pass(LEASE), ["2 delivery 2/1 attempt 1"]);
}

#[test]
fn what_was_lost_when_it_was_cancelled_keeps_its_place_until_its_backoff_would_be_over() {
    let mut world = World::with(|settings| settings.max_in_flight = Some(1));
    world.submit(9, 1);
    world.submit(9, 2);
    world.subscribe(1, 1);
    world.subscribe(2, 1);
    world.gone(1);
    assert_eq!(world.cancel(8, 1).last().unwrap(), "8 cancelled Cancelled");
    assert!(world.pass(BACKOFF - Duration::from_millis(1)).is_empty());
    assert_eq!(world.pass(BACKOFF), ["2 delivery 2/1 attempt 1"]);
}

#[test]
fn a_stopping_delivery_is_answered_what_became_of_its_request() {
    let mut world = stopping();
    assert_eq!(world.renew(1, token(1, 1)), ["1 answered Cancelled"]);
    assert_eq!(world.take_back(1, token(1, 1)), ["1 answered Cancelled"]);
    assert_eq!(world.add_part(1, token(1, 1), 1, 1), ["1 answered Cancelled"]);
    assert!(world.report(token(1, 1), 0.5).is_empty());
    assert_eq!(world.channel.figures().stale, 1, "its progress");
}

#[test]
fn who_says_stopped_of_something_else_changes_nothing() {
    let mut world = stopping();
    assert!(world.stopped(token(1, 2)).is_empty());
    assert!(world.stopped(token(2, 1)).is_empty());
    assert!(world.stopped(Token { start: START - 1, ..token(1, 1) }).is_empty());
    assert_eq!(world.channel.figures().in_flight, 1);
}

#[test]
fn who_says_stopped_of_a_delivery_that_goes_on_changes_nothing() {
    let mut world = World::in_flight();
    assert!(world.stopped(token(1, 1)).is_empty());
    assert_eq!(world.reply(1, token(1, 1))[0], "9 outcome 1 replied 42 after 1");
}
