//! Reading a mailbox.

use roundtrip_client::RepliesError;
use roundtrip_protocol::*;

use crate::script::{Peer, client};

async fn open(peer: &mut Peer) -> OpenMailbox {
    match peer.header().await {
        Header::OpenMailbox(open) => {
            peer.say(MailboxOpened { mailbox: open.mailbox, opening: Opening::Opened });
            open
        }
        other => panic!("expected OpenMailbox, got {}", other.name()),
    }
}

fn reply(mailbox: MailboxNumber, id: u8) -> Reply {
    Reply {
        mailbox,
        channel: ChannelName::new("picture_request").unwrap(),
        id: RequestId::from_bytes([id; 16]),
        redrive_of: None,
        operation: "resize".into(),
        attempts: 2,
        ending: Ending::Replied(Label::default()),
    }
}

#[tokio::test]
async fn replies_stay_until_they_are_acknowledged() {
    let (client, mut script) = client();
    let opening = tokio::spawn(client.requester("letters").replies("picture_reply").into_future());
    let mut peer = script.welcome().await;
    let opened = open(&mut peer).await;
    assert_eq!((opened.mode, opened.reply_channel.as_str()), (OpenMode::Take, "picture_reply"));
    let mut replies = opening.await.unwrap().unwrap();
    peer.say_with(reply(opened.mailbox, 1), "thumbnail");
    let first = replies.next().await.unwrap().unwrap();
    assert_eq!((&first.outcome.payload[..], first.outcome.attempts), (&b"thumbnail"[..], 2));
    let ticket = first.ticket.clone();
    let acknowledging = tokio::spawn(async move { first.acknowledge().await });
    let acknowledge = peer.acknowledge().await;
    assert_eq!(acknowledge.id, ticket.id);
    peer.say(Acknowledged { call: acknowledge.call, result: Acknowledgement::Done });
    acknowledging.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_follower_learns_when_it_has_read_all_that_was_there() {
    let (client, mut script) = client();
    let opening = tokio::spawn(client.requester("letters").replies("picture_reply").follow().into_future());
    let mut peer = script.welcome().await;
    let opened = open(&mut peer).await;
    assert_eq!(opened.mode, OpenMode::Follow);
    let mut replies = opening.await.unwrap().unwrap();
    peer.say(reply(opened.mailbox, 1));
    peer.say(CaughtUp { mailbox: opened.mailbox });
    assert!(replies.next_there().await.is_some());
    assert!(replies.next_there().await.is_none());
    peer.say(reply(opened.mailbox, 2));
    assert!(replies.next().await.is_some(), "it goes on to what comes");
}

#[tokio::test]
async fn a_holder_that_is_replaced_is_told() {
    let (client, mut script) = client();
    let opening = tokio::spawn(client.requester("letters").replies("picture_reply").into_future());
    let mut peer = script.welcome().await;
    let opened = open(&mut peer).await;
    let mut replies = opening.await.unwrap().unwrap();
    peer.say(MailboxClosed { mailbox: opened.mailbox, reason: MailboxEnd::Taken });
    assert_eq!(replies.next().await.unwrap().unwrap_err(), RepliesError::Taken);
    assert!(replies.next().await.is_none());
}

#[tokio::test]
async fn a_mailbox_that_is_not_free_is_not_opened() {
    let (client, mut script) = client();
    let opening = tokio::spawn(client.requester("letters").replies("picture_reply").if_free().into_future());
    let mut peer = script.welcome().await;
    let Header::OpenMailbox(open) = peer.header().await else { panic!("it opens") };
    peer.say(MailboxOpened { mailbox: open.mailbox, opening: Opening::Held });
    assert_eq!(opening.await.unwrap().err(), Some(RepliesError::Held));
}

#[tokio::test]
async fn dropped_replies_close_the_mailbox() {
    let (client, mut script) = client();
    let opening = tokio::spawn(client.requester("letters").replies("picture_reply").into_future());
    let mut peer = script.welcome().await;
    let opened = open(&mut peer).await;
    drop(opening.await.unwrap().unwrap());
    assert!(matches!(peer.header().await, Header::CloseMailbox(close) if close.mailbox == opened.mailbox));
}
