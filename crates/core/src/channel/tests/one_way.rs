use super::*;

fn replied() -> World {
    let mut world = World::new();
    world.submit_one_way(9, 1);
    world.subscribe(1, 1);
    world.reply(1, token(1, 1));
    world
}

#[test]
fn the_outcome_of_a_one_way_request_goes_into_no_mailbox_and_stays_under_its_ticket() {
    let mut world = World::new();
    world.submit_one_way(9, 1);
    world.subscribe(1, 1);
    assert_eq!(world.reply(1, token(1, 1)), ["9 outcome 1 replied 42 after 1", "1 answered Settled"]);
    assert_eq!(world.attach(8, 1), ["8 state 1 ended replied", "8 outcome 1 replied 42 after 1"]);
}

#[test]
fn the_outcome_of_a_one_way_request_is_forgotten_after_the_retention() {
    let mut world = replied();
    world.pass(RETENTION);
    assert_eq!(world.attach(8, 1), ["8 refused 1 unknown_ticket"]);
}

#[test]
fn an_outcome_in_no_mailbox_is_acknowledged_by_anybody() {
    let mut world = replied();
    let (peer, other) = (world.peer(8), requester("other"));
    let told = world.ask(Command::Acknowledge { peer, call: Call(0), id: request(1), requester: other, ticket: None });
    assert_eq!(told, ["8 acknowledged Done"]);
    assert_eq!(world.attach(8, 1), ["8 refused 1 unknown_ticket"]);
}

#[test]
fn what_an_unnamed_requester_leaves_stays_under_its_ticket() {
    let mut world = World::new();
    world.submit(9, 1);
    assert!(world.requester_gone("consumer").is_empty());
    world.subscribe(1, 1);
    assert_eq!(world.reply(1, token(1, 1)), ["9 outcome 1 replied 42 after 1", "1 answered Settled"]);
    assert_eq!(world.attach(8, 1)[1], "8 outcome 1 replied 42 after 1");
}
