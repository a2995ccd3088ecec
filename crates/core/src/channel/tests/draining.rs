use super::*;

#[test]
fn a_channel_that_drains_hands_nothing_out_and_nothing_undoes_it() {
    let mut world = World::new();
    world.submit(9, 1);
    assert!(world.ask(Command::StopDispatch).is_empty());
    assert!(world.subscribe(1, 1).is_empty());
    assert!(world.credit(1, 5).is_empty());
    assert!(world.resume(1).is_empty());
    assert!(world.pass(seconds(60)).is_empty());
    assert_eq!(world.channel.figures().waiting, 1);
}

#[test]
fn what_is_in_flight_when_a_channel_drains_may_settle() {
    let mut world = World::in_flight();
    world.submit(9, 2);
    world.ask(Command::StopDispatch);
    let told = world.reply(1, token(1, 1));
    assert_eq!(told, ["9 outcome 1 replied 42 after 1", "post 1", "1 answered Settled"], "and request 2 stays");
}

#[test]
fn what_was_lost_may_be_taken_back_while_a_channel_drains() {
    let mut world = World::in_flight();
    world.ask(Command::StopDispatch);
    world.gone(1);
    assert_eq!(world.take_back(11, token(1, 1)), ["11 answered TakenBack"]);
    world.gone(11);
    assert!(world.pass(BACKED_OFF).is_empty());
    assert_eq!(world.channel.figures().waiting, 1, "once it is given up it waits for the next start");
}
