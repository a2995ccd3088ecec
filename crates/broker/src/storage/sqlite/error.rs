//! What is wrong with a data folder, and what SQLite's errors mean to the broker.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use crate::storage::{StorageError, StorageErrorKind};

/// Why a data folder cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The folder, or a file in it, cannot be made, read or written.
    #[error("cannot use the data folder {folder:?}: {why}; name a folder that this user can read and write")]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        why: String,
    },
    /// No broker has run there.
    #[error("there is no data in {folder:?}: expected a folder that a broker was started with as its data folder")]
    NoData {
        /// The folder.
        folder: PathBuf,
    },
    /// Another broker has it, or a command that looks into it.
    #[error("the data folder {folder:?} is in use by another broker: stop that first, or name another folder")]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
    /// There was a database, and it is empty or gone.
    #[error(
        "{file:?} is missing or empty, and the file \"lock\" beside it says that there was a database: bring it back \
         from a copy, or remove the folder to begin without what was kept"
    )]
    Lost {
        /// The database's file.
        file: PathBuf,
    },
    /// The file is no database, or no longer one.
    #[error(
        "{file:?} is no SQLite database, or is damaged at its beginning: bring it back from a copy, or move the folder \
         away to begin without what was kept"
    )]
    NotADatabase {
        /// The database's file.
        file: PathBuf,
    },
    /// The file is a database of another program.
    #[error("{file:?} is a database of another program: name a folder of the broker's own")]
    Foreign {
        /// The database's file.
        file: PathBuf,
    },
    /// The database was written by another version of Roundtrip.
    #[error(
        "{file:?} has format version {found}, and this program knows version {expected}: start the version of \
         Roundtrip that wrote it"
    )]
    Version {
        /// The database's file.
        file: PathBuf,
        /// Its version.
        found: u32,
        /// The version that is known.
        expected: u32,
    },
    /// The database cannot be read or written.
    #[error("cannot open {file:?}: {why}; see that its disk works, has room, and can be written")]
    Database {
        /// The database's file.
        file: PathBuf,
        /// What SQLite says.
        why: String,
    },
}

impl OpenError {
    pub(super) fn folder(folder: &Path, error: &io::Error) -> Self {
        Self::Folder { folder: folder.to_owned(), why: error.to_string() }
    }

    pub(super) fn database(file: PathBuf, error: rusqlite::Error) -> Self {
        let error = StorageError::from(error);
        match error.kind {
            StorageErrorKind::Damaged => Self::NotADatabase { file },
            StorageErrorKind::Full | StorageErrorKind::Io => Self::Database { file, why: error.text },
        }
    }
}

impl From<rusqlite::Error> for StorageError {
    fn from(error: rusqlite::Error) -> Self {
        // SQLite's own sentence for the code. What rusqlite adds may hold what was bound or read.
        match error {
            rusqlite::Error::SqliteFailure(error, _) | rusqlite::Error::SqlInputError { error, .. } => Self {
                kind: match error.code {
                    ErrorCode::DiskFull => StorageErrorKind::Full,
                    ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => StorageErrorKind::Damaged,
                    _ => StorageErrorKind::Io,
                },
                text: error.to_string(),
            },
            _ => Self { kind: StorageErrorKind::Damaged, text: "a row is not what was written".to_owned() },
        }
    }
}
