//! What every handle of a client shares: the state behind its lock, and the waking of those whom a change concerns.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use roundtrip_transport::runtime;
use tokio::time::Instant;

use crate::state::{ClientState, Woken};

/// The state of a client with the waker of the task that drives it. It does not keep the client open.
pub(crate) struct Shared {
    guarded: Mutex<Guarded>,
}

struct Guarded {
    state: ClientState,
    driver: Option<Waker>,
}

impl Shared {
    pub(crate) fn new(state: ClientState) -> Self {
        Self { guarded: Mutex::new(Guarded { state, driver: None }) }
    }

    /// Does one step under the lock, then wakes whom it concerns.
    pub(crate) fn with<R>(&self, step: impl FnOnce(&mut ClientState) -> R) -> R {
        let mut guarded = self.lock();
        let result = step(&mut guarded.state);
        let mut woken = Woken::default();
        guarded.state.take_woken(&mut woken);
        let stopped = guarded.state.take_stopped();
        let driver = if guarded.state.take_changed() { guarded.driver.take() } else { None };
        drop(guarded);
        driver.into_iter().for_each(Waker::wake);
        woken.wake();
        stopped.into_iter().for_each(|(signal, reason)| signal.stop(reason));
        result
    }

    /// As `with`, for a step that asks what time it is.
    pub(crate) fn with_now<R>(&self, step: impl FnOnce(&mut ClientState, Instant) -> R) -> R {
        let now = runtime::now();
        self.with(|state| step(state, now))
    }

    /// Does one step of the task that drives the client, and remembers how to wake it. `woken` is empty, and lends its
    /// memory.
    pub(crate) fn drive<R>(
        &self,
        driver: &Waker,
        woken: &mut Woken,
        step: impl FnOnce(&mut ClientState, Instant) -> R,
    ) -> R {
        let now = runtime::now();
        let mut guarded = self.lock();
        if !guarded.driver.as_ref().is_some_and(|known| known.will_wake(driver)) {
            guarded.driver = Some(driver.clone());
        }
        let result = step(&mut guarded.state, now);
        guarded.state.take_changed();
        guarded.state.take_woken(woken);
        let stopped = guarded.state.take_stopped();
        drop(guarded);
        woken.wake();
        stopped.into_iter().for_each(|(signal, reason)| signal.stop(reason));
        result
    }

    /// Waits until the state has an answer.
    pub(crate) async fn wait<R>(&self, mut poll: impl FnMut(&mut ClientState, &Waker) -> Poll<R>) -> R {
        poll_fn(|context| self.with(|state| poll(state, context.waker()))).await
    }

    fn lock(&self) -> MutexGuard<'_, Guarded> {
        self.guarded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps the client open: its last clone flushes and closes it.
#[derive(Clone)]
pub(crate) struct Link {
    open: Arc<Open>,
}

struct Open {
    shared: Arc<Shared>,
}

impl Link {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { open: Arc::new(Open { shared }) }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.open.shared
    }
}

impl std::ops::Deref for Link {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.open.shared
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.shared.with_now(|state, now| state.close(now));
    }
}
