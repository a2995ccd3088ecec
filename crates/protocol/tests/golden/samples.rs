//! One frame or more of every type, with every choice and both sides of every option.

use bytes::Bytes;
use roundtrip_protocol::*;

/// All of them, each under the name that its line has in the file.
pub(crate) fn samples() -> Vec<(&'static str, Frame)> {
    let mut all = Vec::new();
    all.extend(connection());
    all.extend(requester());
    all.extend(service());
    all.extend(mailbox());
    all.extend(figures());
    all.extend(dead_letters());
    all.extend(parts());
    all
}

fn connection() -> Vec<(&'static str, Frame)> {
    vec![
        (
            "hello",
            Hello {
                lowest: 1,
                highest: 1,
                software: "roundtrip-client 0.1.0".into(),
                instance: InstanceId::from_bytes(*b"\x8f\x14\xe4\x5f\xce\xea\x16\x7a\x5a\x36\xde\xdd\x4b\xea\x25\x43"),
                connection: 1,
            }
            .into(),
        ),
        (
            "hello_of_several_versions",
            Hello {
                lowest: 1,
                highest: 0x0302,
                software: String::new(),
                instance: InstanceId::from_bytes([0xff; 16]),
                connection: u64::MAX,
            }
            .into(),
        ),
        (
            "welcome",
            Welcome {
                version: 1,
                software: "roundtrip-broker 0.1.0".into(),
                start: 0x1122_3344_5566_7788,
                max_header: 64 * 1024,
                max_payload: 16 * 1024 * 1024,
                max_open: 65_536,
                heartbeat_ms: 10_000,
            }
            .into(),
        ),
        (
            "error_that_closes",
            Error {
                code: ErrorCode::UnsupportedVersion,
                message: "this broker speaks version 1, the client speaks 7 to 9: upgrade the broker".into(),
                frame: 0x01,
                closes: true,
            }
            .into(),
        ),
        (
            "error_that_passes",
            Error { code: ErrorCode::UnknownFrame, message: "skipped".into(), frame: 0xee, closes: false }.into(),
        ),
        (
            "error_of_a_later_code",
            Error { code: ErrorCode::Other(0xabcd), message: "é".into(), frame: 0, closes: true }.into(),
        ),
        ("ping", Ping { nonce: 0x0102_0304_0506_0708 }.into()),
        ("pong", Pong { nonce: 0x0102_0304_0506_0708 }.into()),
        ("close", Close {}.into()),
        ("drain", Drain { remaining_ms: 30_000 }.into()),
        ("request_drain", RequestDrain { call: Call(2) }.into()),
        ("drain_answered", DrainAnswered { call: Call(2), refusal: None }.into()),
        (
            "drain_answered_refused",
            DrainAnswered {
                call: Call(2),
                refusal: Some(Refusal::new(RefusalCode::Forbidden, "its program stops this broker")),
            }
            .into(),
        ),
        ("bind", Bind { number: ChannelNumber(1), channel: channel() }.into()),
        ("bound", Bound { number: ChannelNumber(1), refusal: None }.into()),
        ("bound_refused", Bound { number: ChannelNumber(2), refusal: Some(refusal()) }.into()),
        ("introduce", Introduce { number: RequesterNumber(1), requester: requester_name(), unnamed: false }.into()),
        (
            "introduce_unnamed",
            Introduce { number: RequesterNumber(2), requester: name("anonymous-3f9c"), unnamed: true }.into(),
        ),
        ("goodbye", Goodbye { requester: RequesterNumber(2) }.into()),
    ]
}

fn requester() -> Vec<(&'static str, Frame)> {
    let ticket = TicketNumber(7);
    let submit = Submit {
        ticket,
        channel: ChannelNumber(1),
        id: id(),
        requester: RequesterNumber(1),
        reply: ReplyTo::Own,
        accepted: true,
        priority: 4,
        deadline_ms: None,
        delay_ms: 0,
        key: None,
        operation: "generate_patient_summary".into(),
        label: label(),
    };
    let duplicate = |reply_channel| Some(Duplicate { id: earlier_id(), requester: name("ward-7"), reply_channel });
    let acknowledge = |ticket| {
        let (call, channel, requester) = (Call(3), ChannelNumber(1), RequesterNumber(1));
        Acknowledge { call, channel, id: id(), requester, ticket }
    };
    let cancelled = |result| Cancelled { call: Call(4), result };
    let acknowledged = |result| Acknowledged { call: Call(3), result };
    let state = |state| State {
        ticket,
        state,
        ahead: 0,
        services: 2,
        attempts: 1,
        remaining_ms: Some(540_000),
        redrive_of: None,
        progress: None,
    };
    let ended = |kind| State { remaining_ms: None, ..state(RequestState::Ended(kind)) };
    let outcome = |ending| Outcome { ticket, attempts: 2, ending };
    let mut all = vec![
        ("submit", Frame::new(submit.clone(), payload())),
        ("submit_bare", Submit { operation: Text::default(), label: Label::default(), ..submit.clone() }.into()),
        (
            "submit_to_another_reply_channel",
            Frame::new(
                Submit { reply: ReplyTo::On(ChannelName::new("letters").unwrap()), ..submit.clone() },
                payload(),
            ),
        ),
        ("submit_for_the_outcome", Frame::new(Submit { accepted: false, ..submit.clone() }, payload())),
        ("submit_one_way", Frame::new(Submit { reply: ReplyTo::Nowhere, ..submit.clone() }, payload())),
        (
            "submit_with_limits",
            Frame::new(
                Submit {
                    priority: 9,
                    deadline_ms: Some(600_000),
                    delay_ms: 0x0102_0304_0506,
                    key: Some("discharge-4711-ü".into()),
                    ..submit
                },
                payload(),
            ),
        ),
        ("accepted", Accepted { ticket, services: 2, duplicate: None }.into()),
        ("accepted_duplicate", Accepted { ticket, services: 2, duplicate: duplicate(Some(reply_channel())) }.into()),
        ("accepted_duplicate_one_way", Accepted { ticket, services: 0, duplicate: duplicate(None) }.into()),
        ("refused", Refused { ticket, refusal: refusal() }.into()),
        (
            "refused_for_good",
            Refused { ticket, refusal: Refusal::new(RefusalCode::TooLarge, "a payload has at most 16 bytes") }.into(),
        ),
        ("refused_with_a_later_code", Refused { ticket, refusal: Refusal::new(RefusalCode::Other(4242), "") }.into()),
        ("attach", Attach { ticket, channel: ChannelNumber(1), id: id() }.into()),
        ("state_waiting", State { ahead: 41, ..state(RequestState::Waiting) }.into()),
        ("state_waiting_again", State { redrive_of: Some(earlier_id()), ..state(RequestState::Waiting) }.into()),
        ("state_in_flight", state(RequestState::InFlight { delivery: 3, attempt: 2 }).into()),
        (
            "state_in_flight_with_progress",
            State { progress: Some(progress()), ..state(RequestState::InFlight { delivery: 3, attempt: 2 }) }.into(),
        ),
        ("state_backing_off", state(RequestState::BackingOff).into()),
        ("state_scheduled", state(RequestState::Scheduled { in_ms: 60_000 }).into()),
        ("state_ended_replied", ended(OutcomeKind::Replied).into()),
        ("state_ended_failed", ended(OutcomeKind::Failed).into()),
        ("state_ended_dead", ended(OutcomeKind::Dead).into()),
        ("state_ended_expired", ended(OutcomeKind::Expired).into()),
        ("state_ended_cancelled", ended(OutcomeKind::Cancelled).into()),
        ("detach", Detach { ticket }.into()),
        ("progress_update", ProgressUpdate { ticket, progress: progress() }.into()),
        ("acknowledge", acknowledge(None).into()),
        ("acknowledge_and_detach", acknowledge(Some(ticket)).into()),
        ("acknowledged_done", acknowledged(Acknowledgement::Done).into()),
        ("acknowledged_no_outcome_yet", acknowledged(Acknowledgement::NoOutcomeYet).into()),
        ("acknowledged_forbidden", acknowledged(Acknowledgement::Forbidden).into()),
        ("cancel", Cancel { call: Call(4), channel: ChannelNumber(1), id: id() }.into()),
        ("cancelled", cancelled(Cancellation::Cancelled).into()),
        ("cancelled_ended_before", cancelled(Cancellation::Ended(OutcomeKind::Expired)).into()),
        ("cancelled_unknown_ticket", cancelled(Cancellation::UnknownTicket).into()),
    ];
    all.extend(endings(
        [
            "outcome_replied",
            "outcome_failed",
            "outcome_failed_typed",
            "outcome_dead_exhausted",
            "outcome_dead_rejected",
            "outcome_dead_released",
            "outcome_expired",
            "outcome_cancelled",
        ],
        outcome,
    ));
    all
}

fn service() -> Vec<(&'static str, Frame)> {
    let service = ServiceNumber(4);
    let subscribe = |hold, lease_ms| Subscribe { service, channel: ChannelNumber(1), credit: 8, hold, lease_ms };
    let delivery = Delivery {
        service,
        token: token(),
        attempt: 2,
        lease_ms: 30_000,
        remaining_ms: 540_000,
        attempt_ms: None,
        requester: requester_name(),
        redrive_of: None,
        operation: "generate_patient_summary".into(),
        label: label(),
    };
    let settle = |settlement| Settle { call: Call(9), channel: ChannelNumber(1), token: token(), settlement };
    let answered = |answer| Answered { call: Call(9), answer };
    let stop = |reason| Stop { service, token: token(), reason };
    vec![
        ("subscribe_by_connection", subscribe(Hold::Connection, None).into()),
        ("subscribe_by_lease", subscribe(Hold::Lease, Some(600_000)).into()),
        ("subscribed", Subscribed { service, lease_ms: 30_000 }.into()),
        ("credit", Credit { service, credit: 0 }.into()),
        ("unsubscribe", Unsubscribe { service }.into()),
        ("unsubscribed", Unsubscribed { service, refusal: None }.into()),
        ("unsubscribed_refused", Unsubscribed { service, refusal: Some(refusal()) }.into()),
        ("delivery", Frame::new(delivery.clone(), payload())),
        ("delivery_bare", Delivery { operation: Text::default(), label: Label::default(), ..delivery.clone() }.into()),
        (
            "delivery_of_a_redrive",
            Frame::new(Delivery { attempt_ms: Some(120_000), redrive_of: Some(earlier_id()), ..delivery }, payload()),
        ),
        ("settle_reply", Frame::new(settle(Settlement::Reply(label())), payload())),
        ("settle_fail", settle(Settlement::Fail { problem: problem(), content_type: None }).into()),
        (
            "settle_fail_typed",
            Frame::new(
                settle(Settlement::Fail { problem: problem(), content_type: Some("application/json".into()) }),
                payload(),
            ),
        ),
        ("settle_retry", settle(Settlement::Retry { problem: problem(), retry_after_ms: None }).into()),
        ("settle_retry_after", settle(Settlement::Retry { problem: problem(), retry_after_ms: Some(1_500) }).into()),
        ("settle_reject", settle(Settlement::Reject(problem())).into()),
        ("settle_release", settle(Settlement::Release).into()),
        ("settle_throttle", settle(Settlement::Throttle { retry_after_ms: 5_000 }).into()),
        ("renew", Renew { call: Call(10), channel: ChannelNumber(1), token: token() }.into()),
        ("take_back", TakeBack { call: Call(11), service, channel: ChannelNumber(1), token: token() }.into()),
        ("answered_settled", answered(Answer::Settled).into()),
        ("answered_renewed", answered(Answer::Renewed).into()),
        ("answered_taken_back", answered(Answer::TakenBack).into()),
        ("answered_lease_lost", answered(Answer::LeaseLost).into()),
        ("answered_mailbox_busy", answered(Answer::MailboxBusy { retry_after_ms: 250 }).into()),
        ("answered_too_large", answered(Answer::TooLarge { max_payload: 1_048_576 }).into()),
        ("answered_invalid", answered(Answer::Invalid).into()),
        ("answered_cancelled", answered(Answer::Cancelled).into()),
        ("answered_expired", answered(Answer::Expired).into()),
        ("answered_part_kept", answered(Answer::PartKept).into()),
        ("answered_parts_full", answered(Answer::PartsFull).into()),
        ("answered_part_missing", answered(Answer::PartMissing { next: 3 }).into()),
        ("progress_report", ProgressReport { channel: ChannelNumber(1), token: token(), progress: progress() }.into()),
        ("stop_lease_lost", stop(StopReason::LeaseLost).into()),
        ("stop_broker_stopped", stop(StopReason::BrokerStopped).into()),
        ("stop_cancelled", stop(StopReason::Cancelled).into()),
        ("stop_expired", stop(StopReason::Expired).into()),
        ("stop_attempt_timeout", stop(StopReason::AttemptTimeout).into()),
        ("stopped", Stopped { channel: ChannelNumber(1), token: token() }.into()),
    ]
}

fn mailbox() -> Vec<(&'static str, Frame)> {
    let mailbox = MailboxNumber(5);
    let open =
        |mode| OpenMailbox { mailbox, requester: RequesterNumber(1), reply_channel: reply_channel(), mode, window: 32 };
    let opened = |opening| MailboxOpened { mailbox, opening };
    let closed = |reason| MailboxClosed { mailbox, reason };
    let reply = |ending| Reply {
        mailbox,
        channel: channel(),
        id: id(),
        redrive_of: None,
        operation: "generate_patient_summary".into(),
        attempts: 2,
        ending,
    };
    let mut all = vec![
        ("open_mailbox_take", open(OpenMode::Take).into()),
        ("open_mailbox_if_free", open(OpenMode::IfFree).into()),
        ("open_mailbox_follow", open(OpenMode::Follow).into()),
        ("mailbox_opened", opened(Opening::Opened).into()),
        ("mailbox_opened_held", opened(Opening::Held).into()),
        ("mailbox_opened_refused", opened(Opening::Refused(refusal())).into()),
        ("window", Window { mailbox, more: 16 }.into()),
        ("close_mailbox", CloseMailbox { mailbox }.into()),
        ("mailbox_closed", closed(MailboxEnd::Closed).into()),
        ("mailbox_closed_taken", closed(MailboxEnd::Taken).into()),
        ("mailbox_closed_ended", closed(MailboxEnd::Ended).into()),
        ("caught_up", CaughtUp { mailbox }.into()),
    ];
    all.extend(endings(
        [
            "reply_replied",
            "reply_failed",
            "reply_failed_typed",
            "reply_dead_exhausted",
            "reply_dead_rejected",
            "reply_dead_released",
            "reply_expired",
            "reply_cancelled",
        ],
        reply,
    ));
    all.push((
        "reply_to_a_redrive",
        Frame::new(Reply { redrive_of: Some(earlier_id()), ..reply(Ending::Replied(label())) }, payload()),
    ));
    all
}

fn figures() -> Vec<(&'static str, Frame)> {
    let figures = |channel: &str, waiting| ChannelFigures {
        channel: ChannelName::new(channel).unwrap(),
        waiting,
        scheduled: 2,
        in_flight: 3,
        services: 4,
        retained: 5,
        dead: 6,
        oldest_ms: 7_000,
        paused_ms: 8_000,
        stale: 9,
    };
    vec![
        ("list_channels", ListChannels { call: Call(12) }.into()),
        ("channels_none", Channels { call: Call(12), channels: Vec::new(), more: false }.into()),
        (
            "channels",
            Channels {
                call: Call(12),
                channels: vec![figures("patient_summary_request", 1), figures("resize.images", 0x0102_0304_0506)],
                more: true,
            }
            .into(),
        ),
    ]
}

fn dead_letters() -> Vec<(&'static str, Frame)> {
    let (call, channel) = (Call(13), ChannelNumber(1));
    let entry = |reason, last| DeadLetterEntry {
        id: earlier_id(),
        operation: "generate_patient_summary".into(),
        requester: requester_name(),
        reason,
        attempts: 5,
        deliveries: 7,
        bytes: 21,
        accepted_ms_ago: 90_000,
        died_ms_ago: 30_000,
        last,
    };
    let rejected = entry(DeadReason::Rejected, Some(problem()));
    let exhausted = DeadLetterEntry { operation: String::new(), ..entry(DeadReason::AttemptsExhausted, None) };
    let content = |reply_channel| DeadLetterContent { entry: rejected.clone(), reply_channel, label: label() };
    let redriven = |result| Redriven { call, result };
    vec![
        ("list_dead_letters", ListDeadLetters { call, channel, after: None, most: 100 }.into()),
        ("list_dead_letters_after", ListDeadLetters { call, channel, after: Some(id()), most: u32::MAX }.into()),
        ("dead_letters_none", DeadLetters { call, letters: Vec::new(), more: false }.into()),
        ("dead_letters", DeadLetters { call, letters: vec![rejected.clone(), exhausted], more: true }.into()),
        ("read_dead_letter", ReadDeadLetter { call, channel, id: earlier_id() }.into()),
        ("dead_letter_none", DeadLetter { call, letter: None }.into()),
        ("dead_letter", Frame::new(DeadLetter { call, letter: Some(content(Some(reply_channel()))) }, payload())),
        ("dead_letter_one_way", Frame::new(DeadLetter { call, letter: Some(content(None)) }, payload())),
        ("redrive_dead_letter", RedriveDeadLetter { call, channel, id: earlier_id() }.into()),
        ("redriven", redriven(Redrive::Accepted(id())).into()),
        ("redriven_unknown", redriven(Redrive::Unknown).into()),
        ("redriven_refused", redriven(Redrive::Refused(refusal())).into()),
        ("purge_dead_letter", PurgeDeadLetter { call, channel, id: earlier_id() }.into()),
        ("purged", Purged { call, was_there: true }.into()),
        ("purged_none", Purged { call, was_there: false }.into()),
    ]
}

fn parts() -> Vec<(&'static str, Frame)> {
    let (ticket, service, channel) = (TicketNumber(7), ServiceNumber(4), ChannelNumber(1));
    let add = AddPart { call: Call(14), channel, token: token(), number: 2, label: label() };
    let part = Part { ticket, delivery: 3, number: 2, label: label() };
    vec![
        ("add_part", Frame::new(add.clone(), payload())),
        ("add_part_bare", AddPart { number: 1, label: Label::default(), ..add }.into()),
        ("parts_room", PartsRoom { service, token: token() }.into()),
        ("follow_parts", FollowParts { ticket, delivery: 0, after: 0, window: 32 }.into()),
        ("follow_parts_after", FollowParts { ticket, delivery: 3, after: 1, window: 32 }.into()),
        ("parts_window", PartsWindow { ticket, more: 16 }.into()),
        (
            "acknowledge_parts",
            AcknowledgeParts { ticket, requester: RequesterNumber(1), delivery: 3, through: 2 }.into(),
        ),
        ("part", Frame::new(part.clone(), payload())),
        ("part_bare", Part { number: 1, label: Label::default(), ..part }.into()),
        ("parts_from_the_next_delivery", PartsFrom { ticket, delivery: 4, first: 1 }.into()),
        ("parts_from_those_still_kept", PartsFrom { ticket, delivery: 3, first: 5 }.into()),
    ]
}

/// The eight ways to end, in a frame that tells an ending.
fn endings<H: Into<Header>>(names: [&'static str; 8], header: impl Fn(Ending) -> H) -> Vec<(&'static str, Frame)> {
    let dead = |reason, last| Ending::Dead { reason, last };
    let endings = [
        (Ending::Replied(label()), payload()),
        (Ending::Failed { problem: problem(), content_type: None }, Bytes::new()),
        (Ending::Failed { problem: problem(), content_type: Some("application/json".into()) }, payload()),
        (dead(DeadReason::AttemptsExhausted, None), Bytes::new()),
        (dead(DeadReason::Rejected, Some(problem())), Bytes::new()),
        (dead(DeadReason::ReleasesExhausted, None), Bytes::new()),
        (Ending::Expired, Bytes::new()),
        (Ending::Cancelled, Bytes::new()),
    ];
    names
        .into_iter()
        .zip(endings)
        .map(|(name, (ending, payload))| (name, Frame::new(header(ending), payload)))
        .collect()
}

fn channel() -> ChannelName {
    ChannelName::new("patient_summary_request").unwrap()
}

fn reply_channel() -> ChannelName {
    ChannelName::new("patient_summary_reply").unwrap()
}

fn requester_name() -> RequesterName {
    name("discharge-letters")
}

fn name(name: &str) -> RequesterName {
    RequesterName::new(name).unwrap()
}

fn id() -> RequestId {
    "0190d5a3-7b1e-7cc0-8000-3c5f1f6a2b11".parse().unwrap()
}

/// Another request: one that came first, or that died.
fn earlier_id() -> RequestId {
    "0190d59f-02c4-7a3e-9f11-54d6c8a0b7e2".parse().unwrap()
}

fn token() -> Token {
    Token { start: 0x1122_3344_5566_7788, id: id(), delivery: 3 }
}

fn label() -> Label {
    let headers = [("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), ("ward", "Süd")];
    Label {
        content_type: "application/json".into(),
        headers: Headers(headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()),
    }
}

fn payload() -> Bytes {
    Bytes::from_static(br#"{"patient_id":"9132"}"#)
}

fn problem() -> Problem {
    Problem::new("unknown_patient", "No patient has this id.")
}

fn progress() -> Progress {
    Progress { fraction: 0.25, stage: "medications".into(), note: "2 of 8 lists".into() }
}

fn refusal() -> Refusal {
    Refusal::passing(RefusalCode::ChannelFull, "the queue of the channel is full", 2_000)
}
