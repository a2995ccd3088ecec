//! The first connection, the next ones, and what is told of them.

use std::time::Duration;

use roundtrip_client::{Client, ConnectError, ConnectionEvent};
use roundtrip_protocol::*;

use crate::script::{client, way};

#[tokio::test]
async fn where_nobody_listens_the_error_names_the_address_and_the_command_that_helps() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let error = Client::connect(&address).connect_timeout(Duration::ZERO).await.unwrap_err();
    assert!(matches!(error, ConnectError::Unreachable { .. }));
    let text = error.to_string();
    assert!(text.contains(&format!("roundtrip broker --listen {address}")), "{text}");
}

#[tokio::test(start_paused = true)]
async fn the_first_connection_is_tried_until_its_time_has_passed() {
    let (connect, script) = way();
    drop(script);
    let began = tokio::time::Instant::now();
    let failed = Client::builder().connect(connect).connect_timeout(Duration::from_secs(3)).await;
    assert!(matches!(failed, Err(ConnectError::Unreachable { .. })));
    assert!(began.elapsed() <= Duration::from_secs(3));
    assert!(began.elapsed() >= Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn whoever_answers_nothing_is_no_broker() {
    let (connect, mut script) = way();
    let connecting =
        tokio::spawn(Client::builder().connect(connect).connect_timeout(Duration::from_secs(3)).into_future());
    let _silent = script.connection().await;
    let failed = connecting.await.unwrap();
    assert!(matches!(failed, Err(ConnectError::Silent { .. })));
}

#[tokio::test]
async fn a_welcome_makes_a_client() {
    let (connect, mut script) = way();
    let connecting = tokio::spawn(Client::builder().connect(connect).into_future());
    let _peer = script.welcome().await;
    let client = connecting.await.unwrap().unwrap();
    assert_eq!(client.destination(), "the script");
}

#[tokio::test]
async fn a_client_tells_of_its_connections() {
    let (client, mut script) = client();
    let mut events = client.events();
    let peer = script.welcome().await;
    assert_eq!(events.next().await, Some(ConnectionEvent::Connected));
    peer.say(Drain { remaining_ms: 500 });
    let remaining = Duration::from_millis(500);
    assert_eq!(events.next().await, Some(ConnectionEvent::Draining { remaining }));
    peer.cut();
    assert_eq!(events.next().await, Some(ConnectionEvent::Disconnected));
    let mut peer = script.welcome().await;
    assert_eq!(events.next().await, Some(ConnectionEvent::Connected));
    let closing = tokio::spawn(async move { client.close().await });
    peer.ended().await;
    closing.await.unwrap();
    assert_eq!(events.next().await, None);
}
