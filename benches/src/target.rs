//! What was aimed at, and whether it was met: the same work, in the same run, side by side.

use std::fmt;

use serde_json::{Value, json};

use crate::arguments::Workload;
use crate::report::{Figure, Report, spread_to_json};
use crate::side::Cell;
use crate::spread::Spread;
use crate::{growth, hot, idle, in_process};

/// Something that was aimed at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    workload: Workload,
    of: Of,
    bound: Bound,
}

/// What is held against the bound.
#[derive(Debug, Clone, Copy)]
enum Of {
    /// A figure of round trips; divided by that of another side, if there is one.
    Trips { cell: Cell, side: &'static str, figure: Figure, against: Option<&'static str> },
    /// A figure of a sheet; divided by another of the same side, if there is one.
    Sheet { side: &'static str, what: &'static str, against: Option<&'static str> },
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

use Bound::{AtLeast, AtMost};
use Figure::{Cpu, P50, Rps};
use Workload::{W1, W2, W3, W4, W5, W6, W7, W8};

const LEAN: &str = "roundtrip-lean";
const INPROC: &str = "roundtrip-inproc";
const NATS: &str = "nats-lean";

/// What still counts as the same cost.
const FLAT: Bound = AtMost(1.25);

/// All targets, in the order of the workloads.
const TARGETS: [Target; 28] = [
    ratio(W1, hot::PING_PONG, LEAN, P50, NATS, AtMost(0.85)),
    ratio(W1, hot::PING_PONG, LEAN, P50, "relay", AtMost(1.10)),
    ratio(W1, hot::PING_PONG, "roundtrip-lean-accepted", P50, NATS, AtMost(1.0)),
    ratio(W1, hot::PING_PONG, "roundtrip-lean-accepted", P50, "relay", AtMost(1.3)),
    ratio(W2, hot::ONE_TO_ONE, LEAN, Rps, NATS, AtLeast(1.8)),
    ratio(W2, hot::ONE_TO_ONE, LEAN, Rps, "relay", AtLeast(0.7)),
    ratio(W2, hot::ONE_TO_ONE, LEAN, Cpu, NATS, AtMost(0.35)),
    ratio(W2, hot::ONE_TO_ONE, "roundtrip", Rps, "async-nats", AtLeast(8.0)),
    ratio(W2, hot::ONE_TO_ONE.large(), LEAN, Rps, NATS, AtLeast(1.3)),
    ratio(W2, hot::ONE_TO_ONE.large(), LEAN, Cpu, NATS, AtMost(0.7)),
    ratio(W3, hot::MANY, LEAN, Rps, NATS, AtLeast(3.0)),
    ratio(W3, hot::MANY, LEAN, Cpu, NATS, AtMost(0.25)),
    ratio(W3, hot::MANY, "roundtrip", Rps, "async-nats", AtLeast(8.0)),
    ratio(W3, hot::MANY.large(), LEAN, Rps, NATS, AtLeast(1.15)),
    ratio(W3, hot::MANY.large(), LEAN, Cpu, NATS, AtMost(0.75)),
    ratio(W4, hot::MORE, LEAN, Rps, NATS, AtLeast(1.6)),
    ratio(W4, hot::MORE, LEAN, Cpu, NATS, AtMost(0.5)),
    ratio(W5, Cell::of_one(128, 256), "roundtrip", Rps, "redis", AtLeast(1.5)),
    sheet(W6, "roundtrip", idle::PER_CONNECTION, None, AtMost(8.0)),
    sheet(W6, "roundtrip", idle::AT_START, None, AtMost(7.0)),
    sheet(W6, "roundtrip", idle::FIRST_CONNECTION, None, AtMost(5.0)),
    sheet(W7, growth::SIDE, growth::CHANNELS.most(), Some(growth::CHANNELS.least()), FLAT),
    sheet(W7, growth::SIDE, growth::CONNECTIONS.most(), Some(growth::CONNECTIONS.least()), FLAT),
    sheet(W7, growth::SIDE, growth::WAITING.most(), Some(growth::WAITING.least()), FLAT),
    alone(W8, in_process::ALONE, Rps, AtLeast(1_000_000.0)),
    alone(W8, in_process::ALONE, P50, AtMost(1.0)),
    alone(W8, in_process::PIPELINED, Rps, AtLeast(2_000_000.0)),
    alone(W8, in_process::MANY, Rps, AtLeast(600_000.0)),
];

const fn ratio(
    workload: Workload,
    cell: Cell,
    side: &'static str,
    figure: Figure,
    against: &'static str,
    bound: Bound,
) -> Target {
    Target { workload, of: Of::Trips { cell, side, figure, against: Some(against) }, bound }
}

const fn alone(workload: Workload, cell: Cell, figure: Figure, bound: Bound) -> Target {
    Target { workload, of: Of::Trips { cell, side: INPROC, figure, against: None }, bound }
}

const fn sheet(
    workload: Workload,
    side: &'static str,
    what: &'static str,
    against: Option<&'static str>,
    bound: Bound,
) -> Target {
    Target { workload, of: Of::Sheet { side, what, against }, bound }
}

/// What became of a target.
#[derive(Debug)]
pub(crate) struct Judged {
    target: Target,
    /// None where a side of it was not measured.
    measured: Option<Spread>,
}

/// What became of the targets of the workloads and cells that ran.
pub(crate) fn judge(report: &Report) -> Vec<Judged> {
    let targets = TARGETS.into_iter().filter(|target| target.was_run(report));
    targets.map(|target| Judged { target, measured: target.measured(report) }).collect()
}

impl Target {
    fn was_run(&self, report: &Report) -> bool {
        match self.of {
            Of::Trips { cell, .. } => {
                report.table(self.workload).is_some_and(|table| table.series.iter().any(|one| one.cell == cell))
            }
            Of::Sheet { .. } => report.sheet(self.workload).is_some(),
        }
    }

    fn measured(&self, report: &Report) -> Option<Spread> {
        match self.of {
            Of::Trips { cell, side, figure, against } => {
                let table = report.table(self.workload)?;
                let ours = table.series(cell, side)?;
                match against {
                    None => figure.of(ours),
                    Some(against) => figure.ratio(ours, table.series(cell, against)?),
                }
            }
            Of::Sheet { side, what, against } => {
                let sheet = report.sheet(self.workload)?;
                let ours = sheet.row(side, what)?;
                match against {
                    None => ours.spread(),
                    Some(against) => ours.ratio(sheet.row(side, against)?),
                }
            }
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
    /// What is as usual is left out: small payloads, the lean client, requests/s.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.workload)?;
        match self.of {
            Of::Trips { cell, side, figure, against } => {
                if cell.payload >= 1024 {
                    write!(out, " {} KiB", cell.payload / 1024)?;
                }
                if side != LEAN {
                    write!(out, " {side}")?;
                }
                if against.is_none() {
                    write!(out, " {} x {} {figure}", cell.requesters, cell.outstanding)?;
                } else if figure != Rps {
                    write!(out, " {figure}")?;
                }
                against.map_or(Ok(()), |against| write!(out, " x {against}"))?;
            }
            Of::Sheet { what, against, .. } => {
                write!(out, " {what}")?;
                against.map_or(Ok(()), |against| write!(out, " x {against}"))?;
            }
        }
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
        let target = ratio(W2, hot::ONE_TO_ONE, LEAN, Rps, NATS, bound);
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
    fn a_target_of_a_sheet_names_what_was_asked() {
        let target = sheet(W7, LEAN, "100 channels", Some("1 channel"), AtMost(1.5));
        assert_eq!(target.to_string(), "W7 100 channels x 1 channel <= 1.5");
        assert_eq!(
            alone(W8, in_process::PIPELINED, P50, AtMost(1.0)).to_string(),
            "W8 roundtrip-inproc 1 x 256 p50 <= 1"
        );
    }

    #[test]
    fn a_target_names_what_is_not_as_usual() {
        let large = ratio(W3, hot::MANY.large(), "roundtrip", Cpu, "async-nats", AtMost(0.5));
        assert_eq!(large.to_string(), "W3 16 KiB roundtrip server CPU x async-nats <= 0.5");
    }
}
