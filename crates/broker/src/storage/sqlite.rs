//! The storage on disk: a database of SQLite's in a folder of its own.
//!
//! `format` says what the tables are, `records` what stands in their rows, `writes` what a write does to them, `load` and
//! `reader` how they are read. `folder` keeps every other broker out.

pub(crate) mod check;
mod checksum;
mod error;
mod folder;
mod format;
mod load;
mod reader;
mod records;
pub(crate) mod stats;
mod tables;
mod values;
mod writes;

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

pub use error::OpenError;

use self::checksum::is_sound;
use self::folder::Folder;
use self::reader::SqliteReader;
use self::tables::Tables;
use self::values::{Columns, number, put};
use super::{Reader, Start, Storage, StorageError, StorageErrorKind, Write};

/// A storage in a folder, which is this process's alone while it is open.
pub(crate) struct SqliteStorage {
    connection: Connection,
    /// None before the broker's start has a number.
    meta: Option<Meta>,
    // Dropped last: the folder is free when the database is closed.
    folder: Folder,
}

/// What is kept beside the channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Meta {
    start: u64,
    /// The time of a commit. Later ones are less than [`TIME_STEP_MS`] behind it.
    latest_ms: u64,
}

/// How often the time is written, not to write it with every commit.
const TIME_STEP_MS: u64 = 1000;

/// How many pages of the database are given back in one step: 1 MiB.
const TIDY_STEP: u32 = 256;

impl SqliteStorage {
    /// Opens the storage in a folder. Folder and storage are made if they are missing.
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        Self::open_in(Folder::take(path)?)
    }

    /// Opens the storage in a folder that has one.
    pub(crate) fn open_existing(path: &Path) -> Result<Self, OpenError> {
        Self::open_in(Folder::take_existing(path)?)
    }

    fn open_in(mut folder: Folder) -> Result<Self, OpenError> {
        let connection = format::open(&mut folder)?;
        Ok(Self { connection, meta: None, folder })
    }

    fn change(
        &mut self,
        change: impl FnOnce(&Connection, &mut Option<Meta>) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let mut meta = self.meta;
        // It is rolled back when it is dropped, however far it came.
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        change(&transaction, &mut meta)?;
        if let Some(changed) = meta.filter(|_| meta != self.meta) {
            changed.put(&transaction)?;
        }
        transaction.commit()?;
        self.meta = meta;
        Ok(())
    }

    /// Whether all that was written ahead is in the database's own file.
    fn checkpoint(&self, mode: &str) -> rusqlite::Result<bool> {
        let sql = format!("PRAGMA wal_checkpoint({mode})");
        let (is_busy, written, moved): (bool, i64, i64) =
            self.connection.prepare_cached(&sql)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        Ok(!is_busy && written == moved)
    }

    /// Gives the room of what was written ahead back to the disk, unless somebody still reads there.
    fn truncate(&self) -> rusqlite::Result<bool> {
        self.connection.busy_timeout(Duration::ZERO)?;
        let is_truncated = self.checkpoint("TRUNCATE");
        self.connection.busy_timeout(format::PATIENCE)?;
        is_truncated
    }
}

impl Storage for SqliteStorage {
    fn begin(&mut self, least: u64, now_ms: u64) -> Result<Start, StorageError> {
        let mut start = Start { number: least, now_ms };
        self.change(|tables, meta| {
            if let Some(last) = Meta::read(tables)? {
                start.number = least.max(last.start.saturating_add(1));
                start.now_ms = now_ms.max(last.latest_ms.saturating_add(TIME_STEP_MS));
            }
            *meta = Some(Meta { start: start.number, latest_ms: start.now_ms });
            Ok(())
        })?;
        Ok(start)
    }

    fn commit(&mut self, now_ms: u64, writes: &[Write]) -> Result<(), StorageError> {
        self.change(|tables, meta| {
            let mut tables = Tables::of(tables);
            writes.iter().try_for_each(|write| writes::apply(&mut tables, write))?;
            if let Some(meta) = meta
                && now_ms >= meta.latest_ms.saturating_add(TIME_STEP_MS)
            {
                meta.latest_ms = now_ms;
            }
            Ok(())
        })
    }

    fn used(&mut self) -> Result<u64, StorageError> {
        let [size, pages, free] = ["page_size", "page_count", "freelist_count"].map(|name| {
            let sql = format!("PRAGMA {name}");
            self.connection.prepare_cached(&sql)?.query_row([], |row| row.get::<_, u32>(0))
        });
        let pages = pages?.saturating_sub(free?);
        Ok(u64::from(size?) * u64::from(pages) + self.written_ahead()?)
    }

    fn tidy(&mut self) -> Result<bool, StorageError> {
        let sql = format!("PRAGMA incremental_vacuum({TIDY_STEP})");
        // Each row of it is a page given back.
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut pages = statement.query([])?;
        while pages.next()?.is_some() {}
        drop(pages);
        drop(statement);
        let is_more = format::pragma(&self.connection, "freelist_count")? > 0;
        if self.checkpoint("PASSIVE")? && !is_more {
            self.truncate()?;
        }
        Ok(is_more)
    }

    fn reader(&self) -> Result<Box<dyn Reader>, StorageError> {
        Ok(Box::new(SqliteReader::over(format::open_read_only(&self.folder)?)))
    }
}

impl SqliteStorage {
    /// What is kept, for whoever looks at the whole.
    pub(crate) const fn tables(&self) -> &Connection {
        &self.connection
    }

    fn written_ahead(&self) -> Result<u64, StorageError> {
        match fs::metadata(self.folder.wal()) {
            Ok(file) => Ok(file.len()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(StorageError { kind: StorageErrorKind::Io, text: error.to_string() }),
        }
    }
}

#[cfg(test)]
impl SqliteStorage {
    pub(super) fn pragma(&self, name: &str) -> rusqlite::Result<u32> {
        format::pragma(&self.connection, name)
    }

    /// As a disk of this many pages.
    pub(super) fn limit_pages(&self, pages: u32) -> rusqlite::Result<()> {
        self.connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
    }
}

impl Drop for SqliteStorage {
    fn drop(&mut self) {
        // What is left there is no less durable: the next start reads it from there.
        self.truncate().ok();
    }
}

impl Meta {
    fn read(tables: &Connection) -> Result<Option<Self>, StorageError> {
        let read = tables.query_row("SELECT * FROM meta WHERE row = 0", [], |row| {
            let mut columns = Columns::of(row);
            columns.value().and_then(|_| columns.value());
            let meta = columns.number().zip(columns.number()).map(|(start, latest_ms)| Self { start, latest_ms });
            Ok(meta.filter(|_| is_sound(row)))
        });
        match read.optional()? {
            None => Ok(None),
            Some(Some(meta)) => Ok(Some(meta)),
            Some(None) => {
                let text = "the number of the last start is not what was written: see `roundtrip data check`";
                Err(StorageError { kind: StorageErrorKind::Damaged, text: text.to_owned() })
            }
        }
    }

    fn put(self, tables: &Connection) -> rusqlite::Result<()> {
        let mut statement = tables.prepare_cached("REPLACE INTO meta VALUES (?, ?, ?, ?, ?)")?;
        put(&mut statement, 0, &[number(format::VERSION), number(self.start), number(self.latest_ms)])
    }
}
