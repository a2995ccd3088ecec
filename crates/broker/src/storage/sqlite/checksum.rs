//! The checksum of a row: over its values, and over its key apart.
//!
//! SQLite notices damage of its own structures, not of the values in them.

use crc32fast::Hasher;
use rusqlite::Row;
use rusqlite::types::ValueRef;

/// The checksum of what stands under a key. A row that comes to lie under another key is found damaged as well. The key
/// stands apart so that a row can be moved without being read: see [`moved`].
pub(super) fn checksum<'a>(key: u64, values: impl IntoIterator<Item = ValueRef<'a>>) -> i64 {
    let mut hasher = Hasher::new();
    values.into_iter().for_each(|value| add(&mut hasher, value));
    i64::from(hasher.finalize() ^ of_key(key))
}

/// What to apply to a checksum with `^` when its row comes to lie under another key.
pub(super) fn moved(from: u64, to: u64) -> i64 {
    i64::from(of_key(from) ^ of_key(to))
}

/// Whether the row's last column is the checksum of those between it and the first, the key.
pub(super) fn is_sound(row: &Row<'_>) -> bool {
    let last = row.as_ref().column_count().saturating_sub(1);
    let value = |column| row.get_ref(column).unwrap_or(ValueRef::Null);
    let Ok(key) = value(0).as_i64() else { return false };
    value(last) == ValueRef::Integer(checksum(key.cast_unsigned(), (1..last).map(value)))
}

fn of_key(key: u64) -> u32 {
    crc32fast::hash(&key.to_le_bytes())
}

fn add(hasher: &mut Hasher, value: ValueRef<'_>) {
    let mut with_length = |kind: u8, bytes: &[u8]| {
        let mut before = [kind; 9];
        before[1..].copy_from_slice(&(bytes.len() as u64).to_le_bytes());
        hasher.update(&before);
        hasher.update(bytes);
    };
    match value {
        ValueRef::Null => with_length(0, &[]),
        ValueRef::Integer(number) => with_length(1, &number.to_le_bytes()),
        ValueRef::Real(number) => with_length(2, &number.to_le_bytes()),
        ValueRef::Text(text) => with_length(3, text),
        ValueRef::Blob(bytes) => with_length(4, bytes),
    }
}
