//! The real broker on a real disk, killed again and again, and held to what it had said before.
//!
//! A `run` starts the broker in a process of its own, and `party` processes around it: for each `load` a `requester`
//! and a `service`, which use the public client and live through every kill. What they do they tell in `entry` lines,
//! through their `journal`, in this order: what is about to be asked is told before, and what the broker has said as
//! soon as it has said it. The `ledger` adds up those lines outside of the broker, and says what was lost, resurrected
//! or doubled; `states` are what the kills must have met.

mod book;
mod broker;
mod entry;
mod journal;
mod keyed;
mod late;
mod ledger;
mod life;
mod load;
mod party;
mod requester;
mod retried;
mod run;
mod service;
mod states;

use std::path::PathBuf;

pub use self::run::run;

/// What a run is to do.
#[derive(Debug, Clone)]
pub struct Order {
    /// How many times the broker is killed.
    pub kills: u32,
    /// What chance begins with.
    pub seed: u64,
    /// The folder that a folder for the run is made in.
    pub folder: PathBuf,
    /// Deletes the broker's data at one of the kills: a run that does not notice that proves nothing.
    pub forgets: bool,
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// How many times the broker was killed.
    pub kills: u32,
    /// How many requests it accepted.
    pub accepted: usize,
    /// Requests whose outcome, or what was told of it, is gone.
    pub lost: usize,
    /// Requests that came back after their outcome was told or acknowledged.
    pub resurrected: usize,
    /// Requests with two outcomes, and keys with two requests.
    pub doubled: usize,
    /// What should have happened and never did.
    pub missing: Vec<&'static str>,
}

impl Report {
    /// Whether nothing speaks against the broker, nor against the run.
    #[must_use]
    pub fn is_good(&self) -> bool {
        (self.lost, self.resurrected, self.doubled) == (0, 0, 0) && self.missing.is_empty()
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { kills, accepted, lost, resurrected, doubled, .. } = self;
        write!(out, "kills={kills} accepted={accepted} lost={lost} resurrected={resurrected} doubled={doubled}")
    }
}

/// Plays the part that this process was started for, if it was for one.
#[must_use]
pub fn part(arguments: &[String]) -> Option<std::process::ExitCode> {
    match arguments {
        [word, ..] if word == broker::COMMAND => Some(broker::be_one()),
        [word, rest @ ..] if word == party::COMMAND => Some(party::be_one(rest)),
        _ => None,
    }
}
