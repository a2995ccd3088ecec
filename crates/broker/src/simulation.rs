//! What a simulator sees of a broker beyond its public face: connections over streams that it makes itself, what each
//! channel is asked and does about it, and figures that must be zero when the work is done. And what it gives it: a
//! disk, and a clock.

mod event;
mod watch;

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use roundtrip_transport::runtime;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

pub(crate) use self::event::event_of;
pub use self::event::{Event, Subscription, Way};
pub use self::watch::watch;
pub(crate) use self::watch::{
    set_decided, watch_arrival, watch_asked, watch_begin, watch_command, watch_decided, watch_effect, watch_reply,
    watch_spoilt, watch_unsaid,
};
use crate::Broker;
pub use crate::storage::faulty::{EndOnDisk, Faults, FaultyDisk, Moment, OnDisk, Wrongs};
use crate::tcp;

thread_local! {
    /// What the system's clock shows, and since when.
    static CLOCK: Cell<Option<(Instant, Duration)>> = const { Cell::new(None) };
}

/// Serves a connection over two streams of bytes, as one that was accepted over TCP.
pub fn accept<R, W>(broker: &Broker, read: R, write: W)
where
    R: AsyncRead + Unpin + Send + 'static,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let shared = Arc::clone(broker.shared());
    let tracked = shared.tasks.clone();
    runtime::spawn(tracked.track_future(tcp::serve_streams(read, write, "simulated", shared)));
}

/// How many mailboxes there are.
#[must_use]
pub fn mailboxes(broker: &Broker) -> usize {
    broker.shared().mailboxes.count()
}

/// The broker's time, since 1970 where it has a disk.
#[must_use]
pub fn time(broker: &Broker) -> Duration {
    broker.shared().clock.now().since_start()
}

/// Sets the clock of this thread's system: it shows so long since 1970, and goes on with the runtime's. None: it always
/// shows 1970.
pub fn set_clock(shown: Option<Duration>) {
    CLOCK.set(shown.map(|shown| (runtime::now(), shown)));
}

/// What that clock shows.
pub(crate) fn clock_millis() -> u64 {
    let shown = CLOCK.get().map(|(since, shown)| shown + runtime::now().saturating_duration_since(since));
    shown.map_or(0, |shown| u64::try_from(shown.as_millis()).unwrap_or(u64::MAX))
}
