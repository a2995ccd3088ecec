//! A folder for what a server keeps, on the disk that the program itself stands on, and gone when it is dropped.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{fs, process};

use anyhow::Context;

/// A folder that nobody else uses.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Makes one beside the program: the system's temporary folder may be in memory, where a sync costs nothing.
    pub(crate) fn new() -> anyhow::Result<Self> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let program = std::env::current_exe()?;
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let path = program.with_file_name(format!("bench-data-{}-{number}", process::id()));
        fs::create_dir(&path).with_context(|| format!("making {}", path.display()))?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("{} is left behind: {error}", self.0.display());
        }
    }
}
