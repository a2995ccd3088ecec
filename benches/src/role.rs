//! The roles that this program plays in processes of its own, besides that of the load.
//!
//! A server ends with the program that measures it, however that ends.

use std::convert::Infallible;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::routing::post;
use bytes::Bytes;
use roundtrip::broker::{BrokerBuilder, ChannelSettings, OnUnknown};
use roundtrip::{Broker, Client, Connect};
use roundtrip_gateway::Gateway;
use rustix::process::{Signal, set_parent_process_death_signal};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use crate::relay::{self, Writing};

/// The binary `roundtrip` as people start it: `broker`, and what it takes.
pub(crate) const BINARY: &str = "broker";

/// This broker, with a folder for its data: `as-broker FOLDER`.
pub(crate) const BROKER: &str = "as-broker";

/// This broker, which keeps nothing on disk: `as-broker-in-memory`.
pub(crate) const BROKER_IN_MEMORY: &str = "as-broker-in-memory";

/// The same with its gateway, which prints two addresses: `as-broker-over-http`.
pub(crate) const BROKER_OVER_HTTP: &str = "as-broker-over-http";

/// A server of axum's that answers each request of W9 with its body: `as-echo`.
pub(crate) const ECHO: &str = "as-echo";

/// The relay: `as-relay`, or `as-relay coalescing`.
pub(crate) const RELAY: &str = "as-relay";

/// What makes the relay write once for all that could be read at the same time.
pub(crate) const COALESCING: &str = "coalescing";

/// NATS: `as-nats PORT`.
pub(crate) const NATS: &str = "as-nats";

/// Redis, all of whose answers wait until what they tell of is on disk: `as-redis PORT FOLDER`.
pub(crate) const REDIS: &str = "as-redis";

/// Redis, which keeps nothing on disk: `as-redis-in-memory PORT`.
pub(crate) const REDIS_IN_MEMORY: &str = "as-redis-in-memory";

/// Mosquitto: `as-mosquitto PORT FOLDER`.
pub(crate) const MOSQUITTO: &str = "as-mosquitto";

/// The channel of requests.
pub(crate) const CHANNEL: &str = "bench_request";

/// Where requests to it are posted over HTTP, and where they are taken.
pub(crate) const REQUESTS: &str = "/v1/channels/bench_request/requests";
pub(crate) const DELIVERIES: &str = "/v1/channels/bench_request/deliveries";

/// Whether the binary `roundtrip` is to be played, which has a main of its own.
pub(crate) fn is_the_binary(arguments: &[String]) -> bool {
    arguments.first().is_some_and(|first| first == BINARY) && end_with_the_load().is_ok()
}

/// Plays the role that the arguments name, if they name one.
pub(crate) fn play(arguments: &[String]) -> Option<anyhow::Result<()>> {
    let ended = match arguments {
        [role, folder] if role == BROKER => {
            be_a_broker(Broker::builder().data(Path::new(folder)).channel(ChannelSettings::new(CHANNEL)))
        }
        [role] if role == BROKER_IN_MEMORY => be_a_broker(with_room_for_all()),
        [role] if role == BROKER_OVER_HTTP => be_a_broker_over_http(with_room_for_all()),
        [role] if role == ECHO => be_an_echo(),
        [role] if role == RELAY => be_a_relay(Writing::BehindEachRead),
        [role, how] if role == RELAY && how == COALESCING => be_a_relay(Writing::Coalescing),
        [role, port] if role == NATS => be_nats(port),
        [role, port] if role == REDIS_IN_MEMORY => be_redis(port, &["--save", "", "--appendonly", "no"]),
        [role, port, folder] if role == REDIS => {
            be_redis(port, &["--dir", folder, "--appendonly", "yes", "--appendfsync", "always", "--save", ""])
        }
        [role, port, folder] if role == MOSQUITTO => be_mosquitto(port, Path::new(folder)),
        _ => return None,
    };
    Some(ended.map(|never| match never {}))
}

/// Whatever a workload asks of it fits in, and nobody is thought dead who says nothing.
fn with_room_for_all() -> BrokerBuilder {
    let channels = ChannelSettings::for_undeclared().capacity(2_000_000);
    let builder = Broker::builder().on_unknown(OnUnknown::Create).defaults(channels);
    builder.memory(8 << 30).heartbeat(Duration::ZERO)
}

/// One thread for the broker, as the binary has it; the disk has its own.
fn be_a_broker(builder: BrokerBuilder) -> anyhow::Result<Infallible> {
    end_with_the_load()?;
    one_thread()?.block_on(async {
        let broker = builder.start()?;
        println!("{}", broker.listen("127.0.0.1:0").await?);
        Ok(std::future::pending().await)
    })
}

/// The gateway has a thread of its own and comes to the broker within the process, as the binary has it.
fn be_a_broker_over_http(builder: BrokerBuilder) -> anyhow::Result<Infallible> {
    end_with_the_load()?;
    one_thread()?.block_on(async {
        let broker = builder.start()?;
        let address = broker.listen("127.0.0.1:0").await?;
        let (way, (tell, told)) = (broker.connect(), oneshot::channel());
        thread::Builder::new().name("http".into()).spawn(move || {
            if let Err(error) = be_its_gateway(way, tell) {
                eprintln!("error: {error:#}");
            }
        })?;
        let http = told.await.context("the gateway did not start")?;
        println!("{address} {http}");
        Ok(std::future::pending().await)
    })
}

fn be_its_gateway(broker: impl Connect, tell: oneshot::Sender<SocketAddr>) -> anyhow::Result<()> {
    one_thread()?.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let client = Client::new(broker);
        client.channels().await?; // Until it is connected the gateway refuses to take deliveries.
        tell.send(listener.local_addr()?).ok();
        Gateway::builder().build(client).serve(listener).await;
        Ok(())
    })
}

fn be_an_echo() -> anyhow::Result<Infallible> {
    end_with_the_load()?;
    one_thread()?.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        let router = Router::new().route(REQUESTS, post(async |body: Bytes| body));
        axum::serve(listener, router).await?;
        anyhow::bail!("the echo ended")
    })
}

fn be_a_relay(writing: Writing) -> anyhow::Result<Infallible> {
    end_with_the_load()?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    relay::serve(&listener, writing)
}

fn be_nats(port: &str) -> anyhow::Result<Infallible> {
    end_with_the_load()?;
    let mut command = Command::new("nats-server");
    command.args(["--addr", "127.0.0.1", "--port", port, "--log", "/dev/null"]);
    Err(command.stdout(Stdio::null()).exec()).context("starting nats-server")
}

fn be_redis(port: &str, arguments: &[&str]) -> anyhow::Result<Infallible> {
    end_with_the_load()?;
    let mut command = Command::new("redis-server");
    command
        .args(["--bind", "127.0.0.1", "--port", port, "--loglevel", "warning", "--maxclients", "11000"])
        .args(arguments);
    Err(command.stdout(Stdio::null()).exec()).context("starting redis-server")
}

/// Only a file can tell Mosquitto to send at once and to drop nothing.
fn be_mosquitto(port: &str, folder: &Path) -> anyhow::Result<Infallible> {
    end_with_the_load()?;
    let file = folder.join("mosquitto.conf");
    let settings = "allow_anonymous true\nset_tcp_nodelay true\nmax_queued_messages 0\nlog_dest none\n";
    fs::write(&file, format!("listener {port} 127.0.0.1\n{settings}"))?;
    Err(Command::new("mosquitto").arg("-c").arg(file).stdout(Stdio::null()).exec()).context("starting mosquitto")
}

fn one_thread() -> std::io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

fn end_with_the_load() -> anyhow::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL)).context("asking to end with the program that measures")
}
