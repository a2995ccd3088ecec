//! A runtime that a simulator gives to its thread.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;

/// A runtime of somebody else's.
pub trait Given {
    /// The time now.
    fn now(&self) -> Instant;

    /// Wakes at a time, once. The number is for [`Given::forget`].
    fn wake_at(&self, at: Instant, waker: &Waker) -> u64;

    /// Wakes no more.
    fn forget(&self, at: Instant, number: u64);

    /// Runs a task.
    fn spawn(&self, task: Pin<Box<dyn Future<Output = ()> + Send>>);

    /// Random bits.
    fn chance(&self) -> u64;
}

thread_local! {
    static GIVEN: RefCell<Option<Rc<dyn Given>>> = const { RefCell::new(None) };
}

/// Gives this thread a runtime, or takes it away.
pub fn give(runtime: Option<Rc<dyn Given>>) {
    GIVEN.with(|given| *given.borrow_mut() = runtime);
}

/// Random bits of the given runtime; none where nothing was given.
#[must_use]
pub fn chance() -> Option<u64> {
    given().map(|given| given.chance())
}

pub(super) fn now() -> Option<Instant> {
    given().map(|given| given.now())
}

/// Gives the task back where nothing was given.
pub(super) fn spawn<F: Future<Output = ()> + Send + 'static>(task: F) -> Option<F> {
    match given() {
        Some(given) => {
            given.spawn(Box::pin(task));
            None
        }
        None => Some(task),
    }
}

fn given() -> Option<Rc<dyn Given>> {
    // None as well while the thread ends.
    GIVEN.try_with(|given| given.borrow().clone()).ok().flatten()
}

/// Ready at a time.
#[derive(Debug)]
pub struct Sleep(Kind);

#[derive(Debug)]
enum Kind {
    Tokio(Pin<Box<tokio::time::Sleep>>),
    Given { until: Instant, armed: Option<(Instant, u64)> },
}

/// As tokio's.
#[must_use]
pub fn sleep_until(until: Instant) -> Sleep {
    Sleep(match given() {
        Some(_) => Kind::Given { until, armed: None },
        None => Kind::Tokio(Box::pin(tokio::time::sleep_until(until))),
    })
}

impl Sleep {
    /// As tokio's.
    pub fn reset(self: Pin<&mut Self>, to: Instant) {
        match &mut self.get_mut().0 {
            Kind::Tokio(sleep) => sleep.as_mut().reset(to),
            Kind::Given { until, armed } => {
                *until = to;
                disarm(armed);
            }
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        match &mut self.get_mut().0 {
            Kind::Tokio(sleep) => sleep.as_mut().poll(context),
            Kind::Given { until, armed } => {
                disarm(armed);
                let Some(given) = given() else { return Poll::Pending };
                if given.now() >= *until {
                    return Poll::Ready(());
                }
                *armed = Some((*until, given.wake_at(*until, context.waker())));
                Poll::Pending
            }
        }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Kind::Given { armed, .. } = &mut self.0 {
            disarm(armed);
        }
    }
}

fn disarm(armed: &mut Option<(Instant, u64)>) {
    if let (Some((at, number)), Some(given)) = (armed.take(), given()) {
        given.forget(at, number);
    }
}

/// The time was over first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("the time was over first")
    }
}

impl std::error::Error for Elapsed {}

/// As tokio's.
///
/// # Errors
///
/// The time was over first.
pub async fn timeout<F: Future>(wait: Duration, future: F) -> Result<F::Output, Elapsed> {
    let far = || super::now() + Duration::from_secs(86_400 * 365 * 30);
    let until = super::now().checked_add(wait).unwrap_or_else(far);
    let mut sleep = std::pin::pin!(sleep_until(until));
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|context| {
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(Ok(output));
        }
        sleep.as_mut().poll(context).map(|()| Err(Elapsed))
    })
    .await
}
