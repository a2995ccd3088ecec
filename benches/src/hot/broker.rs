//! This broker over TCP, by its public client.

use std::time::Duration;

use roundtrip::Client;
use tokio::runtime::{Builder, Runtime};

use crate::book::Trips;
use crate::measurement::Measurement;
use crate::public::Public;
use crate::role;
use crate::server::Server;
use crate::side::{Cell, Running};

/// Starts the broker, connects everybody to it, and measures.
pub(super) fn measure(cell: Cell) -> anyhow::Result<Measurement> {
    let mut server = Server::start(role::BROKER_IN_MEMORY, &[])?;
    let address = server.ready()?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let everybody = runtime.block_on(Public::new(cell, async || Ok(Client::connect(&address).await?)))?;
    Measurement::take(&mut OverTcp { everybody, runtime, server })
}

struct OverTcp {
    everybody: Public,
    runtime: Runtime,
    server: Server,
}

impl Running<Duration> for OverTcp {
    fn run(&mut self, time: Duration) -> anyhow::Result<Trips> {
        self.runtime.block_on(self.everybody.run(time))
    }

    fn cpu(&self) -> anyhow::Result<Duration> {
        self.server.cpu()
    }
}
