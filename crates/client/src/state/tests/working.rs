//! Who of a service's workers is called, and who takes what.

use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Wake;

use super::*;

/// Counts how often a worker was called.
#[derive(Default)]
struct Calls(AtomicU32);

impl Wake for Calls {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

struct Worker {
    key: WorkerKey,
    stop: Arc<StopSignal>,
    calls: Arc<Calls>,
}

/// What a worker took: the request's number, and who is to be made before its handler runs.
type Work = Poll<Option<(u8, Option<WorkerKey>)>>;

impl Worker {
    fn new(key: WorkerKey) -> Self {
        Self { key, stop: Arc::default(), calls: Arc::default() }
    }

    fn take(&self, scene: &mut Scene, service: ServiceNumber) -> Work {
        let waker = Waker::from(Arc::clone(&self.calls));
        let work = scene.state.poll_work(service, self.key, &self.stop, &waker);
        work.map(|work| work.map(|(handed, missing)| (handed.token.id.as_bytes()[0], missing)))
    }

    fn calls(&self, scene: &mut Scene) -> u32 {
        let mut woken = Woken::default();
        scene.state.take_woken(&mut woken);
        woken.wake();
        self.calls.0.load(Ordering::Relaxed)
    }
}

fn took(number: u8) -> Work {
    Poll::Ready(Some((number, None)))
}

impl Scene {
    fn crew(&mut self, most: u32, threads: usize) -> ServiceNumber {
        let service = self.state.open_crew(&channel(), most, threads);
        self.hear(Subscribed { service, lease_ms: 30_000 });
        self.frames();
        service
    }

    fn deliver(&mut self, service: ServiceNumber, number: u8) -> Token {
        let token = Token { id: id(number), ..token() };
        self.hear(Delivery { token, ..delivery(service, 30_000) });
        token
    }

    /// The worker that the service is to make.
    fn missing(&mut self, service: ServiceNumber) -> Worker {
        match self.service_event(service) {
            Poll::Ready(ServiceEvent::Missing(worker)) => Worker::new(worker),
            other => panic!("a worker is missing, not {other:?}"),
        }
    }

    /// A worker that waits for work.
    fn waiting_worker(&mut self, service: ServiceNumber) -> Worker {
        self.deliver(service, 100);
        let worker = self.missing(service);
        assert_eq!(worker.take(self, service), took(100));
        assert!(worker.take(self, service).is_pending());
        worker
    }
}

#[test]
fn one_worker_takes_all_whose_handlers_end_at_once() {
    let mut scene = Scene::connected();
    let service = scene.crew(8, 1);
    let worker = scene.waiting_worker(service);
    scene.deliver(service, 1);
    scene.deliver(service, 2);
    assert_eq!(worker.calls(&mut scene), 1);
    assert_eq!(worker.take(&mut scene, service), Poll::Ready(Some((1, Some(1)))), "another, should this one block");
    assert_eq!(worker.take(&mut scene, service), took(2));
    assert!(worker.take(&mut scene, service).is_pending());
    let second = Worker::new(1);
    assert!(second.take(&mut scene, service).is_pending(), "it comes too late");
    scene.deliver(service, 3);
    assert_eq!((worker.calls(&mut scene), second.calls(&mut scene)), (1, 1), "who came last is called");
}

#[test]
fn as_many_are_called_as_there_are_threads() {
    let mut scene = Scene::connected();
    let service = scene.crew(8, 2);
    for number in 1..=3 {
        scene.deliver(service, number);
    }
    let (first, second) = (scene.missing(service), scene.missing(service));
    assert!(scene.service_event(service).is_pending());
    assert_eq!(first.take(&mut scene, service), took(1));
    assert_eq!(second.take(&mut scene, service), Poll::Ready(Some((2, Some(2)))));
}

#[test]
fn a_handler_that_waits_has_another_called_though_one_was_called_before() {
    let mut scene = Scene::connected();
    let service = scene.crew(8, 1);
    let worker = scene.waiting_worker(service);
    for number in 1..=3 {
        scene.deliver(service, number);
    }
    assert_eq!(worker.take(&mut scene, service), Poll::Ready(Some((1, Some(1)))));
    assert_eq!(scene.state.note_handler_waits(service), Some(2));
    assert_eq!(Worker::new(2).take(&mut scene, service), took(2));
    assert_eq!(Worker::new(1).take(&mut scene, service), took(3));
    assert_eq!(scene.state.note_handler_waits(service), None, "nothing is there to be taken");
}

#[test]
fn there_are_no_more_workers_than_handlers_may_run() {
    let mut scene = Scene::connected();
    let service = scene.crew(1, 4);
    scene.deliver(service, 1);
    let worker = scene.missing(service);
    let token = scene.deliver(service, 2);
    assert!(scene.service_event(service).is_pending());
    assert_eq!(worker.take(&mut scene, service), took(1));
    assert_eq!(scene.state.note_handler_waits(service), None);
    scene.hear(Stop { service, token, reason: StopReason::Cancelled });
    assert_eq!(scene.names(), ["Stopped"], "what is not begun is never begun");
    assert!(worker.take(&mut scene, service).is_pending());
}

#[test]
fn a_worker_that_nobody_called_goes_on_waiting() {
    let mut scene = Scene::connected();
    let service = scene.crew(8, 1);
    let worker = scene.waiting_worker(service);
    assert!(worker.take(&mut scene, service).is_pending());
    scene.deliver(service, 1);
    assert_eq!(worker.calls(&mut scene), 1);
    assert_eq!(worker.take(&mut scene, service), took(1));
}

#[test]
fn the_end_of_a_service_stops_its_handlers_and_dismisses_its_workers() {
    let mut scene = Scene::connected();
    let service = scene.crew(8, 1);
    scene.deliver(service, 1);
    let worker = scene.missing(service);
    assert_eq!(worker.take(&mut scene, service), took(1));
    scene.deliver(service, 2);
    scene.state.end_service(service);
    for (signal, reason) in scene.state.take_stopped() {
        signal.stop(reason);
    }
    assert!(worker.stop.token().is_cancelled());
    assert_eq!(worker.stop.reason(), None);
    assert_eq!(scene.names(), ["Unsubscribe"], "its end gives back what was begun and what was not");
    assert_eq!(worker.take(&mut scene, service), Poll::Ready(None));
}
