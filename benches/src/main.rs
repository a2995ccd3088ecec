//! What Roundtrip costs, side by side with its peers: `cargo run --release -p roundtrip-benches`.
//!
//! A workload is a set of cells, and each of them is measured for several sides: this broker, its peers, and what the
//! machine itself allows. Every side does the same work, every reply is checked against its request, and a peer that is
//! not installed is named as missing. `docs/benchmarks.md` tells the method.
//!
//! A workload has a module of its own, such as [`durable`], and in it a file for each side. The servers run in other
//! processes, which are this same program in another [`role`].

mod arguments;
mod book;
mod cpu;
mod durable;
mod folder;
mod hot;
mod lean;
mod line;
mod machine;
mod measurement;
mod one_cpu;
mod payload;
mod peer;
mod poll;
mod relay;
mod report;
mod role;
mod rounds;
mod server;
mod side;
mod spread;
mod target;

use std::fs;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

use arguments::{Arguments, Workload};
use machine::Machine;
use report::Report;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let ended = role::play(&arguments).unwrap_or_else(|| measure(&Arguments::parse()));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &Arguments) -> anyhow::Result<()> {
    let workloads = arguments.workloads()?;
    let mut report = Report::new(Machine::here());
    eprintln!("{}", report.machine);
    for workload in workloads {
        use Workload::{W1, W2, W3, W4, W5};
        match workload {
            W5 => report.add(durable::measure(arguments.quick)?),
            W1 | W2 | W3 | W4 => report.add(hot::measure(workload, arguments.quick)?),
            other => anyhow::bail!("{other} is not there"),
        }
    }
    print!("{report}");
    if let Some(file) = &arguments.json {
        fs::write(file, format!("{:#}\n", report.to_json())).with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(())
}
