use super::*;

/// Request 1, which expires in a minute, with the service of connection 1.
fn in_flight_for_a_minute() -> World {
    let mut world = World::new();
    world.submit_with(9, 1, |submission| submission.deadline = Some(seconds(60)));
    world.subscribe(1, 1);
    world
}

fn remaining(effects: &[Effect<Numbers>]) -> Option<Duration> {
    effects.iter().find_map(|effect| match &effect.what {
        What::Tell { tell: Tell::Delivery { remaining, .. }, .. } => Some(*remaining),
        What::Tell { tell: Tell::State { remaining, .. }, .. } => *remaining,
        _ => None,
    })
}

#[test]
fn a_request_that_waits_expires_at_its_deadline() {
    let mut world = World::new();
    world.submit_with(9, 1, |submission| submission.deadline = Some(seconds(60)));
    assert!(world.pass(seconds(59)).is_empty());
    assert_eq!(world.pass(seconds(1)), ["9 outcome 1 expired after 0", "post 1"]);
    assert!(world.subscribe(1, 1).is_empty(), "never past the deadline");
}

#[test]
fn a_request_without_a_deadline_has_the_channels() {
    let mut world = World::with(|settings| settings.default_deadline = seconds(30));
    world.submit(9, 1);
    assert!(world.pass(seconds(29)).is_empty());
    assert_eq!(world.pass(seconds(1)), ["9 outcome 1 expired after 0", "post 1"]);
}

#[test]
fn a_deadline_of_nothing_is_invalid() {
    let mut world = World::new();
    let told = world.submit_with(9, 1, |submission| submission.deadline = Some(Duration::ZERO));
    assert_eq!(told, ["9 refused 1 invalid"]);
    assert_eq!(world.attach(9, 1), ["9 refused 1 unknown_ticket"]);
}

#[test]
fn the_service_of_an_expired_request_is_told_to_stop() {
    let mut world = in_flight_for_a_minute();
    let told = world.pass(seconds(60));
    assert_eq!(told, ["9 outcome 1 expired after 1", "post 1", "1 stop 1/1 Expired"]);
    assert_eq!(world.reply(1, token(1, 1)), ["1 answered Expired"]);
}

#[test]
fn a_request_expires_while_it_backs_off() {
    let mut world = in_flight_for_a_minute();
    world.retry(1, token(1, 1), Some(seconds(100)));
    assert_eq!(world.pass(seconds(60)), ["9 outcome 1 expired after 1", "post 1"]);
    assert!(world.pass(seconds(100)).is_empty(), "and does not come back");
}

#[test]
fn a_request_expires_while_its_delivery_is_lost() {
    let mut world = World::with(|settings| {
        settings.backoff_first = seconds(120);
        settings.backoff_max = seconds(120);
    });
    world.submit_with(9, 1, |submission| submission.deadline = Some(seconds(60)));
    world.subscribe(1, 1);
    world.gone(1);
    assert_eq!(world.pass(seconds(60)), ["9 outcome 1 expired after 1", "post 1"]);
    assert_eq!(world.take_back(11, token(1, 1)), ["11 answered Expired"]);
}

#[test]
fn nothing_settles_after_its_deadline() {
    let mut world = in_flight_for_a_minute();
    world.now.time = world.now.time + seconds(60);
    let told = world.reply(1, token(1, 1));
    assert_eq!(told, ["9 outcome 1 expired after 1", "post 1", "1 stop 1/1 Expired", "1 answered Expired"]);
}

#[test]
fn a_deadline_that_is_due_goes_before_anything_else_of_its_request() {
    let mut world = World::new();
    world.submit_with(9, 1, |submission| submission.deadline = Some(seconds(60)));
    world.subscribe_by_lease(1, 1);
    world.now.time = world.now.time + seconds(60);
    let told = world.resume(1);
    assert_eq!(told, ["9 outcome 1 expired after 1", "post 1", "1 stop 1/1 Expired"], "though its lease ended before");
}

#[test]
fn the_service_and_whoever_attaches_see_what_remains() {
    let mut world = World::new();
    world.submit_with(9, 1, |submission| submission.deadline = Some(seconds(60)));
    world.pass(seconds(20));
    let (peer, service) = (world.peer(1), service_of(1));
    let subscribe = Command::Subscribe { peer, service, credit: 1, hold: Hold::Connection, lease: LEASE };
    assert_eq!(remaining(&world.effects(subscribe)), Some(seconds(40)));
    world.pass(seconds(5));
    let peer = world.peer(8);
    let attach = Command::Attach { peer, ticket: TicketNumber(1), id: request(1) };
    assert_eq!(remaining(&world.effects(attach)), Some(seconds(35)));
}

#[test]
fn what_has_its_outcome_does_not_expire() {
    let mut world = in_flight_for_a_minute();
    world.reply(1, token(1, 1));
    assert!(world.pass(seconds(60)).is_empty());
    assert_eq!(world.attach(8, 1)[0], "8 state 1 ended replied");
}

#[test]
fn renewal_ends_at_the_attempt_timeout() {
    let mut world = World::with(|settings| settings.attempt_timeout = Some(seconds(25)));
    world.submit(9, 1);
    world.subscribe_by_lease(1, 1);
    for _ in 0..4 {
        world.pass(seconds(6));
        assert_eq!(world.renew(1, token(1, 1)), ["1 answered Renewed"]);
    }
    assert_eq!(world.pass(seconds(1)), ["1 stop 1/1 AttemptTimeout"]);
    assert_eq!(world.renew(1, token(1, 1)), ["1 answered LeaseLost"]);
}

#[test]
fn what_took_too_long_is_counted_and_comes_back_and_is_not_taken_back() {
    let mut world = World::with(|settings| settings.attempt_timeout = Some(seconds(25)));
    world.submit(9, 1);
    world.subscribe(1, 1);
    assert_eq!(world.pass(seconds(25)), ["1 stop 1/1 AttemptTimeout"]);
    assert_eq!(world.take_back(1, token(1, 1)), ["1 answered LeaseLost"]);
    assert_eq!(world.pass(BACKED_OFF), ["1 delivery 1/2 attempt 2"]);
}

#[test]
fn what_was_lost_is_taken_back_until_the_attempt_timeout_only() {
    let mut world = World::with(|settings| {
        settings.attempt_timeout = Some(seconds(1));
        settings.backoff_first = seconds(5);
        settings.backoff_max = seconds(5);
    });
    world.submit(9, 1);
    world.subscribe(1, 1);
    world.gone(1);
    assert_eq!(world.take_back(11, token(1, 1)), ["11 answered TakenBack"]);
    world.gone(11);
    world.pass(seconds(1));
    assert_eq!(world.take_back(21, token(1, 1)), ["21 answered LeaseLost"]);
}
