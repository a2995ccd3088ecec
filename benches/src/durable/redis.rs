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

use std::thread;
use std::time::Duration;

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

/// Starts the server, and connects both parties to it.
pub(super) fn start(cell: Cell) -> anyhow::Result<Box<dyn Running<u64>>> {
    let folder = Folder::new()?;
    let (server, address) = Server::start_on_a_port(role::REDIS, &[folder.path().as_os_str()])?;
    let mut admin = Connection::to(address)?;
    admin.ask(&[b"XGROUP", b"CREATE", b"requests", b"services", b"$", b"MKSTREAM"])?;
    let service = Service::new(Connection::to(address)?);
    let requester = Requester::new(Connection::to(address)?, Connection::to(address)?);
    Ok(Box::new(Redis { service, requester, server, cell, _folder: folder }))
}

struct Redis {
    service: Service,
    requester: Requester,
    server: Server,
    cell: Cell,
    _folder: Folder,
}

impl Running<u64> for Redis {
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
