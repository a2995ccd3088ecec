//! The rows of each table as values, and back.

use std::collections::HashMap;

use roundtrip_protocol::{ChannelName, DeadReason, Problem, RequestId, RequesterName};
use rusqlite::Statement;
use rusqlite::types::ValueRef;

use super::values::{Columns, number, optional_number, optional_text, problem, put, put_sealed, text};
use crate::storage::{Facts, NewEnd, Row, StoredEnd, StoredKey, StoredOutcome, StoredTried};

/// Puts a request's row. One that is not sound stays so: it is written with a checksum that does not match.
pub(super) fn put_request(
    statement: &mut Statement<'_>,
    facts: &Facts,
    operation: &str,
    is_sound: bool,
) -> rusqlite::Result<()> {
    let key = facts.key.as_ref();
    let fingerprint = key.map(|key| key.fingerprint.to_le_bytes());
    let values = [
        ValueRef::Blob(facts.id.as_bytes()),
        text(facts.requester.as_str()),
        number(facts.is_unnamed),
        optional_text(facts.reply_channel.as_ref().map(ChannelName::as_str)),
        optional_text(key.map(|key| key.text.as_str())),
        optional_number(key.map(|key| key.is_named)),
        fingerprint.as_ref().map_or(ValueRef::Null, |fingerprint| ValueRef::Blob(fingerprint)),
        number(facts.priority),
        facts.redrive_of.as_ref().map_or(ValueRef::Null, |id| ValueRef::Blob(id.as_bytes())),
        number(facts.accepted_ms),
        number(facts.deadline_ms),
        optional_number(facts.order),
        optional_number(facts.until_ms),
        number(facts.bytes),
        text(operation),
    ];
    let checksum = super::checksum::checksum(facts.row.0, values);
    put_sealed(statement, facts.row.0, &values, if is_sound { checksum } else { !checksum })
}

/// Reads a request's row, all but its checksum.
pub(super) fn request<'r>(columns: &mut Columns<'r>, names: &mut Names) -> Option<(Facts, &'r str)> {
    let row = Row(columns.number()?);
    let id = RequestId::from_bytes(columns.bytes()?);
    let requester = names.requester(columns.text()?)?;
    let is_unnamed = columns.flag()?;
    let reply_channel = match columns.optional_text()? {
        Some(name) => Some(names.channel(name)?),
        None => None,
    };
    let key = match (columns.optional_text()?, columns.optional_number()?, columns.optional_bytes()?) {
        (Some(text), Some(is_named @ 0..=1_u8), Some(fingerprint)) => Some(StoredKey {
            is_named: is_named == 1,
            text: text.to_owned(),
            fingerprint: u128::from_le_bytes(fingerprint),
        }),
        (None, None, None) => None,
        _ => return None,
    };
    let facts = Facts {
        row,
        id,
        requester,
        is_unnamed,
        reply_channel,
        key,
        priority: columns.number()?,
        redrive_of: columns.optional_bytes()?.map(RequestId::from_bytes),
        accepted_ms: columns.number()?,
        deadline_ms: columns.number()?,
        order: columns.optional_number()?,
        until_ms: columns.optional_number()?,
        bytes: columns.number()?,
    };
    Some((facts, columns.text()?))
}

pub(super) fn put_tried(statement: &mut Statement<'_>, row: Row, tried: &StoredTried) -> rusqlite::Result<()> {
    let [code, message] = problem(tried.last.as_ref());
    let counts = [tried.deliveries, tried.attempts, tried.releases].map(number);
    let [deliveries, attempts, releases] = counts;
    let place = number(tried.order);
    let until = optional_number(tried.until_ms);
    put(statement, row.0, &[place, until, deliveries, attempts, releases, code, message])
}

pub(super) fn tried(columns: &mut Columns<'_>) -> Option<StoredTried> {
    columns.value()?;
    Some(StoredTried {
        order: columns.number()?,
        until_ms: columns.optional_number()?,
        deliveries: columns.number()?,
        attempts: columns.number()?,
        releases: columns.number()?,
        last: columns.problem()?,
    })
}

pub(super) fn put_outcome(statement: &mut Statement<'_>, row: Row, end: &StoredEnd) -> rusqlite::Result<()> {
    let (answer, reason, last) = match &end.outcome {
        StoredOutcome::Replied(bytes) | StoredOutcome::Failed(bytes) => (Some(*bytes), None, None),
        StoredOutcome::Dead { reason, last } => (None, Some(reason.as_str()), last.as_ref()),
        StoredOutcome::Expired | StoredOutcome::Cancelled => (None, None, None),
    };
    let [code, message] = problem(last);
    let values = [
        text(end.outcome.kind().as_str()),
        number(end.attempts),
        number(end.deliveries),
        number(end.since_ms),
        optional_number(end.settled_by.map(|(start, _)| start)),
        optional_number(end.settled_by.map(|(_, delivery)| delivery)),
        optional_number(answer),
        optional_text(reason),
        code,
        message,
        number(end.is_acknowledged),
    ];
    put(statement, row.0, &values)
}

pub(super) fn outcome(columns: &mut Columns<'_>) -> Option<StoredEnd> {
    columns.value()?;
    let kind = columns.text()?;
    let (attempts, deliveries, since_ms) = (columns.number()?, columns.number()?, columns.number()?);
    let settled_by = columns.optional_number()?.zip(columns.optional_number()?);
    let answer = columns.optional_number()?;
    let reason = columns.optional_text()?;
    let last = columns.problem()?;
    let outcome = match (kind, answer) {
        ("replied", Some(bytes)) => StoredOutcome::Replied(bytes),
        ("failed", Some(bytes)) => StoredOutcome::Failed(bytes),
        ("dead", None) => StoredOutcome::Dead { reason: dead_reason(reason?)?, last },
        ("expired", None) => StoredOutcome::Expired,
        ("cancelled", None) => StoredOutcome::Cancelled,
        _ => return None,
    };
    Some(StoredEnd { attempts, deliveries, since_ms, settled_by, outcome, is_acknowledged: columns.flag()? })
}

/// How a request died, without its facts.
pub(super) struct Death {
    pub(super) reason: DeadReason,
    pub(super) attempts: u32,
    pub(super) deliveries: u32,
    pub(super) died_ms: u64,
    pub(super) last: Option<Problem>,
}

pub(super) fn put_letter(
    statement: &mut Statement<'_>,
    row: Row,
    end: &NewEnd,
    reason: DeadReason,
    last: Option<&Problem>,
) -> rusqlite::Result<()> {
    let [code, message] = problem(last);
    let [attempts, deliveries] = [end.attempts, end.deliveries].map(number);
    put(statement, row.0, &[text(reason.as_str()), attempts, deliveries, number(end.since_ms), code, message])
}

pub(super) fn letter(columns: &mut Columns<'_>) -> Option<Death> {
    columns.value()?;
    Some(Death {
        reason: dead_reason(columns.text()?)?,
        attempts: columns.number()?,
        deliveries: columns.number()?,
        died_ms: columns.number()?,
        last: columns.problem()?,
    })
}

/// Where a part is.
pub(super) struct Place {
    pub(super) delivery: u32,
    pub(super) number: u32,
    pub(super) row: Row,
    pub(super) bytes: u64,
}

pub(super) fn put_part(statement: &mut Statement<'_>, request: Row, part: &Place) -> rusqlite::Result<()> {
    let [delivery, place] = [part.delivery, part.number].map(number);
    put(statement, request.0, &[delivery, place, number(part.row.0), number(part.bytes)])
}

pub(super) fn part(columns: &mut Columns<'_>) -> Option<Place> {
    columns.value()?;
    Some(Place {
        delivery: columns.number()?,
        number: columns.number()?,
        row: Row(columns.number()?),
        bytes: columns.number()?,
    })
}

/// The words of the contract, as they stand in the tables.
fn dead_reason(word: &str) -> Option<DeadReason> {
    use DeadReason::{AttemptsExhausted, Damaged, Rejected, ReleasesExhausted};
    [AttemptsExhausted, Rejected, ReleasesExhausted, Damaged].into_iter().find(|reason| reason.as_str() == word)
}

/// Names that were read, so that requests of the same requester share one.
#[derive(Default)]
pub(super) struct Names {
    requesters: HashMap<String, RequesterName>,
    channels: HashMap<String, ChannelName>,
}

impl Names {
    /// Beyond it nothing more is remembered: each requester may have a name of its own.
    const LIMIT: usize = 1024;

    fn requester(&mut self, text: &str) -> Option<RequesterName> {
        remembered(&mut self.requesters, text, || RequesterName::new(text).ok())
    }

    fn channel(&mut self, text: &str) -> Option<ChannelName> {
        remembered(&mut self.channels, text, || ChannelName::new(text).ok())
    }
}

fn remembered<N: Clone>(names: &mut HashMap<String, N>, text: &str, make: impl FnOnce() -> Option<N>) -> Option<N> {
    if let Some(name) = names.get(text) {
        return Some(name.clone());
    }
    let name = make()?;
    if names.len() < Names::LIMIT {
        names.insert(text.to_owned(), name.clone());
    }
    Some(name)
}
