//! The tables within one transaction.

use rusqlite::{CachedStatement, Connection};

/// Statements for the tables, each of which is looked up once in a transaction.
pub(super) struct Tables<'c> {
    connection: &'c Connection,
    statements: Vec<(&'static str, CachedStatement<'c>)>,
}

impl<'c> Tables<'c> {
    pub(super) const fn of(connection: &'c Connection) -> Self {
        Self { connection, statements: Vec::new() }
    }

    pub(super) fn statement(&mut self, sql: &'static str) -> rusqlite::Result<&mut CachedStatement<'c>> {
        // The same text at two places would be there twice, which does no harm.
        let at = match self.statements.iter().position(|(known, _)| std::ptr::eq(*known, sql)) {
            Some(at) => at,
            None => {
                self.statements.push((sql, self.connection.prepare_cached(sql)?));
                self.statements.len() - 1
            }
        };
        Ok(&mut self.statements[at].1)
    }
}
