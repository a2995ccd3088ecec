//! The workers of a service: which delivery each of them takes, and when another is called.
//!
//! A worker is a task that runs one handler after the other. One that finds nothing to do waits; one that takes a
//! delivery calls another for the next, so that no handler keeps other deliveries waiting, and handlers that end at
//! once are all run by the worker that is there.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Poll, Waker};

use bytes::Bytes;
use roundtrip_protocol::{ChannelName, Hold, ServiceNumber, Settlement, StopReason};

use super::ClientState;
use super::delivery::{DeliveryKey, Handed};
use super::service::ServiceEvent;
use super::slab::Slab;
use super::wakers::Woken;
use crate::stop::StopSignal;

/// How many workers wait for work at most. More than that end.
const WAITING: usize = 1024;

pub(crate) type WorkerKey = u32;

/// The tasks that run a service's handlers, and what no handler has begun.
pub(super) struct Crew {
    deliveries: VecDeque<Handed>,
    workers: Slab<Worker>,
    /// Those that wait for work; the one that came last is called first.
    waiting: Vec<WorkerKey>,
    /// How many were called and have not come yet.
    called: usize,
    /// How many deliveries are begun at once without a handler's ending or waiting: one for each thread.
    threads: usize,
    /// How many handlers run at once.
    most: usize,
}

enum Worker {
    Waiting(Waker),
    Called,
    AtWork,
}

impl Crew {
    /// Gives the number of a worker that is to be made, where one is missing.
    fn call(&mut self, woken: &mut Woken) -> Option<WorkerKey> {
        if let Some(worker) = self.waiting.pop()
            && let Some(place) = self.workers.entry_mut(worker)
        {
            self.called += 1;
            if let Worker::Waiting(waker) = std::mem::replace(place, Worker::Called) {
                woken.push(waker);
            }
            return None;
        }
        if self.workers.len() == self.most {
            return None; // One that ends takes the next.
        }
        self.called += 1;
        Some(self.workers.insert(Worker::Called))
    }

    pub(super) fn forget_deliveries(&mut self) -> Vec<DeliveryKey> {
        self.deliveries.drain(..).map(|handed| handed.key).collect()
    }
}

impl ClientState {
    /// As `open_service`, for handlers: `most` at once, on so many threads.
    pub(crate) fn open_crew(&mut self, channel: &ChannelName, most: u32, threads: usize) -> ServiceNumber {
        let service = self.open_service(channel, most, Hold::Connection, None);
        if let Some(entry) = self.services.get_mut(&service) {
            entry.crew = Some(Crew {
                deliveries: VecDeque::new(),
                workers: Slab::default(),
                waiting: Vec::new(),
                called: 0,
                threads,
                most: most as usize,
            });
        }
        service
    }

    /// The next delivery for a worker, whose handler is stopped by the signal, and which worker is to be made before that
    /// runs. None: the worker is not needed any more.
    pub(crate) fn poll_work(
        &mut self,
        service: ServiceNumber,
        worker: WorkerKey,
        stop: &Arc<StopSignal>,
        waker: &Waker,
    ) -> Poll<Option<(Handed, Option<WorkerKey>)>> {
        let Some(crew) = self.services.get_mut(&service).and_then(|entry| entry.crew.as_mut()) else {
            return Poll::Ready(None);
        };
        let Some(place) = crew.workers.entry_mut(worker) else { return Poll::Ready(None) };
        match place {
            Worker::Waiting(waiting) => {
                waiting.clone_from(waker); // Nobody called it.
                return Poll::Pending;
            }
            Worker::Called => crew.called -= 1,
            Worker::AtWork => {}
        }
        *place = Worker::AtWork;
        let Some(handed) = crew.deliveries.pop_front() else {
            if crew.waiting.len() >= WAITING {
                crew.workers.remove(worker);
                return Poll::Ready(None);
            }
            *place = Worker::Waiting(waker.clone());
            crew.waiting.push(worker);
            return Poll::Pending;
        };
        if let Some(entry) = self.deliveries.entry_mut(handed.key.0) {
            entry.stop = Some(Arc::clone(stop));
        }
        let calls = !crew.deliveries.is_empty() && crew.called == 0;
        let missing = if calls { crew.call(&mut self.woken) } else { None };
        Poll::Ready(Some((handed, missing)))
    }

    /// The handler of a worker waits for something: meanwhile others take what is there. Gives which worker is to be made.
    pub(crate) fn note_handler_waits(&mut self, service: ServiceNumber) -> Option<WorkerKey> {
        let crew = self.services.get_mut(&service)?.crew.as_mut()?;
        if crew.deliveries.is_empty() { None } else { crew.call(&mut self.woken) }
    }

    /// A handler has returned.
    pub(crate) fn end_work(&mut self, key: DeliveryKey, settlement: Settlement, payload: Bytes) {
        self.settle(key, settlement, payload);
        self.release_delivery(key);
    }

    /// Hands a delivery to a service.
    pub(super) fn hand_over(&mut self, service: ServiceNumber, handed: Handed) {
        let Some(entry) = self.services.get_mut(&service) else { return };
        let Some(crew) = &mut entry.crew else {
            return self.tell_service(service, ServiceEvent::Delivery(Box::new(handed)));
        };
        crew.deliveries.push_back(handed);
        if crew.called < crew.threads
            && let Some(missing) = crew.call(&mut self.woken)
        {
            self.tell_service(service, ServiceEvent::Missing(missing));
        }
    }

    /// A handler at work is told, and not killed; what no handler has begun is not begun. Who holds a delivery by its
    /// token, for no service here, is told when it asks.
    pub(super) fn tell_stopped(&mut self, service: Option<ServiceNumber>, delivery: DeliveryKey, reason: StopReason) {
        let Some(service) = service else { return };
        let Some(entry) = self.services.get_mut(&service) else { return };
        let Some(crew) = &mut entry.crew else {
            return self.tell_service(service, ServiceEvent::Stopped { delivery, reason });
        };
        if let Some(at) = crew.deliveries.iter().position(|handed| handed.key == delivery) {
            crew.deliveries.remove(at);
            self.release_delivery(delivery);
        } else if let Some(stop) = self.deliveries.entry(delivery.0).and_then(|entry| entry.stop.clone()) {
            self.stopped.push((stop, Some(reason)));
        }
    }
}
