//! The ledger as those share it who write into it and who wait for what it says.

use std::io;
use std::process::ExitStatus;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::entry::Line;
use super::ledger::Ledger;
use super::load::Load;
use super::party::Side;

/// After so long without a line there is no use in waiting for one.
const PATIENCE: Duration = Duration::from_secs(45);

#[derive(Debug)]
pub(super) struct Book {
    contents: Mutex<Contents>,
    changes: watch::Sender<()>,
}

/// The ledger, and which parties write no more.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) ledger: Ledger,
    pub(super) requesters_ended: usize,
    pub(super) services_ended: usize,
    /// A party ended otherwise than it should.
    broken: Option<String>,
}

impl Book {
    pub(super) fn new() -> Self {
        Self { contents: Mutex::default(), changes: watch::Sender::new(()) }
    }

    pub(super) fn contents(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters what a party tells.
    pub(super) fn enter(&self, load: Load, line: Line) {
        self.contents().ledger.enter(load, line);
        self.changes.send_replace(());
    }

    /// A party has told all.
    pub(super) fn close(&self, side: Side, ended: io::Result<ExitStatus>) {
        let mut contents = self.contents();
        match side {
            Side::Requester => contents.requesters_ended += 1,
            Side::Service => contents.services_ended += 1,
        }
        match ended {
            Ok(status) if status.success() => {}
            Ok(status) => contents.broken = Some(format!("a party ended with {status}; it said why above")),
            Err(error) => contents.broken = Some(format!("a party tells nonsense: {error}")),
        }
        drop(contents);
        self.changes.send_replace(());
    }

    /// Waits until this holds of the ledger.
    pub(super) async fn until(&self, holds: impl Fn(&Contents) -> bool) -> Result<(), String> {
        let mut changes = self.changes.subscribe();
        loop {
            {
                let contents = self.contents();
                if let Some(why) = &contents.broken {
                    return Err(why.clone());
                }
                if holds(&contents) {
                    return Ok(());
                }
            }
            // An error is the end of the book, which is borrowed here.
            if tokio::time::timeout(PATIENCE, changes.changed()).await.is_err() {
                let standing = self.contents().ledger.standing();
                return Err(format!("nothing happened for {} s: {standing}", PATIENCE.as_secs()));
            }
        }
    }
}
