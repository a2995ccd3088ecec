//! The line to the broker: when to connect, when to give up, when to say something, when to hang up.

use std::task::{Poll, Waker};
use std::time::Duration;

use roundtrip_protocol::{Close, Error, ErrorCode, Header, Hello, Limits, Ping, VERSION, Welcome};
use roundtrip_transport::Broken;
use tokio::time::Instant;

use super::delivery::PartEntry;
use super::timers::Due;
use super::wakers::Wakers;
use super::{ClientState, Settings};
use crate::events::ConnectionEvent;

/// How long one attempt may take: to connect, and again to be welcomed.
const ATTEMPT: Duration = Duration::from_secs(5);
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// A connection that stood this long was a good one: after it the next is tried at once.
const GOOD: Duration = Duration::from_secs(1);
/// How long a closing client tries to say what is left to say.
const CLOSING: Duration = Duration::from_secs(5);

/// What a heartbeat of the client carries; other pings mark a place among the frames.
const HEARTBEAT: u64 = 0;

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

/// What is to be done about the connection.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Step {
    Connect,
    End,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
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
struct Agreed {
    peer: Limits,
    max_open: u32,
    heartbeat: Duration,
}

enum First {
    Trying,
    Done,
    Failed(Option<ConnectFailure>),
}

pub(super) struct Line {
    phase: Phase,
    /// The number of the latest connection; 0 before the first.
    connection: u64,
    agreed: Option<Agreed>,
    failures: u32,
    random: u64,
    first: First,
    first_connect: FirstConnect,
    last_failure: Option<ConnectFailure>,
    last_sent: Instant,
    last_heard: Instant,
    closing: Option<Instant>,
    close_sent: bool,
    wakers: Wakers,
}

impl Line {
    pub(super) fn new(settings: &Settings, now: Instant) -> Self {
        Self {
            phase: Phase::Waiting { until: now },
            connection: 0,
            agreed: None,
            failures: 0,
            random: settings.seed,
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

    /// How long to wait before the next attempt: nothing after a good connection, then longer each time.
    fn wait(&mut self) -> Duration {
        let failures = self.failures;
        self.failures = failures.saturating_add(1);
        if failures == 0 {
            return Duration::ZERO;
        }
        let longest = FIRST_WAIT.saturating_mul(1 << (failures - 1).min(16)).min(LONGEST_WAIT);
        longest.mul_f64(0.5 + self.jitter() / 2.0)
    }

    /// From 0 to 1, by splitmix64.
    fn jitter(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64
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
            self.line.failures = 0;
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

    /// Does what is due.
    pub(crate) fn handle_deadline(&mut self, now: Instant) {
        match self.line.phase {
            Phase::Connecting { until } if until <= now => {
                self.line.last_failure = Some(ConnectFailure::Silent);
                self.try_again(now);
            }
            Phase::Greeting { until } if until <= now => {
                self.line.last_failure = Some(ConnectFailure::Silent);
                self.let_go();
            }
            Phase::Open { .. } => self.keep_alive(now),
            _ => {}
        }
        if self.first_until().is_some_and(|until| until <= now) {
            self.line.last_failure.get_or_insert(ConnectFailure::Silent);
            self.fail_first();
        }
        if self.line.closing.is_some_and(|until| until <= now) {
            self.end();
        }
        self.pass_delivery_deadlines(now);
        while let Some(due) = self.timers.pop_due(now) {
            match due {
                Due::Submission(ticket, order) => self.give_up_waiting(ticket, order),
                Due::Settlement(delivery, token) => self.settle_again(delivery, token),
                Due::Part(part) => self.add_part_again(part),
                Due::Subscription(service) => self.subscribe_again(service),
            }
        }
    }

    /// When to come back though nothing happened.
    pub(crate) fn next_deadline(&mut self) -> Option<Instant> {
        let phase = match self.line.phase {
            Phase::Waiting { until } | Phase::Connecting { until } | Phase::Greeting { until } => Some(until),
            Phase::Open { .. } => self.ping_at().into_iter().chain(self.silent_at()).min(),
            Phase::Lost | Phase::Closed => return None,
        };
        let (tickets, deliveries, parts) = (&self.tickets, &self.deliveries, &self.parts);
        let timer = self.timers.earliest(|due| match due {
            Due::Submission(ticket, order) => !tickets.entry(ticket.0).is_some_and(|entry| entry.waits_since(order)),
            Due::Settlement(key, token) => !deliveries.entry(key.0).is_some_and(|entry| entry.waits_for_room(token)),
            Due::Part(key) => !parts.entry(key.0).is_some_and(PartEntry::waits_for_time),
            Due::Subscription(_) => false,
        });
        phase
            .into_iter()
            .chain(timer)
            .chain(self.next_delivery_deadline())
            .chain(self.first_until())
            .chain(self.line.closing)
            .min()
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

    /// Says what is left to say, then goodbye.
    pub(crate) fn close(&mut self, now: Instant) {
        if self.line.is_closing() {
            return;
        }
        self.changed = true;
        if self.line.is_open() || self.has_unsaid() {
            self.line.closing = Some(now + CLOSING);
            self.say_goodbye();
        } else {
            self.end();
        }
    }

    pub(crate) fn poll_closed(&mut self, waker: &Waker) -> Poll<()> {
        if self.line.is_closed() {
            return Poll::Ready(());
        }
        self.line.wakers.register(waker);
        Poll::Pending
    }

    /// Sends the last frame, when closing and when everything before it was said.
    pub(super) fn say_goodbye(&mut self) {
        if self.line.closing.is_some() && self.line.is_open() && self.restore.is_done() {
            self.push(Header::from(Close {}));
            self.line.close_sent = true;
        }
    }

    fn keep_alive(&mut self, now: Instant) {
        if self.silent_at().is_some_and(|at| at <= now) {
            tracing::warn!("nothing was heard from the broker for too long");
            self.let_go();
        } else if self.ping_at().is_some_and(|at| at <= now) {
            self.push(Header::from(Ping { nonce: HEARTBEAT }));
        }
    }

    /// The broker wants a sign of life so often for the connection, and more often for a short lease.
    fn ping_at(&self) -> Option<Instant> {
        if self.line.close_sent {
            return None;
        }
        let heartbeat = self.line.agreed.map(|agreed| agreed.heartbeat).filter(|heartbeat| !heartbeat.is_zero());
        let lease = self.leases.keys().next().map(|millis| Duration::from_millis((millis / 3).max(1)));
        heartbeat.into_iter().chain(lease).min().map(|interval| self.line.last_sent + interval)
    }

    fn silent_at(&self) -> Option<Instant> {
        let heartbeat = self.line.agreed.map(|agreed| agreed.heartbeat).filter(|heartbeat| !heartbeat.is_zero())?;
        Some(self.line.last_heard + heartbeat * 5 / 2)
    }

    fn first_until(&self) -> Option<Instant> {
        match (&self.line.first, self.line.first_connect) {
            (First::Trying, FirstConnect::Once { until } | FirstConnect::Until(until)) => Some(until),
            _ => None,
        }
    }

    fn let_go(&mut self) {
        if self.is_connected() {
            self.line.phase = Phase::Lost;
            self.changed = true;
        }
    }

    fn try_again(&mut self, now: Instant) {
        let until = now + self.line.wait();
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

    fn fail_first(&mut self) {
        self.line.first = First::Failed(self.line.last_failure.take());
        self.end();
    }

    /// Ends every wait: nothing comes any more.
    fn end(&mut self) {
        if self.line.is_closed() {
            return;
        }
        if matches!(self.line.first, First::Trying) {
            self.line.first = First::Failed(self.line.last_failure.take());
        }
        self.line.phase = Phase::Closed;
        self.line.agreed = None;
        self.line.closing = None;
        self.changed = true;
        self.timers.clear();
        self.outgoing.clear();
        self.end_tickets();
        self.end_calls();
        self.end_services();
        self.end_deliveries();
        self.end_mailboxes();
        self.end_watching();
        self.line.wakers.wake_into(&mut self.woken);
    }
}

fn bytes(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}
