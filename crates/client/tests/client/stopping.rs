//! Handlers whose work is no longer wanted: what they are told, and what the broker is told when they have ended.

use std::sync::Arc;
use std::time::Duration;

use roundtrip_client::{Client, Context, Failure, ServiceHandle, StopReason};
use roundtrip_protocol::*;
use tokio::sync::{Notify, mpsc};

use crate::script::{Peer, Resize, ResizeError, client};

const WIDTH_64: &str = r#"{"width":64}"#;

/// What a handler tells of itself.
#[derive(Debug, PartialEq)]
enum Told {
    Began(u32, Option<Duration>),
    Stopped(Option<StopReason>),
}

/// A service whose handlers tell when they begin and when they are stopped, and end when they are allowed to.
fn service(client: &Client, concurrency: u32) -> (ServiceHandle, mpsc::UnboundedReceiver<Told>, Arc<Notify>) {
    let (tell, told) = mpsc::unbounded_channel();
    let may_end = Arc::new(Notify::new());
    let end = Arc::clone(&may_end);
    let handler = move |command: Resize, job: Context| {
        let (tell, end) = (tell.clone(), Arc::clone(&end));
        async move {
            tell.send(Told::Began(command.width, job.remaining())).unwrap();
            job.cancelled().cancelled().await;
            tell.send(Told::Stopped(job.stop_reason())).unwrap();
            end.notified().await;
            assert_ne!(command.width, 13, "a deliberate panic of this test");
            Ok::<_, Failure<ResizeError>>("too late".to_owned())
        }
    };
    (client.service(handler).concurrency(concurrency).spawn(), told, may_end)
}

async fn assert_says_nothing(peer: &mut Peer) {
    peer.say(Ping { nonce: 5 });
    assert!(matches!(peer.header().await, Header::Pong(_)));
}

async fn stopped(peer: &mut Peer) -> Token {
    match peer.header().await {
        Header::Stopped(stopped) => stopped.token,
        other => panic!("expected Stopped, got {}", other.name()),
    }
}

#[tokio::test]
async fn the_broker_is_told_when_a_cancelled_handler_has_ended_and_its_result_goes_nowhere() {
    for reason in [StopReason::Cancelled, StopReason::Expired] {
        let (client, mut script) = client();
        let (_service, mut told, may_end) = service(&client, 8);
        let mut peer = script.welcome().await;
        let subscribe = peer.subscribe().await;
        let token = peer.deliver(&subscribe, 1, "resize", WIDTH_64);
        assert!(matches!(told.recv().await, Some(Told::Began(..))));
        peer.say(Stop { service: subscribe.service, token, reason });
        assert_eq!(told.recv().await, Some(Told::Stopped(Some(reason))));
        assert_says_nothing(&mut peer).await;
        may_end.notify_one();
        assert_eq!(stopped(&mut peer).await, token);
        assert_says_nothing(&mut peer).await;
    }
}

#[tokio::test]
async fn a_handler_that_panics_when_it_is_stopped_has_ended_too() {
    let (client, mut script) = client();
    let (_service, mut told, may_end) = service(&client, 8);
    let mut peer = script.welcome().await;
    let subscribe = peer.subscribe().await;
    let token = peer.deliver(&subscribe, 1, "resize", r#"{"width":13}"#);
    told.recv().await;
    peer.say(Stop { service: subscribe.service, token, reason: StopReason::Cancelled });
    told.recv().await;
    may_end.notify_one();
    assert_eq!(stopped(&mut peer).await, token);
}

#[tokio::test]
async fn a_delivery_that_is_cancelled_before_its_handler_began_is_never_begun() {
    let (client, mut script) = client();
    let (_service, mut told, may_end) = service(&client, 1);
    let mut peer = script.welcome().await;
    let subscribe = peer.subscribe().await;
    let first = peer.deliver(&subscribe, 1, "resize", r#"{"width":1}"#);
    assert!(matches!(told.recv().await, Some(Told::Began(1, _))));
    let second = peer.deliver(&subscribe, 2, "resize", r#"{"width":2}"#);
    peer.say(Stop { service: subscribe.service, token: second, reason: StopReason::Cancelled });
    assert_eq!(stopped(&mut peer).await, second);
    peer.deliver(&subscribe, 3, "resize", r#"{"width":3}"#);
    peer.say(Stop { service: subscribe.service, token: first, reason: StopReason::LeaseLost });
    assert_eq!(told.recv().await, Some(Told::Stopped(Some(StopReason::LeaseLost))));
    may_end.notify_one();
    assert!(matches!(told.recv().await, Some(Told::Began(3, _))));
}

#[tokio::test]
async fn a_request_cancelled_while_its_service_is_disconnected_stops_the_handler_after_the_reconnect() {
    let (client, mut script) = client();
    let (_service, mut told, may_end) = service(&client, 8);
    let mut peer = script.welcome().await;
    let subscribe = peer.subscribe().await;
    let token = peer.deliver(&subscribe, 1, "resize", WIDTH_64);
    told.recv().await;
    peer.cut();
    let mut peer = script.welcome().await;
    let Header::TakeBack(take_back) = peer.header().await else { panic!("it takes its delivery back first") };
    peer.answer(take_back.call, Answer::Cancelled);
    peer.subscribe().await;
    assert_eq!(told.recv().await, Some(Told::Stopped(Some(StopReason::Cancelled))));
    may_end.notify_one();
    assert_eq!(stopped(&mut peer).await, token);
}

#[tokio::test]
async fn a_handler_that_ends_while_disconnected_is_said_to_have_stopped_after_the_reconnect() {
    let (client, mut script) = client();
    let (_service, mut told, may_end) = service(&client, 8);
    let mut peer = script.welcome().await;
    let subscribe = peer.subscribe().await;
    let token = peer.deliver(&subscribe, 1, "resize", WIDTH_64);
    told.recv().await;
    peer.say(Stop { service: subscribe.service, token, reason: StopReason::Cancelled });
    told.recv().await;
    peer.cut();
    may_end.notify_one();
    let mut peer = script.welcome().await;
    assert_eq!(stopped_after_restore(&mut peer).await, token);
}

/// The handler ends before the new connection stands or behind it: what comes first does not matter.
async fn stopped_after_restore(peer: &mut Peer) -> Token {
    loop {
        match peer.header().await {
            Header::Stopped(stopped) => return stopped.token,
            Header::Subscribe(_) => {}
            other => panic!("expected Stopped, got {}", other.name()),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_sees_what_remains_and_is_stopped_at_the_deadline_though_the_broker_is_out_of_reach() {
    let (client, mut script) = client();
    let (_service, mut told, _may_end) = service(&client, 8);
    let mut peer = script.welcome().await;
    let subscribe = peer.subscribe().await;
    peer.deliver(&subscribe, 1, "resize", WIDTH_64);
    let minute = Duration::from_secs(60);
    assert_eq!(told.recv().await, Some(Told::Began(64, Some(minute))));
    let began = tokio::time::Instant::now();
    peer.cut();
    let _unwelcome = script.connection().await;
    assert_eq!(told.recv().await, Some(Told::Stopped(Some(StopReason::Expired))));
    assert_eq!(began.elapsed().as_secs(), minute.as_secs());
}

#[tokio::test]
async fn a_dropped_service_stops_its_handlers_without_a_reason() {
    let (client, mut script) = client();
    let (running, mut told, _may_end) = service(&client, 8);
    let mut peer = script.welcome().await;
    let subscribe = peer.subscribe().await;
    peer.deliver(&subscribe, 1, "resize", WIDTH_64);
    told.recv().await;
    drop(running);
    assert!(matches!(peer.header().await, Header::Unsubscribe(_)));
    assert!(matches!(told.recv().await, None | Some(Told::Stopped(None))));
}
