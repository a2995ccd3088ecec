//! What was aimed at, and whether it was met: the same work, in the same run, side by side.

use std::fmt;

use serde_json::{Value, json};

use crate::arguments::Workload;
use crate::hot;
use crate::report::{Figure, Report, Table, spread_to_json};
use crate::side::Cell;
use crate::spread::Spread;

/// Something that was aimed at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    workload: Workload,
    cell: Cell,
    side: &'static str,
    figure: Figure,
    /// The side whose figure ours is divided by, if not ours alone counts.
    against: Option<&'static str>,
    bound: Bound,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

use Bound::{AtLeast, AtMost};
use Figure::{Cpu, P50, Rps};
use Workload::{W1, W2, W3, W4, W5};

const LEAN: &str = "roundtrip-lean";
const NATS: &str = "nats-lean";

/// All targets, in the order of the workloads.
const TARGETS: [Target; 18] = [
    target(W1, hot::PING_PONG, LEAN, P50, NATS, AtMost(0.85)),
    target(W1, hot::PING_PONG, LEAN, P50, "relay", AtMost(1.10)),
    target(W1, hot::PING_PONG, "roundtrip-lean-accepted", P50, NATS, AtMost(1.0)),
    target(W1, hot::PING_PONG, "roundtrip-lean-accepted", P50, "relay", AtMost(1.3)),
    target(W2, hot::ONE_TO_ONE, LEAN, Rps, NATS, AtLeast(1.8)),
    target(W2, hot::ONE_TO_ONE, LEAN, Rps, "relay", AtLeast(0.7)),
    target(W2, hot::ONE_TO_ONE, LEAN, Cpu, NATS, AtMost(0.35)),
    target(W2, hot::ONE_TO_ONE, "roundtrip", Rps, "async-nats", AtLeast(8.0)),
    target(W2, hot::ONE_TO_ONE.large(), LEAN, Rps, NATS, AtLeast(1.3)),
    target(W2, hot::ONE_TO_ONE.large(), LEAN, Cpu, NATS, AtMost(0.7)),
    target(W3, hot::MANY, LEAN, Rps, NATS, AtLeast(3.0)),
    target(W3, hot::MANY, LEAN, Cpu, NATS, AtMost(0.25)),
    target(W3, hot::MANY, "roundtrip", Rps, "async-nats", AtLeast(8.0)),
    target(W3, hot::MANY.large(), LEAN, Rps, NATS, AtLeast(1.15)),
    target(W3, hot::MANY.large(), LEAN, Cpu, NATS, AtMost(0.75)),
    target(W4, hot::MORE, LEAN, Rps, NATS, AtLeast(1.6)),
    target(W4, hot::MORE, LEAN, Cpu, NATS, AtMost(0.5)),
    target(W5, Cell::of_one(128, 256), "roundtrip", Rps, "redis", AtLeast(1.5)),
];

const fn target(
    workload: Workload,
    cell: Cell,
    side: &'static str,
    figure: Figure,
    against: &'static str,
    bound: Bound,
) -> Target {
    Target { workload, cell, side, figure, against: Some(against), bound }
}

/// What became of a target.
#[derive(Debug)]
pub(crate) struct Judged {
    target: Target,
    /// None where a side of it was not measured.
    measured: Option<Spread>,
}

/// What became of the targets of the workloads that ran.
pub(crate) fn judge(report: &Report) -> Vec<Judged> {
    let of_table = |table: &Table| {
        let targets = TARGETS.into_iter().filter(|target| target.workload == table.workload);
        let there = targets.filter(|target| table.series.iter().any(|series| series.cell == target.cell));
        there.map(|target| Judged { target, measured: target.measured(table) }).collect::<Vec<_>>()
    };
    report.tables().iter().flat_map(of_table).collect()
}

impl Target {
    fn measured(&self, table: &Table) -> Option<Spread> {
        let ours = table.series(self.cell, self.side)?;
        match self.against {
            None => self.figure.of(ours),
            Some(against) => self.figure.ratio(ours, table.series(self.cell, against)?),
        }
    }
}

impl Bound {
    fn is_met(self, figure: f64) -> bool {
        match self {
            AtLeast(least) => figure >= least,
            AtMost(most) => figure <= most,
        }
    }
}

impl Judged {
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "target": self.target.to_string(),
            "measured": self.measured.map(|spread| spread_to_json(spread, 3)),
            "met": self.measured.map(|spread| self.target.bound.is_met(spread.median)),
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.workload)?;
        if self.cell.payload >= 1024 {
            write!(out, " {} KiB", self.cell.payload / 1024)?;
        }
        if self.side != LEAN {
            write!(out, " {}", self.side)?;
        }
        if self.figure != Rps {
            write!(out, " {}", self.figure)?;
        }
        self.against.map_or(Ok(()), |against| write!(out, " x {against}"))?;
        match self.bound {
            AtLeast(least) => write!(out, " >= {least}"),
            AtMost(most) => write!(out, " <= {most}"),
        }
    }
}

impl fmt::Display for Judged {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { target, measured } = self;
        let Some(Spread { median, min, max }) = *measured else {
            return write!(out, "target {target}: not measured");
        };
        let met = if target.bound.is_met(median) { "met" } else { "missed" };
        write!(out, "target {target}: {median:.2} ({min:.2} to {max:.2}) {met}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(bound: Bound, measured: Option<Spread>) -> String {
        let target = target(W2, hot::ONE_TO_ONE, LEAN, Rps, NATS, bound);
        Judged { target, measured }.to_string()
    }

    #[test]
    fn a_target_is_met_when_the_median_is_within_its_bound() {
        let spread = Spread { median: 1.8, min: 1.7, max: 2.0 };
        assert_eq!(judged(AtLeast(1.8), Some(spread)), "target W2 x nats-lean >= 1.8: 1.80 (1.70 to 2.00) met");
        assert_eq!(judged(AtMost(1.75), Some(spread)), "target W2 x nats-lean <= 1.75: 1.80 (1.70 to 2.00) missed");
    }

    #[test]
    fn a_target_without_its_peer_is_not_measured() {
        assert_eq!(judged(AtLeast(1.8), None), "target W2 x nats-lean >= 1.8: not measured");
    }

    #[test]
    fn a_target_names_what_is_not_as_usual() {
        let large = target(W3, hot::MANY.large(), "roundtrip", Cpu, "async-nats", AtMost(0.5));
        assert_eq!(large.to_string(), "W3 16 KiB roundtrip server CPU x async-nats <= 0.5");
    }
}
