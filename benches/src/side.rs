//! The sides that are compared, and the cells of the table that each of them fills.

use std::fmt;
use std::time::Duration;

use crate::book::Trips;
use crate::measurement::Measurement;

/// A cell: who is there, how many requests each requester has under way at once, and how large a request is and its
/// reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) payload: usize,
    pub(crate) requesters: usize,
    /// Of each requester.
    pub(crate) outstanding: usize,
    pub(crate) services: usize,
}

impl Cell {
    /// One requester and one service.
    pub(crate) const fn of_one(payload: usize, outstanding: usize) -> Self {
        Self { payload, requesters: 1, outstanding, services: 1 }
    }

    /// The same with large payloads.
    pub(crate) const fn large(self) -> Self {
        Self { payload: 16 * 1024, ..self }
    }

    /// How many requests are under way at once, of all together.
    pub(crate) const fn under_way(self) -> usize {
        self.requesters * self.outstanding
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { payload, requesters, outstanding, services } = self;
        match payload {
            0..4096 => write!(out, "{payload} B")?,
            _ => write!(out, "{} KiB", payload / 1024)?,
        }
        match (requesters, services) {
            (1, 1) => write!(out, ", {outstanding} outstanding"),
            _ => write!(out, ", {requesters} requesters x {outstanding} outstanding, {services} services"),
        }
    }
}

/// One of those that are compared.
pub(crate) struct Side {
    pub(crate) name: &'static str,
    /// Begins with nothing, takes one measurement, and leaves nothing behind.
    pub(crate) measure: fn(Cell) -> anyhow::Result<Measurement>,
}

/// A side that runs, for so long or with so many requests. Dropped, it has left nothing behind.
pub(crate) trait Running<Amount> {
    /// Leads requests through their life, and checks every reply.
    fn run(&mut self, amount: Amount) -> anyhow::Result<Trips>;

    /// How much processor time the server has had.
    fn cpu(&self) -> anyhow::Result<Duration>;
}
