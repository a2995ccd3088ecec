//! Whether everything is as it was written: SQLite's structures, every row's checksum, and what refers to what.

use bytes::Bytes;
use rusqlite::Connection;

use super::checksum::is_sound;
use super::records::{self, Names};
use super::values::Columns;
use super::{Meta, reader};
use crate::data::{Finding, RequestId};
use crate::storage::body::content;
use crate::storage::{Row, StorageError, StorageErrorKind};

/// How much of what SQLite finds is told: where one page is damaged, much else seems to be.
const FILE_FINDINGS: u32 = 100;

/// What must not be there. Each gives rows, and says what is wrong with them.
const REFERENCES: [(&str, &str); 9] = [
    (
        "SELECT row FROM request AS of WHERE NOT EXISTS (SELECT 1 FROM outcome WHERE row = of.row)
            AND NOT EXISTS (SELECT 1 FROM letter WHERE row = of.row)
            AND NOT EXISTS (SELECT 1 FROM body WHERE row = of.row)",
        "the message of an open request is missing",
    ),
    (
        "SELECT row FROM letter AS of WHERE NOT EXISTS (SELECT 1 FROM body WHERE row = of.row)",
        "the message of a dead letter is missing",
    ),
    (
        "SELECT row FROM outcome AS of WHERE bytes IS NOT NULL
            AND NOT EXISTS (SELECT 1 FROM body WHERE row = of.row + 1)",
        "the answer of an outcome is missing",
    ),
    (
        "SELECT request FROM part AS of WHERE NOT EXISTS (SELECT 1 FROM body WHERE row = of.row)",
        "the body of a part is missing",
    ),
    (
        "SELECT row FROM tried AS of WHERE NOT EXISTS (SELECT 1 FROM request WHERE row = of.row)",
        "it was tried, and is no request",
    ),
    (
        "SELECT row FROM outcome AS of WHERE NOT EXISTS (SELECT 1 FROM request WHERE row = of.row)",
        "there is the outcome of no request",
    ),
    (
        "SELECT row FROM letter AS of WHERE NOT EXISTS (SELECT 1 FROM request WHERE row = of.row)",
        "there is the dead letter of no request",
    ),
    (
        "SELECT DISTINCT request FROM part AS of WHERE NOT EXISTS (SELECT 1 FROM request WHERE row = of.request)",
        "there are parts of no request",
    ),
    (
        "SELECT row FROM body AS of WHERE NOT EXISTS (
                SELECT 1 FROM request WHERE row = of.row AND (EXISTS (SELECT 1 FROM letter WHERE row = of.row)
                    OR NOT EXISTS (SELECT 1 FROM outcome WHERE row = of.row)))
            EXCEPT SELECT row + 1 FROM outcome WHERE bytes IS NOT NULL EXCEPT SELECT row FROM part",
        "nothing refers to this body",
    ),
];

/// Numbers of channels that have requests and no name.
const NAMELESS: &str = "SELECT DISTINCT row >> 40 FROM request EXCEPT SELECT number FROM channel";

/// Whether the columns are of the kinds that were written.
type IsReadable = fn(&mut Columns<'_>) -> bool;

/// The tables whose keys are rows of requests or of bodies, and whether a row of them can be read.
const TABLES: [(&str, IsReadable); 6] = [
    ("request", |columns| records::request(columns, &mut Names::default()).is_some()),
    ("tried", |columns| records::tried(columns).is_some()),
    ("outcome", |columns| records::outcome(columns).is_some()),
    ("letter", |columns| records::letter(columns).is_some()),
    ("part", |columns| records::part(columns).is_some()),
    ("body", |columns| {
        columns.value();
        let head = columns.value().and_then(|head| head.as_blob().ok());
        head.is_some_and(|head| content(head, Bytes::new()).is_some())
    }),
];

/// All that is not as it was written. An error is the disk's alone.
pub(crate) fn check(tables: &Connection) -> Result<Vec<Finding>, StorageError> {
    let mut check = Check { tables, found: Vec::new() };
    check.step(Check::file)?;
    check.step(Check::meta)?;
    check.step(Check::channels)?;
    for (table, is_readable) in TABLES {
        check.step(|check| check.rows(table, is_readable))?;
    }
    for (sql, what) in REFERENCES {
        check.step(|check| check.references(sql, what))?;
    }
    Ok(check.found)
}

struct Check<'c> {
    tables: &'c Connection,
    found: Vec<Finding>,
}

impl Check<'_> {
    /// What cannot be read to its end because it is damaged is a finding, and the next step is done all the same.
    fn step(&mut self, step: impl FnOnce(&mut Self) -> Result<(), StorageError>) -> Result<(), StorageError> {
        match step(self) {
            Err(error) if error.kind == StorageErrorKind::Damaged => {
                self.finds(None, error.text);
                Ok(())
            }
            done => done,
        }
    }

    fn finds(&mut self, row: Option<Row>, what: impl Into<String>) {
        let channel = row.and_then(|row| self.channel(row));
        let request = row.and_then(|row| self.request(row));
        self.found.push(Finding { channel, request, row: row.map(|row| row.0), what: what.into() });
    }

    fn channel(&self, row: Row) -> Option<roundtrip_protocol::ChannelName> {
        let mut statement = self.tables.prepare_cached("SELECT * FROM channel WHERE number = ?").ok()?;
        let found = statement.query_row([row.channel().0], |row| Ok(reader::channel(row)));
        found.ok()?.map(|(_, name)| name)
    }

    /// The id that stands under the row, of whatever else is damaged there.
    fn request(&self, row: Row) -> Option<RequestId> {
        let mut statement = self.tables.prepare_cached("SELECT id FROM request WHERE row = ?").ok()?;
        let id: [u8; 16] = statement.query_row([row.0.cast_signed()], |row| row.get(0)).ok()?;
        Some(RequestId::from_bytes(id))
    }

    /// The structures of the file, as SQLite knows them. It names tables and pages, not values.
    fn file(&mut self) -> Result<(), StorageError> {
        let mut statement = self.tables.prepare(&format!("PRAGMA integrity_check({FILE_FINDINGS})"))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let what: String = row.get(0)?;
            if what != "ok" {
                self.finds(None, format!("the database: {what}"));
            }
        }
        Ok(())
    }

    fn meta(&mut self) -> Result<(), StorageError> {
        Meta::read(self.tables).map(drop)
    }

    fn channels(&mut self) -> Result<(), StorageError> {
        let mut statement = self.tables.prepare("SELECT * FROM channel")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            if reader::channel(row).is_none() {
                let number = row.get_ref(0)?.as_i64().unwrap_or_default();
                self.finds(None, format!("the name of channel number {number} is not what was written"));
            }
        }
        let mut nameless = self.tables.prepare(NAMELESS)?;
        for number in nameless.query_map([], |row| row.get::<_, i64>(0))? {
            self.finds(None, format!("channel number {} has requests and no name", number?));
        }
        Ok(())
    }

    fn rows(&mut self, table: &str, is_readable: IsReadable) -> Result<(), StorageError> {
        let mut statement = self.tables.prepare(&format!("SELECT * FROM {table}"))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            if !is_sound(row) || !is_readable(&mut Columns::of(row)) {
                let key = Columns::of(row).number().map(Row);
                self.finds(key, format!("what stands in the table {table} is not what was written"));
            }
        }
        Ok(())
    }

    fn references(&mut self, sql: &str, what: &str) -> Result<(), StorageError> {
        let mut statement = self.tables.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            self.finds(Columns::of(row).number().map(Row), what);
        }
        Ok(())
    }
}
