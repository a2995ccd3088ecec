//! All that is kept of a channel: its range of every table, read side by side.

use rusqlite::fallible_streaming_iterator::FallibleStreamingIterator;
use rusqlite::{CachedStatement, Connection, Rows, ffi};

use super::checksum::is_sound;
use super::records::{self, Death, Names};
use super::values::Columns;
use crate::storage::{
    ChannelRow, Facts, Row, Stored, StoredEnd, StoredLetter, StoredParts, StoredRequest, StoredTried,
};

/// Tells of each request in the order of their rows, then of each dead letter, oldest first. What is damaged is told of
/// once, among the requests.
pub(super) fn load(
    tables: &Connection,
    channel: ChannelRow,
    each: &mut dyn FnMut(Stored),
) -> Result<(), rusqlite::Error> {
    // Of one moment, and a lock taken once.
    let transaction = tables.unchecked_transaction()?;
    let mut statements = Statements::of(tables)?;
    let mut scan = statements.scan(channel)?;
    let mut letters: Vec<Box<StoredLetter>> = Vec::new();
    while let Some(kept) = scan.next()? {
        match kept {
            Ok(Kept { request, letter }) => {
                request.into_iter().for_each(|request| each(Stored::Request(request)));
                letters.extend(letter);
            }
            Err((row, facts)) => each(Stored::Damaged { row, facts }),
        }
    }
    drop(scan);
    drop(statements);
    transaction.finish()?;
    letters.sort_by_key(|letter| (letter.died_ms, letter.facts.row));
    letters.into_iter().for_each(|letter| each(Stored::Letter(letter)));
    Ok(())
}

/// The first and the last row of a channel.
pub(super) fn range(channel: ChannelRow) -> [i64; 2] {
    [Row::new(channel, 0), Row::new(channel, u64::MAX)].map(|row| row.0.cast_signed())
}

/// What a row amounts to.
struct Kept {
    request: Option<Box<StoredRequest>>,
    letter: Option<Box<StoredLetter>>,
}

/// The row of something damaged, and its facts as far as they can be read.
type Damage = (Row, Option<Box<Facts>>);

struct Statements<'c> {
    requests: CachedStatement<'c>,
    tried: CachedStatement<'c>,
    outcomes: CachedStatement<'c>,
    letters: CachedStatement<'c>,
    parts: CachedStatement<'c>,
}

impl<'c> Statements<'c> {
    fn of(tables: &'c Connection) -> rusqlite::Result<Self> {
        let range = "WHERE row BETWEEN ? AND ? ORDER BY row";
        let of = |table: &str| tables.prepare_cached(&format!("SELECT * FROM {table} {range}"));
        Ok(Self {
            requests: of("request")?,
            tried: of("tried")?,
            outcomes: of("outcome")?,
            letters: of("letter")?,
            parts: tables.prepare_cached(
                "SELECT * FROM part WHERE request BETWEEN ? AND ? ORDER BY request, delivery, number",
            )?,
        })
    }

    fn scan(&mut self, channel: ChannelRow) -> rusqlite::Result<Scan<'_>> {
        let range = range(channel);
        Ok(Scan {
            requests: Cursor::over(self.requests.query(range)?)?,
            tried: Cursor::over(self.tried.query(range)?)?,
            outcomes: Cursor::over(self.outcomes.query(range)?)?,
            letters: Cursor::over(self.letters.query(range)?)?,
            parts: Cursor::over(self.parts.query(range)?)?,
            names: Names::default(),
        })
    }
}

/// A channel's requests, one after the other, and with each what lies under its row elsewhere.
struct Scan<'s> {
    requests: Cursor<'s>,
    tried: Cursor<'s>,
    outcomes: Cursor<'s>,
    letters: Cursor<'s>,
    parts: Cursor<'s>,
    names: Names,
}

impl Scan<'_> {
    fn next(&mut self) -> rusqlite::Result<Option<Result<Kept, Damage>>> {
        let (Some(row), Some(request)) = (self.requests.key, self.requests.rows.get()) else { return Ok(None) };
        let facts = records::request(&mut Columns::of(request), &mut self.names).map(|(facts, _)| facts);
        let is_sound = is_sound(request);
        self.requests.advance()?;
        let tried = self.tried.find(row, records::tried)?;
        let ended = self.outcomes.find(row, records::outcome)?;
        let death = self.letters.find(row, records::letter)?;
        let parts = self.parts(row)?;
        Ok(Some(match (facts, tried, ended, death, parts) {
            (Some(facts), Ok(tried), Ok(ended), Ok(death), Ok(parts)) if is_sound => {
                Ok(Kept::of(facts, tried, ended, death, parts))
            }
            (facts, ..) => Err((Row(row), facts.map(Box::new))),
        }))
    }

    /// The parts of one delivery, without a gap, or they are damaged.
    fn parts(&mut self, request: u64) -> rusqlite::Result<Result<Option<StoredParts>, Unsound>> {
        let mut parts: Option<StoredParts> = None;
        let mut is_whole = true;
        loop {
            let part = match self.parts.find(request, records::part)? {
                Ok(Some(part)) => part,
                Ok(None) => return Ok(if is_whole { Ok(parts) } else { Err(Unsound) }),
                Err(Unsound) => {
                    is_whole = false;
                    continue;
                }
            };
            let StoredParts { delivery, first, kept } = parts.get_or_insert_with(|| StoredParts {
                delivery: part.delivery,
                first: part.number,
                kept: Vec::new(),
            });
            is_whole &= *delivery == part.delivery && u64::from(*first) + kept.len() as u64 == u64::from(part.number);
            kept.push((part.row, part.bytes));
        }
    }
}

impl Kept {
    fn of(
        facts: Facts,
        tried: Option<StoredTried>,
        ended: Option<StoredEnd>,
        death: Option<Death>,
        parts: Option<StoredParts>,
    ) -> Self {
        let letter = death.map(|Death { reason, attempts, deliveries, died_ms, last }| {
            let facts = facts.clone();
            Box::new(StoredLetter { facts, reason, attempts, deliveries, died_ms, last })
        });
        // A request that is neither open nor ended stands there for its dead letter.
        let is_request = ended.is_some() || letter.is_none();
        let request = is_request.then(|| Box::new(StoredRequest { facts, tried, parts, ended }));
        Self { request, letter }
    }
}

/// The row is not what was written.
struct Unsound;

/// The rows of a table in the order of their keys.
struct Cursor<'s> {
    rows: Rows<'s>,
    /// That of the row it stands on.
    key: Option<u64>,
}

impl<'s> Cursor<'s> {
    fn over(rows: Rows<'s>) -> rusqlite::Result<Self> {
        let mut cursor = Self { rows, key: None };
        cursor.advance()?;
        Ok(cursor)
    }

    fn advance(&mut self) -> rusqlite::Result<()> {
        let last = self.key;
        self.key = match self.rows.next()? {
            Some(row) => Some(row.get_ref(0)?.as_i64()?.cast_unsigned()),
            None => None,
        };
        // A tree that is out of order would hide what lies in it.
        if self.key.is_some() && self.key < last {
            return Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CORRUPT), None));
        }
        Ok(())
    }

    /// Takes the next row with this key, if there is one. Keys are asked for in their order.
    fn find<T>(
        &mut self,
        key: u64,
        read: impl FnOnce(&mut Columns<'_>) -> Option<T>,
    ) -> rusqlite::Result<Result<Option<T>, Unsound>> {
        while self.key.is_some_and(|at| at < key) {
            self.advance()?;
        }
        let Some(row) = self.rows.get().filter(|_| self.key == Some(key)) else { return Ok(Ok(None)) };
        let found = is_sound(row).then(|| read(&mut Columns::of(row))).flatten().map(Some).ok_or(Unsound);
        self.advance()?;
        Ok(found)
    }
}
