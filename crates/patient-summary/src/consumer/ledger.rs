//! The consumer's ledger: what it asked for, under which ticket, and what became of it. One line of JSON an entry, appended.
//!
//! A ticket stands here before it is submitted, so that no death of the consumer loses or doubles a request. A line that a
//! death cut short never counted, and is cut off when the ledger is opened again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// One thing that happened, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Milliseconds since the Unix epoch.
    pub at: u64,
    /// The request's ticket.
    pub ticket: String,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What can happen to a request, as its consumer sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum Event {
    /// A ticket was made for a patient; it will be submitted.
    Asked {
        /// The patient's id.
        patient: String,
    },
    /// The broker accepted the request.
    Accepted,
    /// The outcome came.
    Outcome {
        /// Which: `replied`, `failed`, `expired`, `cancelled` or `dead`.
        outcome: String,
        /// How many attempts it took.
        attempts: u32,
        /// A digest of the outcome: two that differ are two outcomes.
        digest: String,
    },
    /// The summary is in its file.
    Written {
        /// The file's name in the output folder.
        file: String,
    },
    /// The broker was told that it may forget the outcome.
    Acknowledged,
}

/// A ledger that is open for more entries.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    file: File,
    entries: Vec<Entry>,
}

impl Ledger {
    /// Opens a ledger, or begins one. The file belongs to one consumer at a time.
    ///
    /// # Errors
    ///
    /// [`LedgerError`] if the file cannot be read or written, or a line in it is no entry.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, LedgerError> {
        let path = path.as_ref().to_owned();
        let failed = |source| LedgerError::File { path: path.clone(), source };
        let file = OpenOptions::new().create(true).append(true).open(&path).map_err(failed)?;
        let bytes = std::fs::read(&path).map_err(failed)?;
        let (entries, whole) = parse(&path, &bytes)?;
        if whole < bytes.len() {
            file.set_len(whole as u64).map_err(failed)?;
        }
        Ok(Self { path, file, entries })
    }

    /// All entries, in the order in which they were written.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Where each patient's request stands: the last that was asked for the patient.
    #[must_use]
    pub fn standings(&self) -> BTreeMap<String, Standing> {
        standings(&self.entries)
    }

    /// Writes an entry. When this returns, the entry survives the end of this process and of the machine.
    ///
    /// It blocks for as long as the disk takes: some milliseconds, a few times a request.
    ///
    /// # Errors
    ///
    /// [`LedgerError`] if the file cannot be written.
    pub fn write(&mut self, ticket: &str, event: Event) -> Result<(), LedgerError> {
        let entry = Entry { at: now(), ticket: ticket.to_owned(), event };
        let failed = |source| LedgerError::File { path: self.path.clone(), source };
        let mut line = serde_json::to_vec(&entry).map_err(|error| failed(error.into()))?;
        line.push(b'\n');
        self.file.write_all(&line).map_err(failed)?;
        self.file.sync_data().map_err(failed)?;
        self.entries.push(entry);
        Ok(())
    }
}

/// Reads a ledger that somebody may still be writing.
///
/// # Errors
///
/// [`LedgerError`] if the file cannot be read, or a line in it is no entry.
pub fn read(path: impl AsRef<Path>) -> Result<Vec<Entry>, LedgerError> {
    let path = path.as_ref();
    let bytes = std::fs::read(path).map_err(|source| LedgerError::File { path: path.to_owned(), source })?;
    Ok(parse(path, &bytes)?.0)
}

/// Where a request stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The request's ticket.
    pub ticket: String,
    /// How far it got.
    pub stage: Stage,
}

/// How far a request got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Its ticket is made. Whether it was submitted, nobody knows.
    Asked,
    /// The broker has accepted it.
    Accepted,
    /// Its outcome was handled, and is not acknowledged yet.
    Handled,
    /// It is done with.
    Acknowledged,
}

fn standings(entries: &[Entry]) -> BTreeMap<String, Standing> {
    let mut patients: BTreeMap<String, Standing> = BTreeMap::new();
    let mut patient_of: BTreeMap<&str, &str> = BTreeMap::new();
    for Entry { ticket, event, .. } in entries {
        if let Event::Asked { patient } = event {
            patient_of.insert(ticket, patient);
            patients.insert(patient.clone(), Standing { ticket: ticket.clone(), stage: Stage::Asked });
            continue;
        }
        let standing = patient_of.get(ticket.as_str()).and_then(|patient| patients.get_mut(*patient));
        let Some(standing) = standing.filter(|standing| standing.ticket == *ticket) else { continue };
        let stage = match event {
            Event::Accepted => Stage::Accepted,
            Event::Written { .. } => Stage::Handled,
            // There is nothing to write of a request that ended without a summary.
            Event::Outcome { outcome, .. } if outcome != "replied" => Stage::Handled,
            Event::Acknowledged => Stage::Acknowledged,
            Event::Asked { .. } | Event::Outcome { .. } => standing.stage,
        };
        standing.stage = standing.stage.max(stage);
    }
    patients
}

/// What a ledger adds up to. Every figure is counted from its entries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Account {
    /// Requests that the broker accepted.
    pub accepted: usize,
    /// Requests whose outcome came.
    pub outcomes: usize,
    /// Accepted requests whose outcome did not come.
    pub lost: usize,
    /// Requests that were told a second, different outcome, and patients with outcomes of more than one request.
    pub doubled: usize,
    /// Attempts beyond each request's first.
    pub redelivered: u32,
}

impl Account {
    /// Adds up.
    #[must_use]
    pub fn of(entries: &[Entry]) -> Self {
        let mut accepted = BTreeSet::new();
        let mut outcomes: BTreeMap<&str, (BTreeSet<&str>, u32)> = BTreeMap::new();
        let mut tickets: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for Entry { ticket, event, .. } in entries {
            match event {
                Event::Asked { patient } => {
                    tickets.entry(patient).or_default().insert(ticket);
                }
                Event::Accepted => {
                    accepted.insert(ticket.as_str());
                }
                Event::Outcome { attempts, digest, .. } => {
                    let (digests, most) = outcomes.entry(ticket).or_default();
                    digests.insert(digest);
                    *most = (*most).max(*attempts);
                }
                Event::Written { .. } | Event::Acknowledged => {}
            }
        }
        let answered = |asked: &BTreeSet<&str>| asked.iter().filter(|ticket| outcomes.contains_key(*ticket)).count();
        let twice_told = outcomes.values().map(|(digests, _)| digests.len() - 1).sum::<usize>();
        let twice_asked = tickets.values().map(|asked| answered(asked).saturating_sub(1)).sum::<usize>();
        Self {
            accepted: accepted.len(),
            outcomes: outcomes.len(),
            lost: accepted.iter().filter(|ticket| !outcomes.contains_key(*ticket)).count(),
            doubled: twice_told + twice_asked,
            redelivered: outcomes.values().map(|(_, attempts)| attempts.saturating_sub(1)).sum(),
        }
    }
}

/// A digest that tells two outcomes apart. Not for secrets.
#[must_use]
pub fn digest(kind: &str, payload: &[u8]) -> String {
    let bytes = kind.bytes().chain([0]).chain(payload.iter().copied());
    let fnv =
        bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{fnv:016x}")
}

/// The entries, and how many bytes they have: what is behind the last line's end was cut short.
fn parse(path: &Path, bytes: &[u8]) -> Result<(Vec<Entry>, usize), LedgerError> {
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let mut entries = Vec::new();
    for (index, line) in bytes[..whole].split_inclusive(|byte| *byte == b'\n').enumerate() {
        let entry =
            serde_json::from_slice(line).map_err(|_| LedgerError::Line { path: path.to_owned(), number: index + 1 })?;
        entries.push(entry);
    }
    Ok((entries, whole))
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Why there is no ledger.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The file cannot be read or written.
    #[error("cannot keep the ledger in {}: {source}; name a file that may be written", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line is no entry.
    #[error("line {number} of {} is no entry of a ledger; name another file, or move this one away", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Which line, counted from 1.
        number: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(attempts: u32, digest: &str) -> Event {
        Event::Outcome { outcome: "replied".into(), attempts, digest: digest.into() }
    }

    fn asked(patient: &str) -> Event {
        Event::Asked { patient: patient.into() }
    }

    fn whole_life() -> Vec<(&'static str, Event)> {
        vec![
            ("c:1", asked("p-1")),
            ("c:2", asked("p-2")),
            ("c:1", Event::Accepted),
            ("c:2", Event::Accepted),
            ("c:2", outcome(2, "aa")),
            ("c:2", Event::Written { file: "p-2.json".into() }),
            ("c:2", Event::Acknowledged),
        ]
    }

    fn entries(life: Vec<(&str, Event)>) -> Vec<Entry> {
        life.into_iter().map(|(ticket, event)| Entry { at: 7, ticket: ticket.into(), event }).collect()
    }

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("roundtrip-ledger-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).ok();
        }
    }

    #[test]
    fn a_ledger_that_was_cut_at_any_byte_opens_with_the_lines_that_were_whole() {
        let folder = Folder::new("cut");
        let full = folder.0.join("full");
        let mut ledger = Ledger::open(&full).unwrap();
        for (ticket, event) in whole_life() {
            ledger.write(ticket, event).unwrap();
        }
        let bytes = std::fs::read(&full).unwrap();
        let cut = folder.0.join("cut");
        for length in 0..=bytes.len() {
            std::fs::write(&cut, &bytes[..length]).unwrap();
            let lines = bytes[..length].iter().filter(|byte| **byte == b'\n').count();
            let mut reopened = Ledger::open(&cut).unwrap();
            assert_eq!(reopened.entries(), &ledger.entries()[..lines]);
            reopened.write("c:3", asked("p-3")).unwrap();
            assert_eq!(read(&cut).unwrap().len(), lines + 1, "an entry behind a cut line stands on its own line");
        }
    }

    #[test]
    fn after_each_line_the_standings_say_what_is_still_to_do() {
        let life = entries(whole_life());
        let stage_of =
            |patient: &str, lines: usize| standings(&life[..lines]).get(patient).map(|standing| standing.stage);
        assert_eq!(
            (0..=7).map(|lines| stage_of("p-2", lines)).collect::<Vec<_>>(),
            [
                None,
                None,
                Some(Stage::Asked),
                Some(Stage::Asked),
                Some(Stage::Accepted),
                Some(Stage::Accepted),
                Some(Stage::Handled),
                Some(Stage::Acknowledged),
            ]
        );
        assert_eq!(stage_of("p-1", 7), Some(Stage::Accepted));
    }

    #[test]
    fn a_request_that_failed_needs_no_file_to_be_handled() {
        let failed = Event::Outcome { outcome: "failed".into(), attempts: 1, digest: "bb".into() };
        let life = entries(vec![("c:1", asked("p-1")), ("c:1", Event::Accepted), ("c:1", failed)]);
        assert_eq!(standings(&life)["p-1"].stage, Stage::Handled);
    }

    #[test]
    fn the_account_counts_each_request_once_however_often_its_outcome_is_told() {
        let mut life = whole_life();
        life.push(("c:2", outcome(2, "aa")));
        assert_eq!(
            Account::of(&entries(life)),
            Account { accepted: 2, outcomes: 1, lost: 1, doubled: 0, redelivered: 1 }
        );
    }

    #[test]
    fn the_account_shows_a_second_outcome_and_a_second_request() {
        let mut life = whole_life();
        life.push(("c:2", outcome(2, "bb")));
        assert_eq!(Account::of(&entries(life.clone())).doubled, 1);
        life.extend([("c:9", asked("p-2")), ("c:9", Event::Accepted), ("c:9", outcome(1, "cc"))]);
        assert_eq!(Account::of(&entries(life)).doubled, 2);
    }

    #[test]
    fn a_line_that_is_no_entry_is_named() {
        let folder = Folder::new("line");
        let path = folder.0.join("ledger");
        std::fs::write(&path, "{\"at\":1,\"ticket\":\"c:1\",\"event\":\"accepted\"}\nshopping list\n").unwrap();
        let error = Ledger::open(&path).unwrap_err();
        assert!(error.to_string().starts_with("line 2 of "), "{error}");
    }
}
