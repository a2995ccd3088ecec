//! Cancelling by ticket, and by dropping one.

use roundtrip_client::{CancelError, Cancellation, OutcomeError};
use roundtrip_protocol::{Accepted, Cancel, Cancelled, Ending, Header, Outcome, OutcomeKind, Submit};

use crate::script::{Peer, Resize, Script, client, ticket_id};

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

async fn cancel(peer: &mut Peer) -> Cancel {
    match peer.header().await {
        Header::Cancel(cancel) => cancel,
        other => panic!("expected Cancel, got {}", other.name()),
    }
}

#[tokio::test]
async fn a_cancelled_ticket_ends_cancelled() {
    let (client, mut script) = client();
    let (ticket, submit, mut peer) = ticket_of(&client.requester("letters"), &mut script).await;
    let cancelling = tokio::spawn(async move { (ticket.cancel().await, ticket) });
    let asked = cancel(&mut peer).await;
    assert_eq!(asked.id, submit.id);
    peer.say(Cancelled { call: asked.call, result: roundtrip_protocol::Cancellation::Cancelled });
    peer.say(Outcome { ticket: submit.ticket, attempts: 0, ending: Ending::Cancelled });
    let (cancelled, ticket) = cancelling.await.unwrap();
    assert_eq!(cancelled, Ok(Cancellation::Cancelled));
    assert_eq!(ticket.await, Err(OutcomeError::Cancelled));
}

#[tokio::test]
async fn a_request_is_cancelled_from_anywhere_and_through_a_broken_connection() {
    let (client, mut script) = client();
    let cancelling = tokio::spawn(async move { client.cancel(&ticket_id(1)).await });
    let mut peer = script.welcome().await;
    assert_eq!(cancel(&mut peer).await.id, ticket_id(1).id);
    peer.cut();
    let mut peer = script.welcome().await;
    let asked = cancel(&mut peer).await;
    peer.say(Cancelled { call: asked.call, result: roundtrip_protocol::Cancellation::Ended(OutcomeKind::Replied) });
    assert_eq!(cancelling.await.unwrap(), Ok(Cancellation::Ended(OutcomeKind::Replied)));
}

#[tokio::test]
async fn an_unknown_ticket_is_told() {
    let (client, mut script) = client();
    let cancelling = tokio::spawn(async move { client.cancel(&ticket_id(1)).await });
    let mut peer = script.welcome().await;
    let asked = cancel(&mut peer).await;
    peer.say(Cancelled { call: asked.call, result: roundtrip_protocol::Cancellation::UnknownTicket });
    assert_eq!(cancelling.await.unwrap(), Err(CancelError::UnknownTicket));
}

#[tokio::test]
async fn a_dropped_ticket_cancels_if_it_was_to() {
    let (client, mut script) = client();
    let (ticket, submit, mut peer) = ticket_of(&client.requester("letters"), &mut script).await;
    drop(ticket.cancel_on_drop());
    assert_eq!(cancel(&mut peer).await.id, submit.id);
}

#[tokio::test]
async fn dropping_the_future_that_awaits_a_ticket_cancels_if_it_was_to() {
    let (client, mut script) = client();
    let (ticket, submit, mut peer) = ticket_of(&client.requester("letters"), &mut script).await;
    let waiting = tokio::spawn(ticket.cancel_on_drop().into_future());
    waiting.abort();
    assert_eq!(cancel(&mut peer).await.id, submit.id);
}
