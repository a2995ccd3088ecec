use std::io::ErrorKind;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::samples::{Sent, UNKNOWN, any_sent, bytes_of, bytes_of_all, pattern, ping, raw, submit};

const LIMITS: Limits = Limits::with_max_payload(1024 * 1024);

/// Refuses payloads by their length, and counts the room that is taken.
struct Picky {
    taken: Arc<()>,
    refuses: fn(usize) -> bool,
}

impl Picky {
    fn refusing(refuses: fn(usize) -> bool) -> Self {
        Self { taken: Arc::new(()), refuses }
    }

    fn rooms(&self) -> usize {
        Arc::strong_count(&self.taken) - 1
    }
}

impl Admission for Picky {
    type Room = Arc<()>;
    type Why = usize;

    fn admit(&mut self, _header: &Header, payload_len: usize) -> Result<Arc<()>, usize> {
        if (self.refuses)(payload_len) { Err(payload_len) } else { Ok(self.taken.clone()) }
    }
}

/// What a test compares.
#[derive(Debug, PartialEq)]
enum Seen {
    Frame(Frame),
    Refused(Header, usize),
    Unknown(u8),
}

impl From<Arrival<Arc<()>, usize>> for Seen {
    fn from(arrival: Arrival<Arc<()>, usize>) -> Self {
        match arrival {
            Arrival::Frame(Incoming { header, payload: Ok((payload, _room)) }) => {
                Self::Frame(Frame { header, payload })
            }
            Arrival::Frame(Incoming { header, payload: Err(why) }) => Self::Refused(header, why),
            Arrival::Unknown { type_number } => Self::Unknown(type_number),
        }
    }
}

fn expected(sent: &[Sent], refuses: fn(usize) -> bool) -> Vec<Seen> {
    sent.iter()
        .map(|sent| match sent {
            Sent::Frame(frame) if refuses(frame.payload.len()) => {
                Seen::Refused(frame.header.clone(), frame.payload.len())
            }
            Sent::Frame(frame) => Seen::Frame(frame.clone()),
            Sent::Unknown { .. } => Seen::Unknown(UNKNOWN),
        })
        .collect()
}

fn refuses_some(len: usize) -> bool {
    len % 3 == 1
}

fn protocol_error(result: Result<Option<Arrival<(), Infallible>>, Broken>) -> DecodeError {
    match result {
        Err(Broken::Protocol(error)) => error,
        other => panic!("a protocol error was expected, not {other:?}"),
    }
}

proptest! {
    #[test]
    fn however_the_bytes_are_split_the_frames_are_the_same(
        sent in prop::collection::vec(any_sent(), 1..12),
        chunks in prop::collection::vec(prop_oneof![1..20_usize, 1..9_000_usize], 1..40),
    ) {
        let bytes = bytes_of_all(&sent);
        let mut codec = FrameCodec::new(Picky::refusing(refuses_some), LIMITS);
        let mut source = BytesMut::new();
        let mut seen = Vec::new();
        let mut rest = &bytes[..];
        for chunk in chunks.iter().cycle() {
            let (now, later) = rest.split_at(rest.len().min(*chunk));
            source.extend_from_slice(now);
            while let Some(arrival) = codec.decode(&mut source).unwrap() {
                seen.push(Seen::from(arrival));
            }
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert!(codec.decode_eof(&mut source).unwrap().is_none());
        prop_assert_eq!(seen, expected(&sent, refuses_some));
        prop_assert_eq!(codec.admission.rooms(), 0);
    }

    #[test]
    fn a_truncated_frame_is_no_frame_and_no_clean_end(sent in any_sent(), cut in any::<prop::sample::Index>()) {
        let bytes = bytes_of_all(&[sent]);
        let cut = 1 + cut.index(bytes.len() - 1);
        let mut codec = FrameCodec::new(AdmitAll, LIMITS);
        let mut source = BytesMut::from(&bytes[..cut]);
        prop_assert!(codec.decode(&mut source).unwrap().is_none());
        let end = codec.decode_eof(&mut source);
        prop_assert!(matches!(&end, Err(Broken::Io(error)) if error.kind() == ErrorKind::UnexpectedEof), "{end:?}");
    }

    #[test]
    fn any_bytes_are_frames_or_an_error_and_allocate_no_more_than_the_limits(
        prefix in any::<[u8; 8]>(),
        small_lengths in any::<bool>(),
        known in any::<bool>(),
        bytes in prop::collection::vec(any::<u8>(), 0..2_000),
    ) {
        let limits = Limits { max_header: 700, max_payload: 1_000 };
        let mut prefix = prefix;
        if small_lengths {
            (prefix[1], prefix[2], prefix[3], prefix[6], prefix[7]) = (prefix[1] % 8, 0, 0, prefix[6] % 3, 0);
        }
        if known {
            prefix[4] = Header::TYPES[prefix[4] as usize % Header::TYPES.len()].0;
        }
        let mut codec = FrameCodec::new(AdmitAll, limits);
        let mut source = BytesMut::from(&prefix[..]);
        source.extend_from_slice(&bytes);
        let before = source.capacity();
        loop {
            let decoded = codec.decode(&mut source);
            prop_assert!(codec.allocated() <= limits.max_payload);
            prop_assert!(source.capacity() <= 2 * before.max(limits.max_header));
            match decoded {
                Ok(Some(Arrival::Frame(incoming))) => {
                    prop_assert!(incoming.into_frame().payload.len() <= limits.max_payload);
                }
                Ok(Some(Arrival::Unknown { .. })) => {}
                Ok(None) | Err(Broken::Protocol(_)) => break,
                Err(other) => prop_assert!(false, "{other:?}"),
            }
        }
    }
}

#[test]
fn every_truncation_of_a_submission_is_told_from_a_clean_end() {
    let bytes = bytes_of(&submit(pattern(100)));
    for cut in 1..bytes.len() {
        let mut codec = FrameCodec::new(AdmitAll, LIMITS);
        let mut source = BytesMut::from(&bytes[..cut]);
        assert!(codec.decode(&mut source).unwrap().is_none(), "cut at {cut}");
        assert!(codec.decode_eof(&mut source).is_err(), "cut at {cut}");
    }
    let mut codec = FrameCodec::new(AdmitAll, LIMITS);
    assert!(codec.decode_eof(&mut BytesMut::new()).unwrap().is_none());
}

#[test]
fn absurd_lengths_are_typed_errors_and_allocate_nothing() {
    for (prefix, expected) in [
        ([0xff, 0xff, 0xff, 0xff, 0x10, 0, 0, 0], "payload"),
        ([0xff, 0xff, 0xff, 0xff, 0x10, 0xff, 0xff, 0xff], "header"),
        ([0, 0, 0, 0, 0x10, 0, 0, 0], "lengths"),
        ([4, 0, 0, 0, 0x10, 1, 0, 0], "lengths"),
        ([0xff, 0xff, 0xff, 0xff, UNKNOWN, 0, 0, 0], "payload"),
    ] {
        let mut codec = FrameCodec::new(AdmitAll, LIMITS);
        let mut source = BytesMut::from(&prefix[..]);
        let before = source.capacity();
        let found = match protocol_error(codec.decode(&mut source)) {
            DecodeError::PayloadTooLong { limit, .. } if limit == LIMITS.max_payload => "payload",
            DecodeError::HeaderTooLong { limit, .. } if limit == LIMITS.max_header => "header",
            DecodeError::Lengths { .. } => "lengths",
            other => panic!("{other:?}"),
        };
        assert_eq!(found, expected, "{prefix:?}");
        assert_eq!((source.capacity(), codec.allocated()), (before, 0), "{prefix:?}");
    }
}

#[test]
fn a_header_that_does_not_decode_is_final() {
    let mut codec = FrameCodec::new(AdmitAll, LIMITS);
    let mut source = BytesMut::from(&raw(0x04, &[1, 2, 3], &[])[..]);
    source.extend_from_slice(&bytes_of(&ping(1)));
    for _ in 0..2 {
        let error = protocol_error(codec.decode(&mut source));
        assert!(matches!(error, DecodeError::Header { frame: "Ping", .. }), "{error:?}");
    }
}

#[test]
fn header_bytes_beyond_the_known_fields_are_skipped() {
    let mut header = 9_u64.to_le_bytes().to_vec();
    header.extend_from_slice(b"of a later version");
    let mut source = BytesMut::from(&raw(0x04, &header, &[])[..]);
    let Ok(Some(Arrival::Frame(incoming))) = FrameCodec::new(AdmitAll, LIMITS).decode(&mut source) else { panic!() };
    assert_eq!(incoming.into_frame(), ping(9));
}

#[test]
fn an_unknown_type_is_held_against_the_limits_and_skipped_whole() {
    let mut source = BytesMut::from(&raw(UNKNOWN, &pattern(50), &pattern(5_000))[..]);
    source.extend_from_slice(&bytes_of(&ping(3)));
    let mut codec = FrameCodec::new(AdmitAll, LIMITS);
    assert!(matches!(codec.decode(&mut source), Ok(Some(Arrival::Unknown { type_number: UNKNOWN }))));
    let Ok(Some(Arrival::Frame(incoming))) = codec.decode(&mut source) else { panic!() };
    assert_eq!(incoming.into_frame(), ping(3));
}

#[test]
fn a_payload_is_collected_in_an_allocation_of_its_own_length() {
    let frame = submit(pattern(300_000));
    let bytes = bytes_of(&frame);
    let mut codec = FrameCodec::new(Picky::refusing(|_| false), LIMITS);
    let mut source = BytesMut::new();
    let mut arrivals = Vec::new();
    for chunk in bytes.chunks(10_000) {
        source.extend_from_slice(chunk);
        arrivals.extend(codec.decode(&mut source).unwrap());
        assert!(source.is_empty());
        assert!(source.capacity() < 100_000, "the payload passes through the read buffer");
        assert_eq!(codec.allocated(), if arrivals.is_empty() { 300_000 } else { 0 });
        assert_eq!(codec.admission.rooms(), 1);
    }
    assert_eq!(arrivals.into_iter().map(Seen::from).collect::<Vec<_>>(), [Seen::Frame(frame)]);
    assert_eq!(codec.admission.rooms(), 0);
}

#[test]
fn a_refused_payload_is_thrown_away_as_it_arrives() {
    let frame = submit(pattern(300_000));
    let mut codec = FrameCodec::new(Picky::refusing(|len| len > 1_000), LIMITS);
    let mut source = BytesMut::new();
    let mut arrivals = Vec::new();
    for chunk in bytes_of(&frame).chunks(10_000) {
        source.extend_from_slice(chunk);
        arrivals.extend(codec.decode(&mut source).unwrap());
        assert!(source.is_empty());
        assert_eq!((codec.allocated(), codec.admission.rooms()), (0, 0));
    }
    let seen: Vec<_> = arrivals.into_iter().map(Seen::from).collect();
    assert_eq!(seen, [Seen::Refused(frame.header, 300_000)]);
}

#[test]
fn room_is_given_back_when_the_stream_is_dropped_in_the_middle_of_a_payload() {
    let admission = Picky::refusing(|_| false);
    let taken = admission.taken.clone();
    let mut codec = FrameCodec::new(admission, LIMITS);
    let mut source = BytesMut::from(&bytes_of(&submit(pattern(1_000)))[..900]);
    assert!(codec.decode(&mut source).unwrap().is_none());
    assert_eq!(codec.admission.rooms(), 2);
    drop(codec);
    assert_eq!(Arc::strong_count(&taken), 1);
}

#[test]
fn new_limits_hold_from_the_next_frame() {
    let mut codec = FrameCodec::new(AdmitAll, Limits::HANDSHAKE);
    let mut source = BytesMut::from(&bytes_of(&ping(1))[..]);
    source.extend_from_slice(&bytes_of(&submit(pattern(10))));
    assert!(matches!(codec.decode(&mut source), Ok(Some(Arrival::Frame(_)))));
    codec.set_limits(LIMITS);
    assert!(matches!(codec.decode(&mut source), Ok(Some(Arrival::Frame(_)))));
    source.extend_from_slice(&bytes_of(&submit(pattern(10))));
    codec.set_limits(Limits::HANDSHAKE);
    let error = protocol_error(codec.decode(&mut source));
    assert_eq!(error, DecodeError::PayloadTooLong { found: 10, limit: 0 });
}

#[test]
fn a_payload_is_not_in_the_debug_text() {
    let mut source = BytesMut::from(&bytes_of(&submit("Anna Example"))[..]);
    let mut codec = FrameCodec::new(AdmitAll, LIMITS);
    let arrival = codec.decode(&mut source).unwrap().unwrap();
    let text = format!("{arrival:?} {codec:?}");
    assert!(!text.contains("Anna") && text.contains("payload_len: Ok(12)"), "{text}");
}
