//! Workloads W1 to W4: how fast requests go round that wait for no disk.
//!
//! | workload | requesters | outstanding, of each | services | payload |
//! | --- | --- | --- | --- | --- |
//! | W1 ping-pong, server and load on one CPU | 1 | 1 | 1 | 128 B |
//! | W2 | 1 | 256 | 1 | 128 B, 16 KiB |
//! | W3 | 16 | 64 | 4 | 128 B, 16 KiB |
//! | W4 | 64 | 4 | 4 | 128 B |
//!
//! Each of them has a connection of its own. A request leads its whole life on every side, or what of it the peer knows:
//! it is submitted, accepted and delivered; the service answers with what it was sent; that is told to the requester,
//! checked and acknowledged.

mod async_nats;
mod broker;
mod lean;

use crate::arguments::Workload;
use crate::one_cpu::OneCpu;
use crate::peer;
use crate::report::{Figure, Table};
use crate::rounds;
use crate::side::{Cell, Side};

/// The cells, with small payloads.
pub(crate) const PING_PONG: Cell = Cell::of_one(128, 1);
pub(crate) const ONE_TO_ONE: Cell = Cell::of_one(128, 256);
pub(crate) const MANY: Cell = Cell { payload: 128, requesters: 16, outstanding: 64, services: 4 };
pub(crate) const MORE: Cell = Cell { payload: 128, requesters: 64, outstanding: 4, services: 4 };

/// Measures one of the four.
pub(crate) fn measure(workload: Workload, quick: bool) -> anyhow::Result<Table> {
    // Else a ping-pong measures how long this machine takes to wake an idle CPU.
    let _one_cpu = if workload == Workload::W1 { Some(OneCpu::pin()?) } else { None };
    let (title, cells) = cells(workload, quick);
    let mut versions = vec![("roundtrip", env!("CARGO_PKG_VERSION").to_owned())];
    let mut missing = Vec::new();
    let mut sides = vec![
        Side { name: "roundtrip", measure: broker::measure },
        Side { name: "roundtrip-lean", measure: lean::roundtrip },
        Side { name: "relay", measure: lean::relay },
        Side { name: "relay-coalescing", measure: lean::coalescing_relay },
    ];
    let peers = [
        (peer::NATS, Side { name: "nats-lean", measure: lean::nats }),
        (peer::NATS, Side { name: "async-nats", measure: async_nats::measure }),
        (peer::REDIS, Side { name: "redis", measure: lean::redis }),
        (peer::MOSQUITTO, Side { name: "mosquitto", measure: lean::mosquitto }),
    ];
    for (peer, side) in peers.into_iter().take(if quick { 2 } else { 4 }) {
        match peer.version() {
            Some(version) => {
                sides.push(side);
                versions.push((peer.name, version));
            }
            None => missing.push(peer.missing),
        }
    }
    if workload == Workload::W1 {
        // What is told of the acceptance on its own is a write on its own, and shows here.
        sides[1].name = "roundtrip-lean-accepted";
        sides.insert(1, Side { name: "roundtrip-lean", measure: lean::roundtrip_for_the_outcome });
    }
    missing.dedup();
    missing.iter().for_each(|line| eprintln!("{line}"));
    Ok(Table {
        workload,
        title,
        series: rounds::measure(&cells, &sides)?,
        against: &["nats-lean", "relay"],
        compared: if workload == Workload::W1 { Figure::P50 } else { Figure::Rps },
        versions,
        missing,
    })
}

fn cells(workload: Workload, quick: bool) -> (&'static str, Vec<Cell>) {
    match workload {
        Workload::W1 => ("ping-pong, server and load on one CPU", vec![PING_PONG]),
        Workload::W2 => ("one requester, one service", vec![ONE_TO_ONE, ONE_TO_ONE.large()]),
        Workload::W3 if quick => ("many requesters, four services", vec![MANY]),
        Workload::W3 => ("many requesters, four services", vec![MANY, MANY.large()]),
        _ => ("more requesters with little to do, four services", vec![MORE]),
    }
}
