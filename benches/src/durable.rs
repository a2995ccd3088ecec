//! Workload W5, durable: what is told is on disk before it is told, for this broker and for Redis, beside what the disk
//! itself allows.
//!
//! Every request leads its whole life. It is submitted, synced, accepted and delivered; the service answers with what it
//! was sent; that is synced, told to the requester, checked and acknowledged.

mod broker;
mod redis;
mod segment_log;

use std::time::Duration;

use crate::arguments::Workload;
use crate::measurement::Measurement;
use crate::peer;
use crate::report::{Figure, Table};
use crate::rounds;
use crate::side::{Cell, Running, Side};

/// How long a measurement should take.
const LENGTH: Duration = Duration::from_millis(1500);

/// The most requests of a measurement.
const MOST: u64 = 300_000;

/// Measures the workload.
pub(crate) fn measure(quick: bool) -> anyhow::Result<Table> {
    let mut sides = vec![
        Side { name: "roundtrip", measure: |cell| take(broker::start, cell) },
        Side { name: "segment-log", measure: |cell| take(segment_log::start, cell) },
    ];
    let mut versions = vec![("roundtrip", env!("CARGO_PKG_VERSION").to_owned())];
    let mut missing = Vec::new();
    match peer::REDIS.version() {
        Some(version) => {
            sides.insert(1, Side { name: "redis", measure: |cell| take(redis::start, cell) });
            versions.push(("redis", version));
        }
        None => missing.push(peer::REDIS.missing),
    }
    missing.iter().for_each(|line| eprintln!("{line}"));
    Ok(Table {
        workload: Workload::W5,
        title: "durable: synced before it is accepted, and before the outcome is told",
        series: rounds::measure(&cells(quick), &sides)?,
        against: &["redis", "segment-log"],
        compared: Figure::Rps,
        versions,
        missing,
    })
}

/// Starts the side, lets it run warm, and measures about [`LENGTH`] of its work.
fn take(start: fn(Cell) -> anyhow::Result<Box<dyn Running<u64>>>, cell: Cell) -> anyhow::Result<Measurement> {
    let mut running = start(cell)?;
    let warm = (8 * cell.under_way() as u64).max(100);
    let took = running.run(warm)?.took;
    let requests = (warm as f64 / took.as_secs_f64() * LENGTH.as_secs_f64()) as u64;
    Measurement::of_run(&mut *running, requests.clamp(warm, MOST))
}

fn cells(quick: bool) -> Vec<Cell> {
    if quick {
        return vec![Cell::of_one(128, 256)];
    }
    let outstanding = [1, 32, 256, 1024];
    [128, 4096].into_iter().flat_map(|payload| outstanding.map(|each| Cell::of_one(payload, each))).collect()
}
