//! What a submission may ask for, and what its idempotency key gives back.

use std::time::Duration;

use roundtrip_client::Message;
use roundtrip_protocol::*;

use crate::script::{Peer, Resize, Script, client, replied, ticket_id};

/// A submission under a key that was there before, and its ticket.
async fn duplicate(
    requester: &roundtrip_client::Requester,
    script: &mut Script,
    first: &str,
) -> (roundtrip_client::Ticket<Resize>, TicketNumber, Peer) {
    let submitting = tokio::spawn(requester.submit(Resize { width: 64 }).idempotency_key("smith").into_future());
    let mut peer = script.welcome().await;
    let (submit, _) = peer.submit().await;
    assert_eq!(submit.key.as_deref(), Some("smith"));
    let first = Duplicate {
        id: ticket_id(1).id,
        requester: RequesterName::new(first).unwrap(),
        reply_channel: Some(ChannelName::new("picture_reply").unwrap()),
    };
    peer.say(Accepted { ticket: submit.ticket, services: 1, duplicate: Some(first) });
    (submitting.await.unwrap().unwrap(), submit.ticket, peer)
}

#[tokio::test]
async fn what_a_requester_asks_for_travels_with_its_submission() {
    let (client, mut script) = client();
    let submit = client
        .requester("letters")
        .submit(Resize { width: 64 })
        .priority(9)
        .deadline(Duration::from_micros(1_500))
        .delay(Duration::from_secs(2))
        .idempotency_key("smith-2026")
        .one_way();
    let submitting = tokio::spawn(submit.into_future());
    let mut peer = script.welcome().await;
    let (submit, _) = peer.submit().await;
    assert_eq!((submit.priority, submit.deadline_ms, submit.delay_ms), (9, Some(2), 2_000));
    assert_eq!((submit.key.as_deref(), submit.reply), (Some("smith-2026"), ReplyTo::Nowhere));
    submitting.abort();
}

#[tokio::test]
async fn who_asks_for_nothing_gets_the_usual() {
    let (client, mut script) = client();
    let submitting = client.requester("letters").submit_raw("picture_request", "resize", Message::default());
    let submitting = tokio::spawn(submitting.into_future());
    let mut peer = script.welcome().await;
    let (submit, _) = peer.submit().await;
    assert_eq!((submit.priority, submit.deadline_ms, submit.delay_ms), (DEFAULT_PRIORITY, None, 0));
    assert_eq!((submit.key, submit.reply), (None, ReplyTo::Own));
    submitting.abort();
}

#[tokio::test]
async fn a_duplicate_is_the_ticket_of_the_first_request() {
    let (client, mut script) = client();
    let (ticket, number, mut peer) = duplicate(&client.requester("letters"), &mut script, "letters").await;
    assert!(ticket.is_duplicate());
    assert_eq!(*ticket.id(), ticket_id(1));
    peer.say_with(replied(number), r#""thumbnail""#);
    assert_eq!(ticket.await.unwrap(), "thumbnail");
    assert_eq!(peer.acknowledge().await.id, ticket_id(1).id);
}

#[tokio::test]
async fn awaiting_a_duplicate_of_another_requesters_request_acknowledges_nothing() {
    let (client, mut script) = client();
    let (ticket, number, mut peer) = duplicate(&client.requester("letters"), &mut script, "somebody").await;
    peer.say_with(replied(number), r#""thumbnail""#);
    assert_eq!(ticket.await.unwrap(), "thumbnail");
    assert!(matches!(peer.header().await, Header::Detach(detach) if detach.ticket == number));
}

#[tokio::test]
async fn a_one_way_request_can_be_awaited_and_is_acknowledged_by_ticket() {
    let (client, mut script) = client();
    let submitting = client.anonymous().submit(Resize { width: 64 }).one_way();
    let submitting = tokio::spawn(submitting.into_future());
    let mut peer = script.welcome().await;
    let (submit, _) = peer.submit().await;
    peer.reply_to(&submit, r#""thumbnail""#);
    assert_eq!(submitting.await.unwrap().unwrap().await.unwrap(), "thumbnail");
    assert_eq!(peer.acknowledge().await.id, submit.id);
}
