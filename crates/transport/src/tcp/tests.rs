use std::future::poll_fn;

use roundtrip_protocol::Header;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::*;
use crate::samples::{UNKNOWN, pattern, ping, raw, submit};

const LIMITS: Limits = Limits::with_max_payload(16 * 1024 * 1024);

/// A client's connection, and the stream at the broker's end.
async fn connected() -> (Box<dyn Connection>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let connect = TcpConnect::new(listener.local_addr().unwrap().to_string());
    let (near, far) = tokio::join!(connect.connect(), listener.accept());
    let mut near = near.unwrap();
    near.set_limits(LIMITS);
    (near, far.unwrap().0)
}

async fn send(connection: &mut dyn Connection, frames: impl IntoIterator<Item = Frame>) -> Result<(), Broken> {
    let mut frames = frames.into_iter().collect();
    poll_fn(|context| connection.poll_send(context, &mut frames)).await?;
    assert!(frames.is_empty());
    Ok(())
}

async fn receive(connection: &mut dyn Connection, count: usize) -> Result<Vec<Frame>, Broken> {
    let mut frames = VecDeque::new();
    while frames.len() < count {
        let before = frames.len();
        poll_fn(|context| connection.poll_receive(context, &mut frames)).await?;
        assert!(frames.len() > before);
    }
    Ok(frames.into())
}

/// A broker's end that sends back every frame.
async fn echo(stream: TcpStream) {
    let mut broker = TcpConnection::new(stream).unwrap();
    broker.set_limits(LIMITS);
    let mut frames = VecDeque::new();
    while poll_fn(|context| broker.poll_receive(context, &mut frames)).await.is_ok() {
        poll_fn(|context| broker.poll_send(context, &mut frames)).await.unwrap();
    }
}

#[tokio::test]
async fn frames_travel_both_ways_in_order() {
    let (mut connection, far) = connected().await;
    tokio::spawn(echo(far));
    let sent: Vec<_> = (0..1_000).flat_map(|at| [ping(at), submit(pattern(at as usize * 7))]).collect();
    let mut frames = VecDeque::from(sent.clone());
    let mut received = VecDeque::new();
    poll_fn(|context| {
        let _ = connection.poll_send(context, &mut frames)?;
        while received.len() < sent.len() {
            ready!(connection.poll_receive(context, &mut received))?;
        }
        Poll::Ready(Ok::<_, Broken>(()))
    })
    .await
    .unwrap();
    assert!(frames.is_empty());
    assert_eq!(received, sent);
}

#[tokio::test]
async fn a_large_payload_arrives_whole_beside_small_ones() {
    let (mut connection, far) = connected().await;
    let sent = [ping(1), submit(pattern(16 * 1024 * 1024)), ping(2)];
    let mut broker = TcpConnection::new(far).unwrap();
    broker.set_limits(LIMITS);
    let (sending, received) = tokio::join!(send(&mut *connection, sent.clone()), receive(&mut broker, 3));
    sending.unwrap();
    assert_eq!(received.unwrap(), sent);
}

#[tokio::test]
async fn a_host_name_is_resolved_and_kept_for_messages() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("localhost:{}", listener.local_addr().unwrap().port());
    let connect = TcpConnect::new(address.clone());
    assert_eq!(connect.destination(), address);
    let (near, far) = tokio::join!(connect.connect(), listener.accept());
    assert!(near.is_ok() && far.is_ok());
}

#[tokio::test]
async fn nobody_at_the_address_is_the_systems_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let refused = TcpConnect::new(address).connect().await.err();
    assert!(matches!(&refused, Some(Broken::Io(error)) if error.kind() == io::ErrorKind::ConnectionRefused));
    let nonsense = TcpConnect::new("no address").connect().await.err();
    assert!(matches!(nonsense, Some(Broken::Io(_))));
}

#[tokio::test]
async fn an_unknown_frame_is_skipped_and_answered() {
    let (mut connection, mut far) = connected().await;
    far.write_all(&raw(UNKNOWN, b"what", b"ever")).await.unwrap();
    far.write_all(&crate::samples::bytes_of(&ping(4))).await.unwrap();
    assert_eq!(receive(&mut *connection, 1).await.unwrap(), [ping(4)]);

    let mut broker = TcpConnection::new(far).unwrap();
    let answer = receive(&mut broker, 1).await.unwrap().remove(0);
    let Header::Error(error) = answer.header else { panic!("{answer:?}") };
    assert_eq!((error.code, error.frame, error.closes), (ErrorCode::UnknownFrame, UNKNOWN, false));
    assert!(error.message.contains("0xee"), "{}", error.message);
}

#[tokio::test]
async fn a_closed_stream_and_a_broken_one_are_told_apart() {
    let (mut connection, far) = connected().await;
    drop(far);
    assert!(matches!(receive(&mut *connection, 1).await, Err(Broken::Closed)));

    let (mut connection, mut far) = connected().await;
    far.write_all(b"HTTP/1.1 400 Bad Request\r\n").await.unwrap();
    assert!(matches!(receive(&mut *connection, 1).await, Err(Broken::Protocol(_))));
}

#[tokio::test]
async fn before_the_handshake_only_small_frames_are_taken() {
    let (mut connection, far) = connected().await;
    connection.set_limits(Limits::HANDSHAKE);
    let mut broker = TcpConnection::new(far).unwrap();
    send(&mut broker, [submit(pattern(1))]).await.unwrap();
    let refused = receive(&mut *connection, 1).await;
    assert!(matches!(refused, Err(Broken::Protocol(_))), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn received_bytes_are_a_sign_of_life() {
    let (mut connection, mut far) = connected().await;
    tokio::time::advance(Duration::from_secs(3)).await;
    assert_eq!(connection.silent_for(), Duration::from_secs(3));
    far.write_all(&crate::samples::bytes_of(&ping(4))).await.unwrap();
    receive(&mut *connection, 1).await.unwrap();
    assert_eq!(connection.silent_for(), Duration::ZERO);
}

#[tokio::test]
async fn a_long_list_is_not_encoded_all_at_once() {
    let (mut connection, far) = connected().await;
    let mut frames: VecDeque<_> = std::iter::repeat_with(|| submit(pattern(100_000))).take(500).collect();
    let first = poll_fn(|context| Poll::Ready(connection.poll_send(context, &mut frames))).await;
    assert!(first.is_pending(), "50 MB do not fit into a socket that nobody reads");
    assert!(frames.len() > 250, "{} are left", frames.len());
    let mut broker = TcpConnection::new(far).unwrap();
    broker.set_limits(LIMITS);
    let rest = poll_fn(|context| connection.poll_send(context, &mut frames));
    let (sent, received) = tokio::join!(rest, receive(&mut broker, 500));
    sent.unwrap();
    assert_eq!(received.unwrap().len(), 500);
}
