//! What is allowed, and what a test says when it is not enough.

use std::fmt;

use crate::load::Load;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    Allocations,
    BrokerReads,
    BrokerWrites,
    ClientReads,
    ClientWrites,
    Instructions,
}

/// What a load may cost for each 1,000 requests.
pub(crate) struct Budget {
    load: Load,
    work: Work,
    once: u64,
    allowed: u64,
}

/// `once` was counted when the budget was set.
pub(crate) const fn of(load: Load, work: Work, once: u64, allowed: u64) -> Budget {
    Budget { load, work, once, allowed }
}

/// What a load did cost for each 1,000 requests.
pub(crate) struct Count {
    load: Load,
    work: Work,
    counted: u64,
}

impl Count {
    pub(crate) fn new(load: Load, work: Work, counted: u64, requests: u32) -> Self {
        Self { load, work, counted: (counted * 1000).div_ceil(u64::from(requests)) }
    }
}

/// Prints all counts as they would stand among the budgets, and fails with everything that is over.
pub(crate) fn judge(budgets: &[Budget], counts: &[Count]) {
    for Count { load, work, counted } in counts {
        println!("    of(Load::{load:?}, Work::{work:?}, {}, {}),", digits(*counted), digits(proposal(*counted)));
    }
    let over: Vec<_> = counts.iter().filter_map(|count| complaint(budgets, count)).collect();
    assert!(over.is_empty(), "\n\n{}\n\nAll counts, and how budgets are set: {ALL}\n", over.join("\n\n"));
}

const ALL: &str =
    "cargo test -p roundtrip-tests --test cost -- --nocapture; the budgets stand in tests/tests/cost/main.rs";

fn complaint(budgets: &[Budget], count: &Count) -> Option<String> {
    let Count { load, work, counted } = count;
    let Some(budget) = budgets.iter().find(|budget| budget.load == *load && budget.work == *work) else {
        return Some(format!("{load}: {} {work} for 1,000 requests, and no budget says how many", digits(*counted)));
    };
    let Budget { once, allowed, .. } = budget;
    (counted > allowed).then(|| {
        format!(
            "{load}: {} {work} for 1,000 requests, {} are allowed, {} were counted when that was set.\n{}",
            digits(*counted),
            digits(*allowed),
            digits(*once),
            work.where_to_look(*load),
        )
    })
}

/// An eighth above what was counted, and at least one.
fn proposal(counted: u64) -> u64 {
    let allowed = counted + counted.div_ceil(8);
    let step = 10_u64.pow(allowed.max(1).ilog10().saturating_sub(2));
    allowed.div_ceil(step) * step
}

/// With an underscore for each thousand, as in code.
fn digits(number: u64) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev();
    groups.map(|group| String::from_utf8_lossy(group)).collect::<Vec<_>>().join("_")
}

impl Work {
    fn where_to_look(self, load: Load) -> String {
        match self {
            Self::Allocations => {
                let files = match load {
                    Load::FramesInProcess => "broker/src/in_process.rs, core/src/channel and broker/src/peer",
                    Load::FramesOverBytes | Load::CrowdOverBytes => {
                        "transport/src/codec.rs and read_buffer.rs, core/src/channel and broker/src/peer"
                    }
                    Load::ClientInProcess | Load::ClientOverBytes => {
                        "client/src/state, submit.rs and service.rs, if the broker alone is within its budgets"
                    }
                };
                format!("Look at {files} for what is made anew for each request, such as by")
                    + " valgrind --tool=dhat or heaptrack."
            }
            Self::BrokerReads | Self::ClientReads => {
                "Look at transport/src/read_buffer.rs, whether reads are large, and at whoever writes to it: many \
                 small writes make many reads."
                    .to_owned()
            }
            Self::BrokerWrites => "Look at broker/src/tcp.rs and batch.rs: a connection is to be woken once for all \
                 frames of a read, after others had their turn, and to write all that waits in one go."
                .to_owned(),
            Self::ClientWrites => "Look at client/src/driver.rs and link.rs: what several tasks ask for in one turn \
                 of the runtime is to go out in one write."
                .to_owned(),
            Self::Instructions => format!(
                "Look where they go: ROUNDTRIP_COST_LOAD={load:?} valgrind --tool=callgrind on the test's binary, then \
                 callgrind_annotate. Allocations of the same load say whether it is memory."
            ),
        }
    }
}

impl fmt::Display for Work {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Allocations => "allocations",
            Self::BrokerReads => "reads by the broker",
            Self::BrokerWrites => "writes by the broker",
            Self::ClientReads => "reads by the clients",
            Self::ClientWrites => "writes by the clients",
            Self::Instructions => "instructions",
        })
    }
}
