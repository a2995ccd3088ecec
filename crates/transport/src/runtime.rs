//! What both ends of a connection ask of the runtime they live in: the time, to be woken at a time, and a task.
//!
//! It is tokio's. With the feature `simulation` a thread may be given another one, which has no clock, no chance and
//! no task of its own: see [`Given`]. Every other thread goes on with tokio's.

#[cfg(feature = "simulation")]
mod given;

use std::future::Future;

use tokio::time::Instant;

#[cfg(feature = "simulation")]
pub use self::given::{Elapsed, Given, Sleep, chance, give, sleep_until, timeout};
#[cfg(not(feature = "simulation"))]
pub use tokio::time::{Sleep, error::Elapsed, sleep_until, timeout};

/// The time now.
#[must_use]
pub fn now() -> Instant {
    #[cfg(feature = "simulation")]
    if let Some(now) = given::now() {
        return now;
    }
    Instant::now()
}

/// Runs a task of its own. There must be a runtime.
pub fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    #[cfg(feature = "simulation")]
    let Some(task) = given::spawn(task) else { return };
    tokio::spawn(task);
}

/// Whether there is a runtime on this thread.
#[must_use]
pub fn is_there() -> bool {
    #[cfg(feature = "simulation")]
    if given::now().is_some() {
        return true;
    }
    tokio::runtime::Handle::try_current().is_ok()
}
