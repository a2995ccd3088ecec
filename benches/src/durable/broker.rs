//! This broker, by its public client over TCP: a requester and a service, each with a connection of its own.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context;
use roundtrip::{Client, Message, RawFailure, Requester, ServiceHandle};
use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinSet, LocalSet};

use crate::book::{Book, Trips};
use crate::folder::Folder;
use crate::role;
use crate::server::Server;
use crate::side::{Cell, Running};

/// Starts the broker, and connects both parties to it.
pub(super) fn start(cell: Cell) -> anyhow::Result<Box<dyn Running<u64>>> {
    let folder = Folder::new()?;
    let mut server = Server::start(role::BROKER, &[folder.path().as_os_str()])?;
    let address = server.ready()?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let (requester, service) = runtime.block_on(async {
        let requester = Client::connect(&address).await?.requester("bench");
        let service = Client::connect(&address).await?;
        let echo = service
            .raw_service(role::CHANNEL, |request, _| async move { Ok::<_, RawFailure>(Message::new(request.payload)) });
        anyhow::Ok((requester, echo.concurrency(cell.outstanding as u32).spawn()))
    })?;
    Ok(Box::new(Durable { requester, _service: service, runtime, server, cell, _folder: folder }))
}

struct Durable {
    requester: Requester,
    _service: ServiceHandle,
    runtime: Runtime,
    server: Server,
    cell: Cell,
    _folder: Folder,
}

impl Running<u64> for Durable {
    fn run(&mut self, requests: u64) -> anyhow::Result<Trips> {
        let book = Rc::new(RefCell::new(Book::new(requests, self.cell.payload)));
        let everyone = LocalSet::new();
        self.runtime.block_on(everyone.run_until(async {
            let mut leading = JoinSet::new();
            for _ in 0..self.cell.outstanding {
                leading.spawn_local(lead(self.requester.clone(), Rc::clone(&book)));
            }
            while let Some(ended) = leading.join_next().await {
                ended??;
            }
            anyhow::Ok(())
        }))?;
        Rc::into_inner(book).context("all who wrote in the book are done")?.into_inner().close()
    }

    fn cpu(&self) -> anyhow::Result<Duration> {
        self.server.cpu()
    }
}

/// Leads one request after the other, until all have begun.
async fn lead(requester: Requester, book: Rc<RefCell<Book>>) -> anyhow::Result<()> {
    loop {
        let Some(payload) = book.borrow_mut().begin() else { return Ok(()) };
        let accepted = requester.submit_raw(role::CHANNEL, "echo", Message::new(payload.clone())).await?;
        let outcome = accepted.await?;
        anyhow::ensure!(outcome.payload == payload, "a reply is not what was asked for: {:?}", outcome.kind());
        book.borrow_mut().end(&outcome.payload)?;
    }
}
