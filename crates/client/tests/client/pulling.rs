//! Taking deliveries by hand.

use std::time::Duration;

use roundtrip_client::{Message, SettleError};
use roundtrip_protocol::*;

use crate::script::{Peer, client};

async fn unsubscribe(peer: &mut Peer) {
    let Header::Unsubscribe(unsubscribe) = peer.header().await else { panic!("it has enough") };
    peer.say(Unsubscribed { service: unsubscribe.service, refusal: None });
}

#[tokio::test]
async fn a_puller_takes_what_is_there_and_holds_it_by_lease_alone() {
    let (client, mut script) = client();
    let puller = client.pull("picture_request");
    let taking = tokio::spawn(async move { puller.take(3, Duration::from_secs(60)).await });
    let mut peer = script.welcome().await;
    let subscribe = peer.subscribe().await;
    assert_eq!((subscribe.credit, subscribe.hold), (3, Hold::Lease));
    let token = peer.deliver(&subscribe, 1, "crop", "one");
    peer.deliver(&subscribe, 2, "crop", "two");
    unsubscribe(&mut peer).await;
    let mut taken = taking.await.unwrap().unwrap();
    assert_eq!(taken.len(), 2);
    assert_eq!(&taken[0].request().payload[..], b"one");

    let dropped = taken.pop().unwrap();
    drop(dropped);
    assert_eq!(peer.settle().await.0.settlement, Settlement::Release);

    let pulled = taken.pop().unwrap();
    pulled.progress(0.5, "halfway");
    assert!(matches!(peer.header().await, Header::ProgressReport(report) if report.token == token));
    let renewing = tokio::spawn(async move { (pulled.renew().await, pulled) });
    let Header::Renew(renew) = peer.header().await else { panic!("it renews") };
    peer.answer(renew.call, Answer::Renewed);
    let (renewed, pulled) = renewing.await.unwrap();
    renewed.unwrap();

    let settling = tokio::spawn(async move { (pulled.reply(Message::new("done")).await, pulled) });
    let (settle, payload) = peer.settle().await;
    assert_eq!((settle.token, &payload[..]), (token, &b"done"[..]));
    peer.answer(settle.call, Answer::Settled);
    let (settled, pulled) = settling.await.unwrap();
    settled.unwrap();
    assert_eq!(pulled.release().await, Err(SettleError::SettledBefore));
}

#[tokio::test(start_paused = true)]
async fn a_puller_that_finds_nothing_takes_nothing() {
    let (client, mut script) = client();
    let puller = client.pull("picture_request");
    let taking = tokio::spawn(async move { puller.take(3, Duration::from_secs(20)).await });
    let mut peer = script.welcome().await;
    peer.subscribe().await;
    unsubscribe(&mut peer).await;
    assert!(taking.await.unwrap().unwrap().is_empty());
}

#[tokio::test]
async fn a_puller_that_is_dropped_gives_back_what_it_got() {
    let (client, mut script) = client();
    let puller = client.pull("picture_request");
    let taking = tokio::spawn(async move { puller.take(3, Duration::from_secs(60)).await });
    let mut peer = script.welcome().await;
    let subscribe = peer.subscribe().await;
    taking.abort();
    assert!(taking.await.unwrap_err().is_cancelled());
    let token = peer.deliver(&subscribe, 1, "crop", "one");
    assert!(matches!(peer.header().await, Header::Unsubscribe(_)));
    let (settle, _) = peer.settle().await;
    assert_eq!((settle.token, settle.settlement), (token, Settlement::Release));
}

#[tokio::test]
async fn a_lost_lease_is_told_when_it_is_renewed_or_settled() {
    let (client, mut script) = client();
    let puller = client.pull("picture_request");
    let taking = tokio::spawn(async move { puller.take(1, Duration::from_secs(60)).await });
    let mut peer = script.welcome().await;
    let subscribe = peer.subscribe().await;
    let token = peer.deliver(&subscribe, 1, "crop", "one");
    unsubscribe(&mut peer).await;
    let pulled = taking.await.unwrap().unwrap().pop().unwrap();
    peer.say(Stop { service: subscribe.service, token, reason: StopReason::LeaseLost });
    peer.say(Ping { nonce: 5 });
    assert!(matches!(peer.header().await, Header::Pong(_)));
    assert_eq!(pulled.renew().await, Err(SettleError::LeaseLost));
    assert_eq!(pulled.reply(Message::new("done")).await, Err(SettleError::LeaseLost));
}
