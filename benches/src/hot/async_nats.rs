//! NATS by `async-nats`, the client that its users have. One task for each request that is under way.

use std::time::{Duration, Instant};

use anyhow::Context;
use async_nats::Client;
use futures_util::StreamExt;
use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinHandle, JoinSet};

use crate::book::{Book, Trips};
use crate::measurement::Measurement;
use crate::role;
use crate::server::Server;
use crate::side::{Cell, Running};

const SUBJECT: &str = "bench.request";

/// Starts the server, connects everybody to it, and measures.
pub(super) fn measure(cell: Cell) -> anyhow::Result<Measurement> {
    let (server, address) = Server::start_on_a_port(role::NATS, &[])?;
    let address = address.to_string();
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let (services, requesters) = runtime.block_on(async {
        let (mut services, mut requesters) = (Vec::new(), Vec::new());
        for _ in 0..cell.services {
            let client = async_nats::connect(&address).await?;
            let requests = client.queue_subscribe(SUBJECT, "services".to_owned()).await?;
            client.flush().await?;
            services.push(tokio::spawn(serve(client, requests)));
        }
        for _ in 0..cell.requesters {
            requesters.push(async_nats::connect(&address).await?);
        }
        anyhow::Ok((services, requesters))
    })?;
    Measurement::take(&mut Nats { requesters, _services: services, runtime, server, cell })
}

/// Answers every request with what it carries.
async fn serve(client: Client, mut requests: async_nats::Subscriber) -> anyhow::Result<()> {
    while let Some(request) = requests.next().await {
        let reply_to = request.reply.context("a request came without a subject to reply on")?;
        client.publish(reply_to, request.payload).await?;
    }
    Ok(())
}

struct Nats {
    requesters: Vec<Client>,
    _services: Vec<JoinHandle<anyhow::Result<()>>>,
    runtime: Runtime,
    server: Server,
    cell: Cell,
}

impl Running<Duration> for Nats {
    fn run(&mut self, time: Duration) -> anyhow::Result<Trips> {
        let Self { requesters, cell, .. } = self;
        self.runtime.block_on(async {
            let mut leading = JoinSet::new();
            let began = Instant::now();
            for task in 0..cell.under_way() {
                let book = Book::numbered_from((task as u64) << 40, time, cell.payload);
                leading.spawn(lead(requesters[task % requesters.len()].clone(), book));
            }
            let mut each = Vec::new();
            while let Some(trips) = leading.join_next().await {
                each.extend(trips.context("a task panicked")??.each);
            }
            Ok(Trips { took: began.elapsed(), each })
        })
    }

    fn cpu(&self) -> anyhow::Result<Duration> {
        self.server.cpu()
    }
}

/// Leads one request after the other, until none begins any more.
async fn lead(client: Client, mut book: Book) -> anyhow::Result<Trips> {
    while let Some(payload) = book.begin() {
        let reply = client.request(SUBJECT, payload).await?;
        book.end(&reply.payload)?;
    }
    book.close()
}
