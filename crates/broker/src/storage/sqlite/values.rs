//! Single values on their way into a row and out of it.

use roundtrip_protocol::Problem;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Row, Statement};

use super::checksum::checksum;

/// Runs a statement whose parameters are the key of a row, its values, and their checksum.
pub(super) fn put(statement: &mut Statement<'_>, key: u64, values: &[ValueRef<'_>]) -> rusqlite::Result<()> {
    put_sealed(statement, key, values, checksum(key, values.iter().copied()))
}

/// The same with a checksum that may be another.
pub(super) fn put_sealed(
    statement: &mut Statement<'_>,
    key: u64,
    values: &[ValueRef<'_>],
    checksum: i64,
) -> rusqlite::Result<()> {
    let mut parameter = 0;
    for value in [number(key)].iter().chain(values).chain(&[ValueRef::Integer(checksum)]) {
        parameter += 1;
        statement.raw_bind_parameter(parameter, ToSqlOutput::Borrowed(*value))?;
    }
    statement.raw_execute().map(drop)
}

/// SQLite's numbers are signed, ours are not: the same 64 bits.
pub(super) fn number(number: impl Into<u64>) -> ValueRef<'static> {
    ValueRef::Integer(number.into().cast_signed())
}

pub(super) fn optional_number(value: Option<impl Into<u64>>) -> ValueRef<'static> {
    value.map_or(ValueRef::Null, number)
}

pub(super) const fn text(text: &str) -> ValueRef<'_> {
    ValueRef::Text(text.as_bytes())
}

pub(super) fn optional_text(value: Option<&str>) -> ValueRef<'_> {
    value.map_or(ValueRef::Null, text)
}

/// The two columns of a problem.
pub(super) fn problem(problem: Option<&Problem>) -> [ValueRef<'_>; 2] {
    [problem.map(|problem| problem.code.as_str()), problem.map(|problem| problem.message.as_str())].map(optional_text)
}

/// The columns of a row, read one after the other. What is not of the kind that was written gives None.
pub(super) struct Columns<'r> {
    row: &'r Row<'r>,
    next: usize,
}

impl<'r> Columns<'r> {
    pub(super) const fn of(row: &'r Row<'_>) -> Self {
        Self { row, next: 0 }
    }

    pub(super) fn value(&mut self) -> Option<ValueRef<'r>> {
        self.next += 1;
        self.row.get_ref(self.next - 1).ok()
    }

    pub(super) fn number<N: TryFrom<u64>>(&mut self) -> Option<N> {
        self.optional_number()?
    }

    pub(super) fn optional_number<N: TryFrom<u64>>(&mut self) -> Option<Option<N>> {
        match self.value()? {
            ValueRef::Null => Some(None),
            ValueRef::Integer(number) => N::try_from(number.cast_unsigned()).ok().map(Some),
            _ => None,
        }
    }

    pub(super) fn flag(&mut self) -> Option<bool> {
        match self.number::<u8>()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    pub(super) fn text(&mut self) -> Option<&'r str> {
        self.optional_text()?
    }

    pub(super) fn optional_text(&mut self) -> Option<Option<&'r str>> {
        self.value()?.as_str_or_null().ok()
    }

    pub(super) fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.optional_bytes()?
    }

    pub(super) fn optional_bytes<const N: usize>(&mut self) -> Option<Option<[u8; N]>> {
        match self.value()?.as_blob_or_null().ok()? {
            None => Some(None),
            Some(bytes) => bytes.try_into().ok().map(Some),
        }
    }

    pub(super) fn problem(&mut self) -> Option<Option<Problem>> {
        match (self.optional_text()?, self.optional_text()?) {
            (Some(code), Some(message)) => Some(Some(Problem::new(code, message))),
            (None, None) => Some(None),
            _ => None,
        }
    }
}
