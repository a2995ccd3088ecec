//! Reading the parts of a request, and its state, by ticket.

use std::time::Duration;

use roundtrip_client::{PartEvent, Parts, WaitError};
use roundtrip_protocol::*;

use crate::script::{Peer, Resize, Script, client, replied, state_of, ticket_id};

/// A stream of the parts of a ticket that was attached to.
async fn parts_of(requester: &roundtrip_client::Requester, script: &mut Script) -> (Parts, TicketNumber, Peer) {
    let parts = requester.attach::<Resize>(ticket_id(1)).parts();
    let mut peer = script.welcome().await;
    let number = begin(&mut peer, 1).await;
    (parts, number, peer)
}

/// Takes the attachments of the ticket and of its stream, and begins with a delivery.
async fn begin(peer: &mut Peer, delivery: u32) -> TicketNumber {
    loop {
        match peer.header().await {
            Header::FollowParts(asked) => {
                let first = if asked.delivery == delivery { asked.after + 1 } else { 1 };
                peer.say(PartsFrom { ticket: asked.ticket, delivery, first });
                return asked.ticket;
            }
            Header::Attach(attach) => peer.say(state_of(attach.ticket, RequestState::Waiting)),
            other => panic!("expected FollowParts, got {}", other.name()),
        }
    }
}

fn section(ticket: TicketNumber, delivery: u32, number: u32) -> Part {
    Part { ticket, delivery, number, label: Label::default() }
}

async fn next_number(parts: &mut Parts) -> (u32, u32) {
    match parts.next().await {
        Some(PartEvent::Part(part)) => (part.delivery, part.number),
        other => panic!("expected a part, got {other:?}"),
    }
}

#[tokio::test]
async fn parts_are_read_in_the_readers_types_and_acknowledged_one_after_the_other() {
    let (client, mut script) = client();
    let (mut parts, number, mut peer) = parts_of(&client.requester("letters"), &mut script).await;
    peer.say_with(section(number, 1, 1), r#"{"width":1}"#);
    let Some(PartEvent::Part(part)) = parts.next().await else { panic!("there is a part") };
    assert_eq!(part.json::<Resize>().unwrap(), Resize { width: 1 });
    assert!(part.json::<String>().unwrap_err().to_string().contains("line 1"));
    assert!(!format!("{part:?}").contains("width"));
    peer.say(replied(number));
    assert_eq!(parts.next().await, None);
    assert_eq!(parts.failure(), None);
    let header = loop {
        match peer.header().await {
            Header::Detach(_) => {}
            header => break header,
        }
    };
    assert!(matches!(header, Header::AcknowledgeParts(done) if (done.delivery, done.through) == (1, 1)));
}

#[tokio::test]
async fn parts_go_on_after_a_broken_connection_without_a_gap_or_a_double() {
    let (client, mut script) = client();
    let letters = client.requester("letters");
    let (mut parts, number, peer) = parts_of(&letters, &mut script).await;
    peer.say(section(number, 1, 1));
    assert_eq!(next_number(&mut parts).await, (1, 1));
    peer.cut();
    let mut peer = script.welcome().await;
    let number = begin(&mut peer, 1).await;
    peer.say(section(number, 1, 2));
    assert_eq!(next_number(&mut parts).await, (1, 2));
    peer.cut();
    let mut peer = script.welcome().await;
    let number = begin(&mut peer, 2).await;
    peer.say(section(number, 2, 1));
    assert_eq!(parts.next().await, Some(PartEvent::Restarted { delivery: 2 }));
    assert_eq!(next_number(&mut parts).await, (2, 1));
}

#[tokio::test]
async fn an_outcome_is_there_though_nobody_reads_the_parts() {
    let (client, mut script) = client();
    let letters = client.requester("letters");
    let submitting = tokio::spawn(letters.submit(Resize { width: 64 }).into_future());
    let mut peer = script.welcome().await;
    let (submit, _) = peer.submit().await;
    peer.say(Accepted { ticket: submit.ticket, services: 1, duplicate: None });
    let ticket = submitting.await.unwrap().unwrap();
    let mut parts = ticket.parts();
    let number = begin(&mut peer, 1).await;
    peer.say(section(number, 1, 1));
    peer.say_with(replied(submit.ticket), r#""thumbnail""#);
    assert_eq!(ticket.await.unwrap(), "thumbnail");
    assert_eq!(next_number(&mut parts).await, (1, 1));
    drop(parts);
    assert_eq!(peer.acknowledge().await.id, submit.id);
}

#[tokio::test]
async fn an_unnamed_requester_that_attached_acknowledges_no_part() {
    let (client, mut script) = client();
    let (mut parts, number, mut peer) = parts_of(&client.anonymous(), &mut script).await;
    peer.say(section(number, 1, 1));
    assert_eq!(next_number(&mut parts).await, (1, 1));
    peer.say(replied(number));
    assert_eq!(parts.next().await, None);
    drop(parts);
    drop(client);
    assert!(!peer.ended().await.contains(&"AcknowledgeParts"));
}

#[tokio::test]
async fn the_parts_of_an_unknown_ticket_end_and_say_why() {
    let (client, mut script) = client();
    let ticket = client.requester("letters").attach::<Resize>(ticket_id(1));
    let mut parts = ticket.parts_after(2, 7);
    let mut peer = script.welcome().await;
    peer.attach().await;
    let Header::Attach(attach) = peer.header().await else { panic!("the stream attaches") };
    let Header::FollowParts(asked) = peer.header().await else { panic!("it asks for parts") };
    assert_eq!((asked.delivery, asked.after), (2, 7));
    let refusal = Refusal::new(RefusalCode::UnknownTicket, "unknown");
    peer.say(Refused { ticket: attach.ticket, refusal });
    assert_eq!(parts.next().await, None);
    assert_eq!(parts.failure(), Some(WaitError::UnknownTicket));
}

#[tokio::test]
async fn a_ticket_too_many_is_told_where_it_is_awaited() {
    let (client, mut script) = client();
    let _peer = script.welcome_with(1).await;
    let letters = client.requester("letters");
    let first = letters.attach_raw(ticket_id(1));
    let second = letters.attach_raw(ticket_id(2));
    assert_eq!(second.outcome().await, Err(WaitError::TooManyOpen { limit: 1 }));
    let mut parts = first.parts();
    assert_eq!(parts.next().await, None);
    assert_eq!(parts.failure(), Some(WaitError::TooManyOpen { limit: 1 }));
}

#[tokio::test]
async fn the_state_of_a_request_is_read_by_ticket_alone() {
    let (client, mut script) = client();
    let asking = tokio::spawn(async move { client.status(&ticket_id(1)).await });
    let mut peer = script.welcome().await;
    let Header::Attach(attach) = peer.header().await else { panic!("it attaches") };
    assert_eq!(attach.id, ticket_id(1).id);
    peer.say(State {
        ahead: 41,
        attempts: 2,
        remaining_ms: Some(1_500),
        redrive_of: Some(ticket_id(9).id),
        ..state_of(attach.ticket, RequestState::Waiting)
    });
    let state = asking.await.unwrap().unwrap();
    assert_eq!((state.state, state.ahead, state.services, state.attempts), (RequestState::Waiting, 41, 1, 2));
    assert_eq!(state.remaining, Some(Duration::from_millis(1_500)));
    assert_eq!(state.redrive_of, Some(ticket_id(9).id));
    assert!(matches!(peer.header().await, Header::Detach(detach) if detach.ticket == attach.ticket));
}
