//! What a drop does: each line of the promise is a test.

use std::future::pending;

use roundtrip_client::{Context, Failure};
use roundtrip_protocol::*;
use tokio::sync::oneshot;

use crate::script::{Peer, Resize, ResizeError, Script, client, replied};

async fn ticket_of(
    requester: &roundtrip_client::Requester,
    script: &mut Script,
) -> (roundtrip_client::Ticket<Resize>, Submit, Peer) {
    let submitting = tokio::spawn(requester.submit(Resize { width: 64 }).into_future());
    let mut peer = script.welcome().await;
    let (submit, _) = peer.submit().await;
    peer.say(Accepted { ticket: submit.ticket, services: 1, duplicate: None });
    (submitting.await.unwrap().unwrap(), submit, peer)
}

#[tokio::test]
async fn a_dropped_ticket_of_an_unnamed_requester_acknowledges_the_outcome_when_it_comes() {
    let (client, mut script) = client();
    let requester = client.anonymous();
    let (ticket, submit, mut peer) = ticket_of(&requester, &mut script).await;
    drop(ticket);
    peer.say_with(replied(submit.ticket), r#""thumbnail""#);
    assert_eq!(peer.acknowledge().await.id, submit.id);
}

#[tokio::test]
async fn a_dropped_ticket_of_a_named_requester_leaves_the_outcome_in_its_mailbox() {
    let (client, mut script) = client();
    let requester = client.requester("letters");
    let (ticket, submit, mut peer) = ticket_of(&requester, &mut script).await;
    drop(ticket);
    assert!(matches!(peer.header().await, Header::Detach(detach) if detach.ticket == submit.ticket));
}

#[tokio::test]
async fn a_dropped_submission_leaves_the_request_to_its_fate() {
    let (client, mut script) = client();
    let requester = client.requester("letters");
    let submitting = tokio::spawn(requester.submit(Resize { width: 64 }).into_future());
    let mut peer = script.welcome().await;
    let (submit, _) = peer.submit().await;
    submitting.abort();
    assert!(matches!(peer.header().await, Header::Detach(detach) if detach.ticket == submit.ticket));
}

#[tokio::test]
async fn a_dropped_service_stops_taking_drops_its_handlers_and_releases_what_it_holds() {
    struct Dropped(Option<oneshot::Sender<()>>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            let _ = self.0.take().map(|told| told.send(()));
        }
    }
    let (client, mut script) = client();
    let (told, dropped) = oneshot::channel();
    let told = std::sync::Mutex::new(Some(Dropped(Some(told))));
    let handler = move |_: Resize, job: Context| {
        let held = told.lock().unwrap().take();
        async move {
            job.progress(0.0, "started");
            let _held = held;
            pending::<Result<String, Failure<ResizeError>>>().await
        }
    };
    let running = tokio::spawn(client.service(handler).run());
    let mut peer = script.welcome().await;
    let subscribe = peer.subscribe().await;
    peer.deliver(&subscribe, 1, "resize", r#"{"width":64}"#);
    assert!(matches!(peer.header().await, Header::ProgressReport(_)));
    running.abort();
    assert!(matches!(peer.header().await, Header::Unsubscribe(_)));
    dropped.await.unwrap();
}

#[tokio::test]
async fn a_detached_service_goes_on_and_keeps_the_client_open() {
    let (client, mut script) = client();
    client.service(|_: Resize, _: Context| async { Ok::<_, Failure<ResizeError>>(String::new()) }).spawn().detach();
    drop(client);
    let mut peer = script.welcome().await;
    let subscribe = peer.subscribe().await;
    peer.deliver(&subscribe, 1, "resize", r#"{"width":64}"#);
    peer.settle().await;
}

#[tokio::test]
async fn the_last_clone_of_a_client_flushes_and_closes() {
    let (client, mut script) = client();
    let requester = client.requester("letters");
    let (ticket, submit, mut peer) = ticket_of(&requester, &mut script).await;
    drop((client, requester));
    peer.say_with(replied(submit.ticket), r#""thumbnail""#);
    assert_eq!(ticket.await.unwrap(), "thumbnail");
    let names = peer.ended().await;
    assert_eq!(names, ["Acknowledge", "Close"]);
}

#[tokio::test]
async fn closing_ends_every_wait_and_says_so() {
    let (client, mut script) = client();
    let requester = client.requester("letters");
    let (ticket, _, mut peer) = ticket_of(&requester, &mut script).await;
    let waiting = tokio::spawn(ticket.into_future());
    let closing = tokio::spawn(async move { client.close().await });
    assert_eq!(peer.ended().await, ["Close"]);
    closing.await.unwrap();
    assert!(waiting.await.unwrap().unwrap_err().to_string().contains("the client was closed"));
    assert!(requester.call(Resize { width: 1 }).await.unwrap_err().to_string().contains("the client was closed"));
}
