//! What is wrong with a file: where, what was expected, what came.

use std::fmt::Display;

use super::kind::Wrong;

/// One mistake in a file.
#[derive(Debug, PartialEq)]
pub(super) struct Mistake {
    /// Counted from 1.
    pub(super) line: usize,
    /// What that line is about: a table and a key, or one of them; empty where there is no saying.
    pub(super) about: String,
    pub(super) sentence: String,
}

impl Mistake {
    pub(super) fn new(line: usize, about: impl Into<String>, sentence: impl Into<String>) -> Self {
        Self { line, about: about.into(), sentence: sentence.into() }
    }

    /// A key's value is not of the key's kind.
    pub(super) fn value(line: usize, table: &str, key: &str, wrong: &Wrong) -> Self {
        let Wrong { within, expected, found } = wrong;
        let within = within.as_deref().map_or_else(String::new, |within| format!(".{within}"));
        Self::new(line, about(table, &format!("{key}{within}")), format!("expected {expected}, found {found}"))
    }

    pub(super) fn in_file(&self, file: &dyn Display) -> String {
        let Self { line, about, sentence } = self;
        let about = if about.is_empty() { String::new() } else { format!("{about}: ") };
        format!("{file}:{line}: {about}{sentence}")
    }
}

/// A key of a table; the top of the file has no name.
pub(super) fn about(table: &str, key: &str) -> String {
    if table.is_empty() { key.to_owned() } else { format!("{table} {key}") }
}
