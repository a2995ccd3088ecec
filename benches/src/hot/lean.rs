//! The sides that a lean client measures.

use std::ffi::OsStr;
use std::time::Duration;

use crate::book::Trips;
use crate::folder::Folder;
use crate::lean::Load;
use crate::lean::mosquitto::Mosquitto;
use crate::lean::nats::Nats;
use crate::lean::redis::Redis;
use crate::lean::relay::Relay;
use crate::lean::roundtrip::Roundtrip;
use crate::measurement::Measurement;
use crate::role;
use crate::server::Server;
use crate::side::{Cell, Running};

pub(super) fn roundtrip(cell: Cell) -> anyhow::Result<Measurement> {
    measure_roundtrip(Roundtrip::new, cell)
}

pub(super) fn roundtrip_for_the_outcome(cell: Cell) -> anyhow::Result<Measurement> {
    measure_roundtrip(Roundtrip::for_the_outcome, cell)
}

fn measure_roundtrip(at: impl Fn(String) -> Roundtrip, cell: Cell) -> anyhow::Result<Measurement> {
    let mut server = Server::start(role::BROKER_IN_MEMORY, &[])?;
    let load = Load::new(&at(server.ready()?), cell)?;
    Measurement::take(&mut Lean { load, server })
}

pub(super) fn relay(cell: Cell) -> anyhow::Result<Measurement> {
    measure_relay(&[], cell)
}

pub(super) fn coalescing_relay(cell: Cell) -> anyhow::Result<Measurement> {
    measure_relay(&[OsStr::new(role::COALESCING)], cell)
}

fn measure_relay(arguments: &[&OsStr], cell: Cell) -> anyhow::Result<Measurement> {
    let mut server = Server::start(role::RELAY, arguments)?;
    let load = Load::new(&Relay(server.ready()?.parse()?), cell)?;
    Measurement::take(&mut Lean { load, server })
}

pub(super) fn nats(cell: Cell) -> anyhow::Result<Measurement> {
    let (server, address) = Server::start_on_a_port(role::NATS, &[])?;
    let load = Load::new(&Nats(address), cell)?;
    Measurement::take(&mut Lean { load, server })
}

pub(super) fn redis(cell: Cell) -> anyhow::Result<Measurement> {
    let (server, address) = Server::start_on_a_port(role::REDIS_IN_MEMORY, &[])?;
    let load = Load::new(&Redis(address, cell.payload), cell)?;
    Measurement::take(&mut Lean { load, server })
}

pub(super) fn mosquitto(cell: Cell) -> anyhow::Result<Measurement> {
    let folder = Folder::new()?;
    let (server, address) = Server::start_on_a_port(role::MOSQUITTO, &[folder.path().as_os_str()])?;
    let load = Load::new(&Mosquitto(address), cell)?;
    Measurement::take(&mut Lean { load, server })
}

struct Lean {
    load: Load,
    server: Server,
}

impl Running<Duration> for Lean {
    fn run(&mut self, time: Duration) -> anyhow::Result<Trips> {
        self.load.run(time)
    }

    fn cpu(&self) -> anyhow::Result<Duration> {
        self.server.cpu()
    }
}
