//! Where work waits for a thread, or for a task.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::Worker;
use crate::lock::Lock;

/// Work that waits, in order.
pub(crate) struct Desk<T> {
    state: Mutex<State<T>>,
    bell: Bell,
}

struct State<T> {
    waiting: Vec<T>,
    is_closed: bool,
}

/// How whoever works is called.
pub(super) enum Bell {
    Thread(Condvar),
    Task(Notify),
}

/// What came of waiting for work.
pub(super) enum Taken<T> {
    Work(Vec<T>),
    /// None came for so long.
    Nothing,
    /// There will be none any more.
    End,
}

impl Bell {
    pub(super) fn of(worker: Worker) -> Self {
        match worker {
            Worker::Threads => Self::Thread(Condvar::new()),
            Worker::Tasks => Self::Task(Notify::new()),
        }
    }

    fn ring(&self) {
        match self {
            Self::Thread(bell) => bell.notify_one(),
            Self::Task(bell) => bell.notify_one(),
        }
    }
}

impl<T> Desk<T> {
    pub(super) fn new(bell: Bell) -> Self {
        Self { state: Mutex::new(State { waiting: Vec::new(), is_closed: false }), bell }
    }

    pub(super) fn put(&self, work: T) {
        let mut state = self.state.locked();
        if state.is_closed {
            return;
        }
        let is_first = state.waiting.is_empty();
        state.waiting.push(work);
        drop(state);
        // Whoever works takes all that waits at once: for what comes behind the first it has been called.
        if is_first {
            self.bell.ring();
        }
    }

    /// Nothing is put on it any more. What waits is still done by a thread, which is waited for; a task, which nobody
    /// waits for, leaves it.
    pub(super) fn close(&self) {
        let mut state = self.state.locked();
        state.is_closed = true;
        if let Bell::Task(_) = &self.bell {
            state.waiting.clear();
        }
        drop(state);
        self.bell.ring();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state.locked().is_closed
    }

    /// For a thread: waits for work, at most so long if that is said.
    pub(super) fn wait(&self, at_most: Option<Duration>) -> Taken<T> {
        let Bell::Thread(bell) = &self.bell else { return Taken::End };
        let mut state = self.state.locked();
        loop {
            if let Some(taken) = take(&mut state) {
                return taken;
            }
            match at_most {
                None => state = bell.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(at_most) => {
                    let (again, passed) = bell.wait_timeout(state, at_most).unwrap_or_else(PoisonError::into_inner);
                    state = again;
                    if passed.timed_out() {
                        return take(&mut state).unwrap_or(Taken::Nothing);
                    }
                }
            }
        }
    }

    /// For a task: waits for work.
    pub(super) async fn rung(&self) -> Taken<T> {
        loop {
            if let Some(taken) = take(&mut self.state.locked()) {
                return taken;
            }
            match &self.bell {
                Bell::Task(bell) => bell.notified().await,
                Bell::Thread(_) => return Taken::End,
            }
        }
    }
}

fn take<T>(state: &mut State<T>) -> Option<Taken<T>> {
    if !state.waiting.is_empty() {
        return Some(Taken::Work(std::mem::take(&mut state.waiting)));
    }
    state.is_closed.then_some(Taken::End)
}
