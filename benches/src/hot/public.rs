//! This broker, by its public client: `submit_raw` is awaited for `accepted`, the ticket for the outcome, which
//! acknowledges it. One task for each request that is under way.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context;
use roundtrip::{Client, Message, RawFailure, Requester, ServiceHandle};
use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinSet, LocalSet};

use crate::book::{Book, Trips};
use crate::measurement::Measurement;
use crate::payload;
use crate::role;
use crate::server::Server;
use crate::side::{Cell, Running};

/// How many handlers a service runs at once.
const CONCURRENCY: u32 = 4096;

/// Starts the broker, connects everybody to it, and measures.
pub(super) fn measure(cell: Cell) -> anyhow::Result<Measurement> {
    let mut server = Server::start(role::BROKER_IN_MEMORY, &[])?;
    let address = server.ready()?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let (requesters, services) = runtime.block_on(async {
        let (mut requesters, mut services) = (Vec::new(), Vec::new());
        for _ in 0..cell.services {
            let client = Client::connect(&address).await?;
            let echo = client.raw_service(role::CHANNEL, |request, _| async move {
                Ok::<_, RawFailure>(Message::new(request.payload))
            });
            services.push(echo.concurrency(CONCURRENCY).spawn());
        }
        for number in 0..cell.requesters {
            requesters.push(Client::connect(&address).await?.requester(format!("bench-{number}")));
        }
        anyhow::Ok((requesters, services))
    })?;
    Measurement::take(&mut Public { requesters, _services: services, runtime, server, cell })
}

struct Public {
    requesters: Vec<Requester>,
    _services: Vec<ServiceHandle>,
    runtime: Runtime,
    server: Server,
    cell: Cell,
}

impl Running<Duration> for Public {
    fn run(&mut self, time: Duration) -> anyhow::Result<Trips> {
        let book = Rc::new(RefCell::new(Book::new(time, self.cell.payload)));
        let everyone = LocalSet::new();
        self.runtime.block_on(everyone.run_until(async {
            let mut leading = JoinSet::new();
            for (number, requester) in self.requesters.iter().enumerate() {
                for _ in 0..self.cell.outstanding {
                    leading.spawn_local(lead(number as u32, requester.clone(), Rc::clone(&book)));
                }
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

/// Leads one request after the other, until none begins any more.
async fn lead(number: u32, requester: Requester, book: Rc<RefCell<Book>>) -> anyhow::Result<()> {
    loop {
        let Some(mark) = book.borrow_mut().begin_for(number, Instant::now()) else { return Ok(()) };
        let size = book.borrow().size();
        let accepted = requester.submit_raw(role::CHANNEL, "echo", Message::new(payload::make(mark, size))).await?;
        let outcome = accepted.await?;
        anyhow::ensure!(payload::read(&outcome.payload, size) == Some(mark), "a reply is not what was asked for");
        book.borrow_mut().end_for(number, &outcome.payload, Instant::now())?;
    }
}
