//! All that is kept, as lines of JSON.

use std::io::Write;

use roundtrip_protocol::{ChannelName, Ending, Label, Problem};
use serde_json::{Map, Value, json};

use super::{DataError, payload, time::rfc3339};
use crate::storage::{
    Ask, Content, Facts, Missing, Reader, Row, StorageError, Stored, StoredEnd, StoredOutcome, StoredRequest,
};

type Object = Map<String, Value>;

/// Writes an object for each request and each dead letter, and says how many.
pub(super) fn export(
    channels: &mut dyn Reader,
    contents: &mut dyn Reader,
    to: &mut dyn Write,
) -> Result<u64, DataError> {
    let mut count = 0;
    for (channel, name) in channels.channels()? {
        let mut written = Ok(());
        channels.load(channel, &mut |stored| {
            if written.is_ok() {
                count += 1;
                written = write_line(&name, &stored, contents, to);
            }
        })?;
        written?;
    }
    to.flush()?;
    Ok(count)
}

fn write_line(
    channel: &ChannelName,
    stored: &Stored,
    contents: &mut dyn Reader,
    to: &mut dyn Write,
) -> Result<(), DataError> {
    let mut object = Object::new();
    put(&mut object, "channel", channel.as_str());
    let mut contents = Contents(contents);
    match stored {
        Stored::Request(request) => {
            put(&mut object, "kind", "request");
            put_facts(&mut object, &request.facts, &mut contents)?;
            put_request(&mut object, request, &mut contents)?;
        }
        Stored::Letter(letter) => {
            put(&mut object, "kind", "dead_letter");
            put(&mut object, "state", "dead");
            put(&mut object, "reason", letter.reason.as_str());
            put(&mut object, "attempts", letter.attempts);
            put(&mut object, "deliveries", letter.deliveries);
            put(&mut object, "died", rfc3339(letter.died_ms));
            put(&mut object, "last", letter.last.as_ref().map(problem));
            put_facts(&mut object, &letter.facts, &mut contents)?;
            put_content(&mut object, Ask::Message(letter.facts.row), &mut contents)?;
        }
        Stored::Damaged { row, facts } => {
            put(&mut object, "kind", "damaged");
            put(&mut object, "row", row.0);
            if let Some(facts) = facts {
                put_facts(&mut object, facts, &mut contents)?;
            }
            put_content(&mut object, Ask::Message(*row), &mut contents)?;
        }
    }
    serde_json::to_writer(&mut *to, &object).map_err(std::io::Error::from)?;
    Ok(to.write_all(b"\n")?)
}

fn put_facts(object: &mut Object, facts: &Facts, contents: &mut Contents<'_>) -> Result<(), DataError> {
    put(object, "id", facts.id.to_string());
    put(object, "requester", facts.requester.as_str());
    put(object, "reply_channel", facts.reply_channel.as_ref().map(ChannelName::as_str));
    put(object, "idempotency_key", facts.key.as_ref().map(|key| key.text.as_str()));
    put(object, "priority", facts.priority);
    put(object, "redrive_of", facts.redrive_of.map(|id| id.to_string()));
    put(object, "accepted", rfc3339(facts.accepted_ms));
    put(object, "deadline", rfc3339(facts.deadline_ms));
    match contents.of(Ask::Operation(facts.row))? {
        Ok(Content::Operation(operation)) => put(object, "operation", &*operation),
        _ => put(object, "operation", Value::Null),
    }
    Ok(())
}

fn put_request(object: &mut Object, request: &StoredRequest, contents: &mut Contents<'_>) -> Result<(), DataError> {
    let StoredRequest { facts, tried, parts, ended } = request;
    let until = tried.as_ref().map_or(facts.until_ms, |tried| tried.until_ms);
    let state = match (ended, tried) {
        (Some(StoredEnd { is_acknowledged: true, .. }), _) => "acknowledged",
        (Some(_), _) => "ended",
        (None, Some(_)) if until.is_some() => "backing_off",
        (None, None) if facts.order.is_none() => "scheduled",
        (None, _) => "waiting",
    };
    put(object, "state", state);
    if let Some(ended) = ended {
        put(object, "attempts", ended.attempts);
        put(object, "deliveries", ended.deliveries);
        put(object, "ended", rfc3339(ended.since_ms));
        put(object, "outcome", outcome(request.facts.row, &ended.outcome, contents)?);
    } else {
        put(object, "attempts", tried.as_ref().map_or(0, |tried| tried.attempts));
        put(object, "deliveries", tried.as_ref().map_or(0, |tried| tried.deliveries));
        put(object, "until", until.and_then(rfc3339));
        put(object, "last", tried.as_ref().and_then(|tried| tried.last.as_ref()).map(problem));
        put_content(object, Ask::Message(facts.row), contents)?;
    }
    if let Some(parts) = parts {
        let numbered = (parts.first..).zip(&parts.kept);
        let parts = numbered.map(|(number, (row, _))| part(number, *row, contents)).collect::<Result<Vec<_>, _>>()?;
        put(object, "parts", parts);
    }
    Ok(())
}

fn part(number: u32, row: Row, contents: &mut Contents<'_>) -> Result<Object, DataError> {
    let mut object = Object::new();
    put(&mut object, "number", number);
    put_content(&mut object, Ask::Part(row), contents)?;
    Ok(object)
}

fn outcome(row: Row, outcome: &StoredOutcome, contents: &mut Contents<'_>) -> Result<Object, DataError> {
    let mut object = Object::new();
    put(&mut object, "kind", outcome.kind().as_str());
    match outcome {
        StoredOutcome::Replied(_) | StoredOutcome::Failed(_) => {
            put_content(&mut object, Ask::Answer(row.answer()), contents)?;
        }
        StoredOutcome::Dead { reason, last } => {
            put(&mut object, "reason", reason.as_str());
            put(&mut object, "last", last.as_ref().map(problem));
        }
        StoredOutcome::Expired | StoredOutcome::Cancelled => {}
    }
    Ok(object)
}

/// What a message, an answer or a part says, and its payload; or why it is not there.
fn put_content(object: &mut Object, ask: Ask, contents: &mut Contents<'_>) -> Result<(), DataError> {
    match contents.of(ask)? {
        Ok(Content::Message(request)) => {
            put_label(object, &request.label);
            payload::put(object, request.payload().as_ref().map_or(&[], |payload| payload.bytes()));
        }
        Ok(Content::Part(part)) => {
            put_label(object, &part.label);
            payload::put(object, &part.payload);
        }
        Ok(Content::Answer(answer)) => {
            match answer.ending() {
                Ending::Failed { problem, content_type } => {
                    put(object, "code", problem.code);
                    put(object, "message", problem.message);
                    put(object, "content_type", content_type);
                }
                Ending::Replied(label) => put_label(object, &label),
                Ending::Dead { .. } | Ending::Expired | Ending::Cancelled => {}
            }
            payload::put(object, &answer.payload);
        }
        Ok(Content::Operation(_)) | Err(Missing::Damaged) => put(object, "missing", "damaged"),
        Err(Missing::Gone) => put(object, "missing", "gone"),
    }
    Ok(())
}

fn put_label(object: &mut Object, label: &Label) {
    put(object, "content_type", label.content_type.as_str());
    let headers = label.headers.0.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str())));
    put(object, "headers", headers.collect::<Object>());
}

fn problem(problem: &Problem) -> Value {
    json!({ "code": problem.code, "message": problem.message })
}

/// Nothing is put for what there is not.
fn put(object: &mut Object, name: &str, value: impl Into<Value>) {
    let value = value.into();
    if !value.is_null() {
        object.insert(name.to_owned(), value);
    }
}

/// Reads one thing after the other.
struct Contents<'r>(&'r mut dyn Reader);

impl Contents<'_> {
    fn of(&mut self, ask: Ask) -> Result<Result<Content, Missing>, StorageError> {
        let found = self.0.read(&[ask])?;
        Ok(found.into_iter().next().unwrap_or(Err(Missing::Gone)))
    }
}
