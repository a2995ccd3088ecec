//! Requesters and services by the public client, whatever way leads to the broker: `submit_raw` is awaited for
//! `accepted`, the ticket for the outcome, which acknowledges it. One task for each request that is under way.

use std::time::{Duration, Instant};

use anyhow::Context;
use roundtrip::{Client, Message, RawFailure, Requester, ServiceHandle};
use tokio::task::JoinSet;

use crate::book::{Book, Trips};
use crate::payload;
use crate::role;
use crate::side::Cell;

/// How many handlers a service runs at once.
const CONCURRENCY: u32 = 4096;

/// Everybody of a cell.
pub(crate) struct Public {
    requesters: Vec<Requester>,
    _services: Vec<ServiceHandle>,
    cell: Cell,
}

impl Public {
    /// Each with a client of its own.
    pub(crate) async fn new(cell: Cell, client: impl AsyncFn() -> anyhow::Result<Client>) -> anyhow::Result<Self> {
        let (mut requesters, mut services) = (Vec::new(), Vec::new());
        for _ in 0..cell.services {
            let echo = client().await?.raw_service(role::CHANNEL, |request, _| async move {
                Ok::<_, RawFailure>(Message::new(request.payload))
            });
            services.push(echo.concurrency(CONCURRENCY).spawn());
        }
        for number in 0..cell.requesters {
            requesters.push(client().await?.requester(format!("bench-{number}")));
        }
        Ok(Self { requesters, _services: services, cell })
    }

    /// Leads requests through their life for so long. Each task has a book of its own, and no number is in two of them.
    pub(crate) async fn run(&self, time: Duration) -> anyhow::Result<Trips> {
        let mut leading = JoinSet::new();
        let began = Instant::now();
        for task in 0..self.cell.under_way() {
            let requester = self.requesters[task % self.requesters.len()].clone();
            let book = Book::numbered_from((task as u64) << 40, time, self.cell.payload);
            leading.spawn(lead(requester, book));
        }
        let mut each = Vec::new();
        while let Some(trips) = leading.join_next().await {
            each.extend(trips.context("a task panicked")??.each);
        }
        Ok(Trips { took: began.elapsed(), each })
    }
}

/// Leads one request after the other, until none begins any more.
async fn lead(requester: Requester, mut book: Book) -> anyhow::Result<Trips> {
    while let Some(payload) = book.begin() {
        let accepted = requester.submit_raw(role::CHANNEL, "echo", Message::new(payload)).await?;
        let outcome = accepted.await?;
        anyhow::ensure!(payload::read(&outcome.payload, book.size()).is_some(), "no reply, but: {:?}", outcome.kind());
        book.end(&outcome.payload)?;
    }
    book.close()
}
