//! How a broker stops: it refuses new requests, lets what is under way come to its end, and fails the rest.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use roundtrip_core::{Command, Time};
use roundtrip_protocol::{Drain, ErrorCode, Problem};
use roundtrip_transport::runtime;

use crate::batch::Batch;
use crate::handles::Held;
use crate::lock::Lock;
use crate::memory::Room;
use crate::message::Answer;
use crate::peer::millis;
use crate::session::{Fault, Session};
use crate::shared::Shared;

/// How long the last outcomes have to be acknowledged.
const LAST_ACKNOWLEDGEMENTS: Duration = Duration::from_secs(2);

/// What became of the requests of a broker that stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Accepted requests that were failed with code `broker_stopped`, because they had no outcome when the time to
    /// drain was over.
    pub failed: usize,
    /// Outcomes in memory that nobody had acknowledged when the broker ended.
    pub unacknowledged: usize,
    /// Requests without an outcome that durable channels keep for the next start.
    pub kept: usize,
}

/// Whether the broker is stopping.
#[derive(Debug, Default)]
pub(crate) struct Draining(Mutex<Phase>);

#[derive(Debug, Default, Clone, Copy)]
enum Phase {
    #[default]
    Running,
    Draining {
        until: Time,
    },
    Stopped,
}

impl Draining {
    /// How long the broker drains yet, in milliseconds; none while it just runs.
    pub(crate) fn remaining_ms(&self, now: Time) -> Option<u64> {
        match *self.0.locked() {
            Phase::Running => None,
            Phase::Draining { until } => Some(millis(until.since(now))),
            Phase::Stopped => Some(0),
        }
    }

    fn begin(&self, until: Time) {
        *self.0.locked() = Phase::Draining { until };
    }

    pub(crate) fn stop(&self) {
        *self.0.locked() = Phase::Stopped;
    }
}

/// Drains, then closes every connection.
pub(crate) async fn run(shared: &Arc<Shared>) -> ShutdownReport {
    announce(shared);
    let timeout = shared.limits.drain_timeout;
    stop_dispatch(shared);
    let all_done = shared.changes.until(|| sum(shared).is_done().then_some(()));
    let _ = runtime::timeout(timeout, all_done).await;

    let failed = sum(shared).open;
    if failed > 0 {
        fail_the_rest(shared);
    }
    let acknowledged = shared.changes.until(|| (sum(shared).outcomes == 0).then_some(()));
    if runtime::timeout(LAST_ACKNOWLEDGEMENTS, acknowledged).await.is_err() {
        tracing::debug!("some outcomes were not acknowledged");
    }
    let unacknowledged = sum(shared).outcomes;
    // Whoever settled last is told so before its connection ends; and what the ends lead to is kept too.
    until_kept(shared).await;
    say_the_end(shared).await;
    until_kept(shared).await;
    ShutdownReport { failed, unacknowledged, kept: sum(shared).kept }
}

async fn until_kept(shared: &Shared) {
    if let Some(disk) = &shared.disk {
        disk.until_kept().await;
    }
}

/// Services first: they hear of it before requesters are refused.
fn announce(shared: &Arc<Shared>) {
    let mut batch = Batch::new(shared);
    let timeout = shared.limits.drain_timeout;
    let drain = Drain { remaining_ms: millis(timeout) };
    let (services, others): (Vec<_>, Vec<_>) =
        shared.connections.all().into_iter().partition(|session| session.serves());
    shared.draining.begin(batch.now + timeout);
    for session in services.iter().chain(&others) {
        session.announce(drain.clone(), &mut batch);
    }
    batch.finish();
}

/// What waits on durable channels is left to the next start.
fn stop_dispatch(shared: &Arc<Shared>) {
    let mut batch = Batch::new(shared);
    shared.channels.each(|channel| {
        if channel.is_durable() {
            channel.run(Command::StopDispatch, &mut batch);
        }
    });
    batch.finish();
}

fn fail_the_rest(shared: &Arc<Shared>) {
    let mut batch = Batch::new(shared);
    let problem = Problem::new("broker_stopped", "the broker stopped before the request had an outcome");
    let answer = Held::Here(Answer::problem(problem, None, Bytes::new(), Room::nothing()));
    shared.channels.each(|channel| {
        if !channel.is_durable() {
            channel.run(Command::Stop { answer: answer.clone() }, &mut batch);
        }
    });
    batch.finish();
}

/// Tells every connection that the broker stops, and waits until they have been told.
async fn say_the_end(shared: &Arc<Shared>) {
    let mut batch = Batch::new(shared);
    shared.draining.stop();
    shared.stop_listening.cancel();
    for session in shared.connections.all() {
        Session::report(&session, Fault::closing(ErrorCode::Stopping, "the broker stops now"), &mut batch);
    }
    batch.finish();
    shared.tasks.close();
    let _ = runtime::timeout(LAST_ACKNOWLEDGEMENTS, shared.tasks.wait()).await;
}

#[derive(Debug, Default)]
struct Left {
    /// Requests in memory without an outcome.
    open: usize,
    /// Outcomes in memory that are in mailboxes. Those in none are for whoever asks, and nobody has to.
    outcomes: usize,
    /// Deliveries of durable channels, which may still be settled.
    in_flight: usize,
    /// Requests without an outcome that stay on disk.
    kept: usize,
}

impl Left {
    const fn is_done(&self) -> bool {
        self.open == 0 && self.outcomes == 0 && self.in_flight == 0
    }
}

fn sum(shared: &Shared) -> Left {
    let mut left = Left::default();
    shared.channels.look(|channel| {
        let (figures, unacknowledged) = channel.live_figures();
        if channel.is_durable() {
            left.in_flight += figures.in_flight;
            left.kept += figures.open;
        } else {
            left.open += figures.open;
            left.outcomes += unacknowledged;
        }
    });
    left
}
