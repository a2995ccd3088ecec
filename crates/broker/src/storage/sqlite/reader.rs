//! Reads the tables, over a connection of its own that cannot write.

use bytes::Bytes;
use roundtrip_protocol::{ChannelName, Text};
use rusqlite::{Connection, ErrorCode, OptionalExtension};

use super::checksum::is_sound;
use super::load::{load, range};
use super::records::{self, Names};
use super::values::Columns;
use crate::storage::body::content;
use crate::storage::{Ask, ChannelRow, Content, Missing, Reader, Row, StorageError, StorageErrorKind, Stored};

pub(super) struct SqliteReader {
    tables: Connection,
}

impl SqliteReader {
    pub(super) const fn over(tables: Connection) -> Self {
        Self { tables }
    }
}

impl Reader for SqliteReader {
    fn channels(&mut self) -> Result<Vec<(ChannelRow, ChannelName)>, StorageError> {
        let mut statement = self.tables.prepare_cached("SELECT * FROM channel ORDER BY number")?;
        let channels = statement.query_map([], |row| Ok(channel(row)))?;
        channels.map(|channel| channel?.ok_or_else(nameless)).collect()
    }

    fn count(&mut self, channel: ChannelRow) -> Result<usize, StorageError> {
        let mut statement = self.tables.prepare_cached("SELECT count(*) FROM request WHERE row BETWEEN ? AND ?")?;
        let count: u32 = statement.query_row(range(channel), |row| row.get(0))?;
        Ok(count as usize)
    }

    fn load(&mut self, channel: ChannelRow, each: &mut dyn FnMut(Stored)) -> Result<(), StorageError> {
        Ok(load(&self.tables, channel, each)?)
    }

    fn read(&mut self, asked: &[Ask]) -> Result<Vec<Result<Content, Missing>>, StorageError> {
        // One lock for all of them.
        let transaction = self.tables.unchecked_transaction()?;
        let found = asked.iter().map(|ask| read(&self.tables, *ask)).collect::<Result<_, _>>()?;
        transaction.finish()?;
        Ok(found)
    }
}

/// The channel that a row is of. None: it is damaged.
pub(super) fn channel(row: &rusqlite::Row<'_>) -> Option<(ChannelRow, ChannelName)> {
    let mut columns = Columns::of(row);
    let channel = ChannelRow(columns.number()?);
    let name = ChannelName::new(columns.text()?).ok()?;
    is_sound(row).then_some((channel, name))
}

/// Damage of one thing is no trouble of the others.
fn read(tables: &Connection, ask: Ask) -> rusqlite::Result<Result<Content, Missing>> {
    let found = match ask {
        Ask::Operation(row) => operation(tables, row),
        Ask::Message(row) | Ask::Answer(row) | Ask::Part(row) => body(tables, row, ask),
    };
    match found {
        Ok(found) => Ok(found.unwrap_or(Err(Missing::Gone))),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) => Ok(Err(Missing::Damaged)),
        Err(error) => Err(error),
    }
}

type Found = rusqlite::Result<Option<Result<Content, Missing>>>;

fn operation(tables: &Connection, row: Row) -> Found {
    let mut statement = tables.prepare_cached("SELECT * FROM request WHERE row = ?")?;
    let found = statement.query_row([row.0.cast_signed()], |row| {
        let read = records::request(&mut Columns::of(row), &mut Names::default()).filter(|_| is_sound(row));
        Ok(read.map(|(_, operation)| Content::Operation(Text::from(operation))).ok_or(Missing::Damaged))
    });
    found.optional()
}

fn body(tables: &Connection, row: Row, ask: Ask) -> Found {
    let mut statement = tables.prepare_cached("SELECT * FROM body WHERE row = ?")?;
    let found = statement.query_row([row.0.cast_signed()], |row| {
        let (head, payload) = (row.get_ref(1)?, row.get_ref(2)?);
        let content = match (head.as_blob(), payload.as_blob()) {
            (Ok(head), Ok(payload)) if is_sound(row) => content(head, Bytes::copy_from_slice(payload)),
            _ => None,
        };
        Ok(ask.found(content))
    });
    found.optional()
}

fn nameless() -> StorageError {
    let text = "the name of a channel is not what was written: see `roundtrip data check`".to_owned();
    StorageError { kind: StorageErrorKind::Damaged, text }
}
