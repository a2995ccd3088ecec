//! Any header that can be said is read as it was written, and its length is known before it is written.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use roundtrip_protocol::*;

proptest! {
    #[test]
    fn any_header_is_read_as_it_was_written(header in header()) {
        let mut bytes = bytes::BytesMut::new();
        encode_prefix_and_header(&header, 5, &mut bytes);
        prop_assert_eq!(bytes.len() - PREFIX_LEN, header.encoded_len());

        let prefix = Prefix::read(bytes[..PREFIX_LEN].try_into().unwrap(), Limits::with_max_payload(5)).unwrap();
        let expected =
            Prefix { type_number: header.type_number(), header_len: header.encoded_len(), payload_len: 5 };
        prop_assert_eq!(prefix, expected);
        prop_assert_eq!(decode_header(prefix.type_number, &bytes[PREFIX_LEN..]).unwrap(), header);
    }
}

fn header() -> impl Strategy<Value = Header> {
    prop_oneof![
        (any::<(u16, u16, u64, u64)>(), text(), any::<[u8; 16]>()).prop_map(
            |((lowest, highest, connection, max_payload), software, instance)| {
                let instance = InstanceId::from_bytes(instance);
                Hello { lowest, highest, software, instance, connection, max_payload }.into()
            }
        ),
        (any::<(u16, u64, u32, u64, u32, u32)>(), text()).prop_map(
            |((version, start, max_header, max_payload, max_open, heartbeat_ms), software)| {
                Welcome { version, software, start, max_header, max_payload, max_open, heartbeat_ms }.into()
            }
        ),
        (any::<(u16, u8, bool)>(), text()).prop_map(|((code, frame, closes), message)| Error {
            code: code.into(),
            message,
            frame,
            closes
        }
        .into()),
        (any::<u32>(), option::of(refusal())).prop_map(|(number, refusal)| Bound {
            number: ChannelNumber(number),
            refusal
        }
        .into()),
        (any::<(u32, u32, u32)>(), id(), option::of(name()), text(), label()).prop_map(
            |((ticket, channel, requester), id, reply_channel, operation, label)| {
                Submit {
                    ticket: TicketNumber(ticket),
                    channel: ChannelNumber(channel),
                    id,
                    requester: RequesterNumber(requester),
                    reply_channel: reply_channel.map(|name| name.parse().unwrap()),
                    operation,
                    label,
                }
                .into()
            }
        ),
        (any::<u32>(), refusal())
            .prop_map(|(ticket, refusal)| Refused { ticket: TicketNumber(ticket), refusal }.into()),
        (any::<(u32, u32)>(), state(), option::of(progress())).prop_map(|((ticket, services), state, progress)| {
            State { ticket: TicketNumber(ticket), state, services, progress }.into()
        }),
        (any::<(u32, u32)>(), ending()).prop_map(|((ticket, attempts), ending)| Outcome {
            ticket: TicketNumber(ticket),
            attempts,
            ending
        }
        .into()),
        (any::<(u32, u32, u64)>(), token(), name(), text(), label()).prop_map(
            |((service, attempt, lease_ms), token, requester, operation, label)| {
                Delivery {
                    service: ServiceNumber(service),
                    token,
                    attempt,
                    lease_ms,
                    requester: requester.parse().unwrap(),
                    operation,
                    label,
                }
                .into()
            }
        ),
        (any::<(u32, u32)>(), token(), settlement()).prop_map(|((call, channel), token, settlement)| {
            Settle { call: Call(call), channel: ChannelNumber(channel), token, settlement }.into()
        }),
        (any::<u32>(), answer()).prop_map(|(call, answer)| Answered { call: Call(call), answer }.into()),
        (any::<u32>(), token(), progress()).prop_map(|(channel, token, progress)| {
            ProgressReport { channel: ChannelNumber(channel), token, progress }.into()
        }),
        (any::<(u32, u32, u32)>(), name(), mode()).prop_map(|((mailbox, requester, window), reply_channel, mode)| {
            OpenMailbox {
                mailbox: MailboxNumber(mailbox),
                requester: RequesterNumber(requester),
                reply_channel: reply_channel.parse().unwrap(),
                mode,
                window,
            }
            .into()
        }),
        (any::<(u32, u32)>(), name(), id(), text(), ending()).prop_map(
            |((mailbox, attempts), channel, id, operation, ending)| {
                Reply {
                    mailbox: MailboxNumber(mailbox),
                    channel: channel.parse().unwrap(),
                    id,
                    operation,
                    attempts,
                    ending,
                }
                .into()
            }
        ),
        (any::<(u32, bool)>(), vec(figures(), 0..20)).prop_map(|((call, more), channels)| Channels {
            call: Call(call),
            channels,
            more
        }
        .into()),
    ]
}

fn settlement() -> impl Strategy<Value = Settlement> {
    prop_oneof![
        label().prop_map(Settlement::Reply),
        (problem(), option::of(text())).prop_map(|(problem, content_type)| Settlement::Fail { problem, content_type }),
        (problem(), option::of(any::<u64>()))
            .prop_map(|(problem, retry_after_ms)| Settlement::Retry { problem, retry_after_ms }),
        problem().prop_map(Settlement::Reject),
        Just(Settlement::Release),
    ]
}

fn ending() -> impl Strategy<Value = Ending> {
    let reason = prop_oneof![
        Just(DeadReason::AttemptsExhausted),
        Just(DeadReason::Rejected),
        Just(DeadReason::ReleasesExhausted)
    ];
    prop_oneof![
        label().prop_map(Ending::Replied),
        (problem(), option::of(text())).prop_map(|(problem, content_type)| Ending::Failed { problem, content_type }),
        (reason, option::of(problem())).prop_map(|(reason, last)| Ending::Dead { reason, last }),
    ]
}

fn state() -> impl Strategy<Value = RequestState> {
    prop_oneof![
        Just(RequestState::Waiting),
        any::<(u32, u32)>().prop_map(|(delivery, attempt)| RequestState::InFlight { delivery, attempt }),
        Just(RequestState::BackingOff),
        Just(RequestState::Ended(OutcomeKind::Replied)),
        Just(RequestState::Ended(OutcomeKind::Failed)),
        Just(RequestState::Ended(OutcomeKind::Dead)),
    ]
}

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        Just(Answer::Settled),
        Just(Answer::Renewed),
        Just(Answer::TakenBack),
        Just(Answer::LeaseLost),
        any::<u64>().prop_map(|retry_after_ms| Answer::MailboxBusy { retry_after_ms }),
        any::<u64>().prop_map(|max_payload| Answer::TooLarge { max_payload }),
        Just(Answer::Invalid),
    ]
}

fn mode() -> impl Strategy<Value = OpenMode> {
    prop_oneof![Just(OpenMode::Take), Just(OpenMode::IfFree), Just(OpenMode::Follow)]
}

fn figures() -> impl Strategy<Value = ChannelFigures> {
    (name(), any::<(u64, u64, u32, u64)>()).prop_map(|(channel, (waiting, in_flight, services, retained))| {
        ChannelFigures { channel: channel.parse().unwrap(), waiting, in_flight, services, retained }
    })
}

fn refusal() -> impl Strategy<Value = Refusal> {
    (any::<u16>(), text(), option::of(any::<u64>())).prop_map(|(code, message, retry_after_ms)| Refusal {
        code: code.into(),
        message,
        retry_after_ms,
    })
}

fn label() -> impl Strategy<Value = Label> {
    (text(), vec((text(), text()), 0..10))
        .prop_map(|(content_type, headers)| Label { content_type, headers: Headers(headers) })
}

fn problem() -> impl Strategy<Value = Problem> {
    (text(), text()).prop_map(|(code, message)| Problem { code, message })
}

fn progress() -> impl Strategy<Value = Progress> {
    (0.0_f32..=1.0, text(), text()).prop_map(|(fraction, stage, note)| Progress { fraction, stage, note })
}

fn token() -> impl Strategy<Value = Token> {
    (any::<(u64, u32)>(), id()).prop_map(|((start, delivery), id)| Token { start, id, delivery })
}

fn id() -> impl Strategy<Value = RequestId> {
    any::<[u8; 16]>().prop_map(RequestId::from_bytes)
}

/// A good channel or requester name.
fn name() -> impl Strategy<Value = String> {
    "[A-Za-z0-9_-]{1,8}(\\.[A-Za-z0-9_-]{1,8}){0,3}"
}

/// Any text, not only ASCII.
fn text() -> impl Strategy<Value = String> {
    vec(any::<char>(), 0..40).prop_map(|chars| chars.into_iter().collect())
}
