//! A slice of the simulator, and that a seed replays exactly.

use std::process::Command;

use roundtrip_tests::simulation::{self, Coverage};

/// The runs of this slice. It takes some seconds; `simulate --runs` has as many as one likes.
const RUNS: u64 = 400;

#[test]
fn many_runs_keep_every_invariant_and_see_everything_that_can_happen() {
    let mut coverage = Coverage::default();
    for seed in 0..RUNS {
        let report = simulation::run(seed, false);
        assert!(report.violation.is_none(), "{report}");
        coverage += report.coverage;
    }
    assert!(coverage.missing().is_empty(), "{coverage}");
}

#[test]
fn a_seed_replays_exactly_in_this_process() {
    for seed in [1, 77, u64::MAX] {
        let [first, again] = [simulation::run(seed, true), simulation::run(seed, true)];
        assert_eq!(first.trace, again.trace);
        assert_eq!((first.steps, first.fingerprint), (again.steps, again.fingerprint));
    }
}

#[test]
fn a_seed_replays_exactly_in_another_process() {
    for seed in ["5", "123456789"] {
        let traced = || {
            let mut simulate = Command::new(env!("CARGO_BIN_EXE_simulate"));
            let output = simulate.args(["--runs", "1", "--trace", "--seed", seed]).output().unwrap();
            assert!(output.status.success());
            let text = String::from_utf8(output.stdout).unwrap();
            text.lines().filter(|line| !line.starts_with("runs=")).map(str::to_owned).collect::<Vec<_>>()
        };
        let (first, again) = (traced(), traced());
        assert!(first.len() > 500, "the trace tells what happened");
        assert_eq!(first, again);
    }
}

#[test]
fn the_command_counts_its_runs_and_refuses_nonsense() {
    let simulate = |arguments: &[&str]| Command::new(env!("CARGO_BIN_EXE_simulate")).args(arguments).output().unwrap();
    let output = simulate(&["--runs", "3", "--seed", "18446744073709551615"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let [coverage, runs] = text.lines().collect::<Vec<_>>()[..] else { panic!("two lines: {text}") };
    assert!(coverage.starts_with("coverage redelivered="), "{coverage}");
    assert!(runs.starts_with("runs=3 violations=0 seconds="), "{runs}");
    for wrong in [&["--runs", "0"][..], &["--runs"], &["--seed", "x", "--runs", "1"], &["--walks", "1"]] {
        assert_eq!(simulate(wrong).status.code(), Some(2), "{wrong:?}");
    }
}
