//! What a frame costs on its way into bytes and back: `Submit`, the frame that every request begins with, with a small
//! and a medium payload.

use std::hint::black_box;

use bytes::{Buf, Bytes, BytesMut};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use roundtrip_protocol::{
    ChannelNumber, Frame, Header, Headers, Label, Limits, PREFIX_LEN, RequestId, RequesterNumber, Submit, TicketNumber,
    decode_header, encode_prefix_and_header,
};
use roundtrip_transport::{AdmitAll, FrameCodec, WriteQueue};
use tokio_util::codec::Decoder;

const PAYLOADS: [usize; 2] = [128, 16 * 1024];

fn submit() -> Header {
    Header::from(Submit {
        ticket: TicketNumber(7),
        channel: ChannelNumber(1),
        id: RequestId::from_bytes(*b"0190d5a37b1e7cc0"),
        requester: RequesterNumber(1),
        reply: roundtrip_protocol::ReplyTo::Own,
        accepted: true,
        priority: roundtrip_protocol::DEFAULT_PRIORITY,
        deadline_ms: None,
        delay_ms: 0,
        key: None,
        operation: "generate_patient_summary".into(),
        label: Label { content_type: "application/json".into(), headers: Headers::default() },
    })
}

fn frame(payload: usize) -> Frame {
    Frame { header: submit(), payload: Bytes::from(vec![7; payload]) }
}

/// The header alone, without a queue or a buffer to read from around it.
fn header(criterion: &mut Criterion) {
    let header = submit();
    let mut bytes = BytesMut::with_capacity(1024);
    criterion.bench_function("submit header, encode", |bench| {
        bench.iter(|| {
            bytes.clear();
            encode_prefix_and_header(black_box(&header), 128, &mut bytes);
            black_box(bytes.len())
        });
    });
    let (type_number, encoded) = (header.type_number(), bytes.split_off(PREFIX_LEN));
    criterion.bench_function("submit header, decode", |bench| {
        bench.iter(|| decode_header(type_number, black_box(&encoded)));
    });
}

/// The way out: into the queue that a socket is written from, and out of it.
fn encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("submit frame, encode");
    for payload in PAYLOADS {
        let frame = frame(payload);
        group.throughput(Throughput::Bytes(payload as u64));
        group.bench_with_input(BenchmarkId::from_parameter(payload), &frame, |bench, frame| {
            let mut queue = WriteQueue::new();
            bench.iter_batched(
                || frame.clone(),
                |frame| {
                    let queued = queue.push(frame).is_ok();
                    let written = queue.len();
                    queue.advance(written);
                    (queued, written)
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

/// The way in: from the buffer that a socket is read into, the payload into memory of its own.
fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("submit frame, decode");
    for payload in PAYLOADS {
        let encoded = encoded(frame(payload));
        group.throughput(Throughput::Bytes(payload as u64));
        group.bench_with_input(BenchmarkId::from_parameter(payload), &encoded, |bench, encoded| {
            let mut codec = FrameCodec::new(AdmitAll, Limits::with_max_payload(1 << 20));
            bench.iter_batched_ref(
                || BytesMut::from(encoded.as_ref()),
                |bytes| codec.decode(bytes).is_ok_and(|arrival| arrival.is_some()),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

fn encoded(frame: Frame) -> Bytes {
    let mut queue = WriteQueue::new();
    let queued = queue.push(frame);
    assert!(queued.is_ok(), "a fresh queue takes a frame: {queued:?}");
    queue.copy_to_bytes(queue.len())
}

criterion_group!(benches, header, encode, decode);
criterion_main!(benches);
