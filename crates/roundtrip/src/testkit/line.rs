//! The line between a client of a test and its broker: it can go silent, and it can end with its process.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use roundtrip_protocol::{Close, Header};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::broker::InProcess;
use crate::{Broken, Connect, Connecting, Connection, Frame, Limits};

/// What a client's connections go through.
pub(super) struct Line {
    broker: InProcess,
    state: Mutex<State>,
}

struct State {
    condition: Condition,
    connection: Option<Box<dyn Connection>>,
    /// Tells one connection from the next.
    number: u64,
    /// The shortest of the connection's services.
    lease: Option<Duration>,
    /// What arrived while the line was silent.
    unread: VecDeque<Frame>,
    /// The client's task that polls the line.
    driver: Option<Waker>,
}

#[derive(Clone, Copy, PartialEq)]
enum Condition {
    Up,
    /// Nothing goes in or out, and no end hears that.
    Silent {
        since: Instant,
    },
    /// The process at its end is gone.
    Down,
}

impl Line {
    pub(super) fn to(broker: InProcess) -> Arc<Self> {
        let state = State {
            condition: Condition::Up,
            connection: None,
            number: 0,
            lease: None,
            unread: VecDeque::new(),
            driver: None,
        };
        Arc::new(Self { broker, state: Mutex::new(state) })
    }

    /// Breaks the connection; the client makes another.
    pub(super) fn cut(&self) {
        self.end(Condition::Up);
    }

    /// Carries nothing from here on. The broker takes the connection as lost when the lease of its services has passed.
    pub(super) fn fall_silent(&self) {
        let mut state = self.locked();
        if state.condition == Condition::Up {
            state.condition = Condition::Silent { since: Instant::now() };
            state.wake();
        }
    }

    /// Carries again: over the connection that there is, if the broker has not given it up.
    pub(super) fn speak_again(&self) {
        let mut state = self.locked();
        if matches!(state.condition, Condition::Silent { .. }) {
            state.condition = Condition::Up;
            state.wake();
        }
    }

    /// The process is gone.
    pub(super) fn go_down(&self) {
        self.end(Condition::Down);
    }

    /// The process ends in good order: as its client does that is closed.
    pub(super) fn say_goodbye(&self) {
        if let Some(mut connection) = self.end_with(Condition::Down) {
            let mut goodbye = VecDeque::from([Frame::from(Header::from(Close {}))]);
            // In process it is either taken at once or of no use any more.
            let _ = connection.poll_send(&mut Context::from_waker(Waker::noop()), &mut goodbye);
        }
    }

    fn end(&self, condition: Condition) {
        drop(self.end_with(condition));
    }

    /// Gives the connection that there was, which ends as it is dropped: after the lock.
    fn end_with(&self, condition: Condition) -> Option<Box<dyn Connection>> {
        let mut state = self.locked();
        if state.condition != Condition::Down {
            state.condition = condition;
        }
        state.wake();
        state.connection.take()
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wake(&mut self) {
        if let Some(driver) = self.driver.take() {
            driver.wake();
        }
    }

    fn remember(&mut self, context: &Context<'_>) {
        self.driver = Some(context.waker().clone());
    }

    /// The connection of this number, unless it has ended.
    fn connection(&mut self, number: u64) -> Result<&mut Box<dyn Connection>, Broken> {
        match (&mut self.connection, self.condition) {
            (_, Condition::Down) => Err(Broken::BrokerGone),
            (Some(connection), _) if self.number == number => Ok(connection),
            _ => Err(Broken::Closed),
        }
    }

    /// Takes what the connection has, and keeps it. Gives the lease, once it is known.
    fn poll_unread(&mut self, context: &mut Context<'_>) -> Option<Duration> {
        let connection = self.connection.as_mut()?;
        while let Poll::Ready(Ok(())) = connection.poll_receive(context, &mut self.unread) {}
        let unread = std::mem::take(&mut self.unread);
        self.note_lease(&unread);
        self.unread = unread;
        self.lease
    }

    fn note_lease(&mut self, frames: &VecDeque<Frame>) {
        for frame in frames {
            if let Header::Subscribed(subscribed) = &frame.header {
                let lease = Duration::from_millis(subscribed.lease_ms);
                self.lease = Some(self.lease.map_or(lease, |shortest| shortest.min(lease)));
            }
        }
    }
}

/// One end of a line, for a client.
pub(super) struct LineEnd(pub(super) Arc<Line>);

impl Connect for LineEnd {
    fn connect(&self) -> Connecting {
        let line = Arc::clone(&self.0);
        Box::pin(async move {
            poll_fn(|context| line.poll_up(context)).await?;
            let connection = line.broker.connect().await?;
            let mut state = line.locked();
            state.connection = Some(connection);
            state.lease = None;
            state.unread.clear();
            state.number += 1;
            let number = state.number;
            drop(state);
            Ok(Box::new(LineConnection { line, number, patience: None }) as Box<dyn Connection>)
        })
    }

    fn destination(&self) -> String {
        "a broker of this test".to_owned()
    }
}

impl Line {
    fn poll_up(&self, context: &Context<'_>) -> Poll<Result<(), Broken>> {
        let mut state = self.locked();
        state.remember(context);
        match state.condition {
            Condition::Up => Poll::Ready(Ok(())),
            Condition::Silent { .. } => Poll::Pending,
            Condition::Down => Poll::Ready(Err(Broken::BrokerGone)),
        }
    }
}

/// A connection over a line.
struct LineConnection {
    line: Arc<Line>,
    number: u64,
    /// How long the broker hears nothing before the connection is lost.
    patience: Option<Pin<Box<Sleep>>>,
}

impl LineConnection {
    fn poll_silence(&mut self, context: &mut Context<'_>, since: Instant, lease: Duration) {
        let patience = self.patience.get_or_insert_with(|| Box::pin(sleep_until(since + lease)));
        if patience.as_mut().poll(context).is_ready() {
            self.patience = None;
            let lost = self.line.locked().connection.take();
            drop(lost);
        }
    }
}

impl Connection for LineConnection {
    fn poll_send(&mut self, context: &mut Context<'_>, frames: &mut VecDeque<Frame>) -> Poll<Result<(), Broken>> {
        let mut state = self.line.locked();
        state.remember(context);
        if matches!(state.condition, Condition::Silent { .. }) {
            return Poll::Pending;
        }
        state.connection(self.number)?.poll_send(context, frames)
    }

    fn poll_receive(&mut self, context: &mut Context<'_>, frames: &mut VecDeque<Frame>) -> Poll<Result<(), Broken>> {
        let line = Arc::clone(&self.line);
        let mut state = line.locked();
        state.remember(context);
        if let Condition::Silent { since } = state.condition {
            let lease = state.poll_unread(context);
            drop(state);
            if let Some(lease) = lease {
                self.poll_silence(context, since, lease);
            }
            return Poll::Pending;
        }
        self.patience = None;
        state.connection(self.number)?;
        if !state.unread.is_empty() {
            frames.append(&mut state.unread);
            return Poll::Ready(Ok(()));
        }
        let received = state.connection(self.number)?.poll_receive(context, frames);
        state.note_lease(frames);
        received
    }

    fn set_limits(&mut self, limits: Limits) {
        if let Ok(connection) = self.line.locked().connection(self.number) {
            connection.set_limits(limits);
        }
    }

    fn silent_for(&self) -> Duration {
        Duration::ZERO
    }
}

impl Drop for LineConnection {
    fn drop(&mut self) {
        let mut state = self.line.locked();
        let ended = if state.number == self.number { state.connection.take() } else { None };
        drop(state);
        drop(ended);
    }
}
