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
    prop_oneof![connection(), requester(), parts(), service(), mailbox(), figures_and_dead_letters()]
}

fn connection() -> impl Strategy<Value = Header> {
    prop_oneof![
        (any::<(u16, u16, u64)>(), text(), any::<[u8; 16]>()).prop_map(
            |((lowest, highest, connection), software, instance)| {
                let instance = InstanceId::from_bytes(instance);
                Hello { lowest, highest, software, instance, connection }.into()
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
        call().prop_map(|call| RequestDrain { call }.into()),
        (call(), option::of(refusal())).prop_map(|(call, refusal)| DrainAnswered { call, refusal }.into()),
    ]
}

fn requester() -> impl Strategy<Value = Header> {
    let limits = (any::<(bool, u8, Option<u64>, u64)>(), option::of(text()));
    prop_oneof![
        (ticket(), channel(), id(), any::<u32>(), reply_to(), limits, text(), label()).prop_map(
            |(
                ticket,
                channel,
                id,
                requester,
                reply,
                ((accepted, priority, deadline_ms, delay_ms), key),
                operation,
                label,
            )| {
                let requester = RequesterNumber(requester);
                Submit {
                    ticket,
                    channel,
                    id,
                    requester,
                    reply,
                    accepted,
                    priority,
                    deadline_ms,
                    delay_ms,
                    key,
                    operation: operation.into(),
                    label,
                }
                .into()
            }
        ),
        (ticket(), any::<u32>(), option::of(duplicate())).prop_map(|(ticket, services, duplicate)| Accepted {
            ticket,
            services,
            duplicate
        }
        .into()),
        (ticket(), refusal()).prop_map(|(ticket, refusal)| Refused { ticket, refusal }.into()),
        (ticket(), state(), any::<(u64, u32, u32, Option<u64>)>(), option::of(id()), option::of(progress())).prop_map(
            |(ticket, state, (ahead, services, attempts, remaining_ms), redrive_of, progress)| {
                State { ticket, state, ahead, services, attempts, remaining_ms, redrive_of, progress }.into()
            }
        ),
        (ticket(), any::<u32>(), ending())
            .prop_map(|(ticket, attempts, ending)| Outcome { ticket, attempts, ending }.into()),
        (call(), channel(), id()).prop_map(|(call, channel, id)| Cancel { call, channel, id }.into()),
        (call(), cancellation()).prop_map(|(call, result)| Cancelled { call, result }.into()),
    ]
}

fn parts() -> impl Strategy<Value = Header> {
    prop_oneof![
        (ticket(), any::<(u32, u32, u32)>()).prop_map(|(ticket, (delivery, after, window))| FollowParts {
            ticket,
            delivery,
            after,
            window
        }
        .into()),
        (ticket(), any::<u32>()).prop_map(|(ticket, more)| PartsWindow { ticket, more }.into()),
        (ticket(), any::<(u32, u32, u32)>()).prop_map(|(ticket, (requester, delivery, through))| {
            AcknowledgeParts { ticket, requester: RequesterNumber(requester), delivery, through }.into()
        }),
        (ticket(), any::<(u32, u32)>(), label()).prop_map(|(ticket, (delivery, number), label)| Part {
            ticket,
            delivery,
            number,
            label
        }
        .into()),
        (ticket(), any::<(u32, u32)>())
            .prop_map(|(ticket, (delivery, first))| PartsFrom { ticket, delivery, first }.into()),
        (call(), channel(), token(), any::<u32>(), label()).prop_map(|(call, channel, token, number, label)| AddPart {
            call,
            channel,
            token,
            number,
            label
        }
        .into()),
        (any::<u32>(), token())
            .prop_map(|(service, token)| PartsRoom { service: ServiceNumber(service), token }.into()),
    ]
}

fn service() -> impl Strategy<Value = Header> {
    let hold = prop_oneof![Just(Hold::Connection), Just(Hold::Lease)];
    let times = any::<(u32, u64, u64, Option<u64>)>();
    prop_oneof![
        (any::<u32>(), channel(), any::<u32>(), hold, any::<Option<u64>>()).prop_map(
            |(service, channel, credit, hold, lease_ms)| {
                Subscribe { service: ServiceNumber(service), channel, credit, hold, lease_ms }.into()
            }
        ),
        (any::<u32>(), token(), times, name(), option::of(id()), text(), label()).prop_map(
            |(
                service,
                token,
                (attempt, lease_ms, remaining_ms, attempt_ms),
                requester,
                redrive_of,
                operation,
                label,
            )| {
                Delivery {
                    service: ServiceNumber(service),
                    token,
                    attempt,
                    lease_ms,
                    remaining_ms,
                    attempt_ms,
                    requester: requester.parse().unwrap(),
                    redrive_of,
                    operation: operation.into(),
                    label,
                }
                .into()
            }
        ),
        (call(), channel(), token(), settlement()).prop_map(|(call, channel, token, settlement)| Settle {
            call,
            channel,
            token,
            settlement
        }
        .into()),
        (call(), answer()).prop_map(|(call, answer)| Answered { call, answer }.into()),
        (channel(), token(), progress()).prop_map(|(channel, token, progress)| ProgressReport {
            channel,
            token,
            progress
        }
        .into()),
        (any::<u32>(), token(), stop_reason()).prop_map(|(service, token, reason)| Stop {
            service: ServiceNumber(service),
            token,
            reason
        }
        .into()),
        (channel(), token()).prop_map(|(channel, token)| Stopped { channel, token }.into()),
    ]
}

fn mailbox() -> impl Strategy<Value = Header> {
    prop_oneof![
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
        (any::<(u32, u32)>(), name(), id(), option::of(id()), text(), ending()).prop_map(
            |((mailbox, attempts), channel, id, redrive_of, operation, ending)| {
                Reply {
                    mailbox: MailboxNumber(mailbox),
                    channel: channel.parse().unwrap(),
                    id,
                    redrive_of,
                    operation: operation.into(),
                    attempts,
                    ending,
                }
                .into()
            }
        ),
    ]
}

fn figures_and_dead_letters() -> impl Strategy<Value = Header> {
    let redrive =
        prop_oneof![id().prop_map(Redrive::Accepted), Just(Redrive::Unknown), refusal().prop_map(Redrive::Refused),];
    prop_oneof![
        (call(), any::<bool>(), vec(figures(), 0..20)).prop_map(|(call, more, channels)| Channels {
            call,
            channels,
            more
        }
        .into()),
        (call(), channel(), option::of(id()), any::<u32>()).prop_map(|(call, channel, after, most)| ListDeadLetters {
            call,
            channel,
            after,
            most
        }
        .into()),
        (call(), any::<bool>(), vec(dead_letter(), 0..20)).prop_map(|(call, more, letters)| DeadLetters {
            call,
            letters,
            more
        }
        .into()),
        (call(), option::of(dead_letter_content())).prop_map(|(call, letter)| DeadLetter { call, letter }.into()),
        (call(), redrive).prop_map(|(call, result)| Redriven { call, result }.into()),
        (call(), any::<bool>()).prop_map(|(call, was_there)| Purged { call, was_there }.into()),
    ]
}

fn reply_to() -> impl Strategy<Value = ReplyTo> {
    prop_oneof![Just(ReplyTo::Own), name().prop_map(|name| ReplyTo::On(name.parse().unwrap())), Just(ReplyTo::Nowhere),]
}

fn duplicate() -> impl Strategy<Value = Duplicate> {
    (id(), name(), option::of(name())).prop_map(|(id, requester, reply_channel)| Duplicate {
        id,
        requester: requester.parse().unwrap(),
        reply_channel: reply_channel.map(|name| name.parse().unwrap()),
    })
}

fn cancellation() -> impl Strategy<Value = Cancellation> {
    prop_oneof![
        Just(Cancellation::Cancelled),
        outcome_kind().prop_map(Cancellation::Ended),
        Just(Cancellation::UnknownTicket),
    ]
}

fn outcome_kind() -> impl Strategy<Value = OutcomeKind> {
    prop_oneof![
        Just(OutcomeKind::Replied),
        Just(OutcomeKind::Failed),
        Just(OutcomeKind::Dead),
        Just(OutcomeKind::Expired),
        Just(OutcomeKind::Cancelled),
    ]
}

fn stop_reason() -> impl Strategy<Value = StopReason> {
    prop_oneof![
        Just(StopReason::LeaseLost),
        Just(StopReason::BrokerStopped),
        Just(StopReason::Cancelled),
        Just(StopReason::Expired),
        Just(StopReason::AttemptTimeout),
    ]
}

fn dead_letter() -> impl Strategy<Value = DeadLetterEntry> {
    (id(), text(), name(), dead_reason(), any::<(u32, u32, u64, u64, u64)>(), option::of(problem())).prop_map(
        |(id, operation, requester, reason, (attempts, deliveries, bytes, accepted_ms_ago, died_ms_ago), last)| {
            DeadLetterEntry {
                id,
                operation,
                requester: requester.parse().unwrap(),
                reason,
                attempts,
                deliveries,
                bytes,
                accepted_ms_ago,
                died_ms_ago,
                last,
            }
        },
    )
}

fn dead_letter_content() -> impl Strategy<Value = DeadLetterContent> {
    (dead_letter(), option::of(name()), label()).prop_map(|(entry, reply_channel, label)| DeadLetterContent {
        entry,
        reply_channel: reply_channel.map(|name| name.parse().unwrap()),
        label,
    })
}

fn settlement() -> impl Strategy<Value = Settlement> {
    prop_oneof![
        label().prop_map(Settlement::Reply),
        (problem(), option::of(text())).prop_map(|(problem, content_type)| Settlement::Fail { problem, content_type }),
        (problem(), option::of(any::<u64>()))
            .prop_map(|(problem, retry_after_ms)| Settlement::Retry { problem, retry_after_ms }),
        problem().prop_map(Settlement::Reject),
        Just(Settlement::Release),
        any::<u64>().prop_map(|retry_after_ms| Settlement::Throttle { retry_after_ms }),
    ]
}

fn dead_reason() -> impl Strategy<Value = DeadReason> {
    prop_oneof![
        Just(DeadReason::AttemptsExhausted),
        Just(DeadReason::Rejected),
        Just(DeadReason::ReleasesExhausted),
        Just(DeadReason::Damaged)
    ]
}

fn ending() -> impl Strategy<Value = Ending> {
    prop_oneof![
        label().prop_map(Ending::Replied),
        (problem(), option::of(text())).prop_map(|(problem, content_type)| Ending::Failed { problem, content_type }),
        (dead_reason(), option::of(problem())).prop_map(|(reason, last)| Ending::Dead { reason, last }),
        Just(Ending::Expired),
        Just(Ending::Cancelled),
    ]
}

fn state() -> impl Strategy<Value = RequestState> {
    prop_oneof![
        Just(RequestState::Waiting),
        any::<(u32, u32)>().prop_map(|(delivery, attempt)| RequestState::InFlight { delivery, attempt }),
        Just(RequestState::BackingOff),
        outcome_kind().prop_map(RequestState::Ended),
        any::<u64>().prop_map(|in_ms| RequestState::Scheduled { in_ms }),
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
        Just(Answer::Cancelled),
        Just(Answer::Expired),
        Just(Answer::PartKept),
        Just(Answer::PartsFull),
        any::<u32>().prop_map(|next| Answer::PartMissing { next }),
    ]
}

fn mode() -> impl Strategy<Value = OpenMode> {
    prop_oneof![Just(OpenMode::Take), Just(OpenMode::IfFree), Just(OpenMode::Follow)]
}

fn figures() -> impl Strategy<Value = ChannelFigures> {
    (name(), any::<[u64; 8]>(), any::<u32>()).prop_map(
        |(channel, [waiting, scheduled, in_flight, retained, dead, oldest_ms, paused_ms, stale], services)| {
            let channel = channel.parse().unwrap();
            ChannelFigures {
                channel,
                waiting,
                scheduled,
                in_flight,
                services,
                retained,
                dead,
                oldest_ms,
                paused_ms,
                stale,
            }
        },
    )
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
        .prop_map(|(content_type, headers)| Label { content_type: content_type.into(), headers: Headers(headers) })
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

fn call() -> impl Strategy<Value = Call> {
    any::<u32>().prop_map(Call)
}

fn channel() -> impl Strategy<Value = ChannelNumber> {
    any::<u32>().prop_map(ChannelNumber)
}

fn ticket() -> impl Strategy<Value = TicketNumber> {
    any::<u32>().prop_map(TicketNumber)
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
