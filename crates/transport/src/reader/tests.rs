use std::convert::Infallible;
use std::future::Future;
use std::io::ErrorKind;
use std::task::Waker;
use std::time::Duration;

use roundtrip_protocol::{Frame, Header};
use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
use tokio::time::Instant;

use super::*;
use crate::codec::AdmitAll;
use crate::codec::Arrival;
use crate::samples::{UNKNOWN, bytes_of, pattern, ping, raw, submit};

const MEGABYTE: usize = 1024 * 1024;
const LIMITS: Limits = Limits::with_max_payload(16 * MEGABYTE);

type Batch = VecDeque<Arrival<(), Infallible>>;

fn reader_with_room(room: usize) -> (Reader<DuplexStream, AdmitAll>, DuplexStream) {
    let (near, far) = duplex(room);
    (Reader::new(near, AdmitAll, LIMITS), far)
}

fn frames(batch: &mut Batch) -> Vec<Frame> {
    batch
        .drain(..)
        .map(|arrival| match arrival {
            Arrival::Frame(incoming) => incoming.into_frame(),
            Arrival::Unknown { type_number } => panic!("type {type_number}"),
        })
        .collect()
}

/// Polls once for a batch that is not there yet, and drops the future.
fn nothing_yet(reader: &mut Reader<DuplexStream, AdmitAll>) {
    let mut batch = Batch::new();
    let mut waiting = std::pin::pin!(reader.next_batch(&mut batch));
    assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
}

#[tokio::test]
async fn all_frames_of_a_read_come_at_once() {
    let (mut reader, mut far) = reader_with_room(MEGABYTE);
    let sent = [ping(1), submit(pattern(2_000)), ping(2)];
    far.write_all(&sent.iter().flat_map(bytes_of).collect::<Vec<_>>()).await.unwrap();
    let mut batch = Batch::new();
    reader.next_batch(&mut batch).await.unwrap();
    assert_eq!(frames(&mut batch), sent);
}

#[tokio::test]
async fn a_batch_is_bounded_and_the_next_one_goes_on_where_it_ended() {
    let (mut reader, mut far) = reader_with_room(MEGABYTE);
    let sent: Vec<_> = (0..300).map(ping).collect();
    far.write_all(&sent.iter().flat_map(bytes_of).collect::<Vec<_>>()).await.unwrap();
    let mut batch = Batch::new();
    reader.next_batch(&mut batch).await.unwrap();
    assert_eq!(batch.len(), BATCH);
    reader.next_batch(&mut batch).await.unwrap();
    assert_eq!(frames(&mut batch), sent);
}

#[tokio::test]
async fn a_dropped_wait_loses_nothing() {
    let (mut reader, mut far) = reader_with_room(MEGABYTE);
    let sent = [submit(pattern(200_000)), ping(1)];
    let bytes: Vec<u8> = sent.iter().flat_map(bytes_of).collect();
    for part in bytes[..bytes.len() - 40].chunks(bytes.len() / 40) {
        far.write_all(part).await.unwrap();
        nothing_yet(&mut reader);
    }
    far.write_all(&bytes[bytes.len() - 40..]).await.unwrap();
    let mut batch = Batch::new();
    while batch.len() < 2 {
        reader.next_batch(&mut batch).await.unwrap();
    }
    assert_eq!(frames(&mut batch), sent);
}

#[tokio::test]
async fn a_stream_that_ends_between_frames_is_closed() {
    let (mut reader, mut far) = reader_with_room(MEGABYTE);
    far.write_all(&bytes_of(&ping(1))).await.unwrap();
    drop(far);
    let mut batch = Batch::new();
    reader.next_batch(&mut batch).await.unwrap();
    for _ in 0..2 {
        assert!(matches!(reader.next_batch(&mut batch).await, Err(Broken::Closed)));
    }
    assert_eq!(frames(&mut batch), [ping(1)]);
}

#[tokio::test]
async fn a_stream_that_ends_in_a_frame_is_broken() {
    let bytes = bytes_of(&submit(pattern(100_000)));
    for cut in [1, 8, 30, bytes.len() - 1] {
        let (mut reader, mut far) = reader_with_room(MEGABYTE);
        far.write_all(&bytes[..cut]).await.unwrap();
        drop(far);
        let end = reader.next_batch(&mut Batch::new()).await;
        assert!(matches!(&end, Err(Broken::Io(error)) if error.kind() == ErrorKind::UnexpectedEof), "{cut}: {end:?}");
    }
}

#[tokio::test]
async fn the_frames_before_an_error_come_first() {
    let (mut reader, mut far) = reader_with_room(MEGABYTE);
    far.write_all(&bytes_of(&ping(1))).await.unwrap();
    far.write_all(&raw(0x04, b"bad", b"")).await.unwrap();
    far.write_all(&bytes_of(&ping(2))).await.unwrap();
    let mut batch = Batch::new();
    reader.next_batch(&mut batch).await.unwrap();
    for _ in 0..2 {
        assert!(matches!(reader.next_batch(&mut batch).await, Err(Broken::Protocol(_))));
    }
    assert_eq!(frames(&mut batch), [ping(1)]);
}

#[tokio::test]
async fn an_unknown_frame_is_told_and_the_next_one_read() {
    let (mut reader, mut far) = reader_with_room(MEGABYTE);
    far.write_all(&raw(UNKNOWN, b"what", &pattern(100))).await.unwrap();
    far.write_all(&bytes_of(&ping(1))).await.unwrap();
    let mut batch = Batch::new();
    reader.next_batch(&mut batch).await.unwrap();
    assert!(matches!(batch.pop_front(), Some(Arrival::Unknown { type_number: UNKNOWN })));
    assert_eq!(frames(&mut batch), [ping(1)]);
}

#[tokio::test(start_paused = true)]
async fn bytes_in_the_middle_of_a_frame_are_a_sign_of_life() {
    let (mut reader, mut far) = reader_with_room(MEGABYTE);
    let heard = reader.heard().clone();
    let start = Instant::now();
    let bytes = bytes_of(&submit(pattern(200_000)));
    for (second, part) in (1..).zip([&bytes[..5], &bytes[5..20], &bytes[20..100_000]]) {
        tokio::time::advance(Duration::from_secs(1)).await;
        far.write_all(part).await.unwrap();
        nothing_yet(&mut reader);
        assert_eq!(heard.last(), start + Duration::from_secs(second));
    }
    tokio::time::advance(Duration::from_secs(1)).await;
    nothing_yet(&mut reader);
    assert_eq!(heard.last(), start + Duration::from_secs(3), "silence is not a sign of life");
}

#[tokio::test]
async fn a_large_payload_takes_little_more_memory_than_its_own() {
    let (mut reader, mut far) = reader_with_room(MEGABYTE);
    let sent = [submit(pattern(16 * MEGABYTE)), ping(1)];
    let bytes: Vec<u8> = sent.iter().flat_map(bytes_of).collect();
    let write = tokio::spawn(async move { far.write_all(&bytes).await.map(|()| far) });
    let mut batch = Batch::new();
    let mut most = 0;
    poll_fn(|context| {
        let polled = reader.poll_batch(context, &mut |arrival| batch.push_back(arrival));
        most = most.max(reader.allocated());
        polled
    })
    .await
    .unwrap();
    if batch.len() < 2 {
        reader.next_batch(&mut batch).await.unwrap();
    }
    assert_eq!(frames(&mut batch), sent);
    assert!((16 * MEGABYTE..17 * MEGABYTE).contains(&most), "{most}");
    let _open = write.await.unwrap().unwrap();
    nothing_yet(&mut reader);
    assert!(reader.allocated() <= 512 * 1024);
}

#[tokio::test]
async fn a_quiet_connection_holds_no_read_buffer() {
    let (mut reader, mut far) = reader_with_room(MEGABYTE);
    assert_eq!(reader.allocated(), 0);
    for nonce in 0..3 {
        far.write_all(&bytes_of(&ping(nonce))).await.unwrap();
        reader.next_batch(&mut Batch::new()).await.unwrap();
        nothing_yet(&mut reader);
        assert_eq!(reader.allocated(), 0);
    }
}

/// No payload over a size; counts what it was asked.
struct AtMost {
    limit: usize,
    asked: Vec<(&'static str, usize)>,
}

impl Admission for AtMost {
    type Room = usize;
    type Why = &'static str;

    fn admit(&mut self, header: &Header, payload_len: usize) -> Result<usize, &'static str> {
        self.asked.push((header.name(), payload_len));
        if payload_len > self.limit { Err("too large") } else { Ok(payload_len) }
    }
}

#[tokio::test]
async fn a_refused_payload_takes_no_memory_and_disturbs_no_other_frame() {
    let (near, mut far) = duplex(10_000);
    let mut reader = Reader::new(near, AtMost { limit: 100, asked: Vec::new() }, LIMITS);
    let sent = [submit(pattern(100)), submit(pattern(5 * MEGABYTE)), ping(1)];
    let bytes: Vec<u8> = sent.iter().flat_map(bytes_of).collect();
    let write = tokio::spawn(async move { far.write_all(&bytes).await.map(|()| far) });
    let mut batch = VecDeque::new();
    while batch.len() < 3 {
        reader.next_batch(&mut batch).await.unwrap();
        assert!(reader.allocated() < 600_000);
    }
    let payloads: Vec<_> = batch
        .into_iter()
        .map(|arrival| match arrival {
            Arrival::Frame(incoming) => incoming.payload.map(|(payload, room)| (payload.len(), room)),
            Arrival::Unknown { .. } => panic!("every type is known"),
        })
        .collect();
    assert_eq!(payloads, [Ok((100, 100)), Err("too large"), Ok((0, 0))]);
    let asked = &reader.admission_mut().asked;
    assert_eq!(asked[..], [("Submit", 100), ("Submit", 5 * MEGABYTE), ("Ping", 0)]);
    write.await.unwrap().unwrap();
}

#[tokio::test]
async fn limits_can_be_raised_after_the_handshake() {
    let (near, mut far) = duplex(MEGABYTE);
    let mut reader = Reader::new(near, AdmitAll, Limits::HANDSHAKE);
    let mut batch = Batch::new();
    far.write_all(&bytes_of(&ping(1))).await.unwrap();
    reader.next_batch(&mut batch).await.unwrap();
    reader.set_limits(LIMITS);
    far.write_all(&bytes_of(&submit(pattern(70_000)))).await.unwrap();
    reader.next_batch(&mut batch).await.unwrap();
    assert_eq!(frames(&mut batch), [ping(1), submit(pattern(70_000))]);
}
