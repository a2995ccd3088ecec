//! What a drop does: each line of that name in the design is a test.

use std::future::{Future, IntoFuture, poll_fn};
use std::pin::pin;
use std::task::Poll;

use roundtrip::{ChannelFigures, Client, ConnectionEvent, OutcomeError, SubmitError, WaitError};
use tokio::net::TcpStream;

use crate::stage::{Double, Stage, Way, Witness, both_ways, doubled};

both_ways! {
    the_request_of_a_dropped_ticket_goes_on_and_a_named_requesters_reply_stays_in_its_mailbox,
    the_reply_of_an_unnamed_requesters_dropped_ticket_is_acknowledged,
    a_dropped_submission_can_be_repeated_under_its_ticket,
    a_dropped_service_stops_taking_and_gives_back_what_it_holds,
    a_dropped_service_handle_stops_its_service,
    a_detached_service_runs_on,
    the_last_clone_of_a_client_flushes_and_closes,
    a_ticket_keeps_its_client_open,
    a_closed_client_ends_every_wait,
    a_dropped_broker_ends_every_connection,
}

async fn the_request_of_a_dropped_ticket_goes_on_and_a_named_requesters_reply_stays_in_its_mailbox(way: Way) {
    let stage = Stage::open(way).await;
    let client = stage.client().await;
    let requester = client.requester("letters");
    let id = requester.submit(Double::of(21)).await.unwrap().id().clone();
    let _service = client.service(doubled).spawn();
    stage.until("double_request", |figures| figures.retained == 1).await;
    let mut replies = requester.replies(Double::REPLIES).await.unwrap();
    let reply = replies.next().await.unwrap().unwrap();
    assert_eq!(reply.ticket, id);
    assert_eq!(reply.outcome.decode::<Double>(), Ok(42));
}

async fn the_reply_of_an_unnamed_requesters_dropped_ticket_is_acknowledged(way: Way) {
    let stage = Stage::open(way).await;
    let client = stage.client().await;
    let witness = Witness::new();
    let service = client.service(witness.holding());
    let _service = service.spawn();
    let requester = client.anonymous();
    drop(requester.submit(Double::of(21)).await.unwrap());
    witness.begun().await;
    witness.let_go(1);
    stage.until_nothing_is_kept().await;
}

async fn a_dropped_submission_can_be_repeated_under_its_ticket(way: Way) {
    let stage = Stage::open(way).await;
    let client = stage.client().await;
    let requester = client.requester("test");
    let id = requester.new_ticket::<Double>().unwrap();
    drop_after_one_poll(requester.submit(Double::of(21)).under(id.clone()).into_future()).await;

    let witness = Witness::new();
    let handler = witness.clone();
    let service = client.service(move |command: Double, job| {
        handler.seen(&job);
        async move { Ok(command.number * 2) }
    });
    let ticket = requester.submit(Double::of(21)).under(id).await.unwrap();
    let _service = service.spawn();
    assert_eq!(ticket.await, Ok(42));
    assert_eq!(witness.unseen().await, 1, "submitted twice, asked once");
}

async fn a_dropped_service_stops_taking_and_gives_back_what_it_holds(way: Way) {
    let stage = Stage::open(way).await;
    let client = stage.client().await;
    let witness = Witness::new();
    let service = client.service(witness.holding());
    let running = tokio::spawn(service.concurrency(1).run());
    let requester = client.requester("test");
    let held = requester.submit(Double::of(1)).await.unwrap().into_raw();
    let queued = requester.submit(Double::of(2)).await.unwrap();
    let job = witness.begun().await;
    running.abort();
    assert!(running.await.is_err_and(|error| error.is_cancelled()));
    job.cancelled().cancelled().await;
    stage.until("double_request", |figures| figures.services == 0 && figures.waiting == 2).await;

    let second = client.service(async |command: Double, job| {
        let expected = if command.number == 1 { (1, 2) } else { (1, 1) };
        assert_eq!((job.attempt(), job.delivery()), expected, "what was given back is not counted");
        Ok(command.number * 2)
    });
    let _second = second.spawn();
    let outcome = held.await.unwrap();
    assert_eq!((outcome.attempts, outcome.decode::<Double>()), (1, Ok(2)));
    assert_eq!(queued.await, Ok(4));
    assert_eq!(witness.unseen().await, 0, "the dropped service took nothing more");
}

async fn a_dropped_service_handle_stops_its_service(way: Way) {
    let stage = Stage::open(way).await;
    let client = stage.client().await;
    let _watched = client.requester("test").submit(Double::of(1)).await.unwrap();
    let handle = client.service(async |_: Double, _| std::future::pending().await).spawn();
    stage.until("double_request", |figures| figures.services == 1 && figures.in_flight == 1).await;
    drop(handle);
    stage.until("double_request", |figures| figures.services == 0 && figures.waiting == 1).await;
}

async fn a_detached_service_runs_on(way: Way) {
    let stage = Stage::open(way).await;
    let client = stage.client().await;
    client.service(doubled).spawn().detach();
    assert_eq!(client.requester("test").call(Double::of(21)).await, Ok(42));
}

async fn the_last_clone_of_a_client_flushes_and_closes(way: Way) {
    let stage = Stage::open(way).await;
    let client = stage.client().await;
    let service = client.service(doubled).spawn();
    let ticket = client.requester("test").submit(Double::of(21)).await.unwrap();
    assert_eq!(ticket.await, Ok(42), "it acknowledges as it hands the outcome over");
    drop((client, service));
    let gone = |figures: &ChannelFigures| figures.services == 0 && figures.retained == 0;
    stage.broker.until(|channels| channels.iter().all(gone)).await;
    while stage.broker.connections() > 0 {
        tokio::task::yield_now().await;
    }
}

async fn a_ticket_keeps_its_client_open(way: Way) {
    let stage = Stage::open(way).await;
    let client = stage.client().await;
    let ticket = client.requester("test").submit(Double::of(21)).await.unwrap();
    drop(client);
    let _service = stage.client().await.service(doubled).spawn();
    assert_eq!(ticket.await, Ok(42));
}

async fn a_closed_client_ends_every_wait(way: Way) {
    let stage = Stage::open(way).await;
    let client = stage.client().await;
    let requester = client.requester("test");
    let ticket = requester.submit(Double::of(21)).await.unwrap();
    let running = client.service(async |_: Double, _| std::future::pending().await).spawn();
    client.close().await;
    assert_eq!(ticket.await, Err(OutcomeError::Wait(WaitError::ClientClosed)));
    assert!(matches!(requester.submit(Double::of(1)).await, Err(SubmitError::ClientClosed { .. })));
    assert!(requester.replies(Double::REPLIES).await.is_err());
    assert!(running.await.is_err());
    assert!(client.channels().await.is_err());
    assert!(client.pull("double_request").take(1, crate::stage::LIMIT).await.is_err());
}

async fn a_dropped_broker_ends_every_connection(way: Way) {
    let stage = Stage::open(way).await;
    let client = stage.client().await;
    let _ticket = client.requester("test").submit(Double::of(21)).await.unwrap();
    let mut events = client.events();
    assert_eq!(events.next().await, Some(ConnectionEvent::Connected));
    let address = stage.address();
    drop(stage);
    while events.next().await.is_some_and(|event| event != ConnectionEvent::Disconnected) {}
    if let Some(address) = address {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        assert!(Client::connect(address.to_string()).connect_timeout(std::time::Duration::ZERO).await.is_err());
    }
}

/// Polls once, so that something was begun, and drops.
async fn drop_after_one_poll(future: impl Future) {
    let mut future = pin!(future);
    poll_fn(|context| {
        let _ = future.as_mut().poll(context);
        Poll::Ready(())
    })
    .await;
}
