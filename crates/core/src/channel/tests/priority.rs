use super::*;

fn submit(world: &mut World, id: u32, priority: u8) -> Vec<String> {
    world.submit_with(9, id, |submission| submission.priority = priority)
}

fn ahead(world: &mut World, id: u32) -> u64 {
    let peer = world.peer(8);
    let effects = world.effects(Command::Attach { peer, ticket: TicketNumber(id), id: request(id) });
    let What::Tell { tell: Tell::State { ahead, .. }, .. } = &effects[0].what else {
        panic!("expected a state, got {effects:?}");
    };
    *ahead
}

#[test]
fn the_highest_priority_goes_first_and_within_one_the_first_in() {
    let mut world = World::new();
    for (id, priority) in [(1, 0), (2, 4), (3, 9), (4, 4), (5, 9)] {
        submit(&mut world, id, priority);
    }
    let order: Vec<_> = world.subscribe(1, 5).iter().map(|line| line[11..12].to_owned()).collect();
    assert_eq!(order, ["3", "5", "2", "4", "1"]);
}

#[test]
fn a_priority_over_9_is_invalid() {
    let mut world = World::new();
    assert_eq!(submit(&mut world, 1, 10), ["9 refused 1 invalid"]);
    assert_eq!(submit(&mut world, 1, 9), ["9 accepted 1 services 0"]);
}

#[test]
fn a_request_that_says_nothing_has_priority_4() {
    let mut world = World::new();
    submit(&mut world, 1, 3);
    world.submit(9, 2);
    submit(&mut world, 3, 5);
    let order: Vec<_> = world.subscribe(1, 5).iter().map(|line| line[11..12].to_owned()).collect();
    assert_eq!(order, ["3", "2", "1"]);
}

#[test]
fn what_comes_back_keeps_its_place_in_its_priority() {
    let mut world = World::new();
    submit(&mut world, 1, 4);
    world.subscribe(1, 1);
    submit(&mut world, 2, 4);
    submit(&mut world, 3, 5);
    world.retry(1, token(1, 1), None);
    world.pass(BACKED_OFF);
    let told = world.reply(1, token(3, 1));
    assert_eq!(told.last().unwrap(), "1 delivery 1/2 attempt 2");
}

#[test]
fn the_state_tells_about_how_many_go_before() {
    let mut world = World::new();
    for (id, priority) in [(1, 4), (2, 4), (4, 4), (3, 9), (5, 0)] {
        submit(&mut world, id, priority);
    }
    assert_eq!([1, 2, 3, 4, 5].map(|id| ahead(&mut world, id)), [1, 2, 0, 3, 4]);
    world.subscribe(1, 1);
    assert_eq!([1, 3, 5].map(|id| ahead(&mut world, id)), [0, 0, 3], "what does not wait has nobody before it");
}

#[test]
fn a_channel_shows_since_when_its_oldest_request_waits() {
    let mut world = World::new();
    let first = world.now.time;
    submit(&mut world, 1, 0);
    world.pass(seconds(1));
    submit(&mut world, 2, 9);
    assert_eq!(world.channel.figures().oldest, Some(first));
    world.subscribe(1, 2);
    assert_eq!(world.channel.figures().oldest, None);
}
