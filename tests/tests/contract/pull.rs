//! The pull interface: deliveries by lease alone, renewed and settled by hand, from any task.

use std::time::Duration;

use roundtrip::{
    Client, DeadReason, DeliveryToken, Ending, Message, OutcomeKind, Problem, Pulled, RawTicket, Requester, SettleError,
};

use crate::stage::{LIMIT, Stage, Way, both_ways};

both_ways! {
    what_is_taken_is_settled_from_another_task,
    a_take_gives_what_there_is_and_no_more_than_asked_for,
    a_take_waits_for_work_and_gives_up_in_time,
    nothing_is_delivered_between_two_takes,
    a_taken_request_reports_progress_and_is_renewed,
    a_delivery_that_is_dropped_is_released,
    a_take_that_is_dropped_gives_back_what_it_got,
    every_way_of_settling_has_its_outcome,
    a_delivery_is_settled_once,
    what_is_left_to_its_lease_is_gone_on_with_by_its_token,
}

const CHANNEL: &str = "job_request";

async fn what_is_taken_is_settled_from_another_task(way: Way) {
    let stage = Stage::open(way).await;
    let client = stage.client().await;
    let ticket = submit(&client.requester("test"), "draw").await;

    let taken = take_one(&client).await;
    assert_eq!(taken.request().operation, "draw");
    assert_eq!(taken.request().payload, "draw, please");
    assert_eq!(taken.requester().as_str(), "test");
    assert_eq!(taken.ticket(), ticket.id());
    assert_eq!((taken.attempt(), taken.delivery()), (1, 1));
    tokio::spawn(async move { taken.reply(Message::new("drawn")).await }).await.unwrap().unwrap();
    assert_eq!(ticket.await.unwrap().payload, "drawn");
}

async fn a_take_gives_what_there_is_and_no_more_than_asked_for(way: Way) {
    let stage = Stage::open(way).await;
    let client = stage.client().await;
    let requester = client.requester("test");
    let mut tickets = Vec::new();
    for _ in 0..5 {
        tickets.push(submit(&requester, "draw").await);
    }
    let three = client.pull(CHANNEL).take(3, LIMIT).await.unwrap();
    assert_eq!(three.len(), 3);
    assert!(three.iter().zip(&tickets).all(|(taken, ticket)| taken.ticket() == ticket.id()), "in their order");
    let two = client.pull(CHANNEL).take(10, LIMIT).await.unwrap();
    assert_eq!(two.len(), 2, "it does not wait until it has ten");
    for taken in three.into_iter().chain(two) {
        taken.reply(Message::new("drawn")).await.unwrap();
    }
    for ticket in tickets {
        assert_eq!(ticket.await.unwrap().payload, "drawn");
    }
    stage.until_nothing_is_kept().await;
}

async fn a_take_waits_for_work_and_gives_up_in_time(way: Way) {
    let stage = Stage::open(way).await;
    let client = stage.client().await;
    assert!(client.pull(CHANNEL).take(1, Duration::from_millis(1)).await.unwrap().is_empty());
    assert!(client.pull(CHANNEL).take(0, LIMIT).await.unwrap().is_empty());

    let puller = client.pull(CHANNEL);
    let waiting = tokio::spawn(async move { puller.take(1, LIMIT).await });
    stage.until(CHANNEL, |figures| figures.services == 1).await;
    let ticket = submit(&client.requester("test"), "draw").await;
    let taken = waiting.await.unwrap().unwrap();
    taken[0].reply(Message::new("drawn")).await.unwrap();
    assert_eq!(ticket.await.unwrap().payload, "drawn");
}

async fn nothing_is_delivered_between_two_takes(way: Way) {
    let stage = Stage::open(way).await;
    let client = stage.client().await;
    let requester = client.requester("test");
    let first = submit(&requester, "draw").await;
    let taken = take_one(&client).await;
    let second = submit(&requester, "draw").await;
    stage.until(CHANNEL, |figures| figures.in_flight == 1 && figures.waiting == 1 && figures.services == 0).await;
    taken.reply(Message::new("1")).await.unwrap();
    take_one(&client).await.reply(Message::new("2")).await.unwrap();
    assert_eq!((first.await.unwrap().payload, second.await.unwrap().payload), ("1".into(), "2".into()));
}

async fn a_taken_request_reports_progress_and_is_renewed(way: Way) {
    let stage = Stage::open(way).await;
    let client = stage.client().await;
    let ticket = submit(&client.requester("test"), "draw").await;
    let mut progress = ticket.progress();
    let taken = take_one(&client).await;
    taken.progress(0.5, "half of it");
    assert_eq!(progress.next().await.map(|progress| progress.stage), Some("half of it".into()));
    taken.renew().await.unwrap();
    taken.reply(Message::new("drawn")).await.unwrap();
    assert_eq!(taken.renew().await, Err(SettleError::SettledBefore));
    assert_eq!(progress.next().await, None);
}

async fn a_delivery_that_is_dropped_is_released(way: Way) {
    let stage = Stage::open(way).await;
    let client = stage.client().await;
    let ticket = submit(&client.requester("test"), "draw").await;
    drop(take_one(&client).await);
    let again = take_one(&client).await;
    assert_eq!((again.attempt(), again.delivery()), (1, 2), "a release does not count");
    again.reply(Message::new("drawn")).await.unwrap();
    let outcome = ticket.await.unwrap();
    assert_eq!((outcome.attempts, outcome.payload), (1, "drawn".into()));
}

async fn a_take_that_is_dropped_gives_back_what_it_got(way: Way) {
    let stage = Stage::open(way).await;
    let client = stage.client().await;
    let puller = client.pull(CHANNEL);
    let waiting = tokio::spawn(async move { puller.take(1, LIMIT).await.map(|taken| taken.len()) });
    stage.until(CHANNEL, |figures| figures.services == 1).await;
    waiting.abort();
    let ticket = submit(&client.requester("test"), "draw").await;
    assert!(waiting.await.is_err_and(|error| error.is_cancelled()));
    stage.until(CHANNEL, |figures| figures.services == 0 && figures.waiting == 1).await;
    take_one(&client).await.reply(Message::new("drawn")).await.unwrap();
    assert_eq!(ticket.await.unwrap().payload, "drawn");
}

async fn every_way_of_settling_has_its_outcome(way: Way) {
    let stage = Stage::open(way).await;
    let client = stage.client().await;
    let requester = client.requester("test");

    let ticket = submit(&requester, "fail").await;
    take_one(&client).await.fail(Problem::new("no_paper", "none left")).await.unwrap();
    let Ending::Failed { problem, content_type: None } = ticket.await.unwrap().ending else { panic!() };
    assert_eq!(problem, Problem::new("no_paper", "none left"));

    let ticket = submit(&requester, "reject").await;
    take_one(&client).await.reject(Problem::new("poison", "")).await.unwrap();
    assert!(matches!(ticket.await.unwrap().ending, Ending::Dead { reason: DeadReason::Rejected, .. }));

    let ticket = submit(&requester, "retry").await;
    take_one(&client).await.retry(Problem::new("busy", ""), Some(Duration::ZERO)).await.unwrap();
    let again = take_one(&client).await;
    assert_eq!((again.attempt(), again.delivery()), (2, 2));
    again.release().await.unwrap();
    let again = take_one(&client).await;
    assert_eq!((again.attempt(), again.delivery()), (2, 3));
    again.finish(Ok(Message::new("drawn"))).await.unwrap();
    let outcome = ticket.await.unwrap();
    assert_eq!((outcome.kind(), outcome.attempts), (OutcomeKind::Replied, 2));
    stage.until_nothing_is_kept().await;
}

async fn a_delivery_is_settled_once(way: Way) {
    let stage = Stage::open(way).await;
    let client = stage.client().await;
    let ticket = submit(&client.requester("test"), "draw").await;
    let taken = take_one(&client).await;
    taken.reply(Message::new("first")).await.unwrap();
    assert_eq!(taken.reply(Message::new("second")).await, Err(SettleError::SettledBefore));
    assert_eq!(ticket.await.unwrap().payload, "first");
}

async fn what_is_left_to_its_lease_is_gone_on_with_by_its_token(way: Way) {
    let stage = Stage::open(way).await;
    let first = stage.client().await;
    let ticket = submit(&first.requester("test"), "draw").await;
    let taken = take_one(&first).await;
    taken.part("sketch").await.unwrap();
    let token = taken.leave();
    first.close().await;

    let second = stage.client().await;
    let token: DeliveryToken = token.to_string().parse().unwrap();
    assert_eq!((&token.ticket(), token.delivery()), (ticket.id(), 1));
    let held = second.held(&token);
    held.renew().await.unwrap();
    drop(held);
    let held = second.held(&token);
    assert_eq!(held.part("outline").await, Ok(2));
    assert_eq!(held.try_part("colours").await, Ok(3));
    assert_eq!(second.held(&token).after_part(2).part("colours").await, Ok(3), "the same part");
    held.reply(Message::new("drawn")).await.unwrap();
    second.held(&token).reply(Message::new("drawn")).await.unwrap();
    assert_eq!(second.held(&token).renew().await, Err(SettleError::LeaseLost));

    let requester = second.requester("test");
    assert_eq!(requester.attach_raw(token.ticket()).await.unwrap().payload, "drawn");
    stage.until_nothing_is_kept().await;
}

async fn submit(requester: &Requester, operation: &str) -> RawTicket {
    requester.submit_raw(CHANNEL, operation, Message::new(format!("{operation}, please"))).await.unwrap()
}

async fn take_one(client: &Client) -> Pulled {
    let mut taken = client.pull(CHANNEL).take(1, LIMIT).await.unwrap();
    taken.pop().expect("there is work")
}
