//! `simulate --runs N [--seed S] [--trace] [--fault NAME]`: runs the simulator with the seeds S, S + 1, S + 2 …, and
//! tells the first that breaks an invariant. Built with the feature `planted-faults` it can plant a deliberate mistake
//! in the broker, which the runs must find.

use std::process::ExitCode;
use std::time::Instant;

use roundtrip_tests::simulation::{self, Coverage};

/// From how many runs on everything must have happened.
const ENOUGH: u64 = 1_000;

const USAGE: &str = "usage: simulate --runs N [--seed S] [--trace] [--fault NAME]";

struct Arguments {
    runs: u64,
    seed: u64,
    trace: bool,
}

fn main() -> ExitCode {
    let arguments = match arguments() {
        Ok(arguments) => arguments,
        Err(wrong) => {
            eprintln!("{wrong}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let Arguments { runs, seed, trace } = arguments;
    let began = Instant::now();
    let mut coverage = Coverage::default();
    for run in 0..runs {
        let report = simulation::run(seed.wrapping_add(run), trace);
        coverage += report.coverage;
        if trace || report.violation.is_some() {
            println!("{report}");
        }
        if report.violation.is_some() {
            println!("{coverage}");
            println!("runs={} violations=1 seconds={:.1}", run + 1, began.elapsed().as_secs_f64());
            return ExitCode::FAILURE;
        }
    }
    let missing = coverage.missing();
    let is_poor = runs >= ENOUGH && !missing.is_empty();
    if is_poor {
        println!("{runs} runs never saw {}: what the simulator does not see it does not prove", missing.join(", "));
    }
    println!("{coverage}");
    println!("runs={runs} violations=0 seconds={:.1}", began.elapsed().as_secs_f64());
    if is_poor { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn arguments() -> Result<Arguments, String> {
    let mut arguments = Arguments { runs: 0, seed: 1, trace: false };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || {
            let word = words.next().ok_or_else(|| format!("{word} is followed by a number"))?;
            word.parse().map_err(|_| format!("{word:?} is no number from 0 to {}", u64::MAX))
        };
        match word.as_str() {
            "--runs" => arguments.runs = number()?,
            "--seed" => arguments.seed = number()?,
            "--trace" => arguments.trace = true,
            "--fault" => plant(&words.next().unwrap_or_default())?,
            other => return Err(format!("{other:?} is not known here")),
        }
    }
    if arguments.runs == 0 { Err("--runs is at least 1".to_owned()) } else { Ok(arguments) }
}

/// Plants the fault of this name.
#[cfg(feature = "planted-faults")]
fn plant(name: &str) -> Result<(), String> {
    use roundtrip_core::planted::{self, Fault};
    let fault = Fault::ALL.into_iter().find(|fault| format!("{fault:?}") == name);
    planted::plant(Some(fault.ok_or_else(|| format!("there is no fault {name:?}: it is one of {:?}", Fault::ALL))?));
    Ok(())
}

#[cfg(not(feature = "planted-faults"))]
fn plant(_name: &str) -> Result<(), String> {
    Err("faults are planted in a build with --features planted-faults".to_owned())
}
