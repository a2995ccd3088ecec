//! The data folder of a broker that is stopped: is it sound, how much is in it, and what.
//!
//! [`DataFolder::open`] takes the folder as a broker would, so that neither can disturb the other. Nothing here changes
//! what is kept.

mod export;
mod payload;
#[cfg(test)]
mod tests;
mod time;

use std::fmt;
use std::io;
use std::path::Path;

pub use roundtrip_protocol::RequestId;

use crate::ChannelName;
pub use crate::storage::sqlite::OpenError;
use crate::storage::sqlite::{SqliteStorage, check, stats};
use crate::storage::{Storage, StorageError};

/// A data folder that no broker has while this one is there.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use roundtrip_broker::data::DataFolder;
///
/// let folder = DataFolder::open("data")?;
/// assert!(folder.check()?.is_empty());
/// folder.export(&mut std::io::stdout())?;
/// # Ok(())
/// # }
/// ```
pub struct DataFolder {
    storage: SqliteStorage,
}

/// Why what is in a data folder was not told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The database cannot be read.
    #[error("cannot read the data folder: {why}; `roundtrip data check` says whether it is damaged")]
    Read {
        /// What is wrong, without anything of what is kept.
        why: String,
    },
    /// What was read cannot be written to where it was wanted.
    #[error("cannot write what is in the data folder: {0}")]
    Write(#[from] io::Error),
}

/// Something that is not as it was written. It says where that is, and nothing of what stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The channel, where it is known.
    pub channel: Option<ChannelName>,
    /// The request, where it is known.
    pub request: Option<RequestId>,
    /// The row in the database's tables; none for what is wrong with the file as a whole.
    pub row: Option<u64>,
    /// What is wrong.
    pub what: String,
}

/// What is in a data folder.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// The version of the format.
    pub format: u32,
    /// The number of the broker's last start; none before the first.
    pub last_start: Option<u64>,
    /// The time of the last commit or up to a second before it, in milliseconds since 1970; none before the first start.
    pub last_commit_ms: Option<u64>,
    /// The size of the database's file, in bytes.
    pub database_bytes: u64,
    /// The size of the file that is written ahead of it, in bytes.
    pub wal_bytes: u64,
    /// The size of a page of the database, in bytes.
    pub page_bytes: u32,
    /// How many pages the database has.
    pub pages: u32,
    /// How many of them hold nothing, and are used first.
    pub free_pages: u32,
    /// The channels, by number.
    pub channels: Vec<ChannelStats>,
}

/// What is kept of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelStats {
    /// Its name; none where that is lost.
    pub channel: Option<ChannelName>,
    /// Its number in the database.
    pub number: u32,
    /// Requests that wait for a service, were with one, or are between two deliveries.
    pub waiting: u64,
    /// Requests whose delay is not over.
    pub scheduled: u64,
    /// Requests with an outcome.
    pub ended: u64,
    /// Dead letters.
    pub dead: u64,
    /// Parts.
    pub parts: u64,
    /// What messages, answers and parts have together, in bytes.
    pub bytes: u64,
}

impl DataFolder {
    /// Takes the folder, in which a broker has run.
    ///
    /// # Errors
    ///
    /// A broker has it, there is no data, or the database is not one that can be opened.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Ok(Self { storage: SqliteStorage::open_existing(path.as_ref())? })
    }

    /// Looks at every page, every checksum and every reference. Nothing found: the folder is sound.
    ///
    /// # Errors
    ///
    /// The disk does not do what it is asked. Damage is no error but a finding.
    pub fn check(&self) -> Result<Vec<Finding>, DataError> {
        Ok(check::check(self.storage.tables())?)
    }

    /// Counts what there is.
    ///
    /// # Errors
    ///
    /// The database cannot be read.
    pub fn stats(&self) -> Result<Stats, DataError> {
        Ok(stats::stats(&self.storage)?)
    }

    /// Writes all that is kept as JSON, one object a line for each request and each dead letter, and says how many.
    ///
    /// What is written is as confidential as what was asked and answered.
    ///
    /// # Errors
    ///
    /// The database cannot be read, or `to` takes no more.
    pub fn export(&self, to: &mut dyn io::Write) -> Result<u64, DataError> {
        let (mut channels, mut contents) = (self.storage.reader()?, self.storage.reader()?);
        export::export(&mut *channels, &mut *contents, to)
    }
}

impl fmt::Debug for DataFolder {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("DataFolder").finish_non_exhaustive()
    }
}

/// Where, then what.
impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(channel) = &self.channel {
            write!(out, "{channel}: ")?;
        }
        if let Some(request) = self.request {
            write!(out, "request {request}: ")?;
        }
        if let Some(row) = self.row {
            write!(out, "row {row}: ")?;
        }
        out.write_str(&self.what)
    }
}

impl From<StorageError> for DataError {
    fn from(error: StorageError) -> Self {
        Self::Read { why: error.text }
    }
}
