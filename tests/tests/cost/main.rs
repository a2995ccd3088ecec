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
    of(Load::FramesInProcess, Work::Allocations, 15_047, 17_000),
    of(Load::FramesOverBytes, Work::Allocations, 18_229, 20_600),
    of(Load::FramesOverBytes, Work::BrokerReads, 12, 14),
    of(Load::FramesOverBytes, Work::BrokerWrites, 24, 27),
    of(Load::CrowdOverBytes, Work::Allocations, 18_396, 20_700),
    of(Load::CrowdOverBytes, Work::BrokerReads, 36, 41),
    of(Load::CrowdOverBytes, Work::BrokerWrites, 55, 62),
    of(Load::ClientInProcess, Work::Allocations, 42_270, 47_600),
    of(Load::ClientOverBytes, Work::Allocations, 52_377, 59_000),
    of(Load::ClientOverBytes, Work::BrokerReads, 32, 36),
    of(Load::ClientOverBytes, Work::BrokerWrites, 63, 71),
    of(Load::ClientOverBytes, Work::ClientReads, 63, 71),
    of(Load::ClientOverBytes, Work::ClientWrites, 32, 36),
    of(Load::FramesInProcess, Work::Instructions, 42_465_167, 47_800_000),
    of(Load::FramesOverBytes, Work::Instructions, 61_249_457, 69_000_000),
    of(Load::CrowdOverBytes, Work::Instructions, 63_148_159, 71_100_000),
    of(Load::ClientInProcess, Work::Instructions, 79_804_610, 89_800_000),
    of(Load::ClientOverBytes, Work::Instructions, 112_948_168, 128_000_000),
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
