//! The command line.

use std::fmt;
use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// Measures what Roundtrip costs, side by side with its peers that are on PATH.
#[derive(Debug, Parser)]
#[command(
    after_help = "Examples:\n  roundtrip-benches --quick\n  roundtrip-benches --workload W2,W3 --json figures.json"
)]
pub(crate) struct Arguments {
    /// Fewer cells, in under three minutes; W1 to W4 unless named
    #[arg(long)]
    pub(crate) quick: bool,
    /// Writes the figures to this file as well
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// The workloads to run; all that are there, unless named
    #[arg(long, value_name = "W", value_delimiter = ',', ignore_case = true)]
    workload: Vec<Workload>,
}

impl Arguments {
    /// The workloads to run, each once.
    pub(crate) fn workloads(&self) -> anyhow::Result<Vec<Workload>> {
        if self.workload.is_empty() {
            return Ok(if self.quick { QUICK.to_vec() } else { THERE.to_vec() });
        }
        let mut wanted = Vec::new();
        for workload in &self.workload {
            let there = THERE.map(|workload| workload.to_string()).join(", ");
            anyhow::ensure!(THERE.contains(workload), "workload {workload} is not there yet; there is: {there}");
            if !wanted.contains(workload) {
                wanted.push(*workload);
            }
        }
        Ok(wanted)
    }
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "UPPER")]
pub(crate) enum Workload {
    /// Ping-pong
    W1,
    /// One requester, one service, 256 outstanding
    W2,
    /// 16 requesters with 64 outstanding each, four services
    W3,
    /// 64 requesters with four outstanding each, four services
    W4,
    /// Durable: on disk before it is told
    W5,
    /// Idle, and starting
    W6,
    /// Growth: channels, connections, waiting requests
    W7,
    /// In process
    W8,
}

/// The workloads that are there.
const THERE: [Workload; 5] = [Workload::W1, Workload::W2, Workload::W3, Workload::W4, Workload::W5];

/// Those for a quick look.
const QUICK: [Workload; 4] = [Workload::W1, Workload::W2, Workload::W3, Workload::W4];

impl fmt::Display for Workload {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{self:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workloads(arguments: &[&str]) -> anyhow::Result<Vec<Workload>> {
        Arguments::try_parse_from([&["roundtrip-benches"], arguments].concat())?.workloads()
    }

    #[test]
    fn without_a_name_all_workloads_run_that_are_there() {
        assert_eq!(workloads(&[]).unwrap(), THERE);
        assert_eq!(workloads(&["--quick"]).unwrap(), QUICK);
    }

    #[test]
    fn a_workload_runs_once_however_often_it_is_named() {
        assert_eq!(workloads(&["--workload", "w5,W5"]).unwrap(), [Workload::W5]);
    }

    #[test]
    fn a_workload_that_is_not_there_yet_is_told_with_those_that_are() {
        let error = workloads(&["--workload", "W5,W6"]).unwrap_err().to_string();
        assert_eq!(error, "workload W6 is not there yet; there is: W1, W2, W3, W4, W5");
    }
}
