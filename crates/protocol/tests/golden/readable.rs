//! Tells a header in JSON, field by field in wire order, so that a client in another language can compare what it
//! decoded. It reads the values of a frame, never its bytes.

use roundtrip_protocol::*;

/// Something that a header is made of.
pub(crate) trait Readable {
    fn json(&self) -> String;
}

macro_rules! fields {
    ($($name:ident { $($field:ident),* })*) => {$(
        impl Readable for $name {
            fn json(&self) -> String {
                object(&[$((stringify!($field), self.$field.json())),*])
            }
        }
    )*};
}

fields! {
    Hello { lowest, highest, software, instance, connection }
    Welcome { version, software, start, max_header, max_payload, max_open, heartbeat_ms }
    Error { code, message, frame, closes }
    Ping { nonce }
    Pong { nonce }
    Close {}
    Drain { remaining_ms }
    RequestDrain { call }
    DrainAnswered { call, refusal }
    Bind { number, channel }
    Bound { number, refusal }
    Introduce { number, requester, unnamed }
    Goodbye { requester }
    Submit { ticket, channel, id, requester, reply, accepted, priority, deadline_ms, delay_ms, key, operation, label }
    Accepted { ticket, services, duplicate }
    Refused { ticket, refusal }
    Attach { ticket, channel, id }
    State { ticket, state, ahead, services, attempts, remaining_ms, redrive_of, progress }
    Detach { ticket }
    Outcome { ticket, attempts, ending }
    ProgressUpdate { ticket, progress }
    Acknowledge { call, channel, id, requester, ticket }
    Acknowledged { call, result }
    Cancel { call, channel, id }
    Cancelled { call, result }
    FollowParts { ticket, delivery, after, window }
    PartsWindow { ticket, more }
    AcknowledgeParts { ticket, requester, delivery, through }
    Part { ticket, delivery, number, label }
    PartsFrom { ticket, delivery, first }
    Subscribe { service, channel, credit, hold, lease_ms }
    Subscribed { service, lease_ms }
    Credit { service, credit }
    Unsubscribe { service }
    Unsubscribed { service, refusal }
    Delivery {
        service, token, attempt, lease_ms, remaining_ms, attempt_ms, requester, redrive_of, operation, label
    }
    Settle { call, channel, token, settlement }
    Renew { call, channel, token }
    TakeBack { call, service, channel, token }
    Answered { call, answer }
    ProgressReport { channel, token, progress }
    Stop { service, token, reason }
    Stopped { channel, token }
    AddPart { call, channel, token, number, label }
    PartsRoom { service, token }
    OpenMailbox { mailbox, requester, reply_channel, mode, window }
    MailboxOpened { mailbox, opening }
    Window { mailbox, more }
    CloseMailbox { mailbox }
    MailboxClosed { mailbox, reason }
    Reply { mailbox, channel, id, redrive_of, operation, attempts, ending }
    CaughtUp { mailbox }
    ListChannels { call }
    Channels { call, channels, more }
    ListDeadLetters { call, channel, after, most }
    DeadLetters { call, letters, more }
    ReadDeadLetter { call, channel, id }
    DeadLetter { call, letter }
    RedriveDeadLetter { call, channel, id }
    Redriven { call, result }
    PurgeDeadLetter { call, channel, id }
    Purged { call, was_there }

    ChannelFigures { channel, waiting, scheduled, in_flight, services, retained, dead, oldest_ms, paused_ms, stale }
    DeadLetterContent { entry, reply_channel, label }
    DeadLetterEntry {
        id, operation, requester, reason, attempts, deliveries, bytes, accepted_ms_ago, died_ms_ago, last
    }
    Duplicate { id, requester, reply_channel }
    Label { content_type, headers }
    Problem { code, message }
    Progress { fraction, stage, note }
    Refusal { code, message, retry_after_ms }
    Token { start, id, delivery }
}

macro_rules! header {
    ($($name:ident)*) => {
        impl Readable for Header {
            fn json(&self) -> String {
                match self {
                    $(Self::$name(fields) => fields.json(),)*
                    other => panic!("no readable form of {} yet: add it above", other.name()),
                }
            }
        }
    };
}

header! {
    Hello Welcome Error Ping Pong Close Drain Bind Bound Introduce Goodbye RequestDrain DrainAnswered Submit Accepted
    Refused Attach State Detach Outcome ProgressUpdate Acknowledge Acknowledged Cancel Cancelled Subscribe Subscribed
    Credit Unsubscribe Unsubscribed Delivery Settle Renew TakeBack Answered ProgressReport Stop Stopped AddPart
    PartsRoom OpenMailbox MailboxOpened Window CloseMailbox MailboxClosed Reply CaughtUp ListChannels Channels
    ListDeadLetters DeadLetters ReadDeadLetter DeadLetter RedriveDeadLetter Redriven PurgeDeadLetter Purged FollowParts
    PartsWindow AcknowledgeParts Part PartsFrom
}

impl Readable for ReplyTo {
    fn json(&self) -> String {
        match self {
            Self::Own => text("own"),
            Self::On(channel) => choice("on", channel.json()),
            Self::Nowhere => text("nowhere"),
        }
    }
}

impl Readable for Settlement {
    fn json(&self) -> String {
        match self {
            Self::Reply(label) => choice("reply", label.json()),
            Self::Fail { problem, content_type } => {
                choice("fail", object(&[("problem", problem.json()), ("content_type", content_type.json())]))
            }
            Self::Retry { problem, retry_after_ms } => {
                choice("retry", object(&[("problem", problem.json()), ("retry_after_ms", retry_after_ms.json())]))
            }
            Self::Reject(problem) => choice("reject", problem.json()),
            Self::Release => text("release"),
            Self::Throttle { retry_after_ms } => {
                choice("throttle", object(&[("retry_after_ms", retry_after_ms.json())]))
            }
        }
    }
}

impl Readable for Ending {
    fn json(&self) -> String {
        match self {
            Self::Replied(label) => choice("replied", label.json()),
            Self::Failed { problem, content_type } => {
                choice("failed", object(&[("problem", problem.json()), ("content_type", content_type.json())]))
            }
            Self::Dead { reason, last } => choice("dead", object(&[("reason", reason.json()), ("last", last.json())])),
            Self::Expired => text("expired"),
            Self::Cancelled => text("cancelled"),
        }
    }
}

impl Readable for RequestState {
    fn json(&self) -> String {
        match self {
            Self::Waiting => text("waiting"),
            Self::InFlight { delivery, attempt } => {
                choice("in_flight", object(&[("delivery", delivery.json()), ("attempt", attempt.json())]))
            }
            Self::BackingOff => text("backing_off"),
            Self::Ended(kind) => choice("ended", kind.json()),
            Self::Scheduled { in_ms } => choice("scheduled", object(&[("in_ms", in_ms.json())])),
            other => panic!("no readable form of {other:?} yet: add it above"),
        }
    }
}

impl Readable for Answer {
    fn json(&self) -> String {
        match self {
            Self::Settled => text("settled"),
            Self::Renewed => text("renewed"),
            Self::TakenBack => text("taken_back"),
            Self::LeaseLost => text("lease_lost"),
            Self::MailboxBusy { retry_after_ms } => {
                choice("mailbox_busy", object(&[("retry_after_ms", retry_after_ms.json())]))
            }
            Self::TooLarge { max_payload } => choice("too_large", object(&[("max_payload", max_payload.json())])),
            Self::Invalid => text("invalid"),
            Self::Cancelled => text("cancelled"),
            Self::Expired => text("expired"),
            Self::PartKept => text("part_kept"),
            Self::PartsFull => text("parts_full"),
            Self::PartMissing { next } => choice("part_missing", object(&[("next", next.json())])),
            other => panic!("no readable form of {other:?} yet: add it above"),
        }
    }
}

impl Readable for Cancellation {
    fn json(&self) -> String {
        match self {
            Self::Cancelled => text("cancelled"),
            Self::Ended(kind) => choice("ended", kind.json()),
            Self::UnknownTicket => text("unknown_ticket"),
            other => panic!("no readable form of {other:?} yet: add it above"),
        }
    }
}

impl Readable for Redrive {
    fn json(&self) -> String {
        match self {
            Self::Accepted(id) => choice("accepted", id.json()),
            Self::Unknown => text("unknown"),
            Self::Refused(refusal) => choice("refused", refusal.json()),
            other => panic!("no readable form of {other:?} yet: add it above"),
        }
    }
}

impl Readable for Opening {
    fn json(&self) -> String {
        match self {
            Self::Opened => text("opened"),
            Self::Held => text("held"),
            Self::Refused(refusal) => choice("refused", refusal.json()),
            other => panic!("no readable form of {other:?} yet: add it above"),
        }
    }
}

macro_rules! words {
    ($($name:ident { $($variant:ident $word:literal),* })*) => {$(
        impl Readable for $name {
            #[allow(unreachable_patterns)] // some of them may grow, some may not
            fn json(&self) -> String {
                match self {
                    $(Self::$variant => text($word),)*
                    other => panic!("no readable form of {other:?} yet: add it below"),
                }
            }
        }
    )*};
}

words! {
    Acknowledgement { Done "done", NoOutcomeYet "no_outcome_yet", Forbidden "forbidden" }
    Hold { Connection "connection", Lease "lease" }
    StopReason {
        LeaseLost "lease_lost", BrokerStopped "broker_stopped", Cancelled "cancelled", Expired "expired",
        AttemptTimeout "attempt_timeout"
    }
    OpenMode { Take "take", IfFree "if_free", Follow "follow" }
    MailboxEnd { Closed "closed", Taken "taken", Ended "ended" }
}

macro_rules! shown {
    ($(($name:ty) |$value:ident| $json:expr;)*) => {$(
        impl Readable for $name {
            fn json(&self) -> String {
                let $value = self;
                $json
            }
        }
    )*};
}

shown! {
    (u8) |number| number.to_string();
    (u16) |number| number.to_string();
    (u32) |number| number.to_string();
    (u64) |number| number.to_string();
    (f32) |number| serde_json::json!(number).to_string();
    (bool) |flag| flag.to_string();
    (String) |it| text(it);
    (Text) |it| text(it);
    (DeadReason) |reason| text(reason.as_str());
    (OutcomeKind) |kind| text(kind.as_str());
    (ErrorCode) |code| code.number().to_string();
    (RefusalCode) |code| code.number().to_string();
    (ChannelName) |name| text(name.as_str());
    (RequesterName) |name| text(name.as_str());
    (RequestId) |id| text(&id.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    (InstanceId) |id| text(&format!("{id:?}"));
    (ChannelNumber) |number| number.0.to_string();
    (RequesterNumber) |number| number.0.to_string();
    (TicketNumber) |number| number.0.to_string();
    (ServiceNumber) |number| number.0.to_string();
    (MailboxNumber) |number| number.0.to_string();
    (Call) |number| number.0.to_string();
    (Headers) |headers| list(headers.0.iter().map(|(name, value)| format!("[{}, {}]", text(name), text(value))));
    (Vec<ChannelFigures>) |all| list(all.iter().map(Readable::json));
    (Vec<DeadLetterEntry>) |all| list(all.iter().map(Readable::json));
}

impl<T: Readable> Readable for Option<T> {
    fn json(&self) -> String {
        self.as_ref().map_or_else(|| "null".to_owned(), Readable::json)
    }
}

fn object(fields: &[(&str, String)]) -> String {
    let fields: Vec<_> = fields.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
    format!("{{{}}}", fields.join(", "))
}

fn choice(name: &str, content: String) -> String {
    object(&[(name, content)])
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

fn text(text: &str) -> String {
    serde_json::json!(text).to_string()
}
