//! What comes from a stranger: cut short, made longer, absurd or random. It ends in a frame or a typed error, never in
//! a panic, and never in more memory than a header is worth.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::alloc::System;

use proptest::prelude::*;
use roundtrip_protocol::{
    Call, ChannelFigures, ChannelNumber, Channels, DeadLetterEntry, DeadLetters, DeadReason, DecodeError, Header,
    Headers, Label, Limits, MAX_HEADER, PREFIX_LEN, Prefix, ReplyTo, RequestId, RequesterNumber, Submit, TicketNumber,
    decode_header, encode_prefix_and_header,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const LIMITS: Limits = Limits { max_header: MAX_HEADER, max_payload: 1024 };

#[test]
fn a_header_that_is_cut_short_anywhere_is_a_typed_error() {
    for (name, type_number, header) in vectors() {
        for end in 0..header.len() {
            match decode_header(type_number, &header[..end]) {
                Err(DecodeError::Header { .. }) => {}
                other => panic!("{name} cut after {end} of {} bytes: {other:?}", header.len()),
            }
        }
    }
}

#[test]
fn header_bytes_beyond_the_known_fields_are_skipped() {
    for (name, type_number, header) in vectors() {
        let longer = [&header[..], b"fields of a later version"].concat();
        assert_eq!(decode_header(type_number, &longer), decode_header(type_number, &header), "{name}");
    }
}

#[test]
fn an_unknown_type_is_an_error_that_passes() {
    let known: Vec<u8> = Header::TYPES.iter().map(|(number, _)| *number).collect();
    for number in (0..=u8::MAX).filter(|number| !known.contains(number)) {
        let error = decode_header(number, b"whatever").unwrap_err();
        assert_eq!(error, DecodeError::UnknownType(number));
        assert!(error.is_passing());
    }
}

#[test]
fn a_prefix_whose_lengths_contradict_each_other_is_refused() {
    let prefix = |length: u32, header: u32| {
        let [h0, h1, h2, _] = header.to_le_bytes();
        let [l0, l1, l2, l3] = length.to_le_bytes();
        Prefix::read([l0, l1, l2, l3, 0x04, h0, h1, h2], LIMITS)
    };
    assert_eq!(prefix(0, 0), Err(DecodeError::Lengths { length: 0, header: 0 }));
    assert_eq!(prefix(3, 0), Err(DecodeError::Lengths { length: 3, header: 0 }));
    assert_eq!(prefix(12, 9), Err(DecodeError::Lengths { length: 12, header: 9 }));
    assert_eq!(prefix(4, 0), Ok(Prefix { type_number: 4, header_len: 0, payload_len: 0 }));
    assert_eq!(prefix(12, 8), Ok(Prefix { type_number: 4, header_len: 8, payload_len: 0 }));
    assert_eq!(prefix(4 + 65_536 + 1024, 65_536), Ok(Prefix { type_number: 4, header_len: 65_536, payload_len: 1024 }));
    assert_eq!(prefix(65_541, 65_537), Err(DecodeError::HeaderTooLong { found: 65_537, limit: 65_536 }));
    assert_eq!(prefix(4 + 8 + 1025, 8), Err(DecodeError::PayloadTooLong { found: 1025, limit: 1024 }));
    assert!(matches!(prefix(u32::MAX, 8), Err(DecodeError::PayloadTooLong { .. })));
}

#[test]
fn an_absurd_length_anywhere_asks_for_no_memory() {
    for (name, type_number, header) in vectors() {
        for at in 0..header.len().saturating_sub(7) {
            for absurd in [1 << 17, 1 << 20, 1 << 32, 1 << 60, u64::MAX] {
                let mut header = header.clone();
                header[at..at + 8].copy_from_slice(&absurd.to_le_bytes());
                let bytes = allocated_by(|| {
                    let _either = decode_header(type_number, &header);
                });
                assert!(bytes <= BUDGET, "{name} with {absurd:#x} at byte {at} allocated {bytes} bytes");
            }
        }
    }
}

#[test]
fn a_text_and_a_list_of_absurd_length_are_typed_errors() {
    let label = |content_type: u64, headers: u64| {
        let mut header = submit(Label::default());
        let end = header.len();
        header[end - 16..end - 8].copy_from_slice(&content_type.to_le_bytes());
        header[end - 8..].copy_from_slice(&headers.to_le_bytes());
        decode_header(0x10, &header)
    };
    assert!(label(0, 0).is_ok());
    for absurd in [1 << 60, u64::MAX] {
        let error = DecodeError::Header { frame: "Submit", why: "a length in it is absurd" };
        assert_eq!(label(absurd, 0), Err(error.clone()));
        assert_eq!(label(0, absurd), Err(error));
    }
    assert_eq!(label(9, 0), Err(DecodeError::Header { frame: "Submit", why: "it ends before its last field" }));
    assert_eq!(label(0, 1), Err(DecodeError::Header { frame: "Submit", why: "it ends before its last field" }));
}

#[test]
fn a_header_as_long_as_allowed_and_full_of_the_smallest_parts_is_read() {
    let room = MAX_HEADER - submit(Label::default()).len();
    let label = Label {
        content_type: roundtrip_protocol::Text::default(),
        headers: Headers(vec![Default::default(); room / 16]),
    };
    let header = submit(label);
    assert!(header.len() > MAX_HEADER - 16 && header.len() <= MAX_HEADER);
    assert!(decode_header(0x10, &header).is_ok());

    let smallest = ChannelFigures {
        channel: "a".parse().unwrap(),
        waiting: 0,
        scheduled: 0,
        in_flight: 0,
        services: 0,
        retained: 0,
        dead: 0,
        oldest_ms: 0,
        paused_ms: 0,
        stale: 0,
    };
    let channels = vec![smallest; (MAX_HEADER - 13) / 77];
    let header = encoded(&Channels { call: Call(0), channels, more: false }.into());
    assert!(header.len() > MAX_HEADER - 77 && header.len() <= MAX_HEADER);
    assert!(decode_header(0x41, &header).is_ok());

    let smallest = DeadLetterEntry {
        id: RequestId::from_bytes([1; 16]),
        operation: String::new(),
        requester: "a".parse().unwrap(),
        reason: DeadReason::Rejected,
        attempts: 0,
        deliveries: 0,
        bytes: 0,
        accepted_ms_ago: 0,
        died_ms_ago: 0,
        last: None,
    };
    let letters = vec![smallest; (MAX_HEADER - 13) / 70];
    let header = encoded(&DeadLetters { call: Call(0), letters, more: false }.into());
    assert!(header.len() > MAX_HEADER - 70 && header.len() <= MAX_HEADER);
    assert!(decode_header(0x43, &header).is_ok());
}

proptest! {
    #[test]
    fn random_bytes_are_a_frame_or_a_typed_error(type_number: u8, header in prop::collection::vec(any::<u8>(), 0..512)) {
        let bytes = allocated_by(|| {
            let _either = decode_header(type_number, &header);
        });
        prop_assert!(bytes <= BUDGET, "allocated {bytes} bytes");
    }

    #[test]
    fn a_random_prefix_is_within_the_limits_or_refused(bytes: [u8; PREFIX_LEN]) {
        if let Ok(prefix) = Prefix::read(bytes, LIMITS) {
            prop_assert!(prefix.header_len <= LIMITS.max_header && prefix.payload_len <= LIMITS.max_payload);
        }
    }

    #[test]
    fn a_frame_with_a_byte_changed_is_a_frame_or_a_typed_error(
        which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), byte: u8,
    ) {
        let all = vectors();
        let (_, type_number, header) = which.get(&all);
        let mut header = header.clone();
        if !header.is_empty() {
            let at = at.index(header.len());
            header[at] = byte;
        }
        if let Err(error) = decode_header(*type_number, &header) {
            let typed = matches!(error, DecodeError::Header { .. });
            prop_assert!(typed, "{error:?}");
        }
    }
}

/// What decoding one header may allocate: the decoder's budget of four headers, and as much again for what is copied
/// out of it.
const BUDGET: usize = 8 * MAX_HEADER;

/// How many bytes were allocated meanwhile. Other tests of this process count too, so the smallest of three runs is it.
fn allocated_by(work: impl Fn()) -> usize {
    let mut smallest = usize::MAX;
    for _ in 0..3 {
        let region = Region::new(ALLOCATOR);
        work();
        smallest = smallest.min(region.change().bytes_allocated);
        if smallest <= BUDGET {
            break;
        }
    }
    smallest
}

/// Name, type and header of every golden vector.
fn vectors() -> Vec<(&'static str, u8, Vec<u8>)> {
    let lines = include_str!("vectors.txt").lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let mut parts = line.split(" | ");
            let (name, hex) = (parts.next().unwrap(), parts.next().unwrap());
            let bytes: Vec<u8> =
                (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
            let prefix = Prefix::read(bytes[..PREFIX_LEN].try_into().unwrap(), LIMITS).unwrap();
            (name, prefix.type_number, bytes[PREFIX_LEN..PREFIX_LEN + prefix.header_len].to_vec())
        })
        .collect()
}

fn submit(label: Label) -> Vec<u8> {
    let submit = Submit {
        ticket: TicketNumber(1),
        channel: ChannelNumber(1),
        id: RequestId::from_bytes([1; 16]),
        requester: RequesterNumber(1),
        reply: ReplyTo::Own,
        accepted: true,
        priority: 4,
        deadline_ms: None,
        delay_ms: 0,
        key: None,
        operation: roundtrip_protocol::Text::default(),
        label,
    };
    encoded(&submit.into())
}

fn encoded(header: &Header) -> Vec<u8> {
    let mut bytes = bytes::BytesMut::new();
    encode_prefix_and_header(header, 0, &mut bytes);
    bytes[PREFIX_LEN..].to_vec()
}
