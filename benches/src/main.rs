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
mod chart;
mod cpu;
mod descriptors;
mod durable;
mod folder;
mod growth;
mod hot;
mod idle;
mod in_process;
mod lean;
mod line;
mod machine;
mod measurement;
mod memory;
mod one_cpu;
mod over_http;
mod payload;
mod peer;
mod poll;
mod public;
mod relay;
mod report;
mod role;
mod rounds;
mod server;
mod sheet;
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
    if role::is_the_binary(&arguments) {
        return roundtrip_cli::main();
    }
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
    let workloads = arguments.workloads();
    let mut report = Report::new(Machine::here());
    eprintln!("{}", report.machine);
    for workload in workloads {
        use Workload::{W1, W2, W3, W4, W5, W6, W7, W8, W9};
        match workload {
            W5 => report.add(durable::measure(arguments.quick)?),
            W1 | W2 | W3 | W4 => report.add(hot::measure(workload, arguments.quick)?),
            W6 => report.add_sheet(idle::measure()?),
            W7 => report.add_sheet(growth::measure()?),
            W8 => report.add(in_process::measure()?),
            W9 => report.add(over_http::measure()?),
        }
    }
    print!("{report}");
    if let Some(file) = &arguments.json {
        fs::write(file, format!("{:#}\n", report.to_json())).with_context(|| format!("writing {}", file.display()))?;
    }
    if let Some(folder) = &arguments.charts {
        chart::write(&report, folder)?;
    }
    Ok(())
}
