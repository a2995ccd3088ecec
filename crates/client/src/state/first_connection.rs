//! The first connection, for which somebody waits: how long it is tried for, and why there is none.

use std::task::{Poll, Waker};

use roundtrip_transport::Broken;
use tokio::time::Instant;

use super::ClientState;

/// How long the first connection is tried for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum FirstConnect {
    /// One attempt, which ends by then at the latest.
    Once {
        /// By then.
        until: Instant,
    },
    /// Again and again until then.
    Until(Instant),
    /// Until somebody answers.
    Forever,
}

/// Why there is no first connection.
#[derive(Debug)]
pub(crate) enum ConnectFailure {
    Unreachable(Broken),
    Silent,
    TurnedAway(String),
}

pub(super) enum First {
    Trying,
    Done,
    Failed(Option<ConnectFailure>),
}

impl ClientState {
    /// Whether there is, or was, a connection.
    pub(crate) fn poll_first_connection(&mut self, waker: &Waker) -> Poll<Result<(), ConnectFailure>> {
        match &mut self.line.first {
            First::Done => Poll::Ready(Ok(())),
            First::Failed(failure) => Poll::Ready(Err(failure.take().unwrap_or(ConnectFailure::Silent))),
            First::Trying => {
                self.line.wakers.register(waker);
                Poll::Pending
            }
        }
    }

    pub(super) fn first_until(&self) -> Option<Instant> {
        match (&self.line.first, self.line.first_connect) {
            (First::Trying, FirstConnect::Once { until } | FirstConnect::Until(until)) => Some(until),
            _ => None,
        }
    }

    pub(super) fn fail_first(&mut self) {
        self.line.first = First::Failed(self.line.last_failure.take());
        self.end();
    }
}
