//! A worker: a task that runs the handler of a service for one delivery after the other.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use bytes::Bytes;
use roundtrip_protocol::{Problem, ServiceNumber, Settlement};
use tokio::task::JoinSet;
use tokio::task::coop::consume_budget;
use tracing::Instrument;

use crate::context::Context;
use crate::handler::{Handle, Settled};
use crate::link::Shared;
use crate::state::{ClientState, DeliveryKey, Handed, WorkerKey};
use crate::stop::StopSignal;

/// Makes the task of a worker.
pub(crate) type MakeWorker = Box<dyn Fn(Post) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

pub(crate) fn make_worker(handler: impl Handle) -> MakeWorker {
    let handler = Arc::new(handler);
    Box::new(move |post| Box::pin(work(post, Arc::clone(&handler))))
}

/// All workers of a service.
pub(crate) struct Workers {
    shared: Arc<Shared>,
    service: ServiceNumber,
    make_worker: MakeWorker,
    tasks: Mutex<JoinSet<()>>,
}

impl Workers {
    pub(crate) fn new(shared: Arc<Shared>, service: ServiceNumber, make_worker: MakeWorker) -> Arc<Self> {
        Arc::new(Self { shared, service, make_worker, tasks: Mutex::default() })
    }

    /// Makes a worker that is missing. Whoever calls it does, since another task may be stuck behind a handler that
    /// blocks its thread.
    pub(crate) fn add(self: &Arc<Self>, worker: WorkerKey) {
        let task = (self.make_worker)(Post { workers: Arc::clone(self), worker });
        let mut tasks = self.tasks();
        while tasks.try_join_next().is_some() {} // Those that were not needed any more.
        tasks.spawn(task);
    }

    /// Drops their handlers.
    pub(crate) fn abort(&self) {
        self.tasks().abort_all();
    }

    fn tasks(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A worker's place among them.
pub(crate) struct Post {
    workers: Arc<Workers>,
    worker: WorkerKey,
}

impl Post {
    fn shared(&self) -> &Arc<Shared> {
        &self.workers.shared
    }

    /// Ends the delivery before, and takes the next; none when the worker is not needed any more.
    async fn next(&self, mut ended: Option<(DeliveryKey, Settled)>, stop: &mut Arc<StopSignal>) -> Option<Handed> {
        let take = |state: &mut ClientState, waker: &Waker| {
            if let Some((key, settled)) = ended.take() {
                state.end_work(key, settled.settlement, settled.payload);
                StopSignal::renew(stop);
            }
            state.poll_work(self.workers.service, self.worker, stop, waker)
        };
        let (handed, missing) = self.shared().wait(take).await?;
        missing.into_iter().for_each(|worker| self.workers.add(worker));
        Some(handed)
    }

    /// Runs a handler to its end.
    async fn run(&self, handling: impl Future<Output = Settled>) -> Settled {
        let mut handling = pin!(handling);
        let mut has_waited = false;
        poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| handling.as_mut().poll(context))) {
            Ok(Poll::Pending) if !has_waited => {
                has_waited = true;
                let missing = self.shared().with(|state| state.note_handler_waits(self.workers.service));
                missing.into_iter().for_each(|worker| self.workers.add(worker));
                Poll::Pending
            }
            Ok(polled) => polled,
            Err(_) => Poll::Ready(panicked()),
        })
        .await
    }
}

async fn work(post: Post, handler: Arc<impl Handle>) {
    let mut stop = Arc::new(StopSignal::default());
    let mut ended = None;
    while let Some(handed) = post.next(ended.take(), &mut stop).await {
        let mut held = Held { shared: post.shared(), key: Some(handed.key) };
        consume_budget().await;
        let (context, payload) = Context::new(Arc::clone(post.shared()), handed, Arc::clone(&stop));
        let (ticket, attempt) = (context.ticket(), context.attempt());
        let span = tracing::info_span!("request", channel = %ticket.channel, request.id = %ticket.id, attempt);
        // Called within it, so that a panic before its first await is one of the handler too.
        let handling = async { handler.handle(payload, context).await };
        let settled = post.run(handling.instrument(span)).await;
        ended = held.key.take().map(|key| (key, settled));
    }
}

/// A delivery that a worker has; dropped with it, it is given back.
struct Held<'a> {
    shared: &'a Shared,
    key: Option<DeliveryKey>,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.shared.with(|state| state.release_delivery(key));
        }
    }
}

/// The panic's text may hold patients' data, and stays in this process.
fn panicked() -> Settled {
    tracing::error!("a handler panicked");
    let settlement = Settlement::Retry { problem: Problem::new("handler_panicked", ""), retry_after_ms: None };
    Settled { settlement, payload: Bytes::new() }
}
