//! What a simulator needs to run a service's handlers itself: the desk of [`Service`](crate::Service), without its tasks.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use roundtrip_protocol::{ChannelName, Ending, Hold, Label, Refusal, ServiceNumber};

use crate::context::Context;
use crate::failure::RawFailure;
use crate::handler::{Request, Settled};
use crate::link::Link;
use crate::state::{DeliveryKey, ServiceEvent};
use crate::stop::StopSignal;
use crate::{Client, Message, Outcome};

/// An outcome, as a requester would be told it.
#[must_use]
pub fn replied(attempts: u32, payload: Bytes) -> Outcome {
    Outcome::new(attempts, Ending::Replied(Label::default()), payload)
}

/// A subscription whose deliveries are handed out one by one.
pub struct Desk {
    link: Link,
    number: ServiceNumber,
    stops: Mutex<BTreeMap<DeliveryKey, Arc<StopSignal>>>,
}

/// A delivery, to be worked on and then given to [`Desk::settle`] or [`Desk::drop_job`].
pub struct Job {
    /// What is asked for.
    pub request: Request,
    /// What a handler knows of it.
    pub context: Context,
    key: DeliveryKey,
}

impl Desk {
    /// Subscribes a service of the client.
    #[must_use]
    pub fn open(client: &Client, channel: &ChannelName, credit: u32) -> Self {
        let link = client.link().clone();
        let number = link.with(|state| state.open_service(channel, credit, Hold::Connection, None));
        Self { link, number, stops: Mutex::default() }
    }

    /// The next delivery. Those that are to be stopped are told so meanwhile.
    ///
    /// # Errors
    ///
    /// There will be none any more: the subscription was ended or refused, or the client is closed.
    pub async fn next(&self) -> Result<Job, Option<Refusal>> {
        loop {
            match self.link.wait(|state, waker| state.poll_service(self.number, waker)).await {
                ServiceEvent::Delivery(handed) => {
                    let stop = Arc::new(StopSignal::default());
                    let key = handed.key;
                    self.stops().insert(key, Arc::clone(&stop));
                    let (context, payload) = Context::new(Arc::clone(self.link.shared()), *handed, stop);
                    return Ok(Job { request: context.request(payload), context, key });
                }
                ServiceEvent::Stopped { delivery, reason } => {
                    let stop = self.stops().get(&delivery).cloned();
                    stop.into_iter().for_each(|stop| stop.stop(Some(reason)));
                }
                ServiceEvent::Missing(_) => {} // There are no workers.
                ServiceEvent::Ended(ended) => return Err(ended.err()),
                ServiceEvent::Closed => return Err(None),
            }
        }
    }

    /// What a handler returned.
    pub fn settle(&self, job: &Job, result: Result<Message, RawFailure>) {
        self.stops().remove(&job.key);
        let settled = Settled::of_raw(result);
        self.link.with(|state| {
            state.settle(job.key, settled.settlement, settled.payload);
            state.release_delivery(job.key);
        });
    }

    /// The handler was dropped before it returned.
    pub fn drop_job(&self, job: &Job) {
        self.stops().remove(&job.key);
        self.link.with(|state| state.release_delivery(job.key));
    }

    fn stops(&self) -> MutexGuard<'_, BTreeMap<DeliveryKey, Arc<StopSignal>>> {
        self.stops.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes nothing new, and ends when everything held is settled.
    pub fn drain(&self) {
        self.link.with(|state| state.drain_service(self.number));
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.link.with(|state| state.end_service(self.number));
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Desk({})", self.number)
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.context, out)
    }
}
