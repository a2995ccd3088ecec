//! Workload W9: requests over HTTP, beside an echo that has no broker. What a requester does is the same for all sides: it
//! posts, and the answer is the reply.
//!
//! | side | the service |
//! | --- | --- |
//! | `roundtrip-http` | takes and replies over HTTP too |
//! | `roundtrip-http-served` | the lean client of this broker, over TCP: what is left is what the requester's side costs |
//! | `axum-echo` | none |

use std::time::Duration;

use anyhow::Context;

use crate::arguments::Workload;
use crate::book::Trips;
use crate::lean::Load;
use crate::lean::http::{Http, Served};
use crate::lean::roundtrip::Roundtrip;
use crate::measurement::Measurement;
use crate::one_cpu::OneCpu;
use crate::report::{Figure, Table};
use crate::role;
use crate::rounds;
use crate::server::Server;
use crate::side::{Cell, Running, Side};

/// One call at once, and one of each of many connections.
const PING_PONG: Cell = Cell::of_one(128, 1);
const MANY: Cell = Cell { payload: 128, requesters: 64, outstanding: 1, services: 16 };

const ECHO: &str = "axum-echo";

/// Measures the workload.
pub(crate) fn measure() -> anyhow::Result<Table> {
    let sides = [
        Side { name: "roundtrip-http", measure: roundtrip },
        Side { name: "roundtrip-http-served", measure: served },
        Side { name: ECHO, measure: echo },
    ];
    Ok(Table {
        workload: Workload::W9,
        title: "over HTTP; one at a time with server and load on one CPU",
        series: rounds::measure(&[PING_PONG, MANY], &sides)?,
        against: &[ECHO],
        compared: Figure::Rps,
        versions: vec![("roundtrip", env!("CARGO_PKG_VERSION").to_owned())],
        missing: Vec::new(),
    })
}

fn roundtrip(cell: Cell) -> anyhow::Result<Measurement> {
    take(cell, role::BROKER_OVER_HTTP, |told| {
        let (_, http) = addresses(told)?;
        Load::new(&Http(http.parse()?), cell)
    })
}

fn served(cell: Cell) -> anyhow::Result<Measurement> {
    take(cell, role::BROKER_OVER_HTTP, |told| {
        let (broker, http) = addresses(told)?;
        Load::new(&Served(Http(http.parse()?), Roundtrip::new(broker.to_owned())), cell)
    })
}

fn echo(cell: Cell) -> anyhow::Result<Measurement> {
    take(cell, role::ECHO, |told| Load::new(&Http(told.parse()?), Cell { services: 0, ..cell }))
}

/// Where the broker listens, and where its gateway.
fn addresses(told: &str) -> anyhow::Result<(&str, &str)> {
    told.split_once(' ').context("the broker says where it listens, for HTTP too")
}

/// Starts a server, has everybody connected to where it says that it listens, and measures.
fn take(cell: Cell, role: &str, connect: impl FnOnce(&str) -> anyhow::Result<Load>) -> anyhow::Result<Measurement> {
    // Else a ping-pong measures how long this machine takes to wake an idle CPU.
    let _one_cpu = if cell.under_way() == 1 { Some(OneCpu::pin()?) } else { None };
    let mut server = Server::start(role, &[])?;
    let load = connect(&server.ready()?)?;
    Measurement::take(&mut OverHttp { load, server })
}

struct OverHttp {
    load: Load,
    server: Server,
}

impl Running<Duration> for OverHttp {
    fn run(&mut self, time: Duration) -> anyhow::Result<Trips> {
        self.load.run(time)
    }

    fn cpu(&self) -> anyhow::Result<Duration> {
        self.server.cpu()
    }
}
