//! Connections that break: under handlers, under submissions, under readers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use roundtrip::{Broker, ConnectionEvent, Context, SubmitError};
use tokio::task::JoinSet;

use crate::stage::{Cable, Double, LIMIT, Stage, Way, Witness, both_ways, doubled, patient, quick, within};

both_ways! {
    the_work_under_a_cut_connection_is_kept_and_not_repeated,
    what_a_handler_answers_while_disconnected_arrives_later,
    a_handler_whose_delivery_is_gone_is_told_to_stop,
    a_ticket_survives_a_cut_connection,
    an_outcome_of_the_time_without_a_connection_is_not_lost,
    a_mailbox_is_read_on_after_a_cut,
    connections_cut_again_and_again_neither_double_nor_lose_a_request,
    what_is_submitted_without_a_connection_waits_for_one,
    a_submission_without_an_answer_is_unconfirmed_and_can_be_repeated,
    a_client_tells_of_its_connection,
}

async fn the_work_under_a_cut_connection_is_kept_and_not_repeated(way: Way) {
    let stage = Stage::with_channels(way, patient()).await;
    let near = stage.client().await;
    let cable = stage.cable().await;
    let far = cable.client().await;
    let witness = Witness::new();
    let _service = far.service(witness.holding()).spawn();

    let ticket = near.requester("test").submit(Double::of(21)).await.unwrap().into_raw();
    let job = witness.begun().await;
    for _ in 0..3 {
        cut_and_reconnect(&cable, &far).await;
        stage.until("double_request", |figures| figures.in_flight == 1 && figures.services == 1).await;
    }
    assert!(!job.cancelled().is_cancelled());
    witness.let_go(1);
    let outcome = ticket.await.unwrap();
    assert_eq!((outcome.attempts, outcome.decode::<Double>()), (1, Ok(42)));
    assert_eq!(witness.unseen().await, 0, "the handler ran once");
}

async fn what_a_handler_answers_while_disconnected_arrives_later(way: Way) {
    let stage = Stage::with_channels(way, patient()).await;
    let near = stage.client().await;
    let cable = stage.cable().await;
    let far = cable.client().await;
    let (begun, mut begins) = tokio::sync::mpsc::unbounded_channel();
    let (answer, answers) = tokio::sync::watch::channel(false);
    let (ended, mut ends) = tokio::sync::mpsc::unbounded_channel();
    let service = far.service(move |command: Double, _| {
        let (begun, mut answers, ended) = (begun.clone(), answers.clone(), ended.clone());
        async move {
            begun.send(()).unwrap();
            answers.wait_for(|answer| *answer).await.unwrap();
            ended.send(()).unwrap();
            Ok(command.number * 2)
        }
    });
    let _service = service.spawn();
    let ticket = near.requester("test").submit(Double::of(21)).await.unwrap().into_raw();
    begins.recv().await.unwrap();
    cable.unplug();
    stage.until("double_request", |figures| figures.services == 0).await;
    answer.send(true).unwrap();
    ends.recv().await.unwrap();
    cable.plug();
    let outcome = ticket.await.unwrap();
    assert_eq!((outcome.attempts, outcome.decode::<Double>()), (1, Ok(42)));
    assert!(begins.try_recv().is_err(), "the handler ran once");
}

async fn a_handler_whose_delivery_is_gone_is_told_to_stop(way: Way) {
    let stage = Stage::with_channels(way, quick()).await;
    let near = stage.client().await;
    let cable = stage.cable().await;
    let far = cable.client().await;
    let witness = Witness::new();
    let _service = far.service(witness.holding()).spawn();
    let ticket = near.requester("test").submit(Double::of(21)).await.unwrap().into_raw();
    let job = witness.begun().await;
    cable.unplug();
    let _second = near.service(doubled).spawn();
    let outcome = ticket.await.unwrap();
    assert_eq!((outcome.attempts, outcome.decode::<Double>()), (2, Ok(42)), "a lost attempt counts");
    assert!(!job.cancelled().is_cancelled(), "nobody could tell it yet");
    cable.plug();
    job.cancelled().cancelled().await;
    witness.let_go(1);
    stage.until_nothing_is_kept().await;
}

async fn a_ticket_survives_a_cut_connection(way: Way) {
    let stage = Stage::open(way).await;
    let near = stage.client().await;
    let cable = stage.cable().await;
    let far = cable.client().await;
    let ticket = far.requester("test").submit(Double::of(21)).await.unwrap();
    let mut progress = ticket.progress();
    cut_and_reconnect(&cable, &far).await;
    let service = near.service(async |command: Double, job: Context| {
        job.progress(0.5, "half of it");
        if job.attempt() == 1 {
            std::future::pending::<()>().await;
        }
        Ok(command.number * 2)
    });
    let first = service.spawn();
    assert_eq!(progress.next().await.map(|progress| progress.fraction), Some(0.5));
    cut_and_reconnect(&cable, &far).await;
    drop(first);
    let _second = near.service(doubled).spawn();
    assert_eq!(ticket.await, Ok(42));
    stage.until_nothing_is_kept().await;
}

async fn an_outcome_of_the_time_without_a_connection_is_not_lost(way: Way) {
    let stage = Stage::open(way).await;
    let near = stage.client().await;
    let cable = stage.cable().await;
    let far = cable.client().await;
    let named = far.requester("test").submit(Double::of(21)).await.unwrap();
    let unnamed = far.anonymous().submit(Double::of(4)).await.unwrap();
    cable.unplug();
    let _service = near.service(doubled).spawn();
    stage.until("double_request", |figures| figures.retained == 2).await;
    cable.plug();
    assert_eq!((named.await, unnamed.await), (Ok(42), Ok(8)));
    stage.until_nothing_is_kept().await;
}

async fn a_mailbox_is_read_on_after_a_cut(way: Way) {
    let stage = Stage::open(way).await;
    let near = stage.client().await;
    let _service = near.service(doubled).spawn();
    let cable = stage.cable().await;
    let far = cable.client().await;
    let mut holder = far.requester("letters").replies(Double::REPLIES).await.unwrap();
    let mut follower = far.requester("letters").replies(Double::REPLIES).follow().await.unwrap();
    for number in 0..5 {
        let id = near.requester("letters").submit(Double::of(number)).await.unwrap().id().clone();
        let reply = holder.next().await.unwrap().unwrap();
        assert_eq!(reply.ticket, id, "each reply once, although the broker sends the unacknowledged again");
        assert_eq!(follower.next().await.unwrap().unwrap().ticket, id);
        if number % 2 == 0 {
            reply.acknowledge().await.unwrap();
        }
        cut_and_reconnect(&cable, &far).await;
    }
    stage.until("double_request", |figures| figures.retained == 2).await;
}

async fn connections_cut_again_and_again_neither_double_nor_lose_a_request(way: Way) {
    const REQUESTS: u64 = 200;
    const PARTIES: u64 = 4; // A client that is cut often waits longer each time: several share the cuts.
    let stage = Stage::with_channels(way, quick().max_attempts(1000)).await;
    let executions = Arc::new(Mutex::new(HashMap::<u64, u32>::new()));
    let (tell, mut done) = tokio::sync::mpsc::unbounded_channel();
    let (mut cables, mut events, mut services) = (Vec::new(), Vec::new(), Vec::new());
    let mut workers = JoinSet::new();
    for party in 0..PARTIES {
        let (near, far) = (stage.cable().await, stage.cable().await);
        let (client, serving) = (near.client().await, far.client().await);
        let counter = Arc::clone(&executions);
        let service = serving.service(move |command: Double, _| {
            *counter.lock().unwrap().entry(command.number).or_default() += 1;
            async move {
                tokio::task::yield_now().await;
                Ok(command.number * 2)
            }
        });
        services.push(service.spawn());
        events.extend([client.events(), serving.events()]);
        cables.extend([near, far]);
        for worker in [party, party + PARTIES] {
            let (requester, tell) = (client.requester("test"), tell.clone());
            workers.spawn(async move {
                for number in (worker..REQUESTS).step_by(2 * PARTIES as usize) {
                    let ticket = requester.submit(Double::of(number)).timeout(LIMIT).await.unwrap().into_raw();
                    let outcome = ticket.outcome().await.unwrap();
                    ticket.acknowledge().await.unwrap();
                    tell.send((number, outcome.attempts)).unwrap();
                    assert_eq!(outcome.decode::<Double>(), Ok(2 * number));
                }
            });
        }
    }
    drop(tell);
    let (mut told, mut attempts, mut to_cut) = (Vec::new(), HashMap::new(), cables.iter().cycle());
    while let Some((number, counted)) = done.recv().await {
        told.push(number);
        attempts.insert(number, counted);
        if told.len() % 5 == 0 {
            to_cut.next().unwrap().cut();
        }
    }
    while let Some(ended) = workers.join_next().await {
        ended.unwrap();
    }
    for events in &mut events {
        while events.next().await != Some(ConnectionEvent::Disconnected) {} // So the cuts were no dream.
    }
    told.sort_unstable();
    assert_eq!(told, (0..REQUESTS).collect::<Vec<_>>(), "each outcome once");
    for (number, executed) in executions.lock().unwrap().iter() {
        assert!(executed <= &attempts[number], "{number} ran {executed} times in {} attempts", attempts[number]);
    }
    assert_eq!(executions.lock().unwrap().len() as u64, REQUESTS);
    let near = stage.client().await;
    stage.until_nothing_is_kept().await;
    let mut replies = near.requester("test").replies(Double::REPLIES).await.unwrap();
    assert!(replies.next_there().await.is_none());
}

async fn what_is_submitted_without_a_connection_waits_for_one(way: Way) {
    let stage = Stage::open(way).await;
    let cable = stage.cable().await;
    let far = cable.client().await;
    let mut events = far.events();
    assert_eq!(events.next().await, Some(ConnectionEvent::Connected));
    cable.unplug();
    assert_eq!(events.next().await, Some(ConnectionEvent::Disconnected));
    let requester = far.requester("test");
    let submitted = tokio::spawn(async move { requester.submit(Double::of(21)).timeout(LIMIT).await });
    let _service = far.service(doubled).spawn();
    tokio::task::yield_now().await;
    cable.plug();
    assert_eq!(submitted.await.unwrap().unwrap().await, Ok(42));
}

async fn a_submission_without_an_answer_is_unconfirmed_and_can_be_repeated(way: Way) {
    let stage = Stage::open(way).await;
    let cable = stage.cable().await;
    let far = cable.client().await;
    let mut events = far.events();
    assert_eq!(events.next().await, Some(ConnectionEvent::Connected));
    cable.unplug();
    assert_eq!(events.next().await, Some(ConnectionEvent::Disconnected));
    let requester = far.requester("test");
    let unanswered = requester.submit(Double::of(21)).timeout(Duration::from_millis(1)).await;
    let Err(SubmitError::Unconfirmed { ticket }) = unanswered else { panic!("{unanswered:?}") };
    cable.plug();
    let ticket = requester.submit(Double::of(21)).under(ticket).timeout(LIMIT).await.unwrap();
    let _service = far.service(doubled).spawn();
    assert_eq!(ticket.await, Ok(42));
    stage.until_nothing_is_kept().await;
}

async fn a_client_tells_of_its_connection(way: Way) {
    let stage = Stage::open(way).await;
    let cable = stage.cable().await;
    let far = cable.client().await;
    let mut events = far.events();
    assert_eq!(events.next().await, Some(ConnectionEvent::Connected));
    cable.cut();
    assert_eq!(events.next().await, Some(ConnectionEvent::Disconnected));
    assert_eq!(events.next().await, Some(ConnectionEvent::Connected));
    far.close().await;
    while let Some(event) = events.next().await {
        assert_eq!(event, ConnectionEvent::Disconnected);
    }
}

#[tokio::test]
async fn a_connection_that_falls_silent_is_given_up_by_both_ends() {
    within(async {
        let builder = Broker::builder().defaults(quick().lease(LIMIT)).heartbeat(Duration::from_millis(200));
        let stage = Stage::with(Way::Tcp, builder).await;
        let near = stage.client().await;
        let cable = stage.cable().await;
        let far = cable.client().await;
        let witness = Witness::new();
        let _service = far.service(witness.holding()).spawn();
        let ticket = near.requester("test").submit(Double::of(21)).await.unwrap().into_raw();
        let job = witness.begun().await;
        let mut events = far.events();
        assert_eq!(events.next().await, Some(ConnectionEvent::Connected));
        cable.freeze();
        let _second = near.service(doubled).spawn();
        let outcome = ticket.await.unwrap();
        assert!(outcome.attempts >= 2, "the broker heard nothing of the first");
        assert_eq!(outcome.decode::<Double>(), Ok(42));
        assert_eq!(events.next().await, Some(ConnectionEvent::Disconnected), "nor did the first of the broker");
        cable.plug();
        job.cancelled().cancelled().await;
        witness.let_go(1);
    })
    .await;
}

/// Cuts, and waits until the client is connected again.
async fn cut_and_reconnect(cable: &Cable, client: &roundtrip::Client) {
    let mut events = client.events();
    assert_eq!(events.next().await, Some(ConnectionEvent::Connected));
    cable.cut();
    assert_eq!(events.next().await, Some(ConnectionEvent::Disconnected));
    assert_eq!(events.next().await, Some(ConnectionEvent::Connected));
}
