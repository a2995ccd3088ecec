//! The folder, its files, and a disk that is full.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rusqlite::Connection;

use super::contents::Contents;
use super::words;
use crate::storage::sqlite::{OpenError, SqliteStorage};
use crate::storage::{ChannelRow, Row, Storage, StorageErrorKind, Write};

/// A place for a data folder, which goes with it.
pub(crate) struct TestFolder(PathBuf);

impl TestFolder {
    pub(crate) fn new() -> Self {
        static LAST: AtomicU32 = AtomicU32::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("roundtrip-storage-{}-{number}", std::process::id()));
        fs::remove_dir_all(&path).ok();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.0.join("roundtrip.sqlite3")
    }

    pub(crate) fn wal(&self) -> PathBuf {
        self.0.join("roundtrip.sqlite3-wal")
    }

    pub(crate) fn open(&self) -> SqliteStorage {
        SqliteStorage::open(&self.0).unwrap()
    }

    fn refused(&self) -> OpenError {
        SqliteStorage::open(&self.0).map(drop).unwrap_err()
    }
}

impl Drop for TestFolder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

const CHANNEL: ChannelRow = ChannelRow(1);

fn accepts(numbers: std::ops::RangeInclusive<u64>) -> Vec<Write> {
    numbers.map(|number| words::accept(words::facts(Row::new(CHANNEL, number)))).collect()
}

fn channel() -> Write {
    Write::AddChannel { channel: CHANNEL, name: "summary_request".parse().unwrap() }
}

#[test]
fn sqlite_is_one_whose_wal_survives_its_reset() {
    assert!(rusqlite::version_number() >= 3_051_003, "{}", rusqlite::version());
}

#[cfg(unix)]
#[test]
fn nobody_else_can_read_the_folder_or_its_files() {
    use std::os::unix::fs::PermissionsExt;
    let folder = TestFolder::new();
    let mut storage = folder.open();
    storage.commit(1, &accepts(1..=1)).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(folder.path()), 0o700);
    let files: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(files.len() >= 3, "{files:?}");
    assert!(files.iter().all(|file| mode(file) == 0o600), "{files:?}");
}

#[test]
fn a_second_broker_is_kept_out_until_the_first_is_gone() {
    let folder = TestFolder::new();
    let first = folder.open();
    assert_eq!(folder.refused(), OpenError::InUse { folder: folder.path().to_owned() });
    assert!(folder.refused().to_string().contains("in use by another broker"));
    drop(first);
    folder.open();
}

#[test]
fn the_database_is_set_up_as_it_was_measured() {
    let folder = TestFolder::new();
    let storage = folder.open();
    let number = |name| storage.pragma(name).unwrap();
    assert_eq!(number("auto_vacuum"), 2);
    assert_eq!(number("synchronous"), 2);
    assert_eq!(number("wal_autocheckpoint"), 4000);
    assert_eq!(number("journal_size_limit"), 64 * 1024 * 1024);
    assert_eq!(number("mmap_size"), 0);
    let looking = Connection::open(folder.database()).unwrap();
    let mode: String = looking.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
}

#[test]
fn a_file_that_is_no_database_is_named() {
    let folder = TestFolder::new();
    fs::create_dir(folder.path()).unwrap();
    fs::write(folder.database(), "a letter to the hospital, and not a database at all".repeat(100)).unwrap();
    let error = folder.refused();
    assert!(matches!(error, OpenError::NotADatabase { .. }), "{error:?}");
    assert!(error.to_string().contains("roundtrip.sqlite3"), "{error}");
}

#[test]
fn a_database_of_another_program_is_left_alone() {
    let folder = TestFolder::new();
    fs::create_dir(folder.path()).unwrap();
    let other = Connection::open(folder.database()).unwrap();
    other.execute_batch("CREATE TABLE appointment (day TEXT)").unwrap();
    drop(other);
    let before = fs::read(folder.database()).unwrap();
    assert!(matches!(folder.refused(), OpenError::Foreign { .. }));
    assert_eq!(fs::read(folder.database()).unwrap(), before);
}

#[test]
fn another_format_version_is_refused_by_number() {
    let folder = TestFolder::new();
    drop(folder.open());
    Connection::open(folder.database()).unwrap().pragma_update(None, "user_version", 7).unwrap();
    let error = folder.refused();
    assert!(matches!(error, OpenError::Version { found: 7, expected: 1, .. }), "{error:?}");
    assert!(error.to_string().contains("has format version 7, and this program knows version 1"));
}

#[test]
fn a_database_that_is_lost_is_not_made_anew_in_silence() {
    let folder = TestFolder::new();
    drop(folder.open());
    fs::File::create(folder.database()).unwrap();
    assert!(matches!(folder.refused(), OpenError::Lost { .. }));
    fs::remove_file(folder.database()).unwrap();
    assert!(matches!(folder.refused(), OpenError::Lost { .. }));
}

#[test]
fn a_database_without_its_lock_file_is_taken_as_it_is() {
    let folder = TestFolder::new();
    let mut storage = folder.open();
    storage.commit(1, &[channel()]).unwrap();
    drop(storage);
    fs::remove_file(folder.path().join("lock")).unwrap();
    assert_eq!(folder.open().reader().unwrap().channels().unwrap().len(), 1);
}

#[test]
fn a_folder_that_cannot_be_is_named() {
    let folder = TestFolder::new();
    fs::write(folder.path(), "a file").unwrap();
    let error = folder.refused();
    assert!(matches!(error, OpenError::Folder { .. }), "{error:?}");
    fs::remove_file(folder.path()).unwrap();
    let error = SqliteStorage::open_existing(folder.path()).map(drop).unwrap_err();
    assert!(matches!(error, OpenError::NoData { .. }), "{error:?}");
    assert!(!folder.path().exists());
}

#[test]
fn a_full_disk_refuses_a_whole_commit_and_the_next_one_that_fits_is_kept() {
    let folder = TestFolder::new();
    let mut storage = folder.open();
    storage.begin(1, 1).unwrap();
    storage.commit(1, &[channel()]).unwrap();
    storage.commit(1, &accepts(1..=3)).unwrap();
    let before = Contents::of(&mut *storage.reader().unwrap());
    storage.limit_pages(24).unwrap();
    let error = storage.commit(5_000, &accepts(4..=500)).unwrap_err();
    assert_eq!(error.kind, StorageErrorKind::Full, "{error}");
    assert_eq!(Contents::of(&mut *storage.reader().unwrap()), before);
    storage.commit(5_000, &accepts(7..=7)).unwrap();
    storage.limit_pages(100_000).unwrap();
    storage.commit(5_000, &accepts(100..=500)).unwrap();
    drop(storage);
    let kept = Contents::of(&mut *folder.open().reader().unwrap()).kept;
    assert_eq!(kept.len(), 3 + 1 + 401);
}

#[test]
fn space_returns_after_a_backlog() {
    let folder = TestFolder::new();
    let mut storage = folder.open();
    storage.begin(1, 1).unwrap();
    let empty = storage.used().unwrap();
    storage.commit(2, &accepts(1..=2_000)).unwrap();
    let full = storage.used().unwrap();
    assert!(full > 4 * 1024 * 1024, "{full}");
    let forgotten: Vec<_> = (1..=2_000).map(|number| Write::Forget { row: Row::new(CHANNEL, number) }).collect();
    storage.commit(3, &forgotten).unwrap();
    let mut steps = 1;
    while storage.tidy().unwrap() {
        steps += 1;
    }
    assert!(steps > 2, "it is done in steps, and not in {steps}");
    assert!(storage.used().unwrap() <= empty + 64 * 1024);
    let files = [folder.database(), folder.wal()].map(|file| fs::metadata(file).unwrap().len());
    assert!(files.iter().sum::<u64>() < full / 10, "{files:?}");
}

#[test]
fn a_writer_that_goes_in_good_order_leaves_one_file_to_copy() {
    let folder = TestFolder::new();
    let mut storage = folder.open();
    let reader = storage.reader().unwrap();
    storage.commit(1, &accepts(1..=50)).unwrap();
    assert!(fs::metadata(folder.wal()).unwrap().len() > 0);
    drop(storage);
    assert_eq!(fs::metadata(folder.wal()).unwrap().len(), 0);
    drop(reader);
}

#[test]
fn a_reader_sees_what_was_committed_before_it_is_asked() {
    let folder = TestFolder::new();
    let mut storage = folder.open();
    let mut reader = storage.reader().unwrap();
    for number in 1..=20 {
        storage.commit(number, &accepts(number..=number)).unwrap();
        assert_eq!(words::message(&mut *reader, CHANNEL, number).unwrap(), words::message_text(number));
    }
}
