//! The silences of a TCP connection, looked at a few times per heartbeat.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use roundtrip_transport::runtime::{self, Sleep};
use tokio::time::Instant;

/// How long a connection has to say who it is.
const GREETING: Duration = Duration::from_secs(10);

/// How long the other end may take nothing of what waits for it.
const SLOWEST_READER: Duration = Duration::from_secs(30);

/// How many heartbeats may pass without a byte.
const MISSED: u32 = 3;

/// A silence that something is to be done about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Silence {
    /// We have said nothing for a while.
    Ours { nonce: u64 },
    /// The other end has said nothing for too long.
    Theirs,
    /// The other end has not said who it is.
    NoGreeting,
    /// The other end does not take what waits for it.
    NotReading,
}

/// Watches over one connection.
pub(super) struct Watch {
    heartbeat: Duration,
    next: Pin<Box<Sleep>>,
    accepted: Instant,
    is_greeted: bool,
    wrote: Instant,
    waits_since: Option<Instant>,
    pings: u64,
}

impl Watch {
    pub(super) fn new(heartbeat: Duration) -> Self {
        let now = runtime::now();
        Self {
            heartbeat,
            next: Box::pin(runtime::sleep_until(now + GREETING)),
            accepted: now,
            is_greeted: false,
            wrote: now,
            waits_since: None,
            pings: 0,
        }
    }

    pub(super) fn greeted(&mut self) {
        self.is_greeted = true;
        let next = runtime::now() + self.interval();
        self.next.as_mut().reset(next);
    }

    /// Writing was tried: whether the other end took something, and whether something still waits.
    pub(super) fn wrote(&mut self, took: bool, waits: bool) {
        if took {
            self.wrote = runtime::now();
            self.waits_since = None;
        }
        if waits {
            self.waits_since.get_or_insert_with(runtime::now);
        }
    }

    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.next.as_mut().poll(context)
    }

    /// What silence there is, `heard` being when bytes last came. Sets the time of the next look.
    pub(super) fn look(&mut self, heard: Instant, is_unread: bool) -> Option<Silence> {
        let now = runtime::now();
        let next = now + self.interval();
        self.next.as_mut().reset(next);
        if !self.is_greeted && now.duration_since(self.accepted) >= GREETING {
            return Some(Silence::NoGreeting);
        }
        if self.waits_since.is_some_and(|since| now.duration_since(since) >= SLOWEST_READER) {
            return Some(Silence::NotReading);
        }
        if self.heartbeat.is_zero() {
            return None;
        }
        if !is_unread && now.saturating_duration_since(heard) >= self.heartbeat * MISSED {
            return Some(Silence::Theirs);
        }
        if now.duration_since(self.wrote) >= self.interval() {
            self.pings += 1;
            return Some(Silence::Ours { nonce: self.pings });
        }
        None
    }

    /// Half a heartbeat, so that what is said at every look is said at least every heartbeat.
    fn interval(&self) -> Duration {
        if self.heartbeat.is_zero() { GREETING } else { self.heartbeat / 2 }
    }
}
