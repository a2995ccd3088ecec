//! The format of the database, and how a connection to it is set up. `docs/durability.md` describes it for people.

use rusqlite::{Connection, OpenFlags};

use super::error::OpenError;
use super::folder::Folder;

/// Rises with every change that an earlier program would not understand.
pub(crate) const VERSION: u32 = 1;

/// `Rtrp`: says in the file's header whose database it is.
const APPLICATION_ID: u32 = 0x5274_7270;

/// Everything under its row. What is rewritten often, and what is large, lies apart from what is scanned at the start.
const TABLES: &str = "
    CREATE TABLE meta (
        row INTEGER PRIMARY KEY, format INTEGER NOT NULL, start INTEGER NOT NULL, latest_ms INTEGER NOT NULL,
        crc INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE channel (number INTEGER PRIMARY KEY, name TEXT NOT NULL, crc INTEGER NOT NULL) STRICT;
    CREATE TABLE request (
        row INTEGER PRIMARY KEY, id BLOB NOT NULL, requester TEXT NOT NULL, is_unnamed INTEGER NOT NULL,
        reply_channel TEXT, key TEXT, key_is_named INTEGER, fingerprint BLOB, priority INTEGER NOT NULL,
        redrive_of BLOB, accepted_ms INTEGER NOT NULL, deadline_ms INTEGER NOT NULL, place INTEGER, until_ms INTEGER,
        bytes INTEGER NOT NULL, operation TEXT NOT NULL, crc INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE tried (
        row INTEGER PRIMARY KEY, place INTEGER NOT NULL, until_ms INTEGER, deliveries INTEGER NOT NULL,
        attempts INTEGER NOT NULL, releases INTEGER NOT NULL, last_code TEXT, last_message TEXT, crc INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE outcome (
        row INTEGER PRIMARY KEY, kind TEXT NOT NULL, attempts INTEGER NOT NULL, deliveries INTEGER NOT NULL,
        since_ms INTEGER NOT NULL, settled_start INTEGER, settled_delivery INTEGER, bytes INTEGER,
        reason TEXT, last_code TEXT, last_message TEXT, is_acknowledged INTEGER NOT NULL, crc INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE letter (
        row INTEGER PRIMARY KEY, reason TEXT NOT NULL, attempts INTEGER NOT NULL, deliveries INTEGER NOT NULL,
        died_ms INTEGER NOT NULL, last_code TEXT, last_message TEXT, crc INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE part (
        request INTEGER NOT NULL, delivery INTEGER NOT NULL, number INTEGER NOT NULL, row INTEGER NOT NULL,
        bytes INTEGER NOT NULL, crc INTEGER NOT NULL,
        PRIMARY KEY (request, delivery, number)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE body (
        row INTEGER PRIMARY KEY, head BLOB NOT NULL, payload BLOB NOT NULL, crc INTEGER NOT NULL
    ) STRICT;
";

/// How many statements a connection keeps prepared: more than there are.
const STATEMENTS: usize = 64;

/// How long to wait for another connection: a person's `sqlite3`, or the last step of our own.
pub(super) const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

/// Opens the folder's database for writing, and makes it where there is none yet.
pub(super) fn open(folder: &mut Folder) -> Result<Connection, OpenError> {
    folder.provide_database()?;
    let file = folder.database();
    let failed = |error| OpenError::database(file.clone(), error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&file, flags).map_err(failed)?;
    set_up(&connection).map_err(failed)?;
    let (id, version) = (pragma(&connection, "application_id"), pragma(&connection, "user_version"));
    let tables: u32 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(failed)?;
    match (id.map_err(failed)?, version.map_err(failed)?) {
        (0, 0) if tables == 0 => make(&connection).map_err(failed)?,
        (APPLICATION_ID, VERSION) => {}
        (APPLICATION_ID, found) => return Err(OpenError::Version { file, found, expected: VERSION }),
        _ => return Err(OpenError::Foreign { file }),
    }
    write_ahead(&connection).map_err(failed)?;
    folder.database_is_made()?;
    Ok(connection)
}

/// Another connection to an open database, which never writes.
pub(super) fn open_read_only(folder: &Folder) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(folder.database(), flags)?;
    set_up(&connection)?;
    connection.execute_batch("PRAGMA cache_size = -4096;")?;
    Ok(connection)
}

fn set_up(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.busy_timeout(PATIENCE)?;
    // Memory is bounded, and nothing is written beside the folder's own files.
    connection.execute_batch(
        "PRAGMA cache_size = -8192; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY; PRAGMA cell_size_check = ON;
         PRAGMA trusted_schema = OFF;",
    )
}

/// In one transaction: a database that is not whole is none.
fn make(connection: &Connection) -> rusqlite::Result<()> {
    // It cannot be chosen later.
    connection.execute_batch("PRAGMA auto_vacuum = INCREMENTAL;")?;
    write_ahead(connection)?;
    connection.execute_batch(&format!(
        "BEGIN IMMEDIATE; {TABLES} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; COMMIT;"
    ))
}

/// What makes a commit durable when it returns, and keeps the file that is written ahead small.
fn write_ahead(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON;
         PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 67108864;",
    )
}

pub(super) fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<u32> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}
