//! Workload W5, durable: what is told is on disk before it is told, for this broker and for Redis, beside what the disk
//! itself allows.
//!
//! Every request leads its whole life. It is submitted, synced, accepted and delivered; the service answers with what it
//! was sent; that is synced, told to the requester, checked and acknowledged.

mod broker;
mod redis;
mod segment_log;

use crate::report::Table;
use crate::rounds;
use crate::side::{Cell, Side};

/// Measures the workload.
pub(crate) fn measure(quick: bool) -> anyhow::Result<Table> {
    let mut sides =
        vec![Side { name: "roundtrip", start: broker::start }, Side { name: "segment-log", start: segment_log::start }];
    let mut versions = vec![("roundtrip", env!("CARGO_PKG_VERSION").to_owned())];
    let mut missing = Vec::new();
    match redis::version() {
        Some(version) => {
            sides.insert(1, Side { name: "redis", start: redis::start });
            versions.push(("redis", version));
        }
        None => {
            missing.push("redis is missing: there is no redis-server on PATH; on Debian, apt-get install redis-server")
        }
    }
    missing.iter().for_each(|line| eprintln!("{line}"));
    Ok(Table {
        workload: "W5",
        title: "durable: synced before it is accepted, and before the outcome is told",
        series: rounds::measure(&cells(quick), &sides)?,
        against: &["redis", "segment-log"],
        versions,
        missing,
    })
}

fn cells(quick: bool) -> Vec<Cell> {
    if quick {
        return vec![Cell { payload: 128, outstanding: 256 }];
    }
    let outstanding = [1, 32, 256, 1024];
    [128, 4096].into_iter().flat_map(|payload| outstanding.map(|outstanding| Cell { payload, outstanding })).collect()
}
