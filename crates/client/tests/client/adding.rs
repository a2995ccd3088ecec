//! Parts: interim results of handlers and pullers.

use std::sync::Arc;
use std::time::Duration;

use roundtrip_client::{Context, Failure, Message, PartError, Pulled, SettleError, StopReason, TestDelivery};
use roundtrip_protocol::*;
use tokio::sync::{Notify, mpsc};

use crate::script::{Peer, Resize, ResizeError, Script, client};

const WIDTH_64: &str = r#"{"width":64}"#;

type Outcome = Result<String, Failure<ResizeError>>;

impl Peer {
    async fn part(&mut self) -> (AddPart, bytes::Bytes) {
        match self.next().await {
            Frame { header: Header::AddPart(part), payload } => (part, payload),
            other => panic!("expected AddPart, got {}", other.header.name()),
        }
    }
}

/// A service at work on one delivery.
struct Work {
    script: Script,
    peer: Peer,
    subscribe: Subscribe,
    token: Token,
    _service: roundtrip_client::ServiceHandle,
}

async fn at_work<Answer>(handler: impl Fn(Resize, Context) -> Answer + Send + Sync + 'static) -> Work
where
    Answer: Future<Output = Outcome> + Send + 'static,
{
    let (client, mut script) = client();
    let service = client.service(handler).spawn();
    let mut peer = script.welcome().await;
    let subscribe = peer.subscribe().await;
    let token = peer.deliver(&subscribe, 1, "resize", WIDTH_64);
    Work { script, peer, subscribe, token, _service: service }
}

#[tokio::test]
async fn a_handler_adds_parts_that_come_before_its_reply() {
    let mut work = at_work(|_, job| async move {
        let first = job.part("one").await?;
        let second = job.part_json(&[2]).await?;
        let third = job.part(Message::new("three").content_type("text/plain").header("page", "3")).await?;
        Ok(format!("{first}{second}{third}"))
    })
    .await;
    for (number, content_type, payload) in [(1, "", "one"), (2, "application/json", "[2]"), (3, "text/plain", "three")]
    {
        let (part, bytes) = work.peer.part().await;
        assert_eq!((part.token, part.number), (work.token, number));
        assert_eq!((part.label.content_type.as_str(), &bytes[..]), (content_type, payload.as_bytes()));
        work.peer.answer(part.call, Answer::PartKept);
    }
    assert_eq!(&work.peer.settle().await.1[..], br#""123""#);
}

#[tokio::test]
async fn a_part_waits_for_room_and_one_that_is_only_tried_does_not() {
    let mut work = at_work(|_, job| async move {
        assert_eq!(job.try_part("one").await, Err(PartError::Full));
        Ok(job.part("two").await?.to_string())
    })
    .await;
    for payload in ["one", "two"] {
        let (part, bytes) = work.peer.part().await;
        assert_eq!((part.number, &bytes[..]), (1, payload.as_bytes()));
        work.peer.answer(part.call, Answer::PartsFull);
    }
    work.peer.say(PartsRoom { service: work.subscribe.service, token: work.token });
    let (part, _) = work.peer.part().await;
    work.peer.answer(part.call, Answer::PartKept);
    assert_eq!(&work.peer.settle().await.1[..], br#""1""#);
}

#[tokio::test]
async fn a_part_that_is_too_large_names_the_limit_and_the_delivery_goes_on() {
    let mut work = at_work(|_, job| async move {
        let refused = job.part("too much").await.unwrap_err();
        assert_eq!(refused, PartError::TooLarge { limit: 7 });
        Ok(refused.to_string())
    })
    .await;
    let (part, _) = work.peer.part().await;
    work.peer.answer(part.call, Answer::TooLarge { max_payload: 7 });
    let (_, reply) = work.peer.settle().await;
    assert!(String::from_utf8_lossy(&reply).contains("7 bytes"));
}

#[tokio::test]
async fn a_connection_that_breaks_in_the_middle_of_a_part_neither_loses_nor_doubles_it() {
    let mut work = at_work(|_, job| async move {
        let (first, second) = tokio::join!(job.part("one"), job.part("two"));
        Ok(format!("{}{}", first?, second?))
    })
    .await;
    assert_eq!(work.peer.part().await.0.number, 1);
    work.peer.cut();
    let mut peer = work.script.welcome().await;
    let Header::TakeBack(take_back) = peer.header().await else { panic!("it takes its delivery back first") };
    peer.answer(take_back.call, Answer::TakenBack);
    let (part, payload) = peer.part().await;
    assert_eq!((part.token, part.number, &payload[..]), (work.token, 1, &b"one"[..]));
    peer.subscribe().await;
    peer.answer(part.call, Answer::PartKept);
    let (part, payload) = peer.part().await;
    assert_eq!((part.number, &payload[..]), (2, &b"two"[..]));
    peer.answer(part.call, Answer::PartKept);
    assert_eq!(&peer.settle().await.1[..], br#""12""#);
}

#[tokio::test]
async fn a_stop_ends_the_wait_of_a_part() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let mut work = at_work(move |_, job| {
        let tell = tell.clone();
        async move {
            tell.send((job.part("one").await, job.stop_reason())).unwrap();
            Err(Failure::release())
        }
    })
    .await;
    let (part, _) = work.peer.part().await;
    work.peer.answer(part.call, Answer::PartsFull);
    work.peer.say(Stop { service: work.subscribe.service, token: work.token, reason: StopReason::Cancelled });
    assert_eq!(told.recv().await.unwrap().0, Err(PartError::Stopped(StopReason::Cancelled)));
    assert!(matches!(work.peer.header().await, Header::Stopped(stopped) if stopped.token == work.token));
}

#[tokio::test]
async fn a_dropped_part_is_not_added_unless_the_broker_may_have_it() {
    let drop_now = Arc::new(Notify::new());
    let dropped = Arc::clone(&drop_now);
    let mut work = at_work(move |_, job| {
        let dropped = Arc::clone(&dropped);
        async move {
            tokio::select! {
                _ = async { tokio::join!(job.part("sent"), job.part("behind it")) } => {}
                () = dropped.notified() => {}
            }
            Ok(job.part("after").await?.to_string())
        }
    })
    .await;
    let (sent, _) = work.peer.part().await;
    drop_now.notify_one();
    work.peer.say(Ping { nonce: 5 });
    assert!(matches!(work.peer.header().await, Header::Pong(_)), "one at a time");
    work.peer.answer(sent.call, Answer::PartKept);
    let (after, payload) = loop {
        let (part, payload) = work.peer.part().await;
        if &payload[..] != b"behind it" {
            break (part, payload);
        }
        work.peer.answer(part.call, Answer::PartKept); // It was sent before it was dropped.
    };
    assert_eq!(&payload[..], b"after");
    work.peer.answer(after.call, Answer::PartKept);
    assert_eq!(work.peer.settle().await.1, format!("\"{}\"", after.number));
}

#[tokio::test]
async fn nothing_is_added_to_a_delivery_that_is_settled() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let mut work = at_work(move |_, job| {
        tell.send(job).unwrap();
        async { Ok(String::new()) }
    })
    .await;
    let job = told.recv().await.unwrap();
    let (settle, _) = work.peer.settle().await;
    assert_eq!(job.part("late").await, Err(PartError::Settled));
    work.peer.answer(settle.call, Answer::Settled);
    assert_eq!(job.part("later").await, Err(PartError::Settled));
}

#[tokio::test]
async fn a_test_delivery_keeps_what_a_handler_tells() {
    let delivery = TestDelivery::new().remaining(Duration::from_secs(60)).attempt(2).header("ward", "3");
    let job = delivery.context();
    assert!(job.remaining().is_some_and(|left| left <= Duration::from_secs(60)));
    assert_eq!((job.attempt(), job.delivery(), job.headers().value("ward")), (2, 2, Some("3")));
    job.progress(0.5, "halfway");
    assert_eq!((job.part("one").await, job.try_part("two").await), (Ok(1), Ok(2)));
    assert_eq!(delivery.parts(), [Message::new("one"), Message::new("two")]);
    assert_eq!(delivery.progress()[0].stage, "halfway");
    assert_eq!(job.stop_reason(), None);
    delivery.stop(StopReason::Expired);
    delivery.stop(StopReason::LeaseLost);
    job.cancelled().cancelled().await;
    assert_eq!(job.stop_reason(), Some(StopReason::Expired));
    assert_eq!(job.part("late").await, Err(PartError::Stopped(StopReason::Expired)));
}

/// One request that was taken by hand.
async fn pulled() -> (Peer, Subscribe, Token, Pulled) {
    let (client, mut script) = client();
    let puller = client.pull("picture_request").lease(Duration::from_secs(90));
    let taking = tokio::spawn(async move { puller.take(1, Duration::from_secs(60)).await });
    let mut peer = script.welcome().await;
    let subscribe = peer.subscribe().await;
    let token = peer.deliver(&subscribe, 1, "crop", "one");
    let Header::Unsubscribe(unsubscribe) = peer.header().await else { panic!("it has enough") };
    peer.say(Unsubscribed { service: unsubscribe.service, refusal: None });
    (peer, subscribe, token, taking.await.unwrap().unwrap().pop().unwrap())
}

#[tokio::test]
async fn a_puller_asks_for_its_lease_adds_parts_and_throttles() {
    let (mut peer, subscribe, token, pulled) = pulled().await;
    assert_eq!(subscribe.lease_ms, Some(90_000));
    assert!(pulled.remaining().is_some_and(|left| left <= Duration::from_secs(60)));
    assert_eq!(pulled.redrive_of(), None);
    let adding = tokio::spawn(async move { (pulled.part("half").await, pulled) });
    let (part, payload) = peer.part().await;
    assert_eq!((part.token, &payload[..]), (token, &b"half"[..]));
    peer.answer(part.call, Answer::PartKept);
    let (added, pulled) = adding.await.unwrap();
    assert_eq!(added, Ok(1));
    let trying = tokio::spawn(async move { (pulled.try_part("more").await, pulled) });
    let (part, _) = peer.part().await;
    peer.answer(part.call, Answer::PartsFull);
    let (tried, pulled) = trying.await.unwrap();
    assert_eq!(tried, Err(PartError::Full));
    let throttling = tokio::spawn(async move { pulled.throttle(Duration::from_secs(2)).await });
    let (settle, _) = peer.settle().await;
    assert_eq!(settle.settlement, Settlement::Throttle { retry_after_ms: 2000 });
    peer.answer(settle.call, Answer::Settled);
    throttling.await.unwrap().unwrap();
}

#[tokio::test]
async fn one_who_pulled_is_told_of_the_cancellation_when_it_renews_and_settles() {
    let (mut peer, _, token, pulled) = pulled().await;
    let renewing = tokio::spawn(async move { (pulled.renew().await, pulled) });
    let Header::Renew(renew) = peer.header().await else { panic!("it renews") };
    peer.answer(renew.call, Answer::Cancelled);
    let (renewed, pulled) = renewing.await.unwrap();
    assert_eq!(renewed, Err(SettleError::Cancelled));
    let settling = tokio::spawn(async move { pulled.reply(Message::new("done")).await });
    let (settle, _) = peer.settle().await;
    assert_eq!(settle.token, token);
    peer.answer(settle.call, Answer::Cancelled);
    assert_eq!(settling.await.unwrap(), Err(SettleError::Cancelled));
}

#[tokio::test]
async fn one_who_pulled_says_that_the_work_has_ended_by_letting_go() {
    let (mut peer, subscribe, token, pulled) = pulled().await;
    peer.say(Stop { service: subscribe.service, token, reason: StopReason::Expired });
    peer.say(Ping { nonce: 5 });
    assert!(matches!(peer.header().await, Header::Pong(_)));
    assert_eq!(pulled.renew().await, Err(SettleError::Expired));
    drop(pulled);
    assert!(matches!(peer.header().await, Header::Stopped(stopped) if stopped.token == token));
}
