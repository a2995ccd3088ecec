//! Sees handlers at work, and lets them end when the test says so.

use std::pin::Pin;
use std::sync::Arc;

use roundtrip::{Context, Failure};
use tokio::sync::{Mutex, Semaphore, mpsc};

use super::{Double, NotDoubled, doubled};

type Doubling = Pin<Box<dyn Future<Output = Result<u64, Failure<NotDoubled>>> + Send>>;

/// A handler calls [`Witness::seen`] as it begins; the test waits for that with [`Witness::begun`] and lets it go on
/// with [`Witness::let_go`].
#[derive(Clone)]
pub(crate) struct Witness {
    begin: mpsc::UnboundedSender<Context>,
    begun: Arc<Mutex<mpsc::UnboundedReceiver<Context>>>,
    gate: Arc<Semaphore>,
}

impl Witness {
    pub(crate) fn new() -> Self {
        let (begin, begun) = mpsc::unbounded_channel();
        Self { begin, begun: Arc::new(Mutex::new(begun)), gate: Arc::new(Semaphore::new(0)) }
    }

    /// Tells the test that a handler has begun.
    pub(crate) fn seen(&self, job: &Context) {
        self.begin.send(job.clone()).expect("the witness holds both ends");
    }

    /// Tells the test that a handler has begun, and waits until the test lets one go on.
    pub(crate) async fn hold(&self, job: &Context) {
        self.seen(job);
        self.gate.acquire().await.expect("nobody closes the gate").forget();
    }

    /// A handler that doubles when the test lets it go.
    pub(crate) fn holding(&self) -> impl Fn(Double, Context) -> Doubling + Send + Sync + 'static {
        let witness = self.clone();
        move |command, job| {
            let witness = witness.clone();
            Box::pin(async move {
                witness.hold(&job).await;
                doubled(command, job).await
            })
        }
    }

    /// Waits for the next handler to begin.
    pub(crate) async fn begun(&self) -> Context {
        self.begun.lock().await.recv().await.expect("the witness holds both ends")
    }

    /// How many handlers have begun that nobody waited for.
    pub(crate) async fn unseen(&self) -> usize {
        self.begun.lock().await.len()
    }

    /// Lets so many handlers go on, now or when they come.
    pub(crate) fn let_go(&self, handlers: usize) {
        self.gate.add_permits(handlers);
    }
}
