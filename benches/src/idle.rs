//! Workload W6: what a server takes that has nothing to do, and how soon it is there.
//!
//! A server is started, and what it takes of memory is read when the first connection is greeted; then again when 1,000
//! and 10,000 connections are, which say nothing more. This broker is its binary as people start it.

use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use roundtrip::broker::ChannelSettings;
use roundtrip::{Broker, Client, Message, RawFailure};
use tokio::runtime::Builder;

use crate::arguments::Workload;
use crate::descriptors;
use crate::folder::Folder;
use crate::lean::Doors;
use crate::lean::mosquitto::Mosquitto;
use crate::lean::nats::Nats;
use crate::lean::redis::Redis;
use crate::lean::relay::Relay;
use crate::lean::roundtrip::Roundtrip;
use crate::peer;
use crate::role;
use crate::server::Server;
use crate::sheet::{self, Found, Question, Sheet};

/// How many connections there are, one after the other.
const CONNECTIONS: [(usize, &str); 2] =
    [(1_000, "memory per idle connection at 1,000"), (10_000, "memory per idle connection at 10,000")];

/// For what a server may still do when the last connection is greeted.
const SETTLED: Duration = Duration::from_millis(300);

/// What W6 finds that is aimed at.
pub(crate) const AT_START: &str = "memory at start";
pub(crate) const FIRST_CONNECTION: &str = "start to first accepted connection";
pub(crate) const PER_CONNECTION: &str = CONNECTIONS[1].1;

/// Measures the workload.
pub(crate) fn measure() -> anyhow::Result<Sheet> {
    descriptors::raise(11_000)?;
    let mut questions = vec![
        question("roundtrip", || {
            let (server, address) = Server::start_the_binary()?;
            Ok((server, Roundtrip::new(address), None))
        }),
        question("relay", || {
            let mut server = Server::start(role::RELAY, &[])?;
            let address = server.ready()?;
            Ok((server, Relay(address.parse()?), None))
        }),
        Question { side: "roundtrip-inproc", ask: Box::new(first_reply_in_process) },
    ];
    let (mut versions, mut missing) = (vec![("roundtrip", env!("CARGO_PKG_VERSION").to_owned())], Vec::new());
    let peers = [
        (peer::NATS, question("nats", || start(role::NATS, Nats))),
        (peer::REDIS, question("redis", || start(role::REDIS_IN_MEMORY, |address| Redis(address, 128)))),
        (
            peer::MOSQUITTO,
            question("mosquitto", || {
                let folder = Folder::new()?;
                let (server, address) = Server::start_on_a_port(role::MOSQUITTO, &[folder.path().as_os_str()])?;
                Ok((server, Mosquitto(address), Some(folder)))
            }),
        ),
    ];
    for (peer, question) in peers {
        match peer.version() {
            Some(version) => {
                questions.push(question);
                versions.push((peer.name, version));
            }
            None => missing.push(peer.missing),
        }
    }
    missing.iter().for_each(|line| eprintln!("{line}"));
    let rows = sheet::ask(Workload::W6, &questions)?;
    Ok(Sheet { workload: Workload::W6, title: "idle, and starting", rows, versions, missing })
}

/// A server, how to come in, and what it keeps as long as it runs.
type Started<D> = (Server, D, Option<Folder>);

fn start<D>(role: &str, doors: impl Fn(SocketAddr) -> D) -> anyhow::Result<Started<D>> {
    let (server, address) = Server::start_on_a_port(role, &[])?;
    Ok((server, doors(address), None))
}

fn question<D: Doors>(side: &'static str, start: impl Fn() -> anyhow::Result<Started<D>> + 'static) -> Question {
    Question { side, ask: Box::new(move || of_server(&start)) }
}

fn of_server<D: Doors>(start: &impl Fn() -> anyhow::Result<Started<D>>) -> anyhow::Result<Vec<Found>> {
    let began = Instant::now();
    let (server, doors, _folder) = start()?;
    let mut connections: Vec<TcpStream> = vec![doors.idle(0)?];
    let first = began.elapsed();
    let at_start = server.memory()?;
    let mut found = vec![(FIRST_CONNECTION, "ms", first.as_secs_f64() * 1e3), (AT_START, "MB", at_start as f64 / 1e6)];
    for (number, what) in CONNECTIONS {
        while connections.len() < number {
            connections.push(doors.idle(connections.len())?);
        }
        thread::sleep(SETTLED);
        let more = server.memory()?.saturating_sub(at_start);
        found.push((what, "KB", more as f64 / 1e3 / (number - 1) as f64));
    }
    Ok(found)
}

/// A broker is made, and a request has its reply.
fn first_reply_in_process() -> anyhow::Result<Vec<Found>> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let began = Instant::now();
        let broker = Broker::builder().channel(ChannelSettings::new(role::CHANNEL)).start()?;
        let client = Client::new(broker.connect());
        let echo = client
            .raw_service(role::CHANNEL, |request, _| async move { Ok::<_, RawFailure>(Message::new(request.payload)) });
        let _service = echo.spawn();
        let outcome = client.requester("bench").submit_raw(role::CHANNEL, "echo", Message::new("a")).await?.await?;
        let took = began.elapsed();
        anyhow::ensure!(&outcome.payload[..] == b"a", "a reply is not what was asked for");
        Ok(vec![("start to first reply", "us", took.as_secs_f64() * 1e6)])
    })
}
