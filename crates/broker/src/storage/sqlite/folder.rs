//! The data folder: it is one broker's for as long as that runs, and nobody else's to read.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::error::OpenError;

/// The database's file in the folder.
pub(crate) const DATABASE: &str = "roundtrip.sqlite3";

/// The file that is locked. It is never removed: whoever locks it must lock the same file.
const LOCK: &str = "lock";

/// What stands in the lock file once there is a database. A database that is lost is not taken for one not made yet.
const MADE: &[u8] = b"The database beside this file is Roundtrip's. This file is locked while it is open.\n";

/// A data folder that this process has for itself, until it is dropped.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    lock: File,
    is_made: bool,
}

impl Folder {
    /// Takes a folder, which is made if it is missing.
    pub(crate) fn take(path: &Path) -> Result<Self, OpenError> {
        make(path)
            .and_then(|()| open_lock(path, true))
            .map_err(|error| OpenError::folder(path, &error))
            .and_then(|lock| Self::with_lock(path, lock))
    }

    /// Takes a folder in which a broker has run.
    pub(crate) fn take_existing(path: &Path) -> Result<Self, OpenError> {
        let has_database = fs::metadata(path.join(DATABASE)).is_ok_and(|file| file.len() > 0);
        // A folder may have been copied without its lock file.
        match open_lock(path, has_database) {
            Ok(lock) => {
                let folder = Self::with_lock(path, lock)?;
                let has_data = has_database || folder.is_made;
                if has_data { Ok(folder) } else { Err(OpenError::NoData { folder: path.to_owned() }) }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(OpenError::NoData { folder: path.to_owned() }),
            Err(error) => Err(OpenError::folder(path, &error)),
        }
    }

    fn with_lock(path: &Path, mut lock: File) -> Result<Self, OpenError> {
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse { folder: path.to_owned() }),
            Err(TryLockError::Error(error)) => return Err(OpenError::folder(path, &error)),
        }
        let mut made = Vec::new();
        // An absolute path: SQLite takes one that begins with `file:` for a URI.
        let canonical = lock.read_to_end(&mut made).and_then(|_| path.canonicalize());
        let path = canonical.map_err(|error| OpenError::folder(path, &error))?;
        Ok(Self { path, lock, is_made: !made.is_empty() })
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.path.join(DATABASE)
    }

    /// What SQLite writes first, until it comes into the database's own file.
    pub(crate) fn wal(&self) -> PathBuf {
        self.path.join(format!("{DATABASE}-wal"))
    }

    /// Provides the database's file; an empty one means that there is no database yet. The files that SQLite makes
    /// beside it have its permissions.
    pub(super) fn provide_database(&self) -> Result<(), OpenError> {
        let path = self.database();
        if self.is_made {
            return match fs::metadata(&path) {
                Ok(file) if file.len() > 0 => Ok(()),
                Ok(_) => Err(OpenError::Lost { file: path }),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Err(OpenError::Lost { file: path }),
                Err(error) => Err(OpenError::folder(&self.path, &error)),
            };
        }
        let opened = private(OpenOptions::new().read(true).write(true).create(true)).open(path);
        opened.map(drop).map_err(|error| OpenError::folder(&self.path, &error))
    }

    /// Remembers that the database was made, once its files are there for good.
    pub(super) fn database_is_made(&mut self) -> Result<(), OpenError> {
        if !self.is_made {
            self.mark().map_err(|error| OpenError::folder(&self.path, &error))?;
            self.is_made = true;
        }
        Ok(())
    }

    fn mark(&mut self) -> io::Result<()> {
        sync_folder(&self.path)?;
        self.lock.rewind()?;
        self.lock.write_all(MADE)?;
        self.lock.sync_all()
    }
}

fn make(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(path)?;
    match path.canonicalize()?.parent() {
        Some(parent) => sync_folder(parent),
        None => Ok(()),
    }
}

fn open_lock(folder: &Path, may_make: bool) -> io::Result<File> {
    private(OpenOptions::new().read(true).write(true).create(may_make)).open(folder.join(LOCK))
}

/// A file that is made is the user's alone.
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

/// Makes the names in a folder durable. Only there is a folder something that can be synced.
fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
}
