//! A party that takes deliveries from a request channel and answers them, several at a time.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;

use roundtrip_protocol::{ChannelName, NameError, Refusal, ServiceNumber};
use tokio::runtime::Handle as Runtime;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::handler::Handle;
use crate::link::Link;
use crate::state::ServiceEvent;
use crate::worker::{MakeWorker, Workers, make_worker};

const CONCURRENCY: u32 = 64;

/// A service that is about to run.
///
/// Handlers run on tasks of their own, which take one request after the other; on a runtime with several threads they run
/// on all of them. What a handler returns settles its delivery; a panic is a retryable failure.
/// While the connection is broken handlers go on: over the next one the client takes their deliveries back and sends
/// the replies it kept. A handler whose work is no longer wanted is told so by
/// [`Context::cancelled`](crate::Context::cancelled), and not killed.
#[must_use = "a service does nothing until it is run or spawned"]
pub struct Service {
    link: Link,
    channel: Result<ChannelName, NameError>,
    make_worker: MakeWorker,
    concurrency: u32,
    shutdown: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Service {
    pub(crate) fn new(link: Link, channel: &str, handler: impl Handle) -> Self {
        let make_worker = make_worker(handler);
        Self { link, channel: ChannelName::new(channel), make_worker, concurrency: CONCURRENCY, shutdown: None }
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

    /// Runs until it is shut down, each handler in a tracing span `request` of its own. Dropped before
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
    let Service { link, channel, make_worker, concurrency, shutdown } = service;
    let channel = channel?;
    let threads = Runtime::current().metrics().num_workers();
    let number = link.with(|state| state.open_crew(&channel, concurrency, threads));
    let workers = Workers::new(Arc::clone(link.shared()), number, make_worker);
    let registered = Registered { link, number, workers };
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
                ServiceEvent::Missing(worker) => registered.workers.add(worker),
                ServiceEvent::Delivery(_) | ServiceEvent::Stopped { .. } => {} // Workers are told.
                ServiceEvent::Ended(ended) => return ended.map_err(ServiceError::Refused),
                ServiceEvent::Closed => return Err(ServiceError::ClientClosed),
            },
            () = &mut shutdown, if !draining => draining = true,
            () = stop.cancelled(), if !draining => draining = true,
            () = abandon.cancelled() => return Ok(()),
        }
        if draining {
            registered.link.with(|state| state.drain_service(number));
        }
    }
}

/// A service's place in the client's state; dropped, its handlers are told, and what it holds is given back.
struct Registered {
    link: Link,
    number: ServiceNumber,
    workers: Arc<Workers>,
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.link.with(|state| state.end_service(self.number));
        self.workers.abort();
    }
}
