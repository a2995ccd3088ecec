//! Frames for the tests of this crate, and their bytes, put together without the code under test.

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use roundtrip_protocol::{
    Call, ChannelNumber, DEFAULT_PRIORITY, Error, ErrorCode, Frame, Headers, Label, ListChannels, MailboxNumber, Ping,
    ReplyTo, RequestId, RequesterNumber, Submit, TicketNumber, Window, encode_prefix_and_header,
};

/// A type number that no version knows yet.
pub(crate) const UNKNOWN: u8 = 0xee;

/// What a test puts on the wire.
#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant, reason = "a test keeps few of them")]
pub(crate) enum Sent {
    Frame(Frame),
    Unknown { header_len: usize, payload_len: usize },
}

pub(crate) fn ping(nonce: u64) -> Frame {
    Frame::from(Ping { nonce })
}

pub(crate) fn submit(payload: impl Into<Bytes>) -> Frame {
    submit_with("generate_patient_summary", payload)
}

fn submit_with(text: &str, payload: impl Into<Bytes>) -> Frame {
    let header = Submit {
        ticket: TicketNumber(1),
        channel: ChannelNumber(2),
        id: RequestId::from_bytes([7; 16]),
        requester: RequesterNumber(3),
        reply: ReplyTo::Own,
        accepted: true,
        priority: DEFAULT_PRIORITY,
        deadline_ms: None,
        delay_ms: 0,
        key: None,
        operation: text.to_owned().into(),
        label: Label {
            content_type: "application/json".into(),
            headers: Headers(vec![("a".to_owned(), text.to_owned())]),
        },
    };
    Frame::new(header, payload.into())
}

/// Bytes that differ from place to place, so that a misplaced one shows.
pub(crate) fn pattern(len: usize) -> Bytes {
    (0..len).map(|at| (at % 251) as u8).collect::<Vec<_>>().into()
}

pub(crate) fn bytes_of(frame: &Frame) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    encode_prefix_and_header(&frame.header, frame.payload.len(), &mut bytes);
    bytes.extend_from_slice(&frame.payload);
    bytes.to_vec()
}

pub(crate) fn raw(type_number: u8, header: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut bytes = ((4 + header.len() + payload.len()) as u32).to_le_bytes().to_vec();
    bytes.push(type_number);
    bytes.extend_from_slice(&(header.len() as u32).to_le_bytes()[..3]);
    bytes.extend_from_slice(header);
    bytes.extend_from_slice(payload);
    bytes
}

pub(crate) fn bytes_of_all(sent: &[Sent]) -> Vec<u8> {
    let one = |sent: &Sent| match sent {
        Sent::Frame(frame) => bytes_of(frame),
        Sent::Unknown { header_len, payload_len } => raw(UNKNOWN, &pattern(*header_len), &pattern(*payload_len)),
    };
    sent.iter().flat_map(one).collect()
}

/// Frames of several shapes, with payloads on both sides of every size that makes a difference.
pub(crate) fn any_frame() -> impl Strategy<Value = Frame> {
    let payload_len = prop_oneof![4 => 0..300_usize, 2 => 4090..4100_usize, 1 => 60_000..80_000_usize];
    prop_oneof![
        any::<u64>().prop_map(ping),
        (0..200_u32).prop_map(|call| Frame::from(ListChannels { call: Call(call) })),
        any::<u32>().prop_map(|more| Frame::from(Window { mailbox: MailboxNumber(1), more })),
        "[a-zäß ]{0,60}".prop_map(|message| Frame::from(Error {
            code: ErrorCode::BadNumber,
            message,
            frame: 0x10,
            closes: false
        })),
        ("[a-z_]{0,300}", payload_len).prop_map(|(text, len)| submit_with(&text, pattern(len))),
    ]
}

pub(crate) fn any_sent() -> impl Strategy<Value = Sent> {
    prop_oneof![
        5 => any_frame().prop_map(Sent::Frame),
        1 => (0..300_usize, 0..9_000_usize)
            .prop_map(|(header_len, payload_len)| Sent::Unknown { header_len, payload_len }),
    ]
}
