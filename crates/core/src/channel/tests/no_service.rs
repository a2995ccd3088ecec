use super::*;

fn refusing() -> World {
    World::with(|settings| settings.no_service = NoService::Refuse)
}

#[test]
fn a_request_waits_for_a_service_if_nothing_else_is_set() {
    let mut world = World::new();
    assert_eq!(world.submit(9, 1), ["9 accepted 1 services 0"]);
    assert_eq!(world.subscribe(1, 1), ["1 delivery 1/1 attempt 1"]);
}

#[test]
fn without_a_service_a_channel_that_refuses_refuses_at_once_and_keeps_nothing() {
    let mut world = refusing();
    assert_eq!(world.submit(9, 1), ["9 refused 1 no_service"]);
    assert_eq!(world.attach(9, 1), ["9 refused 1 unknown_ticket"]);
    assert!(world.channel.is_idle());
}

#[test]
fn a_service_without_credit_is_a_service() {
    let mut world = refusing();
    world.subscribe(1, 0);
    assert_eq!(world.submit(9, 1), ["9 accepted 1 services 1"]);
}

#[test]
fn what_was_accepted_stays_when_the_last_service_goes() {
    let mut world = refusing();
    world.subscribe(1, 0);
    world.submit(9, 1);
    world.unsubscribe(1);
    assert_eq!(world.submit(9, 2), ["9 refused 2 no_service"]);
    assert_eq!(world.submit(19, 1), ["19 accepted 1 services 0"], "the same request is no new one");
    assert_eq!(world.attach(8, 1), ["8 state 1 Waiting"]);
}

#[test]
fn who_took_back_and_never_subscribed_is_no_service() {
    let mut world = refusing();
    world.subscribe(1, 1);
    world.submit(9, 1);
    world.gone(1);
    world.take_back(11, token(1, 1));
    assert_eq!(world.submit(9, 2), ["9 refused 2 no_service"]);
}
