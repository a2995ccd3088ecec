//! The line to the broker: from the decision to connect to the connection's end, and what the two ends agreed.

use std::time::Duration;

use roundtrip_protocol::{Error, ErrorCode, Header, Hello, Limits, VERSION, Welcome};
use roundtrip_transport::Broken;
use tokio::time::Instant;

use super::first_connection::{ConnectFailure, First, FirstConnect};
use super::retry::Retries;
use super::wakers::Wakers;
use super::{ClientState, Settings};
use crate::events::ConnectionEvent;

/// How long one attempt may take: to connect, and again to be welcomed.
const ATTEMPT: Duration = Duration::from_secs(5);
/// A connection that stood this long was a good one: after it the next is tried at once.
const GOOD: Duration = Duration::from_secs(1);

/// What is to be done about the connection.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Step {
    Connect,
    End,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Phase {
    Waiting {
        until: Instant,
    },
    Connecting {
        until: Instant,
    },
    Greeting {
        until: Instant,
    },
    Open {
        since: Instant,
    },
    /// Let go of; its driver has not said so yet.
    Lost,
    Closed,
}

/// What the broker said in its welcome.
#[derive(Debug, Clone, Copy)]
pub(super) struct Agreed {
    peer: Limits,
    max_open: u32,
    pub(super) heartbeat: Duration,
}

pub(super) struct Line {
    pub(super) phase: Phase,
    /// The number of the latest connection; 0 before the first.
    pub(super) connection: u64,
    pub(super) agreed: Option<Agreed>,
    pub(super) retries: Retries,
    pub(super) first: First,
    pub(super) first_connect: FirstConnect,
    pub(super) last_failure: Option<ConnectFailure>,
    pub(super) last_sent: Instant,
    pub(super) last_heard: Instant,
    pub(super) closing: Option<Instant>,
    pub(super) close_sent: bool,
    pub(super) wakers: Wakers,
}

impl Line {
    pub(super) fn new(settings: &Settings, now: Instant) -> Self {
        Self {
            phase: Phase::Waiting { until: now },
            connection: 0,
            agreed: None,
            retries: Retries::new(settings.seed),
            first: First::Trying,
            first_connect: settings.first_connect,
            last_failure: None,
            last_sent: now,
            last_heard: now,
            closing: None,
            close_sent: false,
            wakers: Wakers::default(),
        }
    }

    pub(super) fn connection(&self) -> u64 {
        self.connection
    }

    /// Whether frames may be sent.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open { .. }) && !self.close_sent
    }

    pub(super) fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.is_some() || self.is_closed()
    }

    pub(super) fn peer_limits(&self) -> Option<Limits> {
        self.agreed.map(|agreed| agreed.peer)
    }

    pub(super) fn max_open(&self) -> u32 {
        self.agreed.map_or(u32::MAX, |agreed| agreed.max_open)
    }

    pub(super) fn note_sent(&mut self, now: Instant) {
        self.last_sent = now;
    }
}

impl ClientState {
    /// What is to be done about the connection now; none: wait.
    pub(crate) fn next_step(&mut self, now: Instant) -> Option<Step> {
        match self.line.phase {
            Phase::Closed => Some(Step::End),
            Phase::Waiting { until } if until <= now => {
                self.line.phase = Phase::Connecting { until: now + ATTEMPT };
                Some(Step::Connect)
            }
            _ => None,
        }
    }

    /// There is a connection; the client speaks first.
    pub(crate) fn handle_connected(&mut self, now: Instant) {
        if self.line.is_closed() {
            return;
        }
        self.line.phase = Phase::Greeting { until: now + ATTEMPT };
        self.line.connection += 1;
        self.line.last_sent = now;
        self.line.last_heard = now;
        let hello = Hello {
            lowest: VERSION,
            highest: VERSION,
            software: self.settings.software.clone(),
            instance: self.settings.instance,
            connection: self.line.connection,
        };
        self.outgoing.clear();
        self.outgoing.push_back(Header::from(hello).into());
    }

    /// There is no connection to be had now.
    pub(crate) fn handle_unreachable(&mut self, now: Instant, broken: Broken) {
        let is_gone = matches!(broken, Broken::BrokerGone);
        self.line.last_failure = Some(ConnectFailure::Unreachable(broken));
        if is_gone {
            self.end(); // Nobody starts that broker again.
        } else {
            self.try_again(now);
        }
    }

    pub(super) fn handle_welcome(&mut self, now: Instant, welcome: &Welcome) {
        if !matches!(self.line.phase, Phase::Greeting { .. }) {
            return;
        }
        self.line.phase = Phase::Open { since: now };
        self.line.agreed = Some(Agreed {
            peer: Limits { max_header: welcome.max_header as usize, max_payload: bytes(welcome.max_payload) },
            max_open: welcome.max_open,
            heartbeat: Duration::from_millis(welcome.heartbeat_ms.into()),
        });
        self.line.first = First::Done;
        self.line.wakers.wake_into(&mut self.woken);
        self.changed = true;
        self.tell(ConnectionEvent::Connected);
        self.begin_restore();
    }

    pub(super) fn handle_error(&mut self, error: &Error) {
        // Its message may quote what was sent; the code says enough for a log.
        if error.code == ErrorCode::Stopping {
            tracing::debug!("the broker stops");
        } else {
            tracing::warn!(code = %error.code, frame = error.frame, closes = error.closes, "the broker reports an error");
        }
        if matches!(self.line.phase, Phase::Greeting { .. }) {
            self.line.last_failure = Some(ConnectFailure::TurnedAway(error.message.clone()));
            if error.code == ErrorCode::UnsupportedVersion && self.line.first_connect != FirstConnect::Forever {
                self.fail_first();
                return;
            }
        }
        if error.code == ErrorCode::FrameTooLarge {
            self.give_up_largest(error.frame);
        }
        if error.closes {
            self.let_go();
        }
    }

    pub(super) fn handle_close(&mut self) {
        if self.line.close_sent { self.end() } else { self.let_go() }
    }

    /// Bytes arrived, the latest then.
    pub(crate) fn handle_heard(&mut self, at: Instant) {
        self.line.last_heard = self.line.last_heard.max(at);
    }

    /// The connection is gone. What it was told is to be told to the next one.
    pub(crate) fn handle_broken(&mut self, now: Instant, broken: Option<Broken>) {
        if self.line.is_closed() {
            return;
        }
        if let Phase::Open { since } = self.line.phase
            && now.saturating_duration_since(since) >= GOOD
        {
            self.line.retries.begin_anew();
        }
        let was_greeting = matches!(self.line.phase, Phase::Greeting { .. });
        if let Some(broken) = broken {
            tracing::debug!(%broken, "the connection broke");
            if was_greeting && !matches!(self.line.last_failure, Some(ConnectFailure::TurnedAway(_))) {
                self.line.last_failure = Some(ConnectFailure::Unreachable(broken));
            }
        }
        if self.line.agreed.is_some() {
            self.tell(ConnectionEvent::Disconnected);
        }
        self.line.agreed = None;
        self.outgoing.clear();
        self.forget_connection();
        if self.line.close_sent || (self.line.is_closing() && !self.has_unsaid()) {
            self.end();
        } else {
            self.try_again(now);
        }
    }

    pub(crate) fn is_connecting(&self) -> bool {
        matches!(self.line.phase, Phase::Connecting { .. })
    }

    pub(crate) fn is_connected(&self) -> bool {
        matches!(self.line.phase, Phase::Greeting { .. } | Phase::Open { .. })
    }

    /// What either end may send, once the handshake has agreed it.
    pub(crate) fn agreed_limits(&self) -> Option<Limits> {
        self.line.peer_limits()
    }

    pub(super) fn let_go(&mut self) {
        if self.is_connected() {
            self.line.phase = Phase::Lost;
            self.changed = true;
        }
    }

    pub(super) fn try_again(&mut self, now: Instant) {
        let until = now + self.line.retries.wait();
        let is_hopeless = match (&self.line.first, self.line.first_connect) {
            (First::Trying, FirstConnect::Once { .. }) => true,
            (First::Trying, FirstConnect::Until(last)) => until >= last,
            _ => false,
        };
        if is_hopeless {
            self.fail_first();
        } else {
            self.line.phase = Phase::Waiting { until };
            self.changed = true;
        }
    }
}

fn bytes(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}
