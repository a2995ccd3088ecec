use super::*;

#[test]
fn requests_go_out_first_in_first_out() {
    let mut world = World::new();
    for id in [3, 1, 2] {
        world.submit(9, id);
    }
    assert_eq!(
        world.subscribe(1, 3),
        ["1 delivery 3/1 attempt 1", "1 delivery 1/1 attempt 1", "1 delivery 2/1 attempt 1"]
    );
}

#[test]
fn what_comes_back_keeps_its_place() {
    let mut world = World::new();
    world.submit(9, 1);
    world.subscribe(1, 1);
    world.submit(9, 2);
    world.submit(9, 3);
    assert_eq!(world.retry(1, token(1, 1), None), ["1 answered Settled", "1 delivery 2/1 attempt 1"]);
    world.pass(BACKED_OFF);
    let told = world.reply(1, token(2, 1));
    assert_eq!(told.last().unwrap(), "1 delivery 1/2 attempt 2", "before request 3, which came later");
}

#[test]
fn a_service_gets_no_more_than_its_credit() {
    let mut world = World::new();
    for id in 1..=4 {
        world.submit(9, id);
    }
    assert_eq!(world.subscribe(1, 2), ["1 delivery 1/1 attempt 1", "1 delivery 2/1 attempt 1"]);
    assert_eq!(
        world.reply(1, token(2, 1)),
        ["9 outcome 2 replied 42 after 1", "post 2", "1 answered Settled", "1 delivery 3/1 attempt 1"]
    );
}

#[test]
fn without_credit_a_service_gets_nothing() {
    let mut world = World::new();
    world.submit(9, 1);
    assert!(world.subscribe(1, 0).is_empty());
    assert_eq!(world.credit(1, 1), ["1 delivery 1/1 attempt 1"]);
}

#[test]
fn lower_credit_takes_nothing_back_and_counts_from_then_on() {
    let mut world = World::new();
    for id in 1..=4 {
        world.submit(9, id);
    }
    world.subscribe(1, 3);
    assert!(world.credit(1, 1).is_empty());
    let told = world.reply(1, token(1, 1));
    assert_eq!(told.last().unwrap(), "1 answered Settled", "two are held, one is allowed");
    world.reply(1, token(2, 1));
    let told = world.reply(1, token(3, 1));
    assert_eq!(told.last().unwrap(), "1 delivery 4/1 attempt 1");
}

#[test]
fn zero_credit_pauses_a_service_and_more_resumes_it() {
    let mut world = World::new();
    world.subscribe(1, 1);
    world.credit(1, 0);
    assert_eq!(world.submit(9, 1), ["9 accepted 1 services 1"]);
    assert_eq!(world.credit(1, 5), ["1 delivery 1/1 attempt 1"]);
}

#[test]
fn services_take_turns() {
    let mut world = World::new();
    world.subscribe(1, 10);
    world.subscribe(2, 10);
    world.subscribe(3, 10);
    let mut takers = Vec::new();
    for id in 1..=6 {
        takers.extend(world.submit(9, id).pop());
    }
    let numbers: Vec<_> = takers.iter().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(numbers, ["1", "2", "3", "1", "2", "3"]);
}

#[test]
fn services_of_one_connection_take_turns_too() {
    let mut world = World::new();
    let peer = world.peer(1);
    for service in [1, 2] {
        let service = ServiceInstance { service: ServiceNumber(service), ..service_of(1) };
        let peer = peer.clone();
        world.ask(Command::Subscribe { peer, service, credit: 1, hold: Hold::Connection, lease: LEASE });
    }
    assert_eq!(world.submit(9, 1)[1], "1 delivery 1/1 attempt 1");
    assert_eq!(world.submit(9, 2)[1], "1 delivery 2/1 attempt 1");
    assert_eq!(world.submit(9, 3), ["9 accepted 3 services 2"], "each holds one");
}

#[test]
fn a_connection_without_room_is_passed_over_until_it_has_some() {
    let mut world = World::new();
    world.subscribe(1, 10);
    world.subscribe(2, 1);
    world.room(1, false);
    assert_eq!(world.submit(9, 1)[1], "2 delivery 1/1 attempt 1");
    assert_eq!(world.submit(9, 2), ["9 accepted 2 services 2"]);
    world.room(1, true);
    assert_eq!(world.resume(1), ["1 delivery 2/1 attempt 1"]);
}

#[test]
fn resuming_a_connection_twice_gives_it_one_turn() {
    let mut world = World::new();
    world.subscribe(1, 10);
    world.subscribe(2, 10);
    world.resume(1);
    world.resume(1);
    assert_eq!(world.submit(9, 1)[1], "1 delivery 1/1 attempt 1");
    assert_eq!(world.submit(9, 2)[1], "2 delivery 2/1 attempt 1");
}

#[test]
fn a_service_that_ends_gives_back_at_once_and_uncounted() {
    let mut world = World::new();
    world.submit(9, 1);
    world.submit(9, 2);
    world.subscribe(1, 2);
    world.subscribe(2, 2);
    assert_eq!(world.unsubscribe(1), ["2 delivery 1/2 attempt 1", "2 delivery 2/2 attempt 1"]);
    assert_eq!(world.reply(1, token(1, 1)), ["1 answered LeaseLost"]);
    assert_eq!(world.take_back(1, token(1, 1)), ["1 answered LeaseLost"], "given back is not lost");
    assert_eq!(world.channel.figures().services, 1);
}

#[test]
fn a_service_that_ends_keeps_what_it_took_by_lease_alone() {
    let mut world = World::new();
    world.submit(9, 1);
    world.subscribe_by_lease(1, 1);
    world.subscribe(2, 1);
    assert!(world.unsubscribe(1).is_empty());
    assert_eq!(world.reply(1, token(1, 1)).last().unwrap(), "1 answered Settled");
}

#[test]
fn credit_for_a_service_that_is_not_there_does_nothing() {
    let mut world = World::new();
    world.submit(9, 1);
    assert!(world.credit(1, 5).is_empty());
    assert!(world.unsubscribe(1).is_empty());
    assert!(world.resume(1).is_empty());
}
