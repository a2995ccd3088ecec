//! How much there is of everything.

use std::collections::BTreeMap;
use std::fs;

use rusqlite::{Connection, OptionalExtension};

use super::values::Columns;
use super::{Meta, SqliteStorage, format};
use crate::data::{ChannelStats, Stats};
use crate::storage::{ChannelRow, StorageError, StorageErrorKind};

/// By channel: waiting, scheduled, ended and dead requests.
const REQUESTS: &str = "
    SELECT request.row >> 40,
        count(*) FILTER (WHERE outcome.row IS NULL AND letter.row IS NULL
            AND (request.place IS NOT NULL OR tried.row IS NOT NULL)),
        count(*) FILTER (WHERE outcome.row IS NULL AND letter.row IS NULL
            AND request.place IS NULL AND tried.row IS NULL),
        count(outcome.row), count(letter.row)
    FROM request LEFT JOIN tried ON tried.row = request.row LEFT JOIN outcome ON outcome.row = request.row
        LEFT JOIN letter ON letter.row = request.row
    GROUP BY 1";

const PARTS: &str = "SELECT request >> 40, count(*) FROM part GROUP BY 1";

const BODIES: &str = "SELECT row >> 40, sum(length(head) + length(payload)) FROM body GROUP BY 1";

/// Counts everything in a storage.
pub(crate) fn stats(storage: &SqliteStorage) -> Result<Stats, StorageError> {
    let tables = storage.tables();
    let meta = Meta::read(tables)?;
    let pragma = |name| format::pragma(tables, name);
    let database = fs::metadata(storage.folder.database());
    let database = database.map_err(|error| StorageError { kind: StorageErrorKind::Io, text: error.to_string() })?;
    Ok(Stats {
        format: pragma("user_version")?,
        last_start: meta.map(|meta| meta.start),
        last_commit_ms: meta.map(|meta| meta.latest_ms),
        database_bytes: database.len(),
        wal_bytes: storage.written_ahead()?,
        page_bytes: pragma("page_size")?,
        pages: pragma("page_count")?,
        free_pages: pragma("freelist_count")?,
        channels: channels(tables)?,
    })
}

fn channels(tables: &Connection) -> Result<Vec<ChannelStats>, StorageError> {
    let mut channels = BTreeMap::new();
    let mut statement = tables.prepare("SELECT number FROM channel")?;
    let numbers = statement.query_map([], |row| row.get(0))?;
    for number in numbers {
        entry(tables, &mut channels, number?)?;
    }
    let mut count = |sql, put: fn(&mut ChannelStats, &mut dyn FnMut() -> u64)| {
        let mut statement = tables.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let mut columns = Columns::of(row);
            let channel = entry(tables, &mut channels, columns.number().unwrap_or_default())?;
            put(channel, &mut || columns.number().unwrap_or_default());
        }
        Ok::<(), StorageError>(())
    };
    count(REQUESTS, |channel, next| {
        channel.waiting = next();
        channel.scheduled = next();
        channel.ended = next();
        channel.dead = next();
    })?;
    count(PARTS, |channel, next| channel.parts = next())?;
    count(BODIES, |channel, next| channel.bytes = next())?;
    Ok(channels.into_values().collect())
}

fn entry<'m>(
    tables: &Connection,
    channels: &'m mut BTreeMap<u32, ChannelStats>,
    number: u32,
) -> Result<&'m mut ChannelStats, StorageError> {
    use std::collections::btree_map::Entry;
    Ok(match channels.entry(number) {
        Entry::Occupied(entry) => entry.into_mut(),
        Entry::Vacant(entry) => {
            let sql = "SELECT * FROM channel WHERE number = ?";
            let named = tables.prepare_cached(sql)?.query_row([number], |row| Ok(super::reader::channel(row)));
            let channel = named.optional()?.flatten().map(|(_, name): (ChannelRow, _)| name);
            let nothing =
                ChannelStats { channel, number, waiting: 0, scheduled: 0, ended: 0, dead: 0, parts: 0, bytes: 0 };
            entry.insert(nothing)
        }
    })
}
