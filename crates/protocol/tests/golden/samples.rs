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
                max_payload: 16 * 1024 * 1024,
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
                max_payload: 0x0807_0605_0403_0201,
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
        reply_channel: None,
        operation: "generate_patient_summary".into(),
        label: label(),
    };
    let acknowledged = |result| Acknowledged { call: Call(3), result };
    let state = |state, progress| State { ticket, state, services: 2, progress };
    let outcome = |ending| Outcome { ticket, attempts: 2, ending };
    let mut all = vec![
        ("submit", Frame::new(submit.clone(), payload())),
        ("submit_bare", Submit { operation: String::new(), label: Label::default(), ..submit.clone() }.into()),
        (
            "submit_to_another_reply_channel",
            Frame::new(Submit { reply_channel: Some(ChannelName::new("letters").unwrap()), ..submit }, payload()),
        ),
        ("accepted", Accepted { ticket, services: 2 }.into()),
        ("refused", Refused { ticket, refusal: refusal() }.into()),
        (
            "refused_for_good",
            Refused { ticket, refusal: Refusal::new(RefusalCode::TooLarge, "a payload has at most 16 bytes") }.into(),
        ),
        ("refused_with_a_later_code", Refused { ticket, refusal: Refusal::new(RefusalCode::Other(4242), "") }.into()),
        ("attach", Attach { ticket, channel: ChannelNumber(1), id: id() }.into()),
        ("state_waiting", state(RequestState::Waiting, None).into()),
        ("state_in_flight", state(RequestState::InFlight { delivery: 3, attempt: 2 }, Some(progress())).into()),
        ("state_backing_off", state(RequestState::BackingOff, None).into()),
        ("state_ended_replied", state(RequestState::Ended(OutcomeKind::Replied), None).into()),
        ("state_ended_failed", state(RequestState::Ended(OutcomeKind::Failed), None).into()),
        ("state_ended_dead", state(RequestState::Ended(OutcomeKind::Dead), None).into()),
        ("detach", Detach { ticket }.into()),
        ("progress_update", ProgressUpdate { ticket, progress: progress() }.into()),
        (
            "acknowledge",
            Acknowledge { call: Call(3), channel: ChannelNumber(1), id: id(), requester: RequesterNumber(1) }.into(),
        ),
        ("acknowledged_done", acknowledged(Acknowledgement::Done).into()),
        ("acknowledged_no_outcome_yet", acknowledged(Acknowledgement::NoOutcomeYet).into()),
        ("acknowledged_forbidden", acknowledged(Acknowledgement::Forbidden).into()),
    ];
    all.extend(endings(
        [
            "outcome_replied",
            "outcome_failed",
            "outcome_failed_typed",
            "outcome_dead_exhausted",
            "outcome_dead_rejected",
            "outcome_dead_released",
        ],
        outcome,
    ));
    all
}

fn service() -> Vec<(&'static str, Frame)> {
    let service = ServiceNumber(4);
    let subscribe = |hold| Subscribe { service, channel: ChannelNumber(1), credit: 8, hold };
    let delivery = Delivery {
        service,
        token: token(),
        attempt: 2,
        lease_ms: 30_000,
        requester: requester_name(),
        operation: "generate_patient_summary".into(),
        label: label(),
    };
    let settle = |settlement| Settle { call: Call(9), channel: ChannelNumber(1), token: token(), settlement };
    let answered = |answer| Answered { call: Call(9), answer };
    let stop = |reason| Stop { service, token: token(), reason };
    vec![
        ("subscribe_by_connection", subscribe(Hold::Connection).into()),
        ("subscribe_by_lease", subscribe(Hold::Lease).into()),
        ("subscribed", Subscribed { service, lease_ms: 30_000 }.into()),
        ("credit", Credit { service, credit: 0 }.into()),
        ("unsubscribe", Unsubscribe { service }.into()),
        ("unsubscribed", Unsubscribed { service, refusal: None }.into()),
        ("unsubscribed_refused", Unsubscribed { service, refusal: Some(refusal()) }.into()),
        ("delivery", Frame::new(delivery.clone(), payload())),
        ("delivery_bare", Delivery { operation: String::new(), label: Label::default(), ..delivery }.into()),
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
        ("renew", Renew { call: Call(10), channel: ChannelNumber(1), token: token() }.into()),
        ("take_back", TakeBack { call: Call(11), service, channel: ChannelNumber(1), token: token() }.into()),
        ("answered_settled", answered(Answer::Settled).into()),
        ("answered_renewed", answered(Answer::Renewed).into()),
        ("answered_taken_back", answered(Answer::TakenBack).into()),
        ("answered_lease_lost", answered(Answer::LeaseLost).into()),
        ("answered_mailbox_busy", answered(Answer::MailboxBusy { retry_after_ms: 250 }).into()),
        ("answered_too_large", answered(Answer::TooLarge { max_payload: 1_048_576 }).into()),
        ("answered_invalid", answered(Answer::Invalid).into()),
        ("progress_report", ProgressReport { channel: ChannelNumber(1), token: token(), progress: progress() }.into()),
        ("stop_lease_lost", stop(StopReason::LeaseLost).into()),
        ("stop_broker_stopped", stop(StopReason::BrokerStopped).into()),
    ]
}

fn mailbox() -> Vec<(&'static str, Frame)> {
    let mailbox = MailboxNumber(5);
    let open = |mode| OpenMailbox {
        mailbox,
        requester: RequesterNumber(1),
        reply_channel: ChannelName::new("patient_summary_reply").unwrap(),
        mode,
        window: 32,
    };
    let opened = |opening| MailboxOpened { mailbox, opening };
    let closed = |reason| MailboxClosed { mailbox, reason };
    let reply = |ending| Reply {
        mailbox,
        channel: channel(),
        id: id(),
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
        ],
        reply,
    ));
    all
}

fn figures() -> Vec<(&'static str, Frame)> {
    let figures = |channel: &str, waiting| ChannelFigures {
        channel: ChannelName::new(channel).unwrap(),
        waiting,
        in_flight: 2,
        services: 3,
        retained: 4,
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

/// The six ways to end, in a frame that tells an ending.
fn endings<H: Into<Header>>(names: [&'static str; 6], header: impl Fn(Ending) -> H) -> Vec<(&'static str, Frame)> {
    let dead = |reason, last| Ending::Dead { reason, last };
    let endings = [
        (Ending::Replied(label()), payload()),
        (Ending::Failed { problem: problem(), content_type: None }, Bytes::new()),
        (Ending::Failed { problem: problem(), content_type: Some("application/json".into()) }, payload()),
        (dead(DeadReason::AttemptsExhausted, None), Bytes::new()),
        (dead(DeadReason::Rejected, Some(problem())), Bytes::new()),
        (dead(DeadReason::ReleasesExhausted, None), Bytes::new()),
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

fn requester_name() -> RequesterName {
    name("discharge-letters")
}

fn name(name: &str) -> RequesterName {
    RequesterName::new(name).unwrap()
}

fn id() -> RequestId {
    "0190d5a3-7b1e-7cc0-8000-3c5f1f6a2b11".parse().unwrap()
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
