//! Finds a slot by a hash.
//!
//! A table that grows is laid out anew, and a step waits for that. So a large index is many small tables, which grow one
//! after the other, and no step waits for long.

use hashbrown::HashTable;

use super::slots::Slot;

/// How many tables a large index has.
const TABLES: usize = 256;
/// An index with more is large.
const LARGE: usize = 8_192;
/// A table with room for no more than so many is left as it is.
const SMALL: usize = 64;

#[derive(Debug)]
pub(super) struct Index {
    tables: Vec<HashTable<Slot>>,
    len: usize,
}

impl Default for Index {
    fn default() -> Self {
        Self { tables: vec![HashTable::new()], len: 0 }
    }
}

impl Index {
    /// Makes room for so many more, so that no table has to be laid out anew for them.
    pub(super) fn reserve(&mut self, more: usize, hash_of: impl Fn(Slot) -> u64) {
        if self.len + more > LARGE && self.tables.len() < TABLES {
            self.lay_out(TABLES, &hash_of);
        }
        let more = more / self.tables.len();
        for table in &mut self.tables {
            // Hashes do not spread quite evenly.
            table.reserve(more + more / 16, |slot| hash_of(*slot));
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) fn find(&self, hash: u64, is_it: impl Fn(Slot) -> bool) -> Option<Slot> {
        self.tables[self.table(hash)].find(hash, |slot| is_it(*slot)).copied()
    }

    /// Puts a slot in that is not there. Every slot has a hash of its own, which is asked for when tables are laid out.
    pub(super) fn insert(&mut self, hash: u64, slot: Slot, hash_of: impl Fn(Slot) -> u64) {
        if self.len >= LARGE && self.tables.len() < TABLES {
            self.lay_out(TABLES, &hash_of);
        }
        let table = self.table(hash);
        self.tables[table].insert_unique(hash, slot, |slot| hash_of(*slot));
        self.len += 1;
    }

    /// Takes a slot out that is there.
    pub(super) fn remove(&mut self, hash: u64, slot: Slot, hash_of: impl Fn(Slot) -> u64) {
        let at = self.table(hash);
        let table = &mut self.tables[at];
        let Ok(entry) = table.find_entry(hash, |there| *there == slot) else { return };
        entry.remove();
        self.len -= 1;
        if table.capacity() > SMALL && table.len() < table.capacity() / 8 {
            table.shrink_to(2 * table.len(), |slot| hash_of(*slot));
        }
        if self.len < LARGE / 8 && self.tables.len() > 1 {
            self.lay_out(1, &hash_of);
        }
    }

    /// The bits in the middle: a table itself uses the upper and the lower ones.
    const fn table(&self, hash: u64) -> usize {
        (hash >> 32) as usize % self.tables.len()
    }

    fn lay_out(&mut self, tables: usize, hash_of: &impl Fn(Slot) -> u64) {
        let before = std::mem::take(&mut self.tables);
        self.tables.resize_with(tables, HashTable::new);
        for slot in before.into_iter().flatten() {
            let hash = hash_of(slot);
            let table = self.table(hash);
            self.tables[table].insert_unique(hash, slot, |slot| hash_of(*slot));
        }
    }
}

#[cfg(test)]
mod tests;
