//! What the tests write.

use std::sync::Arc;

use bytes::Bytes;
use roundtrip_protocol::{ChannelName, DeadReason, Headers, Label, Problem, RequestId, RequesterName};

use crate::memory::Room;
use crate::message::{Answer, Part, Request};
use crate::storage::{
    Ask, ChannelRow, Content, Facts, Missing, NewEnd, NewMessage, NewOutcome, NewRequest, Reader, Row, Write,
};

/// The facts of a request, for a number as for all times.
pub(crate) fn facts(row: Row) -> Facts {
    let number = row.number();
    Facts {
        row,
        id: id(row),
        requester: RequesterName::new(format!("ward-{}", number % 3)).unwrap(),
        is_unnamed: number.is_multiple_of(2),
        reply_channel: (!number.is_multiple_of(5)).then(|| ChannelName::new("summary_reply").unwrap()),
        key: None,
        priority: u8::try_from(number % 10).unwrap(),
        redrive_of: None,
        accepted_ms: 1_764_288_000_000 + number,
        deadline_ms: u64::MAX - number,
        order: Some(number),
        until_ms: None,
        bytes: message_text(number).len() as u64,
    }
}

pub(crate) fn id(row: Row) -> RequestId {
    RequestId::from_bytes((u128::from(row.0) * 0x0100_0193_0000_01b3).to_be_bytes())
}

/// From nothing to several pages.
pub(crate) fn message_text(number: u64) -> String {
    format!("patient {number} ").repeat(usize::try_from(number % 7 * number % 1009).unwrap())
}

pub(crate) fn request(number: u64) -> Arc<Request> {
    Request::new(operation(number).into(), label(number), message_text(number).into(), Room::nothing())
}

pub(crate) fn operation(number: u64) -> String {
    format!("operation_{}", number % 4)
}

pub(crate) fn label(number: u64) -> Label {
    let headers = (0..number % 3).map(|header| (format!("header-{header}"), format!("value {number}")));
    Label { content_type: "text/plain".into(), headers: Headers(headers.collect()) }
}

pub(crate) fn part(number: u64) -> Arc<Part> {
    Part::new(label(number), Bytes::from(format!("part {number}")), Room::nothing())
}

pub(crate) fn answer(number: u64) -> Arc<Answer> {
    let payload = Bytes::from(format!("answer {number} ").repeat(usize::try_from(number % 900).unwrap()));
    if number.is_multiple_of(2) {
        Answer::reply(label(number), payload, Room::nothing())
    } else {
        let content_type = number.is_multiple_of(3).then(|| "application/json".to_owned());
        Answer::problem(problem(number), content_type, payload, Room::nothing())
    }
}

pub(crate) fn problem(number: u64) -> Problem {
    Problem::new(format!("code_{number}"), format!("what went wrong, the {number}th time"))
}

pub(crate) fn accept(facts: Facts) -> Write {
    let message = NewMessage::Here(request(facts.row.number()));
    Write::Accept(Box::new(NewRequest { facts, message }))
}

pub(crate) fn end(row: Row, at_ms: u64, outcome: NewOutcome) -> Write {
    let settled_by = matches!(outcome, NewOutcome::Replied(..)).then_some((u64::MAX - 1, 3));
    Write::End { row, end: Box::new(NewEnd { attempts: 2, deliveries: 3, since_ms: at_ms, settled_by, outcome }) }
}

pub(crate) fn a_dead_letter(channel: ChannelRow, number: u64) -> Vec<Write> {
    let row = Row::new(channel, number);
    let dead = NewOutcome::Dead { reason: DeadReason::Rejected, last: Some(problem(number)) };
    vec![accept(facts(row)), end(row, 5, dead), Write::Forget { row }]
}

pub(crate) fn a_redrive(channel: ChannelRow, letter: u64, request: u64) -> Vec<Write> {
    let (old, new) = (Row::new(channel, letter), Row::new(channel, request));
    let facts = Facts { redrive_of: Some(id(old)), bytes: message_text(letter).len() as u64, ..facts(new) };
    let message = NewMessage::OfLetter(old);
    vec![Write::Accept(Box::new(NewRequest { facts, message })), Write::Exhume { row: old }]
}

/// The message of a request as text.
pub(crate) fn message(reader: &mut dyn Reader, channel: ChannelRow, number: u64) -> Result<String, Missing> {
    let found = reader.read(&[Ask::Message(Row::new(channel, number))]).unwrap().remove(0)?;
    let Content::Message(request) = found else { panic!("asked for a message, got something else") };
    let payload = request.payload().map_or_else(Bytes::new, |payload| payload.bytes().clone());
    Ok(String::from_utf8(payload.to_vec()).unwrap())
}
