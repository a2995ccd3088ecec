//! Flipped bytes, and files that end too early: what is read is right, or is said to be damaged.

use std::collections::BTreeMap;
use std::fs;

use roundtrip_protocol::DeadReason;
use rusqlite::Connection;

use super::author::Author;
use super::contents::{self, Contents, Found, row};
use super::disk::TestFolder;
use super::words;
use crate::storage::sqlite::SqliteStorage;
use crate::storage::{
    Ask, ChannelRow, Facts, Missing, NewOutcome, Row, Storage, StorageError, StorageErrorKind, Stored, StoredTried,
    Write,
};

const CHANNEL: ChannelRow = ChannelRow(1);

/// A folder in which much of everything has been written, by so many commits, and what it held after each.
fn written(commits: u8) -> (TestFolder, SqliteStorage, Vec<Contents>) {
    let folder = TestFolder::new();
    let mut author = Author::default();
    let mut storage = folder.open();
    storage.begin(1, 1).unwrap();
    let mut after = vec![Contents::of(&mut *storage.reader().unwrap())];
    for commit in 0..commits {
        let dice = (0..24_u8).map(|throw| [commit ^ throw, throw, commit.wrapping_mul(37) ^ throw, commit]);
        let writes: Vec<_> = dice.flat_map(|dice| author.write(dice)).collect();
        storage.commit(author.now_ms(), &writes).unwrap();
        after.push(Contents::of(&mut *storage.reader().unwrap()));
    }
    (folder, storage, after)
}

/// The folder's files in a folder of their own, changed. Some of what SQLite wrote may lie in the file written ahead.
fn copied(from: &TestFolder, change: impl FnOnce(&mut Vec<u8>, &mut Vec<u8>)) -> TestFolder {
    let to = TestFolder::new();
    fs::create_dir(to.path()).unwrap();
    fs::copy(from.path().join("lock"), to.path().join("lock")).unwrap();
    let mut database = fs::read(from.database()).unwrap();
    let mut wal = fs::read(from.wal()).unwrap_or_default();
    change(&mut database, &mut wal);
    fs::write(to.database(), database).unwrap();
    fs::write(to.wal(), wal).unwrap();
    to
}

/// Reads what there was before the damage. Every value that is given is the right one.
fn read_after_damage(folder: &TestFolder, before: &Contents) -> Result<(), StorageError> {
    let Ok(storage) = SqliteStorage::open(folder.path()) else { return Ok(()) };
    let right = before.kept.iter().filter_map(|stored| Some((row(stored), facts(stored)?)));
    let right: BTreeMap<Row, Facts> = right.collect();
    let mut reader = storage.reader()?;
    for (channel, name) in reader.channels()? {
        assert!(before.channels.contains(&(channel, name)));
        reader.load(channel, &mut |stored| match &stored {
            Stored::Damaged { .. } => {}
            _ => assert_eq!(right.get(&row(&stored)), facts(&stored).as_ref()),
        })?;
    }
    for (ask, right) in &before.bodies {
        if let Ok(found) = reader.read(&[*ask])?.remove(0) {
            assert_eq!(Ok(contents::shown(found)), *right, "{ask:?}");
        }
    }
    Ok(())
}

/// To write there is no adventure either.
fn write_after_damage(folder: &TestFolder) -> Result<(), StorageError> {
    let Ok(mut storage) = SqliteStorage::open(folder.path()) else { return Ok(()) };
    storage.begin(2, 2)?;
    storage.commit(2, &[words::accept(words::facts(Row::new(CHANNEL, 9_999)))])?;
    storage.tidy().map(drop)
}

fn facts(stored: &Stored) -> Option<Facts> {
    match stored {
        Stored::Request(request) => Some(request.facts.clone()),
        Stored::Letter(letter) => Some(letter.facts.clone()),
        Stored::Damaged { .. } => None,
    }
}

#[test]
fn a_flipped_byte_anywhere_in_the_database_never_gives_a_wrong_value() {
    let (folder, storage, mut after) = written(6);
    drop(storage);
    let before = after.pop().unwrap();
    let length = fs::metadata(folder.database()).unwrap().len() as usize;
    // In the file's header and then, in each page, of its own header and of some place within.
    let within = (0..length).step_by(4096).flat_map(|page| [page + 1, page + 4, page + 9 + page / 11 % 4000]);
    let anywhere = (0..length).step_by(1499);
    let mut found = 0;
    for (count, at) in (0..100).step_by(3).chain(within).chain(anywhere).enumerate() {
        let damaged = copied(&folder, |database, _| database[at] ^= [1, 0x80, 0xff][count % 3]);
        found += usize::from(read_after_damage(&damaged, &before).is_err());
        if count % 16 == 0 {
            write_after_damage(&damaged).ok();
        }
    }
    assert!(found > 0, "no damage of {length} bytes was noticed by SQLite");
}

#[test]
fn a_database_that_ends_too_early_never_gives_a_wrong_value() {
    let (folder, storage, mut after) = written(12);
    drop(storage);
    let before = after.pop().unwrap();
    let length = fs::metadata(folder.database()).unwrap().len() as usize;
    for end in (1..length).step_by(4096).chain((0..length).step_by(4096)) {
        let damaged = copied(&folder, |database, _| database.truncate(end));
        read_after_damage(&damaged, &before).ok();
    }
}

#[test]
fn what_was_written_ahead_and_is_torn_gives_what_an_earlier_commit_left() {
    let (folder, storage, after) = written(6);
    let length = fs::metadata(folder.wal()).unwrap().len() as usize;
    let mut seen = std::collections::BTreeSet::new();
    for cut in (0..length).step_by(4096).chain([length]).flat_map(|cut| [cut, cut + 1_234]) {
        let cut = cut.min(length);
        for is_flipped in [false, true] {
            let torn = copied(&folder, |_, wal| match wal.get_mut(cut) {
                Some(byte) if is_flipped => *byte ^= 0x10,
                _ => wal.truncate(cut),
            });
            let Ok(opened) = SqliteStorage::open(torn.path()) else { continue };
            let contents = Contents::of(&mut *opened.reader().unwrap());
            let commit = after.iter().position(|earlier| *earlier == contents);
            seen.insert(commit.expect("what no commit left"));
        }
    }
    assert_eq!(seen.len(), after.len(), "each commit is seen once the file is long enough: {seen:?}");
    drop(storage);
}

/// A storage with one request, changed by SQL as damage would change it.
fn changed(writes: &[Write], sql: &str) -> (TestFolder, SqliteStorage) {
    let folder = TestFolder::new();
    let mut storage = folder.open();
    storage.commit(1, writes).unwrap();
    drop(storage);
    let changed = Connection::open(folder.database()).unwrap().execute(sql, []).unwrap();
    assert!(changed > 0, "{sql} changes nothing");
    let storage = folder.open();
    (folder, storage)
}

fn loaded(storage: &dyn Storage) -> Vec<Stored> {
    let mut kept = Vec::new();
    storage.reader().unwrap().load(CHANNEL, &mut |stored| kept.push(stored)).unwrap();
    kept
}

fn found(storage: &dyn Storage, ask: Ask) -> Result<Found, Missing> {
    storage.reader().unwrap().read(&[ask]).unwrap().remove(0).map(contents::shown)
}

const ROW: Row = Row::new(CHANNEL, 11);

#[test]
fn a_damaged_body_is_said_to_be_damaged() {
    let accepted = [words::accept(words::facts(ROW))];
    let damages = [
        "UPDATE body SET payload = substr(payload, 1, length(payload) - 1)",
        "UPDATE body SET head = CAST(x'02' || substr(head, 2) AS BLOB)",
        "UPDATE body SET crc = crc + 1",
    ];
    for sql in damages {
        let (_folder, storage) = changed(&accepted, sql);
        assert!(matches!(loaded(&storage)[..], [Stored::Request(_)]));
        assert_eq!(found(&storage, Ask::Message(ROW)), Err(Missing::Damaged), "{sql}");
        assert_eq!(found(&storage, Ask::Operation(ROW)).unwrap().0, words::operation(11).as_bytes());
    }
}

#[test]
fn a_body_under_another_row_or_of_another_kind_is_damaged() {
    let (_folder, storage) = changed(&[words::accept(words::facts(ROW))], "UPDATE body SET row = row + 1");
    assert_eq!(found(&storage, Ask::Message(ROW)), Err(Missing::Gone));
    assert_eq!(found(&storage, Ask::Message(Row(ROW.0 + 1))), Err(Missing::Damaged));
    let folder = TestFolder::new();
    let mut storage = folder.open();
    storage.commit(1, &[words::accept(words::facts(ROW))]).unwrap();
    assert_eq!(found(&storage, Ask::Part(ROW)), Err(Missing::Damaged));
}

#[test]
fn damaged_rows_are_told_of_with_the_facts_that_can_be_read() {
    let part = |number| {
        let row = Row::new(CHANNEL, 20 + u64::from(number));
        Write::AddPart { request: ROW, delivery: 1, number, row, part: words::part(1) }
    };
    let tried = StoredTried { order: 1, until_ms: None, deliveries: 1, attempts: 1, releases: 0, last: None };
    let open =
        [words::accept(words::facts(ROW)), Write::Move { row: ROW, tried: Box::new(tried) }, part(1), part(2), part(3)];
    let dead = NewOutcome::Dead { reason: DeadReason::Rejected, last: Some(words::problem(1)) };
    let ended = [words::accept(words::facts(ROW)), words::end(ROW, 7, dead)];
    let damages: [(&[Write], &str, bool); 9] = [
        (&open, "UPDATE request SET bytes = bytes + 1", true),
        (&open, "UPDATE request SET operation = 'another'", true),
        (&open, "UPDATE request SET id = x'00'", false),
        (&open, "UPDATE request SET requester = 'no name!'", false),
        (&open, "UPDATE tried SET attempts = 0", true),
        (&open, "UPDATE part SET row = row + 1 WHERE number = 1", true),
        (&open, "DELETE FROM part WHERE number = 2", true),
        (&ended, "UPDATE outcome SET is_acknowledged = 1", true),
        (&ended, "UPDATE letter SET last_message = 'nothing'", true),
    ];
    for (writes, sql, has_facts) in damages {
        let (_folder, storage) = changed(writes, sql);
        match &loaded(&storage)[..] {
            [Stored::Damaged { row, facts }] => assert_eq!((*row, facts.is_some()), (ROW, has_facts), "{sql}"),
            other => panic!("{sql}: {other:?}"),
        }
    }
}

#[test]
fn what_dies_of_its_damage_dies_once() {
    let accepted = [words::accept(words::facts(ROW))];
    let (_folder, mut storage) = changed(&accepted, "UPDATE request SET priority = 3");
    assert_eq!(found(&storage, Ask::Operation(ROW)), Err(Missing::Damaged));
    let dead = NewOutcome::Dead { reason: DeadReason::Damaged, last: None };
    storage.commit(2, &[words::end(ROW, 2, dead)]).unwrap();
    match &loaded(&storage)[..] {
        [Stored::Request(request), Stored::Letter(letter)] => {
            assert_eq!((request.facts.priority, letter.reason), (3, DeadReason::Damaged));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(found(&storage, Ask::Message(ROW)).unwrap().1, words::message_text(11));
}

#[test]
fn what_is_damaged_stays_damaged_under_its_new_row() {
    let letter = words::a_dead_letter(CHANNEL, 11);
    let (_folder, mut storage) = changed(&letter, "UPDATE body SET head = x'01'");
    storage.commit(2, &words::a_redrive(CHANNEL, 11, 12)).unwrap();
    assert_eq!(found(&storage, Ask::Message(Row::new(CHANNEL, 12))), Err(Missing::Damaged));
}

#[test]
fn a_start_number_that_is_damaged_is_not_counted_on_from() {
    let folder = TestFolder::new();
    folder.open().begin(77, 1).unwrap();
    Connection::open(folder.database()).unwrap().execute("UPDATE meta SET start = 5", []).unwrap();
    let error = folder.open().begin(6, 1).unwrap_err();
    assert_eq!(error.kind, StorageErrorKind::Damaged, "{error}");
    Connection::open(folder.database()).unwrap().execute("DELETE FROM meta", []).unwrap();
    assert_eq!(folder.open().begin(80, 1).unwrap().number, 80);
}
