//! Workload W8: this broker within the process of its requesters and services, by the public client. Nothing is encoded
//! and no socket is there. The processor time of the server is that of the whole process, the load included.

use std::time::Duration;

use roundtrip::broker::ChannelSettings;
use roundtrip::{Broker, Client};
use tokio::runtime::{Builder, Runtime};

use crate::arguments::Workload;
use crate::book::Trips;
use crate::cpu;
use crate::measurement::Measurement;
use crate::public::Public;
use crate::report::{Figure, Table};
use crate::role;
use crate::rounds;
use crate::side::{Cell, Running, Side};

/// One request at once, many of one requester, and many of many on two threads.
pub(crate) const ALONE: Cell = Cell::of_one(128, 1);
pub(crate) const PIPELINED: Cell = Cell::of_one(128, 256);
pub(crate) const MANY: Cell = Cell { payload: 128, requesters: 16, outstanding: 64, services: 4 };

/// Measures the workload.
pub(crate) fn measure() -> anyhow::Result<Table> {
    Ok(Table {
        workload: Workload::W8,
        title: "in process: one thread; many requesters on two",
        series: rounds::measure(&[ALONE, PIPELINED, MANY], &[Side { name: "roundtrip-inproc", measure: take }])?,
        against: &[],
        compared: Figure::Rps,
        versions: vec![("roundtrip", env!("CARGO_PKG_VERSION").to_owned())],
        missing: Vec::new(),
    })
}

fn take(cell: Cell) -> anyhow::Result<Measurement> {
    let runtime = match cell.requesters {
        1 => Builder::new_current_thread().enable_all().build()?,
        _ => Builder::new_multi_thread().worker_threads(2).enable_all().build()?,
    };
    let (broker, everybody) = runtime.block_on(async {
        let broker = Broker::builder().channel(ChannelSettings::new(role::CHANNEL)).start()?;
        let everybody = Public::new(cell, async || Ok(Client::new(broker.connect()))).await?;
        anyhow::Ok((broker, everybody))
    })?;
    Measurement::take(&mut InProcess { everybody, _broker: broker, runtime })
}

struct InProcess {
    everybody: Public,
    _broker: Broker,
    runtime: Runtime,
}

impl Running<Duration> for InProcess {
    fn run(&mut self, time: Duration) -> anyhow::Result<Trips> {
        self.runtime.block_on(self.everybody.run(time))
    }

    fn cpu(&self) -> anyhow::Result<Duration> {
        Ok(cpu::of_this_process())
    }
}
