//! Dead letters and the request to drain.

use roundtrip_client::{Client, DeadLetterError, DrainError};
use roundtrip_protocol::*;

use crate::script::{Peer, client, ticket_id};

fn entry(id: u8) -> DeadLetterEntry {
    DeadLetterEntry {
        id: ticket_id(id).id,
        operation: "resize".into(),
        requester: RequesterName::new("letters").unwrap(),
        reason: DeadReason::AttemptsExhausted,
        attempts: 5,
        deliveries: 6,
        bytes: 12,
        accepted_ms_ago: 2_000,
        died_ms_ago: 1_000,
        last: Some(Problem::new("upstream", "about Mr Smith")),
    }
}

async fn answer_list(peer: &mut Peer, letters: Vec<DeadLetterEntry>, more: bool) -> ListDeadLetters {
    match peer.header().await {
        Header::ListDeadLetters(list) => {
            peer.say(DeadLetters { call: list.call, letters, more });
            list
        }
        other => panic!("expected ListDeadLetters, got {}", other.name()),
    }
}

async fn answer_redrive(peer: &mut Peer, result: Redrive) -> RequestId {
    match peer.header().await {
        Header::RedriveDeadLetter(redrive) => {
            peer.say(Redriven { call: redrive.call, result });
            redrive.id
        }
        other => panic!("expected RedriveDeadLetter, got {}", other.name()),
    }
}

fn letters(client: &Client) -> roundtrip_client::DeadLetters {
    client.dead_letters("picture_request")
}

#[tokio::test]
async fn all_pages_of_dead_letters_are_listed() {
    let (client, mut script) = client();
    let listing = tokio::spawn(async move { letters(&client).list().await });
    let mut peer = script.welcome().await;
    assert_eq!(answer_list(&mut peer, vec![entry(1), entry(2)], true).await.after, None);
    assert_eq!(answer_list(&mut peer, vec![entry(3)], false).await.after, Some(entry(2).id));
    assert_eq!(listing.await.unwrap().unwrap(), [entry(1), entry(2), entry(3)]);
}

#[tokio::test]
async fn a_dead_letter_is_read_whole_and_shows_nothing_of_itself() {
    let (client, mut script) = client();
    let reading = tokio::spawn(async move {
        let letters = letters(&client);
        (letters.read(ticket_id(1).id).await, letters.read(ticket_id(2).id).await)
    });
    let mut peer = script.welcome().await;
    let Header::ReadDeadLetter(read) = peer.header().await else { panic!("it reads") };
    let label = Label { content_type: "application/json".into(), headers: Headers::default() };
    let letter = Some(DeadLetterContent { entry: entry(1), reply_channel: None, label });
    peer.say_with(DeadLetter { call: read.call, letter }, r#"{"patient":"Smith"}"#);
    let Header::ReadDeadLetter(read) = peer.header().await else { panic!("it reads") };
    peer.say(DeadLetter { call: read.call, letter: None });
    let (there, not_there) = reading.await.unwrap();
    let there = there.unwrap();
    assert_eq!((&there.payload[..], there.content_type.as_str()), (&br#"{"patient":"Smith"}"#[..], "application/json"));
    assert!(!format!("{there:?}").contains("Smith"));
    assert_eq!(not_there, Err(DeadLetterError::UnknownLetter));
}

#[tokio::test]
async fn a_redrive_gives_the_new_requests_ticket_or_says_why_not() {
    let (client, mut script) = client();
    let redriving = tokio::spawn(async move {
        let letters = letters(&client);
        (letters.redrive(ticket_id(1).id).await, letters.redrive(ticket_id(2).id).await)
    });
    let mut peer = script.welcome().await;
    assert_eq!(answer_redrive(&mut peer, Redrive::Accepted(ticket_id(9).id)).await, ticket_id(1).id);
    let refusal = Refusal::passing(RefusalCode::ChannelFull, "full", 100);
    answer_redrive(&mut peer, Redrive::Refused(refusal.clone())).await;
    let (accepted, refused) = redriving.await.unwrap();
    assert_eq!(accepted.unwrap(), ticket_id(9));
    assert_eq!(refused, Err(DeadLetterError::Refused(refusal)));
}

#[tokio::test]
async fn a_redrive_whose_answer_was_lost_is_unconfirmed() {
    let (client, mut script) = client();
    let redriving = tokio::spawn(async move { letters(&client).redrive(ticket_id(1).id).await });
    let mut peer = script.welcome().await;
    peer.header().await;
    peer.cut();
    let mut peer = script.welcome().await;
    answer_redrive(&mut peer, Redrive::Unknown).await;
    assert_eq!(redriving.await.unwrap(), Err(DeadLetterError::Unconfirmed));
}

#[tokio::test]
async fn all_that_are_there_are_redriven_and_one_that_went_is_no_error() {
    let (client, mut script) = client();
    let redriving = tokio::spawn(async move { letters(&client).redrive_all().await });
    let mut peer = script.welcome().await;
    answer_list(&mut peer, vec![entry(1), entry(2)], false).await;
    answer_redrive(&mut peer, Redrive::Unknown).await;
    answer_redrive(&mut peer, Redrive::Accepted(ticket_id(9).id)).await;
    assert_eq!(redriving.await.unwrap().unwrap(), [ticket_id(9)]);
}

#[tokio::test]
async fn all_that_are_there_are_purged() {
    let (client, mut script) = client();
    let purging = tokio::spawn(async move {
        let letters = letters(&client);
        (letters.purge_all().await, letters.purge(ticket_id(3).id).await)
    });
    let mut peer = script.welcome().await;
    answer_list(&mut peer, vec![entry(1), entry(2)], false).await;
    for was_there in [true, false, false] {
        let Header::PurgeDeadLetter(purge) = peer.header().await else { panic!("it purges") };
        peer.say(Purged { call: purge.call, was_there });
    }
    let (all, one) = purging.await.unwrap();
    assert_eq!(all, Ok(1));
    assert_eq!(one, Err(DeadLetterError::UnknownLetter));
}

#[tokio::test]
async fn a_channel_that_is_no_name_or_is_refused_is_told() {
    let (client, mut script) = client();
    assert!(matches!(client.dead_letters("no name").list().await, Err(DeadLetterError::Name(_))));
    let listing = tokio::spawn(async move { letters(&client).list().await });
    let mut peer = script.welcome().await;
    let Header::ListDeadLetters(list) = peer.header().await else { panic!("it lists") };
    let refusal = Refusal::new(RefusalCode::UnknownChannel, "no such channel");
    peer.say(Bound { number: list.channel, refusal: Some(refusal.clone()) });
    peer.say(DeadLetters { call: list.call, letters: Vec::new(), more: false });
    assert_eq!(listing.await.unwrap(), Err(DeadLetterError::Refused(refusal)));
}

#[tokio::test]
async fn a_broker_drains_or_says_why_not() {
    let (client, mut script) = client();
    let draining = tokio::spawn(async move { (client.request_drain().await, client.request_drain().await) });
    let mut peer = script.welcome().await;
    let Header::RequestDrain(request) = peer.header().await else { panic!("it asks") };
    let refusal = Refusal::new(RefusalCode::Forbidden, "it is stopped by its program");
    peer.say(DrainAnswered { call: request.call, refusal: Some(refusal.clone()) });
    let Header::RequestDrain(request) = peer.header().await else { panic!("it asks") };
    peer.say(DrainAnswered { call: request.call, refusal: None });
    assert_eq!(draining.await.unwrap(), (Err(DrainError::Refused(refusal)), Ok(())));
}
