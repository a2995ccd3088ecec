//! What a write does to the tables.

use roundtrip_protocol::DeadReason;
use rusqlite::types::ValueRef;
use rusqlite::{CachedStatement, OptionalExtension, params_from_iter};

use super::checksum::{is_sound, moved};
use super::records::{self, Names, Place};
use super::tables::Tables;
use super::values::{Columns, put, text};
use crate::message::Part;
use crate::storage::body::Body;
use crate::storage::{NewEnd, NewMessage, NewOutcome, NewRequest, Row, StoredEnd, Write};

/// Does a write within a transaction.
pub(super) fn apply(tables: &mut Tables<'_>, write: &Write) -> rusqlite::Result<()> {
    match write {
        Write::AddChannel { channel, name } => {
            let statement = tables.statement("REPLACE INTO channel VALUES (?, ?, ?)")?;
            put(statement, channel.0.into(), &[text(name.as_str())])
        }
        Write::RemoveChannel { channel } => {
            run(tables, "DELETE FROM channel WHERE number = ?", [channel.0.into()]).map(drop)
        }
        Write::Accept(request) => accept(tables, request),
        Write::Move { row, tried } => {
            let statement = tables.statement("REPLACE INTO tried VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")?;
            records::put_tried(statement, *row, tried)
        }
        Write::End { row, end } => self::end(tables, *row, end),
        Write::Acknowledge { row } => acknowledge(tables, *row),
        Write::Forget { row } => forget(tables, *row),
        Write::AddPart { request, delivery, number, row, part } => {
            drop_parts(tables, PARTS_BEFORE, [request.0, (*delivery).into()])?;
            let bytes = Part::bytes(&part.label, part.payload.len()) as u64;
            let statement = tables.statement("INSERT INTO part VALUES (?, ?, ?, ?, ?, ?)")?;
            let place = Place { delivery: *delivery, number: *number, row: *row, bytes };
            records::put_part(statement, *request, &place)?;
            put_body(tables, *row, &Body::of_part(part))
        }
        Write::DropParts { request, delivery, through } => {
            drop_parts(tables, PARTS_THROUGH, [request.0, (*delivery).into(), (*through).into()])
        }
        Write::Exhume { row } => {
            run(tables, "DELETE FROM letter WHERE row = ?", [row.0])?;
            remove_body(tables, *row)?;
            let over = "DELETE FROM request WHERE row = ?1 AND NOT EXISTS (SELECT 1 FROM outcome WHERE row = ?1)";
            run(tables, over, [row.0]).map(drop)
        }
    }
}

fn accept(tables: &mut Tables<'_>, request: &NewRequest) -> rusqlite::Result<()> {
    let NewRequest { facts, message } = request;
    match message {
        NewMessage::Here(request) => {
            if let Some(body) = Body::of_accepted(facts, request) {
                put_body(tables, facts.row, &body)?;
            }
            records::put_request(request_statement(tables)?, facts, &request.operation, true)
        }
        NewMessage::OfLetter(old) => {
            // The body is not read: what was damaged of it stays damaged.
            let sql = "UPDATE body SET row = ?2, crc = (crc | ?3) - (crc & ?3) WHERE row = ?1";
            run(tables, sql, [old.0, facts.row.0, moved(old.0, facts.row.0).cast_unsigned()])?;
            let statement = tables.statement("SELECT * FROM request WHERE row = ?")?;
            let operation = statement.query_row([old.0.cast_signed()], |row| {
                let operation = records::request(&mut Columns::of(row), &mut Names::default());
                Ok(operation.filter(|_| is_sound(row)).map(|(_, operation)| operation.to_owned()))
            });
            let operation = operation.optional()?.flatten();
            let (text, is_sound) = (operation.as_deref().unwrap_or_default(), operation.is_some());
            records::put_request(request_statement(tables)?, facts, text, is_sound)
        }
    }
}

fn request_statement<'t, 'c>(tables: &'t mut Tables<'c>) -> rusqlite::Result<&'t mut CachedStatement<'c>> {
    tables.statement("INSERT INTO request VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
}

fn end(tables: &mut Tables<'_>, row: Row, end: &NewEnd) -> rusqlite::Result<()> {
    run(tables, "DELETE FROM tried WHERE row = ?", [row.0])?;
    match &end.outcome {
        NewOutcome::Replied(answer) | NewOutcome::Failed(answer) => {
            remove_body(tables, row)?;
            put_body(tables, row.answer(), &Body::of_answer(answer))?;
        }
        NewOutcome::Dead { reason, last } => {
            // In place of an outcome whose answer is damaged: only so a request ends again.
            remove_body(tables, row.answer())?;
            let statement = tables.statement("REPLACE INTO letter VALUES (?, ?, ?, ?, ?, ?, ?, ?)")?;
            records::put_letter(statement, row, end, *reason, last.as_ref())?;
            if *reason == DeadReason::Damaged {
                accept_damage(tables, row)?;
            }
        }
        NewOutcome::Expired | NewOutcome::Cancelled => remove_body(tables, row)?,
    }
    put_outcome(tables, row, &StoredEnd::of(end))
}

/// The request is dead because of its damage: what can be read of its facts is what they are from here on, or it would
/// die again at each start.
fn accept_damage(tables: &mut Tables<'_>, row: Row) -> rusqlite::Result<()> {
    let statement = tables.statement("SELECT * FROM request WHERE row = ?")?;
    let read = statement.query_row([row.0.cast_signed()], |row| {
        let read = records::request(&mut Columns::of(row), &mut Names::default());
        Ok(read.filter(|_| !is_sound(row)).map(|(facts, operation)| (facts, operation.to_owned())))
    });
    let Some((facts, operation)) = read.optional()?.flatten() else { return Ok(()) };
    run(tables, "DELETE FROM request WHERE row = ?", [row.0])?;
    records::put_request(request_statement(tables)?, &facts, &operation, true)
}

/// What is damaged stays so.
fn acknowledge(tables: &mut Tables<'_>, row: Row) -> rusqlite::Result<()> {
    let statement = tables.statement("SELECT * FROM outcome WHERE row = ?")?;
    let read = statement
        .query_row([row.0.cast_signed()], |row| Ok(records::outcome(&mut Columns::of(row)).filter(|_| is_sound(row))));
    match read.optional()?.flatten() {
        Some(end) => put_outcome(tables, row, &StoredEnd { is_acknowledged: true, ..end }),
        None => Ok(()),
    }
}

fn put_outcome(tables: &mut Tables<'_>, row: Row, end: &StoredEnd) -> rusqlite::Result<()> {
    let sql = "REPLACE INTO outcome VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    records::put_outcome(tables.statement(sql)?, row, end)
}

fn forget(tables: &mut Tables<'_>, row: Row) -> rusqlite::Result<()> {
    remove_body(tables, row.answer())?;
    drop_parts(tables, ALL_PARTS, [row.0])?;
    let had_outcome = run(tables, "DELETE FROM outcome WHERE row = ?", [row.0])? > 0;
    let over = "DELETE FROM request WHERE row = ?1 AND NOT EXISTS (SELECT 1 FROM letter WHERE row = ?1)";
    let is_over = run(tables, over, [row.0])? > 0;
    if is_over && !had_outcome {
        // It was open, or is damaged: with an outcome the rest has gone before.
        run(tables, "DELETE FROM tried WHERE row = ?", [row.0])?;
        remove_body(tables, row)?;
    }
    Ok(())
}

/// Which parts: what finds them, and what removes them.
type Parts = [&'static str; 2];

const ALL_PARTS: Parts = ["SELECT * FROM part WHERE request = ?", "DELETE FROM part WHERE request = ?"];

const PARTS_BEFORE: Parts =
    ["SELECT * FROM part WHERE request = ? AND delivery < ?", "DELETE FROM part WHERE request = ? AND delivery < ?"];

const PARTS_THROUGH: Parts = [
    "SELECT * FROM part WHERE request = ? AND delivery = ? AND number <= ?",
    "DELETE FROM part WHERE request = ? AND delivery = ? AND number <= ?",
];

fn drop_parts<const N: usize>(tables: &mut Tables<'_>, parts: Parts, which: [u64; N]) -> rusqlite::Result<()> {
    let [find, remove] = parts;
    let mut dropped = Vec::new();
    let statement = tables.statement(find)?;
    let mut rows = statement.query(params_from_iter(which.map(u64::cast_signed)))?;
    while let Some(row) = rows.next()? {
        dropped.push(records::part(&mut Columns::of(row)).filter(|_| is_sound(row)));
    }
    drop(rows);
    if dropped.is_empty() {
        return Ok(());
    }
    // A damaged row must not take something else with it.
    dropped.iter().flatten().try_for_each(|part| remove_body(tables, part.row))?;
    run(tables, remove, which).map(drop)
}

fn put_body(tables: &mut Tables<'_>, row: Row, body: &Body) -> rusqlite::Result<()> {
    let statement = tables.statement("INSERT INTO body VALUES (?, ?, ?, ?)")?;
    put(statement, row.0, &[ValueRef::Blob(&body.head), ValueRef::Blob(&body.payload)])
}

fn remove_body(tables: &mut Tables<'_>, row: Row) -> rusqlite::Result<()> {
    run(tables, "DELETE FROM body WHERE row = ?", [row.0]).map(drop)
}

/// Runs a statement, and says how many rows it has changed.
fn run<const N: usize>(tables: &mut Tables<'_>, sql: &'static str, parameters: [u64; N]) -> rusqlite::Result<usize> {
    tables.statement(sql)?.execute(params_from_iter(parameters.map(u64::cast_signed)))
}
