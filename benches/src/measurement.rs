//! One measurement: one side in one cell, once.

use std::time::Duration;

use crate::book::Trips;
use crate::cpu;
use crate::side::Running;

/// How long a side runs before it is measured.
const WARM: Duration = Duration::from_millis(300);

/// For how long requests begin that are measured.
const LENGTH: Duration = Duration::from_millis(1000);

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
    /// Processor time of the load for a request, in microseconds: whether it was the load that took so long.
    pub(crate) load_us: f64,
    /// How many replies were checked.
    pub(crate) checked: u64,
}

impl Measurement {
    /// Lets a side run warm, and measures it for a time.
    pub(crate) fn take(running: &mut dyn Running<Duration>) -> anyhow::Result<Self> {
        running.run(WARM)?;
        Self::of_run(running, LENGTH)
    }

    /// Measures what it costs a side that is warm to do so much.
    pub(crate) fn of_run<Amount>(running: &mut dyn Running<Amount>, amount: Amount) -> anyhow::Result<Self> {
        let [server, load] = [running.cpu()?, cpu::of_this_process()];
        let trips = running.run(amount)?;
        let [server_now, load_now] = [running.cpu()?, cpu::of_this_process()];
        Ok(Self::of(trips, server_now.saturating_sub(server), load_now.saturating_sub(load)))
    }

    fn of(mut trips: Trips, server: Duration, load: Duration) -> Self {
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
            cpu_us: server.as_secs_f64() * 1e6 / requests as f64,
            load_us: load.as_secs_f64() * 1e6 / requests as f64,
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
        let trips = Trips { took: Duration::from_secs(2), each };
        let figures = Measurement::of(trips, Duration::from_millis(1), Duration::from_millis(2));
        let Measurement { rps, p50_us, p99_us, cpu_us, load_us, checked } = figures;
        assert_eq!((rps, p50_us, p99_us), (50.0, 51_000.0, 100_000.0));
        assert_eq!((cpu_us, load_us, checked), (10.0, 20.0, 100));
    }
}
