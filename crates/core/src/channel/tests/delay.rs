use super::*;

#[test]
fn a_delayed_request_waits_only_after_its_delay() {
    let mut world = World::new();
    world.subscribe(1, 1);
    assert_eq!(world.submit_with(9, 1, |submission| submission.delay = seconds(10)), ["9 accepted 1 services 1"]);
    assert!(world.pass(seconds(9)).is_empty());
    assert_eq!(world.attach(8, 1), ["8 state 1 scheduled"]);
    assert_eq!(world.channel.figures().scheduled, 1);
    assert_eq!(world.pass(seconds(1)), ["1 delivery 1/1 attempt 1"]);
}

#[test]
fn the_state_tells_how_long_a_delay_is_still() {
    let mut world = World::new();
    world.submit_with(9, 1, |submission| submission.delay = seconds(10));
    world.pass(seconds(4));
    let peer = world.peer(8);
    let effects = world.effects(Command::Attach { peer, ticket: TicketNumber(1), id: request(1) });
    let What::Tell { tell: Tell::State { state, .. }, .. } = &effects[0].what else {
        panic!("expected a state, got {effects:?}");
    };
    assert_eq!(*state, RequestState::Scheduled { in_ms: 6_000 });
}

#[test]
fn a_delayed_request_goes_to_the_end_of_the_queue() {
    let mut world = World::new();
    world.submit_with(9, 1, |submission| submission.delay = seconds(10));
    world.submit(9, 2);
    world.pass(seconds(10));
    world.submit(9, 3);
    let told = world.subscribe(1, 3);
    assert_eq!(told, ["1 delivery 2/1 attempt 1", "1 delivery 1/1 attempt 1", "1 delivery 3/1 attempt 1"]);
}

#[test]
fn a_delay_that_is_not_shorter_than_the_deadline_is_invalid() {
    let mut world = World::new();
    let told = world.submit_with(9, 1, |submission| {
        submission.delay = seconds(10);
        submission.deadline = Some(seconds(10));
    });
    assert_eq!(told, ["9 refused 1 invalid"]);
}

#[test]
fn a_deadline_counts_from_acceptance_and_a_default_one_from_the_end_of_the_delay() {
    let mut world = World::with(|settings| settings.default_deadline = seconds(15));
    world.submit_with(9, 1, |submission| {
        submission.delay = seconds(10);
        submission.deadline = Some(seconds(20));
    });
    world.submit_with(9, 2, |submission| submission.delay = seconds(10));
    assert!(world.pass(seconds(19)).is_empty());
    assert_eq!(world.pass(seconds(1)), ["9 outcome 1 expired after 0", "post 1"]);
    assert_eq!(world.pass(seconds(5)), ["9 outcome 2 expired after 0", "post 2"]);
}

#[test]
fn a_delayed_request_counts_against_the_capacity() {
    let mut world = World::with(|settings| settings.capacity = 1);
    world.submit_with(9, 1, |submission| submission.delay = seconds(10));
    assert_eq!(world.submit(9, 2), ["9 refused 2 channel_full"]);
}
