//! Redis, with two streams and `appendfsync always`: it answers a command only after what that changed is synced.
//!
//! | the life of a request | in Redis |
//! | --- | --- |
//! | submit, accepted | `XADD` to the stream of requests, and its answer |
//! | delivery | `XREADGROUP` |
//! | reply, settled | `XADD` to the stream of replies, `XACK` and `XDEL` of the request, and their answers |
//! | outcome | `XREAD` |
//! | acknowledged | `XDEL` of the reply |
//!
//! Everything is sent as densely as that allows: one write for all that is known, and the next read in the same write.

mod connection;
mod requester;
mod service;

use std::ffi::OsStr;
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::book::{Book, Trips};
use crate::folder::Folder;
use crate::role;
use crate::server::Server;
use crate::side::{Cell, Running};
use connection::Connection;
use requester::Requester;
use service::Service;

/// The most entries that are read at once.
const MOST: &str = "1024";

/// How long a start may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The version of the server on PATH, if there is one.
pub(super) fn version() -> Option<String> {
    let told = Command::new("redis-server").arg("--version").output().ok()?;
    let told = String::from_utf8(told.stdout).ok()?;
    told.split_whitespace().find_map(|word| word.strip_prefix("v=")).map(str::to_owned)
}

/// Starts the server, and connects both parties to it.
pub(super) fn start(cell: Cell) -> anyhow::Result<Box<dyn Running>> {
    let folder = Folder::new()?;
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?; // Free again, and Redis takes it.
    let port = address.port().to_string();
    let server = Server::start(role::REDIS, &[OsStr::new(&port), folder.path().as_os_str()])?;
    let mut admin = connect_at_last(address)?;
    admin.ask(&[b"XGROUP", b"CREATE", b"requests", b"services", b"$", b"MKSTREAM"])?;
    let service = Service::new(Connection::to(address)?);
    let requester = Requester::new(Connection::to(address)?, Connection::to(address)?);
    Ok(Box::new(Redis { service, requester, server, cell, _folder: folder }))
}

/// A server that starts listens after a while.
fn connect_at_last(address: SocketAddr) -> anyhow::Result<Connection> {
    let began = Instant::now();
    loop {
        match Connection::to(address) {
            Err(_) if began.elapsed() < PATIENCE => thread::sleep(Duration::from_millis(5)),
            connected => return connected.context("redis-server does not listen"),
        }
    }
}

struct Redis {
    service: Service,
    requester: Requester,
    server: Server,
    cell: Cell,
    _folder: Folder,
}

impl Running for Redis {
    fn run(&mut self, requests: u64) -> anyhow::Result<Trips> {
        let Self { service, requester, cell, .. } = self;
        let mut book = Book::new(requests, cell.payload);
        thread::scope(|scope| {
            let serving = scope.spawn(|| service.serve(requests));
            requester.lead(requests, cell.outstanding, &mut book)?;
            serving.join().map_err(|_| anyhow::anyhow!("the service panicked"))?
        })?;
        book.close()
    }

    fn cpu(&self) -> anyhow::Result<Duration> {
        self.server.cpu()
    }
}
