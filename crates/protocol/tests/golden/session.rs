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
        ("The requester is told, acknowledges and goes.", requester_ends()),
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
    vec![
        (TO_BROKER, hello(0xa1, "a service").into()),
        (TO_CLIENT, welcome().into()),
        (TO_BROKER, bind().into()),
        (TO_BROKER, Subscribe { service: SERVICE, channel: CHANNEL, credit: 1, hold: Hold::Connection }.into()),
        (TO_CLIENT, Bound { number: CHANNEL, refusal: None }.into()),
        (TO_CLIENT, Subscribed { service: SERVICE, lease_ms: 30_000 }.into()),
    ]
}

fn requester_begins() -> Frames {
    let submit = Submit {
        ticket: TICKET,
        channel: CHANNEL,
        id: id(),
        requester: REQUESTER,
        reply_channel: None,
        operation: "shout".into(),
        label: label(),
    };
    vec![
        (TO_BROKER, hello(0xb2, "a requester").into()),
        (TO_CLIENT, welcome().into()),
        (TO_BROKER, bind().into()),
        (TO_BROKER, Introduce { number: REQUESTER, requester: requester(), unnamed: false }.into()),
        (TO_BROKER, Frame::new(submit, Bytes::from_static(b"hello"))),
        (TO_CLIENT, Bound { number: CHANNEL, refusal: None }.into()),
        (TO_CLIENT, Accepted { ticket: TICKET, services: 1 }.into()),
    ]
}

fn service_works() -> Frames {
    let delivery = Delivery {
        service: SERVICE,
        token: token(),
        attempt: 1,
        lease_ms: 30_000,
        requester: requester(),
        operation: "shout".into(),
        label: label(),
    };
    let settle = Settle { call: Call(1), channel: CHANNEL, token: token(), settlement: Settlement::Reply(label()) };
    vec![
        (TO_CLIENT, Frame::new(delivery, Bytes::from_static(b"hello"))),
        (TO_BROKER, ProgressReport { channel: CHANNEL, token: token(), progress: progress() }.into()),
        (TO_BROKER, Frame::new(settle, Bytes::from_static(b"HELLO"))),
        (TO_CLIENT, Answered { call: Call(1), answer: Answer::Settled }.into()),
    ]
}

fn requester_ends() -> Frames {
    let outcome = Outcome { ticket: TICKET, attempts: 1, ending: Ending::Replied(label()) };
    vec![
        (TO_CLIENT, ProgressUpdate { ticket: TICKET, progress: progress() }.into()),
        (TO_CLIENT, Frame::new(outcome, Bytes::from_static(b"HELLO"))),
        (TO_BROKER, Acknowledge { call: Call(1), channel: CHANNEL, id: id(), requester: REQUESTER }.into()),
        (TO_CLIENT, Acknowledged { call: Call(1), result: Acknowledgement::Done }.into()),
        (TO_BROKER, Detach { ticket: TICKET }.into()),
        (TO_BROKER, Close {}.into()),
        (TO_CLIENT, Close {}.into()),
    ]
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
        max_payload: 16 * 1024 * 1024,
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

fn token() -> Token {
    Token { start: 0x5a5a_0001, id: id(), delivery: 1 }
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
