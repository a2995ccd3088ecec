//! Runs tasks under a virtual clock, one poll at a time, in an order that chance decides.
//!
//! Each task belongs to a party. A party can be killed, which drops its tasks between two polls, or frozen, which
//! keeps them from being polled for a while.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use roundtrip_transport::runtime::{self, Given};
use tokio::time::Instant;

use super::chance::Chance;

/// How long a step takes: no two happen at the same time.
const STEP: Duration = Duration::from_micros(1);

/// Whose task it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Party(pub(crate) u8);

impl Party {
    pub(crate) const BROKER: Self = Self(0);
    /// The simulator's own tasks: who brings the faults, and who waits for the end.
    pub(crate) const STAGE: Self = Self(u8::MAX);
}

/// The tasks, the clock and the chance of one run.
pub(crate) struct Executor {
    base: Instant,
    now: Cell<Duration>,
    chance: RefCell<Chance>,
    tasks: RefCell<Vec<Task>>,
    free: RefCell<Vec<usize>>,
    ready: Arc<Mutex<Vec<Arc<Mark>>>>,
    timers: RefCell<BTreeMap<(Instant, u64), Waker>>,
    next_timer: Cell<u64>,
    polled: Cell<Party>,
    frozen: RefCell<BTreeMap<Party, Instant>>,
    condemned: RefCell<Vec<Party>>,
}

type Polled = Pin<Box<dyn Future<Output = ()>>>;

struct Task {
    party: Party,
    /// None while it is polled, and when it is over.
    future: Option<Polled>,
    mark: Arc<Mark>,
}

/// A task among those that are ready.
struct Mark {
    place: usize,
    is_ready: AtomicBool,
    ready: Arc<Mutex<Vec<Arc<Mark>>>>,
}

impl Wake for Mark {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_ready.swap(true, Ordering::Relaxed) {
            self.ready.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(self));
        }
    }
}

/// What a step was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// A task was polled.
    Polled { task: usize, party: Party },
    /// The clock went on to the next timer.
    Waited,
    /// Nothing is ready and nothing is due: nothing will ever happen again.
    Idle,
}

impl Executor {
    /// Gives this thread a runtime whose chance comes from `seed`.
    pub(crate) fn begin(seed: u64) -> Rc<Self> {
        let executor = Rc::new(Self {
            base: Instant::now(),
            now: Cell::new(Duration::ZERO),
            chance: RefCell::new(Chance::new(seed)),
            tasks: RefCell::new(Vec::new()),
            free: RefCell::new(Vec::new()),
            ready: Arc::default(),
            timers: RefCell::new(BTreeMap::new()),
            next_timer: Cell::new(0),
            polled: Cell::new(Party::STAGE),
            frozen: RefCell::new(BTreeMap::new()),
            condemned: RefCell::new(Vec::new()),
        });
        runtime::give(Some(Rc::clone(&executor) as Rc<dyn Given>));
        executor
    }

    /// How long ago the run began.
    pub(crate) fn elapsed(&self) -> Duration {
        self.now.get()
    }

    /// Decides by chance.
    pub(crate) fn decide<T>(&self, decide: impl FnOnce(&mut Chance) -> T) -> T {
        decide(&mut self.chance.borrow_mut())
    }

    /// Runs a task of a party.
    pub(crate) fn spawn(&self, party: Party, future: impl Future<Output = ()> + 'static) {
        self.add(party, Box::pin(future));
    }

    /// Does something as if a task of `party` did it: what is spawned is that party's.
    pub(crate) fn act_as<T>(&self, party: Party, act: impl FnOnce() -> T) -> T {
        let before = self.polled.replace(party);
        let result = act();
        self.polled.set(before);
        result
    }

    /// Drops all tasks of a party, after the current poll.
    pub(crate) fn kill(&self, party: Party) {
        self.condemned.borrow_mut().push(party);
    }

    /// Polls no task of a party for a while.
    pub(crate) fn freeze(&self, party: Party, length: Duration) {
        let until = self.base + self.now.get() + length;
        let mut frozen = self.frozen.borrow_mut();
        let thaws = frozen.entry(party).or_insert(until);
        *thaws = until.max(*thaws);
    }

    /// Polls one task, or lets time go on.
    pub(crate) fn step(&self) -> Step {
        self.execute();
        let Some(mark) = self.pick() else {
            let step = self.wait();
            return step;
        };
        self.now.set(self.now.get() + STEP);
        mark.is_ready.store(false, Ordering::Relaxed);
        let place = mark.place;
        let (party, future) = {
            let mut tasks = self.tasks.borrow_mut();
            let task = &mut tasks[place];
            // A mark of a task that was here before.
            if !Arc::ptr_eq(&task.mark, &mark) {
                return Step::Polled { task: place, party: Party::STAGE };
            }
            (task.party, task.future.take())
        };
        let Some(mut future) = future else { return Step::Polled { task: place, party } };
        let waker = Waker::from(mark);
        if self.is_frozen(party) {
            let thaws = self.frozen.borrow()[&party];
            self.wake_at(thaws, &waker);
            self.tasks.borrow_mut()[place].future = Some(future);
            return Step::Polled { task: place, party };
        }
        self.polled.set(party);
        let is_over = future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
        if is_over {
            drop(future);
            self.free.borrow_mut().push(place);
        } else {
            self.tasks.borrow_mut()[place].future = Some(future);
        }
        self.polled.set(Party::STAGE);
        Step::Polled { task: place, party }
    }

    /// Drops every task.
    pub(crate) fn end(&self) {
        let left: Vec<_> = self.tasks.borrow_mut().iter_mut().filter_map(|task| task.future.take()).collect();
        drop(left);
        self.timers.borrow_mut().clear();
        runtime::give(None);
    }

    fn is_frozen(&self, party: Party) -> bool {
        let mut frozen = self.frozen.borrow_mut();
        if frozen.get(&party).is_some_and(|thaws| *thaws <= self.base + self.now.get()) {
            frozen.remove(&party);
        }
        frozen.contains_key(&party)
    }

    fn pick(&self) -> Option<Arc<Mark>> {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if ready.is_empty() {
            return None;
        }
        let chosen = self.chance.borrow_mut().below(ready.len() as u64);
        Some(ready.swap_remove(chosen as usize))
    }

    fn wait(&self) -> Step {
        let mut timers = self.timers.borrow_mut();
        let Some(((at, _), waker)) = timers.pop_first() else { return Step::Idle };
        self.now.set(self.now.get().max(at.duration_since(self.base)));
        let mut due = vec![waker];
        while let Some(next) = timers.first_entry().filter(|next| next.key().0 == at) {
            due.push(next.remove());
        }
        drop(timers);
        due.into_iter().for_each(Waker::wake);
        Step::Waited
    }

    fn execute(&self) {
        while let Some(party) = self.condemned.borrow_mut().pop() {
            let mut dropped = Vec::new();
            for (place, task) in self.tasks.borrow_mut().iter_mut().enumerate() {
                if task.party == party
                    && let Some(future) = task.future.take()
                {
                    dropped.push((place, future));
                }
            }
            for (place, future) in dropped {
                self.act_as(party, || drop(future));
                self.free.borrow_mut().push(place);
            }
        }
    }

    fn add(&self, party: Party, future: Polled) {
        let free = self.free.borrow_mut().pop();
        let mut tasks = self.tasks.borrow_mut();
        let place = free.unwrap_or(tasks.len());
        let mark = Arc::new(Mark { place, is_ready: AtomicBool::new(false), ready: Arc::clone(&self.ready) });
        let task = Task { party, future: Some(future), mark: Arc::clone(&mark) };
        if place == tasks.len() {
            tasks.push(task)
        } else {
            tasks[place] = task
        }
        drop(tasks);
        mark.wake();
    }
}

impl Given for Executor {
    fn now(&self) -> Instant {
        self.base + self.now.get()
    }

    fn wake_at(&self, at: Instant, waker: &Waker) -> u64 {
        let number = self.next_timer.get();
        self.next_timer.set(number + 1);
        self.timers.borrow_mut().insert((at, number), waker.clone());
        number
    }

    fn forget(&self, at: Instant, number: u64) {
        self.timers.borrow_mut().remove(&(at, number));
    }

    fn spawn(&self, task: Pin<Box<dyn Future<Output = ()> + Send>>) {
        self.add(self.polled.get(), task);
    }

    fn chance(&self) -> u64 {
        self.chance.borrow_mut().bits()
    }
}

/// Waits a while.
pub(crate) async fn sleep(length: Duration) {
    runtime::sleep_until(runtime::now() + length).await;
}
