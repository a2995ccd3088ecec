//! One measurement: one side in one cell, once.

use std::time::Duration;

use crate::book::Trips;
use crate::side::{Cell, Side};

/// How long a measurement should take.
const LENGTH: Duration = Duration::from_millis(1500);

/// The most requests of a measurement: they and their times are kept in memory.
const MOST: u64 = 300_000;

/// What was measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measurement {
    /// Requests a second.
    pub(crate) rps: f64,
    /// The round trip that half of the requests do not exceed, in microseconds.
    pub(crate) p50_us: f64,
    /// The same for 99 of 100.
    pub(crate) p99_us: f64,
    /// Processor time of the server for a request, in microseconds.
    pub(crate) cpu_us: f64,
    /// How many replies were checked.
    pub(crate) checked: u64,
}

impl Measurement {
    /// Starts the side, lets it run warm, and measures about [`LENGTH`] of its work.
    pub(crate) fn take(side: &Side, cell: Cell) -> anyhow::Result<Self> {
        let mut running = (side.start)(cell)?;
        let warm = (8 * cell.outstanding as u64).max(100);
        let took = running.run(warm)?.took;
        let requests = (warm as f64 / took.as_secs_f64() * LENGTH.as_secs_f64()) as u64;
        let before = running.cpu()?;
        let trips = running.run(requests.clamp(warm, MOST))?;
        Ok(Self::of(trips, running.cpu()?.saturating_sub(before)))
    }

    fn of(mut trips: Trips, cpu: Duration) -> Self {
        trips.each.sort_unstable();
        let requests = trips.each.len();
        let micros = |part: f64| {
            let place = (requests as f64 * part) as usize;
            trips.each.get(place.min(requests.saturating_sub(1))).map_or(0.0, |trip| trip.as_secs_f64() * 1e6)
        };
        Self {
            rps: requests as f64 / trips.took.as_secs_f64(),
            p50_us: micros(0.50),
            p99_us: micros(0.99),
            cpu_us: cpu.as_secs_f64() * 1e6 / requests as f64,
            checked: requests as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_are_those_of_the_trips() {
        let each = (1..=100).rev().map(Duration::from_millis).collect();
        let figures = Measurement::of(Trips { took: Duration::from_secs(2), each }, Duration::from_millis(1));
        let Measurement { rps, p50_us, p99_us, cpu_us, checked } = figures;
        assert_eq!((rps, p50_us, p99_us, cpu_us, checked), (50.0, 51_000.0, 100_000.0, 10.0, 100));
    }
}
