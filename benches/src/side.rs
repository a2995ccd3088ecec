//! The sides that are compared, and the cells of the table that each of them fills.

use std::fmt;
use std::time::Duration;

use crate::book::Trips;

/// A cell: so many requests are under way at once, each with a payload and a reply of this size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) payload: usize,
    pub(crate) outstanding: usize,
}

impl fmt::Display for Cell {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} B, {} outstanding", self.payload, self.outstanding)
    }
}

/// One of those that are compared.
pub(crate) struct Side {
    pub(crate) name: &'static str,
    /// Begins with nothing, for one measurement.
    pub(crate) start: fn(Cell) -> anyhow::Result<Box<dyn Running>>,
}

/// A side that runs. Dropped, it has left nothing behind.
pub(crate) trait Running {
    /// Leads so many requests through their life, and checks every reply.
    fn run(&mut self, requests: u64) -> anyhow::Result<Trips>;

    /// How much processor time the server has had.
    fn cpu(&self) -> anyhow::Result<Duration>;
}
