//! The limits of `docs/wire-v1.md` on texts leave room for what stands beside them: the largest header of each frame
//! that carries them is within the limit of headers.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use roundtrip_protocol::*;

const MAX_OPERATION: usize = 1024;
const MAX_LABEL: usize = 61_440;
const MAX_LAST_CODE: usize = 128;
const MAX_LAST_MESSAGE: usize = 1024;

#[test]
fn the_largest_header_of_every_frame_with_a_label_is_within_the_limit() {
    for header in largest() {
        let len = header.encoded_len();
        assert!(len > MAX_LABEL, "{} is not at its largest", header.name());
        assert!(len <= MAX_HEADER, "{} has {len} bytes", header.name());
    }
}

#[test]
fn the_largest_entry_of_a_list_of_dead_letters_is_within_the_limit() {
    let letters = vec![entry()];
    let header = Header::from(DeadLetters { call: Call(0), letters, more: true });
    assert!(header.encoded_len() <= MAX_HEADER);
}

fn largest() -> Vec<Header> {
    let (call, channel, ticket, service) = (Call(0), ChannelNumber(0), TicketNumber(0), ServiceNumber(0));
    let ending = || Ending::Replied(label());
    vec![
        Submit {
            ticket,
            channel,
            id: id(),
            requester: RequesterNumber(0),
            reply: ReplyTo::On(channel_name()),
            accepted: true,
            priority: MAX_PRIORITY,
            deadline_ms: Some(1),
            delay_ms: 0,
            key: Some("k".repeat(MAX_KEY)),
            operation: operation().into(),
            label: label(),
        }
        .into(),
        Outcome { ticket, attempts: 1, ending: ending() }.into(),
        Part { ticket, delivery: 1, number: 1, label: label() }.into(),
        Delivery {
            service,
            token: token(),
            attempt: 1,
            lease_ms: 1,
            remaining_ms: 1,
            attempt_ms: Some(1),
            requester: requester_name(),
            redrive_of: Some(id()),
            operation: operation().into(),
            label: label(),
        }
        .into(),
        Settle { call, channel, token: token(), settlement: Settlement::Reply(label()) }.into(),
        AddPart { call, channel, token: token(), number: 1, label: label() }.into(),
        Reply {
            mailbox: MailboxNumber(0),
            channel: channel_name(),
            id: id(),
            redrive_of: Some(id()),
            operation: operation().into(),
            attempts: 1,
            ending: ending(),
        }
        .into(),
        DeadLetter {
            call,
            letter: Some(DeadLetterContent { entry: entry(), reply_channel: Some(channel_name()), label: label() }),
        }
        .into(),
    ]
}

/// A label that takes as many bytes as one may.
fn label() -> Label {
    Label { content_type: "t".repeat(MAX_LABEL - 2 * size_of::<u64>()).into(), headers: Headers::default() }
}

fn entry() -> DeadLetterEntry {
    DeadLetterEntry {
        id: id(),
        operation: operation(),
        requester: requester_name(),
        reason: DeadReason::Rejected,
        attempts: 1,
        deliveries: 1,
        bytes: 1,
        accepted_ms_ago: 1,
        died_ms_ago: 1,
        last: Some(Problem::new("c".repeat(MAX_LAST_CODE), "m".repeat(MAX_LAST_MESSAGE))),
    }
}

fn operation() -> String {
    "o".repeat(MAX_OPERATION)
}

fn channel_name() -> ChannelName {
    "c".repeat(MAX_NAME).parse().unwrap()
}

fn requester_name() -> RequesterName {
    "r".repeat(MAX_NAME).parse().unwrap()
}

fn token() -> Token {
    Token { start: 1, id: id(), delivery: 1 }
}

fn id() -> RequestId {
    RequestId::from_bytes([7; 16])
}
