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
    /// Draws charts of the figures into this folder as well
    #[arg(long, value_name = "DIR")]
    pub(crate) charts: Option<PathBuf>,
    /// The workloads to run; all, unless named
    #[arg(long, value_name = "W", value_delimiter = ',', ignore_case = true)]
    workload: Vec<Workload>,
}

impl Arguments {
    /// The workloads to run, each once, in their order.
    pub(crate) fn workloads(&self) -> Vec<Workload> {
        match &self.workload[..] {
            [] if self.quick => QUICK.to_vec(),
            [] => ALL.to_vec(),
            wanted => ALL.into_iter().filter(|workload| wanted.contains(workload)).collect(),
        }
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
    /// Over HTTP
    W9,
}

/// All workloads.
const ALL: [Workload; 9] = [
    Workload::W1,
    Workload::W2,
    Workload::W3,
    Workload::W4,
    Workload::W5,
    Workload::W6,
    Workload::W7,
    Workload::W8,
    Workload::W9,
];

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

    fn workloads(arguments: &[&str]) -> Vec<Workload> {
        Arguments::try_parse_from([&["roundtrip-benches"], arguments].concat()).unwrap().workloads()
    }

    #[test]
    fn without_a_name_all_workloads_run() {
        assert_eq!(workloads(&[]), ALL);
        assert_eq!(workloads(&["--quick"]), QUICK);
    }

    #[test]
    fn a_workload_runs_once_however_often_it_is_named() {
        assert_eq!(workloads(&["--workload", "w5,W2,W5"]), [Workload::W2, Workload::W5]);
    }
}
