//! A short session, frame by frame, as `docs/wire-v1.md` shows it: a requester and a service, each on its connection.

use bytes::Bytes;
use roundtrip_protocol::*;

use crate::readable::Readable;
use crate::{hex, write};

/// The session as text for the document.
pub(crate) fn told() -> String {
    let mut text = String::new();
    for (heading, frames) in [
        ("A service connects, subscribes to `echo_request` and waits.", service_begins()),
        ("A requester connects and submits.", requester_begins()),
        ("The service takes the delivery, reports progress and replies.", service_works()),
        ("The requester is told and acknowledges.", requester_is_told()),
        ("It submits once more, to be done within ten minutes, and thinks better of it.", requester_cancels()),
        ("The service, which had begun, is told to stop.", service_stops()),
        ("The requester goes.", requester_ends()),
        ("The service goes too.", service_ends()),
    ] {
        text.push_str(&format!("\n{heading}\n\n```text\n"));
        for (direction, frame) in frames {
            tell(direction, &frame, &mut text);
        }
        text.push_str("```\n");
    }
    text.push('\n');
    text
}

const TO_BROKER: &str = "client → broker";
const TO_CLIENT: &str = "broker → client";

type Frames = Vec<(&'static str, Frame)>;

fn service_begins() -> Frames {
    let subscribe = Subscribe { service: SERVICE, channel: CHANNEL, credit: 1, hold: Hold::Connection, lease_ms: None };
    vec![
        (TO_BROKER, hello(0xa1, "a service").into()),
        (TO_CLIENT, welcome().into()),
        (TO_BROKER, bind().into()),
        (TO_BROKER, subscribe.into()),
        (TO_CLIENT, Bound { number: CHANNEL, refusal: None }.into()),
        (TO_CLIENT, Subscribed { service: SERVICE, lease_ms: 30_000 }.into()),
    ]
}

fn requester_begins() -> Frames {
    vec![
        (TO_BROKER, hello(0xb2, "a requester").into()),
        (TO_CLIENT, welcome().into()),
        (TO_BROKER, bind().into()),
        (TO_BROKER, Introduce { number: REQUESTER, requester: requester(), unnamed: false }.into()),
        (TO_BROKER, Frame::new(submit(TICKET, id()), Bytes::from_static(b"hello"))),
        (TO_CLIENT, Bound { number: CHANNEL, refusal: None }.into()),
        (TO_CLIENT, Accepted { ticket: TICKET, services: 1, duplicate: None }.into()),
    ]
}

fn service_works() -> Frames {
    let settle = Settle { call: Call(1), channel: CHANNEL, token: token(id()), settlement: Settlement::Reply(label()) };
    vec![
        (TO_CLIENT, Frame::new(delivery(id(), 86_400_000), Bytes::from_static(b"hello"))),
        (TO_BROKER, ProgressReport { channel: CHANNEL, token: token(id()), progress: progress() }.into()),
        (TO_BROKER, Frame::new(settle, Bytes::from_static(b"HELLO"))),
        (TO_CLIENT, Answered { call: Call(1), answer: Answer::Settled }.into()),
    ]
}

fn requester_is_told() -> Frames {
    let outcome = Outcome { ticket: TICKET, attempts: 1, ending: Ending::Replied(label()) };
    vec![
        (TO_CLIENT, ProgressUpdate { ticket: TICKET, progress: progress() }.into()),
        (TO_CLIENT, Frame::new(outcome, Bytes::from_static(b"HELLO"))),
        (TO_BROKER, acknowledge(1, id()).into()),
        (TO_CLIENT, Acknowledged { call: Call(1), result: Acknowledgement::Done }.into()),
        (TO_BROKER, Detach { ticket: TICKET }.into()),
    ]
}

fn requester_cancels() -> Frames {
    let second = TicketNumber(1);
    let submit = Submit { deadline_ms: Some(600_000), ..submit(second, second_id()) };
    vec![
        (TO_BROKER, Frame::new(submit, Bytes::from_static(b"hush"))),
        (TO_CLIENT, Accepted { ticket: second, services: 1, duplicate: None }.into()),
        (TO_BROKER, Cancel { call: Call(2), channel: CHANNEL, id: second_id() }.into()),
        (TO_CLIENT, Outcome { ticket: second, attempts: 1, ending: Ending::Cancelled }.into()),
        (TO_CLIENT, Cancelled { call: Call(2), result: Cancellation::Cancelled }.into()),
        (TO_BROKER, acknowledge(3, second_id()).into()),
        (TO_CLIENT, Acknowledged { call: Call(3), result: Acknowledgement::Done }.into()),
    ]
}

fn service_stops() -> Frames {
    let token = token(second_id());
    vec![
        (TO_CLIENT, Frame::new(delivery(second_id(), 600_000), Bytes::from_static(b"hush"))),
        (TO_CLIENT, Stop { service: SERVICE, token, reason: StopReason::Cancelled }.into()),
        (TO_BROKER, Stopped { channel: CHANNEL, token }.into()),
    ]
}

fn requester_ends() -> Frames {
    vec![(TO_BROKER, Close {}.into()), (TO_CLIENT, Close {}.into())]
}

fn service_ends() -> Frames {
    vec![
        (TO_BROKER, Unsubscribe { service: SERVICE }.into()),
        (TO_CLIENT, Unsubscribed { service: SERVICE, refusal: None }.into()),
        (TO_BROKER, Close {}.into()),
        (TO_CLIENT, Close {}.into()),
    ]
}

const CHANNEL: ChannelNumber = ChannelNumber(0);
const REQUESTER: RequesterNumber = RequesterNumber(0);
const SERVICE: ServiceNumber = ServiceNumber(0);
const TICKET: TicketNumber = TicketNumber(0);

fn hello(instance: u8, software: &str) -> Hello {
    Hello {
        lowest: 1,
        highest: 1,
        software: software.into(),
        instance: InstanceId::from_bytes([instance; 16]),
        connection: 1,
    }
}

fn welcome() -> Welcome {
    Welcome {
        version: 1,
        software: "roundtrip-broker 0.1.0".into(),
        start: 0x5a5a_0001,
        max_header: 64 * 1024,
        max_payload: 16 * 1024 * 1024,
        max_open: 65_536,
        heartbeat_ms: 10_000,
    }
}

fn bind() -> Bind {
    Bind { number: CHANNEL, channel: ChannelName::new("echo_request").unwrap() }
}

fn requester() -> RequesterName {
    RequesterName::new("ward-7").unwrap()
}

fn id() -> RequestId {
    "0190d5a3-7b1e-7cc0-8000-3c5f1f6a2b11".parse().unwrap()
}

fn second_id() -> RequestId {
    "0190d5a3-7c4a-7f21-8000-91be02d6c3aa".parse().unwrap()
}

fn submit(ticket: TicketNumber, id: RequestId) -> Submit {
    Submit {
        ticket,
        channel: CHANNEL,
        id,
        requester: REQUESTER,
        reply: ReplyTo::Own,
        accepted: true,
        priority: DEFAULT_PRIORITY,
        deadline_ms: None,
        delay_ms: 0,
        key: None,
        operation: "shout".into(),
        label: label(),
    }
}

fn acknowledge(call: u32, id: RequestId) -> Acknowledge {
    Acknowledge { call: Call(call), channel: CHANNEL, id, requester: REQUESTER, ticket: None }
}

fn delivery(id: RequestId, remaining_ms: u64) -> Delivery {
    Delivery {
        service: SERVICE,
        token: token(id),
        attempt: 1,
        lease_ms: 30_000,
        remaining_ms,
        attempt_ms: None,
        requester: requester(),
        redrive_of: None,
        operation: "shout".into(),
        label: label(),
    }
}

fn token(id: RequestId) -> Token {
    Token { start: 0x5a5a_0001, id, delivery: 1 }
}

fn label() -> Label {
    Label { content_type: "text/plain".into(), headers: Headers::default() }
}

fn progress() -> Progress {
    Progress { fraction: 0.5, stage: "shouting".into(), note: String::new() }
}

/// A frame as three parts: who sends what, then prefix, header and payload in hex.
fn tell(direction: &str, frame: &Frame, text: &mut String) {
    let bytes = write(frame);
    let (prefix, rest) = bytes.split_at(PREFIX_LEN);
    let (header, payload) = rest.split_at(rest.len() - frame.payload.len());
    text.push_str(&format!("{direction}  {} {}\n", frame.header.name(), frame.header.json()));
    text.push_str(&format!("  prefix   {}\n", hex(prefix)));
    for (at, line) in header.chunks(40).enumerate() {
        text.push_str(&format!("  {}  {}\n", if at == 0 { "header " } else { "       " }, hex(line)));
    }
    if !payload.is_empty() {
        text.push_str(&format!("  payload  {}\n", hex(payload)));
    }
}
