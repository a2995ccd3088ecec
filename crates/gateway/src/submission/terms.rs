//! What the headers of a submission say about the request.

use std::time::Duration;

use axum::http::HeaderMap;
use bytes::Bytes;
use roundtrip_client::{ChannelName, Headers, Message, RequesterName, SubmitRaw};
use utoipa::IntoParams;

use super::key;
use crate::gateway::Shared;
use crate::problem::Problem;
use crate::{field, meta, requester, seconds};

/// The headers that a submission takes, as people write them and as they are compared.
const KNOWN: [(&str, &str); 6] = [
    ("Roundtrip-Requester", "roundtrip-requester"),
    ("Roundtrip-Reply-Channel", "roundtrip-reply-channel"),
    ("Roundtrip-Operation", "roundtrip-operation"),
    ("Roundtrip-Deadline", "roundtrip-deadline"),
    ("Roundtrip-Delay", "roundtrip-delay"),
    ("Roundtrip-Priority", "roundtrip-priority"),
];

/// The headers of a submission, as they are described.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it is read by the macro alone")]
pub(super) struct Asked {
    /// The name of what is asked for.
    #[param(required = false, rename = "Roundtrip-Operation", example = "shout")]
    operation: String,
    /// Under whose name, and so in whose mailbox the reply is kept until it is acknowledged.
    #[param(
        required = false,
        rename = "Roundtrip-Requester",
        max_length = 128,
        pattern = r"^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$",
        example = "night-shift"
    )]
    requester: String,
    /// On which reply channel that mailbox is, if not on the channel's own; only with a requester.
    #[param(
        required = false,
        rename = "Roundtrip-Reply-Channel",
        max_length = 128,
        pattern = r"^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$",
        example = "shout_reply"
    )]
    reply_channel: String,
    /// How long the request may take, in seconds; fractions allowed. Longer than the delay.
    #[param(
        required = false,
        rename = "Roundtrip-Deadline",
        pattern = r"^(?:[1-9][0-9]{0,18}(?:\.[0-9]{1,9})?|0\.[0-9]{0,2}[1-9][0-9]{0,6})$",
        example = "90"
    )]
    deadline: String,
    /// How long the request waits before it goes to a service, in seconds; fractions allowed.
    #[param(
        required = false,
        rename = "Roundtrip-Delay",
        pattern = r"^[0-9]{1,19}(?:\.[0-9]{1,9})?$",
        example = "0.5"
    )]
    delay: String,
    /// A digit: 9 goes first, 4 if there is none.
    #[param(required = false, rename = "Roundtrip-Priority", pattern = "^[0-9]$", example = "4")]
    priority: String,
    /// 1 to 256 bytes, bare or between double quotes. The same key is the same request.
    #[param(
        required = false,
        rename = "Idempotency-Key",
        pattern = r#"^(?:[!#-~](?:[ -~]{0,254}[!-~])?|"(?:[ !#-\[\]-~]|\\["\\]){1,256}")$"#,
        example = "smith-2026"
    )]
    key: String,
    /// `wait=N`: wait up to N seconds, at most 60, for the outcome; `respond-async`, or nothing: answer at once. What is
    /// not understood is ignored.
    #[param(required = false, rename = "Prefer", example = "wait=20")]
    prefer: String,
}

/// Everything about a request but its channel and its payload.
pub(super) struct Terms {
    requester: Option<RequesterName>,
    reply_channel: Option<ChannelName>,
    operation: String,
    content_type: String,
    headers: Headers,
    deadline: Option<Duration>,
    delay: Option<Duration>,
    priority: Option<u8>,
    key: Option<String>,
}

impl Terms {
    pub(super) fn read(headers: &HeaderMap) -> Result<Self, Problem> {
        know_all(headers)?;
        let terms = Self {
            requester: requester::named(headers)?,
            reply_channel: requester::name(headers, "roundtrip-reply-channel", ChannelName::new)?,
            operation: field::single(headers, "roundtrip-operation")?.unwrap_or_default(),
            content_type: field::single(headers, "content-type")?.unwrap_or_default(),
            headers: meta::read(headers)?,
            deadline: duration(headers, "roundtrip-deadline")?,
            delay: duration(headers, "roundtrip-delay")?,
            priority: priority(headers)?,
            key: field::single(headers, "idempotency-key")?.as_deref().map(key::parse).transpose()?,
        };
        if terms.requester.is_none() && terms.reply_channel.is_some() {
            return Err(Problem::invalid(
                "Roundtrip-Reply-Channel needs Roundtrip-Requester, whose mailbox the reply goes to; there is none: send \
                 both, or neither and read the outcome under its ticket.",
            ));
        }
        Ok(terms)
    }

    /// The request, to be awaited. Without a requester's name it wants no reply in a mailbox: its outcome stays under
    /// its ticket.
    pub(super) fn submission(self, shared: &Shared, channel: &ChannelName, payload: Bytes) -> SubmitRaw {
        let message = Message { content_type: self.content_type, headers: self.headers, payload };
        let mut submit = match self.requester {
            Some(name) => shared.client.requester(name.as_str()).submit_raw(channel.as_str(), self.operation, message),
            None => shared.unnamed.submit_raw(channel.as_str(), self.operation, message).one_way(),
        };
        if let Some(reply_channel) = self.reply_channel {
            submit = submit.reply_channel(reply_channel.as_str());
        }
        if let Some(deadline) = self.deadline {
            submit = submit.deadline(deadline);
        }
        if let Some(delay) = self.delay {
            submit = submit.delay(delay);
        }
        if let Some(priority) = self.priority {
            submit = submit.priority(priority);
        }
        match self.key {
            Some(key) => submit.idempotency_key(key),
            None => submit,
        }
    }
}

/// A misspelt deadline that is passed over is no deadline.
fn know_all(headers: &HeaderMap) -> Result<(), Problem> {
    let is_known = |name: &str| name.starts_with(meta::PREFIX) || KNOWN.iter().any(|(_, known)| *known == name);
    if headers.keys().all(|name| !name.as_str().starts_with("roundtrip-") || is_known(name.as_str())) {
        return Ok(());
    }
    Err(Problem::invalid(format!(
        "The headers of a submission that begin with Roundtrip- are {} and Roundtrip-Meta-NAME; there is another: correct \
         it or leave it out.",
        KNOWN.map(|(written, _)| written).join(", ")
    )))
}

fn duration(headers: &HeaderMap, header: &'static str) -> Result<Option<Duration>, Problem> {
    let Some(text) = field::single(headers, header)? else { return Ok(None) };
    seconds::parse(&text).map(Some).ok_or_else(|| {
        Problem::invalid(format!(
            "The header {header} must be seconds such as 90 or 0.5; its value is another: correct it."
        ))
    })
}

fn priority(headers: &HeaderMap) -> Result<Option<u8>, Problem> {
    match field::single(headers, "roundtrip-priority")?.as_deref().map(str::as_bytes) {
        None => Ok(None),
        Some([digit @ b'0'..=b'9']) => Ok(Some(digit - b'0')),
        Some(_) => Err(Problem::invalid(
            "The header roundtrip-priority must be a digit from 0 to 9, where 9 goes first; its value is another: correct it.",
        )),
    }
}
