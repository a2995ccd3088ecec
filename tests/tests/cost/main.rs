//! What a request costs, counted and not timed: allocations, reads and writes, and instructions where valgrind is there.
//!
//! Everything is one test, since the allocator counts for the whole process. Clocks stand still, and all runs on one
//! thread, so that a count is the same each time, give or take a few in ten thousand.
//!
//! To see all counts, and to set the budgets anew by pasting what it prints:
//!
//! ```sh
//! cargo test -p roundtrip-tests --test cost -- --nocapture
//! ```
#![allow(clippy::unwrap_used, reason = "a test ends where its expectation does")]

mod budget;
mod client;
mod count;
mod frames;
mod instructions;
mod line;
mod load;
mod party;

use self::budget::{Budget, Work, of};
use self::load::Load;

/// Of each load and for each 1,000 requests: what was counted when this was written, and what is allowed.
const BUDGETS: &[Budget] = &[
    of(Load::FramesInProcess, Work::Allocations, 10_439, 11_800),
    of(Load::FramesOverBytes, Work::Allocations, 8_768, 9_870),
    of(Load::FramesOverBytes, Work::BrokerReads, 12, 14),
    of(Load::FramesOverBytes, Work::BrokerWrites, 20, 23),
    of(Load::CrowdOverBytes, Work::Allocations, 8_969, 10_100),
    of(Load::CrowdOverBytes, Work::BrokerReads, 36, 41),
    of(Load::CrowdOverBytes, Work::BrokerWrites, 55, 62),
    of(Load::ClientInProcess, Work::Allocations, 20_752, 23_400),
    of(Load::ClientOverBytes, Work::Allocations, 21_891, 24_700),
    of(Load::ClientOverBytes, Work::BrokerReads, 32, 36),
    of(Load::ClientOverBytes, Work::BrokerWrites, 63, 71),
    of(Load::ClientOverBytes, Work::ClientReads, 63, 71),
    of(Load::ClientOverBytes, Work::ClientWrites, 32, 36),
    of(Load::FramesInProcess, Work::Instructions, 28_719_563, 32_400_000),
    of(Load::FramesOverBytes, Work::Instructions, 39_766_539, 44_800_000),
    of(Load::CrowdOverBytes, Work::Instructions, 41_872_199, 47_200_000),
    of(Load::ClientInProcess, Work::Instructions, 51_301_131, 57_800_000),
    of(Load::ClientOverBytes, Work::Instructions, 75_312_969, 84_800_000),
];

#[test]
fn a_request_costs_no_more_than_its_budget() {
    if let Some(load) = instructions::wanted() {
        load.run_under_the_tool();
        return;
    }
    let mut counts = Vec::new();
    for load in Load::ALL {
        counts.extend(load.count());
    }
    counts.extend(instructions::count());
    budget::judge(BUDGETS, &counts);
}
