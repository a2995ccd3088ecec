//! A party that takes deliveries from a request channel and answers them, several at a time.

use std::collections::{HashMap, VecDeque};
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use roundtrip_protocol::{ChannelName, Hold, NameError, Problem, Refusal, ServiceNumber, Settlement, StopReason};
use tokio::task::{Id, JoinError, JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::context::Context;
use crate::handler::{Handler, Settled};
use crate::link::Link;
use crate::state::{DeliveryKey, Handed, ServiceEvent};
use crate::stop::StopSignal;

const CONCURRENCY: u32 = 64;

/// A service that is about to run.
///
/// Each request gets a task of its own. What a handler returns settles its delivery; a panic is a retryable failure.
/// While the connection is broken handlers go on: over the next one the client takes their deliveries back and sends
/// the replies it kept. A handler whose work is no longer wanted is told so by [`Context::cancelled`], and not killed.
#[must_use = "a service does nothing until it is run or spawned"]
pub struct Service {
    link: Link,
    channel: Result<ChannelName, NameError>,
    handler: Handler,
    concurrency: u32,
    shutdown: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Service {
    pub(crate) fn new(link: Link, channel: &str, handler: Handler) -> Self {
        Self { link, channel: ChannelName::new(channel), handler, concurrency: CONCURRENCY, shutdown: None }
    }

    /// How many requests it works on at once. 64 unless set, at least 1.
    pub fn concurrency(mut self, handlers: u32) -> Self {
        self.concurrency = handlers.max(1);
        self
    }

    /// Stops gracefully when `signal` is ready: takes nothing new, finishes what it works on, then ends. A
    /// cancellation token gives such a signal by `cancelled_owned()`.
    pub fn with_graceful_shutdown(mut self, signal: impl Future<Output = ()> + Send + 'static) -> Self {
        self.shutdown = Some(Box::pin(signal));
        self
    }

    /// Runs until it is shut down, each handler in a task and in a tracing span `request` of its own. Dropped before
    /// that, it stops taking, drops its handlers and gives their requests back.
    ///
    /// # Errors
    ///
    /// The channel is no name, the broker refuses it for good, or the client was closed.
    pub async fn run(self) -> Result<(), ServiceError> {
        self.spawn().await
    }

    /// Runs on a task of its own. Must be called within a tokio runtime.
    pub fn spawn(self) -> ServiceHandle {
        let stop = CancellationToken::new();
        let abandon = CancellationToken::new();
        let task = tokio::spawn(work(self, stop.clone(), abandon.clone()));
        ServiceHandle { stop, abandon, task: Some(task) }
    }
}

/// A service that runs. Await it for its end; dropped, it stops as a dropped [`Service::run`] does.
#[must_use = "dropping the handle stops the service: keep it, or detach it"]
pub struct ServiceHandle {
    stop: CancellationToken,
    abandon: CancellationToken,
    task: Option<JoinHandle<Result<(), ServiceError>>>,
}

impl ServiceHandle {
    /// Stops gracefully: takes nothing new, finishes what it works on, then ends.
    ///
    /// # Errors
    ///
    /// As [`Service::run`].
    pub async fn stop(self) -> Result<(), ServiceError> {
        self.stop.cancel();
        self.await
    }

    /// Lets the service run on without the handle, until the client is closed.
    pub fn detach(mut self) {
        self.task = None;
    }

    async fn ended(mut self) -> Result<(), ServiceError> {
        let Some(task) = self.task.as_mut() else { return Ok(()) };
        let ended = task.await;
        self.task = None;
        ended.unwrap_or(Err(ServiceError::ClientClosed)) // Its task ends early only with the runtime.
    }
}

impl IntoFuture for ServiceHandle {
    type Output = Result<(), ServiceError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.ended())
    }
}

impl Drop for ServiceHandle {
    fn drop(&mut self) {
        if self.task.is_some() {
            self.abandon.cancel();
        }
    }
}

/// Why a service ended before it was stopped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// The broker refuses the channel for good.
    #[error("the broker refuses the service: {0}")]
    Refused(Refusal),
    /// The client was closed.
    #[error("the client was closed while the service ran")]
    ClientClosed,
    /// The channel is no name.
    #[error(transparent)]
    Name(#[from] NameError),
}

async fn work(service: Service, stop: CancellationToken, abandon: CancellationToken) -> Result<(), ServiceError> {
    let Service { link, channel, handler, concurrency, shutdown } = service;
    let channel = channel?;
    let number = link.with(|state, _| state.open_service(&channel, concurrency, Hold::Connection, None));
    let registered = Registered { link, number };
    let mut desk = Desk {
        link: &registered.link,
        number,
        handler,
        concurrency: concurrency as usize,
        tasks: JoinSet::new(),
        jobs: HashMap::new(),
        waiting: VecDeque::new(),
    };
    let shutdown = async {
        match shutdown {
            Some(signal) => signal.await,
            None => std::future::pending().await,
        }
    };
    let mut shutdown = std::pin::pin!(shutdown);
    let mut draining = false;
    loop {
        tokio::select! {
            event = registered.link.wait(|state, waker| state.poll_service(number, waker)) => match event {
                ServiceEvent::Delivery(handed) => desk.take(*handed),
                ServiceEvent::Stopped { delivery, reason } => desk.stop(delivery, reason),
                ServiceEvent::Ended(ended) => return ended.map_err(ServiceError::Refused),
                ServiceEvent::Closed => return Err(ServiceError::ClientClosed),
            },
            Some(ended) = desk.tasks.join_next_with_id() => desk.settle(ended),
            () = &mut shutdown, if !draining => draining = true,
            () = stop.cancelled(), if !draining => draining = true,
            () = abandon.cancelled() => return Ok(()),
        }
        if draining {
            registered.link.with(|state, _| state.drain_service(number));
        }
    }
}

/// A service's place in the client's state; dropped, what it holds is given back.
struct Registered {
    link: Link,
    number: ServiceNumber,
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.link.with(|state, _| state.end_service(self.number));
    }
}

/// The handlers at work, and what waits for one of them to end.
struct Desk<'a> {
    link: &'a Link,
    number: ServiceNumber,
    handler: Handler,
    concurrency: usize,
    tasks: JoinSet<Settled>,
    jobs: HashMap<Id, Job>,
    /// More than the broker knows of may be at work: a handler whose lease was lost ends when it likes.
    waiting: VecDeque<Handed>,
}

struct Job {
    delivery: DeliveryKey,
    stop: Arc<StopSignal>,
}

impl Desk<'_> {
    fn take(&mut self, handed: Handed) {
        if self.jobs.len() < self.concurrency { self.begin(handed) } else { self.waiting.push_back(handed) }
    }

    fn begin(&mut self, handed: Handed) {
        let stop = Arc::new(StopSignal::default());
        let context = Context::new(Arc::clone(self.link.shared()), &handed, Arc::clone(&stop));
        let handler = Arc::clone(&self.handler);
        let request = handed.request;
        let ticket = context.ticket();
        let attempt = context.attempt();
        let span = tracing::info_span!("request", channel = %ticket.channel, request.id = %ticket.id, attempt);
        // Called inside the task, so that a panic before its first await ends the task alone.
        let task = self.tasks.spawn(async move { handler(request, context).await }.instrument(span));
        self.jobs.insert(task.id(), Job { delivery: handed.key, stop });
    }

    /// A handler at work is told, and not killed; what no handler has begun is not begun.
    fn stop(&mut self, delivery: DeliveryKey, reason: StopReason) {
        if let Some(job) = self.jobs.values().find(|job| job.delivery == delivery) {
            job.stop.stop(reason);
        }
        if let Some(at) = self.waiting.iter().position(|handed| handed.key == delivery) {
            self.waiting.remove(at);
            self.link.with(|state, _| state.release_delivery(delivery));
        }
    }

    fn settle(&mut self, ended: Result<(Id, Settled), JoinError>) {
        let (id, settled) = match ended {
            Ok((id, settled)) => (id, settled),
            Err(error) => (error.id(), panicked()),
        };
        if let Some(job) = self.jobs.remove(&id) {
            self.link.with(|state, _| {
                state.settle(job.delivery, settled.settlement, settled.payload);
                state.release_delivery(job.delivery);
            });
        }
        if let Some(next) = self.waiting.pop_front() {
            self.begin(next);
        }
    }
}

impl Drop for Desk<'_> {
    fn drop(&mut self) {
        for job in self.jobs.values() {
            job.stop.abandon();
        }
        let held: Vec<_> =
            self.jobs.values().map(|job| job.delivery).chain(self.waiting.iter().map(|it| it.key)).collect();
        self.link.with(|state, _| {
            state.end_service(self.number); // First: the end of a subscription gives back without a backoff.
            held.into_iter().for_each(|delivery| state.release_delivery(delivery));
        });
    }
}

/// The panic's text may hold patients' data, and stays in this process.
fn panicked() -> Settled {
    tracing::error!("a handler panicked");
    let settlement = Settlement::Retry { problem: Problem::new("handler_panicked", ""), retry_after_ms: None };
    Settled { settlement, payload: Bytes::new() }
}
