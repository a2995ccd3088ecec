//! A dead letter as it is printed: a row, a line of JSON, or whole.

use std::collections::BTreeMap;
use std::time::Duration;

use roundtrip::{ChannelName, DeadLetter, DeadLetterEntry, TicketId};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::duration;
use crate::exit::Quit;
use crate::output::{self, tell};
use crate::payload::{base64, printable, shown};

/// What stands above the rows.
pub(super) const HEADING: &str =
    "id                                    reason              attempts      bytes    died ago  operation, last error";

/// A letter in a table.
pub(super) fn row(entry: &DeadLetterEntry) -> String {
    let DeadLetterEntry { id, reason, attempts, bytes, operation, .. } = entry;
    let died = duration::roughly(Duration::from_millis(entry.died_ms_ago));
    let last = entry.last.as_ref().map_or_else(String::new, |last| format!("  {}", printable(&last.code)));
    let reason = reason.as_str();
    format!("{id}  {reason:<18}  {attempts:>8}  {bytes:>9}  {died:>10}  {}{last}", printable(operation))
}

/// A letter, with `--json`.
#[derive(Serialize)]
pub(super) struct Line<'a> {
    ticket: String,
    channel: &'a str,
    operation: &'a str,
    requester: &'a str,
    reason: &'static str,
    attempts: u32,
    deliveries: u32,
    bytes: u64,
    accepted_ms_ago: u64,
    died_ms_ago: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<Last<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_channel: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<BTreeMap<&'a str, &'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_base64: Option<String>,
}

#[derive(Serialize)]
struct Last<'a> {
    code: &'a str,
    message: &'a str,
}

impl<'a> Line<'a> {
    pub(super) fn of(channel: &'a ChannelName, entry: &'a DeadLetterEntry) -> Self {
        Self {
            ticket: TicketId { channel: channel.clone(), id: entry.id }.to_string(),
            channel: channel.as_str(),
            operation: &entry.operation,
            requester: entry.requester.as_str(),
            reason: entry.reason.as_str(),
            attempts: entry.attempts,
            deliveries: entry.deliveries,
            bytes: entry.bytes,
            accepted_ms_ago: entry.accepted_ms_ago,
            died_ms_ago: entry.died_ms_ago,
            last: entry.last.as_ref().map(|last| Last { code: &last.code, message: &last.message }),
            reply_channel: None,
            content_type: None,
            headers: None,
            payload: None,
            payload_base64: None,
        }
    }

    fn whole(channel: &'a ChannelName, letter: &'a DeadLetter) -> Self {
        let payload = shown(&letter.payload);
        Self {
            reply_channel: letter.reply_channel.as_ref().map(ChannelName::as_str),
            content_type: Some(&letter.content_type),
            headers: Some(letter.headers.0.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()),
            payload_base64: payload.is_none().then(|| base64(&letter.payload)),
            payload,
            ..Self::of(channel, &letter.entry)
        }
    }
}

/// Prints a letter whole.
pub(super) fn print(channel: &ChannelName, letter: &DeadLetter, json: bool) -> Result<(), Quit> {
    if json {
        return output::json_line(&Line::whole(channel, letter));
    }
    about(channel, letter).iter().for_each(|line| tell(line));
    output::payload(&letter.payload)
}

/// What is known of a letter besides its payload.
fn about(channel: &ChannelName, letter: &DeadLetter) -> Vec<String> {
    let DeadLetter { entry, reply_channel, content_type, headers, .. } = letter;
    let ago = |milliseconds| duration::roughly(Duration::from_millis(milliseconds));
    let DeadLetterEntry { attempts, deliveries, .. } = entry;
    let mut lines = vec![
        format!("ticket        {channel}:{}", entry.id),
        format!("operation     {}", printable(&entry.operation)),
        format!("requester     {}", entry.requester),
        format!("reply channel {}", reply_channel.as_ref().map_or("none", ChannelName::as_str)),
        format!("reason        {}, attempts {attempts}, deliveries {deliveries}", entry.reason.as_str()),
        format!("accepted      {} ago, died {} ago", ago(entry.accepted_ms_ago), ago(entry.died_ms_ago)),
    ];
    let last = entry.last.iter();
    lines.extend(last.map(|last| format!("last error    {}: {}", printable(&last.code), printable(&last.message))));
    lines.push(format!("content type  {}", printable(content_type)));
    lines.extend(
        headers.0.iter().map(|(name, value)| format!("header        {}: {}", printable(name), printable(value))),
    );
    lines
}
