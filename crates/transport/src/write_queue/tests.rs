use std::future::poll_fn;

use proptest::prelude::*;
use roundtrip_protocol::{Error, ErrorCode};
use tokio::io::AsyncReadExt;

use super::*;
use crate::samples::{any_frame, bytes_of, pattern, ping, submit};

fn queue_of(frames: &[Frame]) -> WriteQueue {
    let mut queue = WriteQueue::new();
    for frame in frames {
        queue.push(frame.clone()).unwrap();
    }
    queue
}

fn vectored(queue: &WriteQueue, at_most: usize) -> Vec<u8> {
    let mut slices = vec![IoSlice::new(&[]); at_most];
    let filled = queue.chunks_vectored(&mut slices);
    assert!(slices[..filled].iter().all(|slice| !slice.is_empty()));
    slices[..filled].iter().flat_map(|slice| slice.to_vec()).collect()
}

async fn write_all(queue: &mut WriteQueue, stream: &mut (impl AsyncWrite + Unpin)) {
    poll_fn(|context| queue.poll_write(context, stream)).await.unwrap();
}

proptest! {
    #[test]
    fn the_bytes_are_those_of_the_frames_in_order(
        frames in prop::collection::vec(any_frame(), 0..12),
        steps in prop::collection::vec(1..9_000_usize, 1..20),
    ) {
        let mut queue = queue_of(&frames);
        let bytes: Vec<u8> = frames.iter().flat_map(bytes_of).collect();
        let mut rest = &bytes[..];
        for step in steps.iter().cycle() {
            prop_assert_eq!(queue.len(), rest.len());
            prop_assert_eq!(queue.is_empty(), rest.is_empty());
            prop_assert_eq!(&vectored(&queue, 64)[..], rest);
            prop_assert!(rest.starts_with(&vectored(&queue, 2)));
            prop_assert!(rest.starts_with(queue.chunk()));
            if rest.is_empty() {
                break;
            }
            let step = rest.len().min(*step);
            queue.advance(step);
            rest = &rest[step..];
        }
    }

    #[test]
    fn frames_pushed_while_others_are_written_keep_their_order(
        frames in prop::collection::vec((any_frame(), 0..6_000_usize), 1..20),
    ) {
        let mut queue = WriteQueue::new();
        let mut written = Vec::new();
        for (frame, count) in &frames {
            queue.push(frame.clone()).unwrap();
            let count = queue.len().min(*count);
            written.extend_from_slice(&queue.copy_to_bytes(count));
        }
        let rest = queue.len();
        written.extend_from_slice(&queue.copy_to_bytes(rest));
        prop_assert_eq!(written, frames.iter().flat_map(|(frame, _)| bytes_of(frame)).collect::<Vec<_>>());
    }
}

#[test]
fn a_large_payload_is_shared_and_a_small_one_copied() {
    let large = pattern(UNCOPIED);
    let small = pattern(UNCOPIED - 1);
    let queue = queue_of(&[submit(small.clone()), submit(large.clone())]);
    let mut slices = [IoSlice::new(&[]); 4];
    assert_eq!(queue.chunks_vectored(&mut slices), 2);
    assert_eq!(slices[1].as_ptr(), large.as_ptr());
    assert!(small.is_unique() && !large.is_unique());
}

#[tokio::test]
async fn it_writes_on_as_the_other_end_reads() {
    let frames: Vec<_> = (0..200).map(|at| submit(pattern(at * 150))).collect();
    let mut queue = queue_of(&frames);
    let (mut near, mut far) = tokio::io::duplex(1_000);
    let read = tokio::spawn(async move {
        let mut bytes = Vec::new();
        far.read_to_end(&mut bytes).await.unwrap();
        bytes
    });
    write_all(&mut queue, &mut near).await;
    assert!(queue.is_empty());
    drop(near);
    assert_eq!(read.await.unwrap(), frames.iter().flat_map(bytes_of).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_drained_queue_keeps_little_memory() {
    let mut queue = WriteQueue::new();
    assert_eq!(queue.allocated(), 0);
    for _ in 0..3 {
        for nonce in 0..20_000 {
            queue.push(ping(nonce)).unwrap();
        }
        assert!(queue.allocated() >= queue.len());
        write_all(&mut queue, &mut tokio::io::sink()).await;
        assert!(queue.allocated() <= KEPT, "{}", queue.allocated());
    }
}

#[tokio::test]
async fn memory_of_a_busy_time_goes_when_only_little_is_sent() {
    let mut queue = queue_of(&vec![ping(1); 2_000]);
    write_all(&mut queue, &mut tokio::io::sink()).await;
    assert!(queue.allocated() > 10_000, "the next frames find memory");
    for nonce in 0..2 * u64::from(DRAINS_TO_FIT) {
        queue.push(ping(nonce)).unwrap();
        write_all(&mut queue, &mut tokio::io::sink()).await;
    }
    assert!(queue.allocated() < 1_000, "{}", queue.allocated());
}

#[tokio::test]
async fn a_write_to_a_closed_stream_is_an_error() {
    let (mut near, far) = tokio::io::duplex(100);
    drop(far);
    let mut queue = queue_of(&[ping(1)]);
    let error = poll_fn(|context| queue.poll_write(context, &mut near)).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}

#[test]
fn a_header_over_the_limit_is_refused_and_changes_nothing() {
    let mut queue = queue_of(&[ping(1)]);
    let before = queue.len();
    let message = "x".repeat(MAX_HEADER);
    let error = Error { code: ErrorCode::BadNumber, message, frame: 0, closes: false };
    let refused = queue.push(Frame::from(error));
    assert!(matches!(refused, Err(Broken::TooLarge { part: "header", limit: MAX_HEADER, .. })), "{refused:?}");
    assert_eq!(queue.len(), before);
}

#[test]
fn the_debug_text_tells_the_length_alone() {
    let queue = queue_of(&[submit("Anna Example")]);
    assert_eq!(format!("{queue:?}"), format!("WriteQueue {{ len: {}, .. }}", queue.len()));
}
