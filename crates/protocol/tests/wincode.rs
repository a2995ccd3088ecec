//! Shows that the header encoding can be left: `wincode`, which is maintained, writes and reads the same bytes. Mirrors
//! of five headers stand for all: together they hold every primitive of the protocol.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use bytes::BytesMut;
use roundtrip_protocol as protocol;
use roundtrip_protocol::{Header, PREFIX_LEN, decode_header, encode_prefix_and_header};
use wincode::{SchemaRead, SchemaWrite};

const ID: [u8; 16] = *b"\x01\x90\xd5\xa3\x7b\x1e\x7c\xc0\x80\x00\x3c\x5f\x1f\x6a\x2b\x11";

#[derive(Debug, PartialEq, SchemaWrite, SchemaRead)]
struct Hello {
    lowest: u16,
    highest: u16,
    software: String,
    instance: [u8; 16],
    connection: u64,
}

#[derive(Debug, PartialEq, SchemaWrite, SchemaRead)]
struct Error {
    code: u16,
    message: String,
    frame: u8,
    closes: bool,
}

#[derive(Debug, PartialEq, SchemaWrite, SchemaRead)]
struct Submit {
    ticket: u32,
    channel: u32,
    id: [u8; 16],
    requester: u32,
    reply: ReplyTo,
    accepted: bool,
    priority: u8,
    deadline_ms: Option<u64>,
    delay_ms: u64,
    key: Option<String>,
    operation: String,
    label: Label,
}

#[derive(Debug, PartialEq, SchemaWrite, SchemaRead)]
enum ReplyTo {
    Own,
    On(String),
    Nowhere,
}

#[derive(Debug, PartialEq, SchemaWrite, SchemaRead)]
struct Label {
    content_type: String,
    headers: Vec<(String, String)>,
}

#[derive(Debug, PartialEq, SchemaWrite, SchemaRead)]
struct State {
    ticket: u32,
    state: RequestState,
    ahead: u64,
    services: u32,
    attempts: u32,
    remaining_ms: Option<u64>,
    redrive_of: Option<[u8; 16]>,
    progress: Option<Progress>,
}

#[derive(Debug, PartialEq, SchemaWrite, SchemaRead)]
enum RequestState {
    Waiting,
    InFlight { delivery: u32, attempt: u32 },
    BackingOff,
    Ended(OutcomeKind),
    Scheduled { in_ms: u64 },
}

#[derive(Debug, PartialEq, SchemaWrite, SchemaRead)]
enum OutcomeKind {
    Replied,
    Failed,
    Dead,
    Expired,
    Cancelled,
}

#[derive(Debug, PartialEq, SchemaWrite, SchemaRead)]
struct Progress {
    fraction: f32,
    stage: String,
    note: String,
}

#[derive(Debug, PartialEq, SchemaWrite, SchemaRead)]
struct Settle {
    call: u32,
    channel: u32,
    token: Token,
    settlement: Settlement,
}

#[derive(Debug, PartialEq, SchemaWrite, SchemaRead)]
struct Token {
    start: u64,
    id: [u8; 16],
    delivery: u32,
}

#[derive(Debug, PartialEq, SchemaWrite, SchemaRead)]
enum Settlement {
    Reply(Label),
    Fail { problem: Problem, content_type: Option<String> },
    Retry { problem: Problem, retry_after_ms: Option<u64> },
    Reject(Problem),
    Release,
    Throttle { retry_after_ms: u64 },
}

#[derive(Debug, PartialEq, SchemaWrite, SchemaRead)]
struct Problem {
    code: String,
    message: String,
}

macro_rules! same_bytes {
    ($frame:expr, $mirror:ty, $value:expr) => {{
        let header = Header::from($frame);
        let value: $mirror = $value;
        let ours = encoded(&header);
        assert_eq!(wincode::serialize(&value).unwrap(), ours);
        assert_eq!(wincode::deserialize::<$mirror>(&ours).unwrap(), value);
        assert_eq!(decode_header(header.type_number(), &ours).unwrap(), header);
    }};
}

#[test]
fn another_encoder_writes_and_reads_the_same_numbers_texts_and_arrays() {
    same_bytes!(
        protocol::Hello {
            lowest: 1,
            highest: 0x0203,
            software: "süd".into(),
            instance: protocol::InstanceId::from_bytes(ID),
            connection: 0x0102_0304_0506_0708,
        },
        Hello,
        Hello { lowest: 1, highest: 0x0203, software: "süd".into(), instance: ID, connection: 0x0102_0304_0506_0708 }
    );
}

#[test]
fn another_encoder_writes_and_reads_the_same_codes_and_flags() {
    for closes in [true, false] {
        same_bytes!(
            protocol::Error { code: protocol::ErrorCode::Silent, message: "m".into(), frame: 0xff, closes },
            Error,
            Error { code: 10, message: "m".into(), frame: 0xff, closes }
        );
    }
}

#[test]
fn another_encoder_writes_and_reads_the_same_options_and_lists() {
    use protocol::ReplyTo as Ours;
    let cases = [
        (Ours::Own, ReplyTo::Own, None),
        (Ours::On("letters".parse().unwrap()), ReplyTo::On("letters".into()), Some(u64::MAX)),
        (Ours::Nowhere, ReplyTo::Nowhere, Some(1)),
    ];
    for (ours, mirrored, deadline_ms) in cases {
        let key = deadline_ms.map(|_| "4711".to_owned());
        let headers = vec![("a".to_owned(), "b".to_owned()), (String::new(), "é".to_owned())];
        same_bytes!(
            protocol::Submit {
                ticket: protocol::TicketNumber(7),
                channel: protocol::ChannelNumber(0x0102_0304),
                id: protocol::RequestId::from_bytes(ID),
                requester: protocol::RequesterNumber(u32::MAX),
                reply: ours,
                accepted: deadline_ms.is_none(),
                priority: 9,
                deadline_ms,
                delay_ms: 0x0102,
                key: key.clone(),
                operation: protocol::Text::default(),
                label: protocol::Label {
                    content_type: "text/plain".into(),
                    headers: protocol::Headers(headers.clone()),
                },
            },
            Submit,
            Submit {
                ticket: 7,
                channel: 0x0102_0304,
                id: ID,
                requester: u32::MAX,
                reply: mirrored,
                accepted: deadline_ms.is_none(),
                priority: 9,
                deadline_ms,
                delay_ms: 0x0102,
                key,
                operation: String::new(),
                label: Label { content_type: "text/plain".into(), headers },
            }
        );
    }
}

#[test]
fn another_encoder_writes_and_reads_the_same_choices_and_fractions() {
    use protocol::RequestState as Ours;
    let states = [
        (Ours::Waiting, RequestState::Waiting),
        (Ours::InFlight { delivery: 3, attempt: 2 }, RequestState::InFlight { delivery: 3, attempt: 2 }),
        (Ours::BackingOff, RequestState::BackingOff),
        (Ours::Ended(protocol::OutcomeKind::Replied), RequestState::Ended(OutcomeKind::Replied)),
        (Ours::Ended(protocol::OutcomeKind::Failed), RequestState::Ended(OutcomeKind::Failed)),
        (Ours::Ended(protocol::OutcomeKind::Dead), RequestState::Ended(OutcomeKind::Dead)),
        (Ours::Ended(protocol::OutcomeKind::Expired), RequestState::Ended(OutcomeKind::Expired)),
        (Ours::Ended(protocol::OutcomeKind::Cancelled), RequestState::Ended(OutcomeKind::Cancelled)),
        (Ours::Scheduled { in_ms: 7 }, RequestState::Scheduled { in_ms: 7 }),
    ];
    for (ours, mirrored) in states {
        let progress = protocol::Progress { fraction: 0.4, stage: "labs".into(), note: String::new() };
        same_bytes!(
            protocol::State {
                ticket: protocol::TicketNumber(1),
                state: ours,
                ahead: 41,
                services: 2,
                attempts: 3,
                remaining_ms: None,
                redrive_of: Some(protocol::RequestId::from_bytes(ID)),
                progress: Some(progress),
            },
            State,
            State {
                ticket: 1,
                state: mirrored,
                ahead: 41,
                services: 2,
                attempts: 3,
                remaining_ms: None,
                redrive_of: Some(ID),
                progress: Some(Progress { fraction: 0.4, stage: "labs".into(), note: String::new() }),
            }
        );
    }
}

#[test]
fn another_encoder_writes_and_reads_the_same_settlements() {
    use protocol::Settlement as Ours;
    let problem = || protocol::Problem::new("c", "m");
    let mirrored = || Problem { code: "c".into(), message: "m".into() };
    let settlements = [
        (
            Ours::Reply(protocol::Label::default()),
            Settlement::Reply(Label { content_type: String::new(), headers: Vec::new() }),
        ),
        (
            Ours::Fail { problem: problem(), content_type: Some("x".into()) },
            Settlement::Fail { problem: mirrored(), content_type: Some("x".into()) },
        ),
        (
            Ours::Retry { problem: problem(), retry_after_ms: Some(1) },
            Settlement::Retry { problem: mirrored(), retry_after_ms: Some(1) },
        ),
        (Ours::Reject(problem()), Settlement::Reject(mirrored())),
        (Ours::Release, Settlement::Release),
        (Ours::Throttle { retry_after_ms: 5_000 }, Settlement::Throttle { retry_after_ms: 5_000 }),
    ];
    for (ours, mirrored) in settlements {
        same_bytes!(
            protocol::Settle {
                call: protocol::Call(9),
                channel: protocol::ChannelNumber(1),
                token: protocol::Token { start: 5, id: protocol::RequestId::from_bytes(ID), delivery: 3 },
                settlement: ours,
            },
            Settle,
            Settle { call: 9, channel: 1, token: Token { start: 5, id: ID, delivery: 3 }, settlement: mirrored }
        );
    }
}

fn encoded(header: &Header) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    encode_prefix_and_header(header, 0, &mut bytes);
    bytes[PREFIX_LEN..].to_vec()
}
