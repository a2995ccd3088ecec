use super::*;

#[test]
fn a_request_that_waits_is_cancelled_at_once_and_everybody_who_follows_is_told() {
    let mut world = World::new();
    world.submit(9, 1);
    let told = world.cancel(8, 1);
    assert_eq!(told, ["9 outcome 1 cancelled after 0", "post 1", "8 cancelled Cancelled"]);
    assert!(world.subscribe(1, 1).is_empty());
}

#[test]
fn the_service_of_a_cancelled_request_is_told_to_stop() {
    let mut world = World::in_flight();
    let told = world.cancel(8, 1);
    assert_eq!(told, ["9 outcome 1 cancelled after 1", "post 1", "1 stop 1/1 Cancelled", "8 cancelled Cancelled"]);
}

#[test]
fn an_outcome_that_was_first_wins() {
    let mut world = World::in_flight();
    world.reply(1, token(1, 1));
    assert_eq!(world.cancel(8, 1), ["8 cancelled Ended(Replied)"]);
    assert_eq!(world.attach(8, 1)[1], "8 outcome 1 replied 42 after 1");
}

#[test]
fn a_cancelled_request_is_cancelled_once() {
    let mut world = World::new();
    world.submit(9, 1);
    world.cancel(8, 1);
    assert_eq!(world.cancel(8, 1), ["8 cancelled Ended(Cancelled)"]);
}

#[test]
fn an_unknown_ticket_cannot_be_cancelled() {
    let mut world = World::new();
    assert_eq!(world.cancel(8, 1), ["8 cancelled UnknownTicket"]);
}

#[test]
fn a_scheduled_request_is_cancelled_and_never_waits() {
    let mut world = World::new();
    world.subscribe(1, 1);
    world.submit_with(9, 1, |submission| submission.delay = seconds(10));
    assert_eq!(world.cancel(8, 1)[0], "9 outcome 1 cancelled after 0");
    assert!(world.pass(seconds(10)).is_empty());
}

#[test]
fn a_request_is_cancelled_while_it_backs_off() {
    let mut world = World::in_flight();
    world.retry(1, token(1, 1), None);
    assert_eq!(world.cancel(8, 1)[0], "9 outcome 1 cancelled after 1");
    assert!(world.pass(BACKED_OFF).is_empty());
}

#[test]
fn a_lost_delivery_of_a_cancelled_request_is_not_taken_back() {
    let mut world = World::in_flight();
    world.gone(1);
    assert_eq!(world.cancel(8, 1), ["9 outcome 1 cancelled after 1", "post 1", "8 cancelled Cancelled"]);
    assert_eq!(world.take_back(11, token(1, 1)), ["11 answered Cancelled"]);
}
