//! What finds nothing proves nothing: each deliberate mistake in the core and in the session is found.
//!
//! `cargo test -p roundtrip-tests --features planted-faults --test faults`

use roundtrip_core::planted::{self, Fault};
use roundtrip_tests::simulation;

/// Within so many runs.
const RUNS: u64 = 1_000;

#[test]
fn every_planted_fault_is_found() {
    for fault in Fault::ALL {
        planted::plant(Some(fault));
        let found =
            (1..=RUNS).find_map(|seed| simulation::run(seed, false).violation.map(|(_, broken)| (seed, broken)));
        planted::plant(None);
        let Some((seed, broken)) = found else { panic!("{fault:?} is not found in {RUNS} runs") };
        println!(
            "{fault:?}: found in run {seed}, by {}: {}",
            broken.invariant,
            broken.how.lines().next().unwrap_or("")
        );
    }
}
