//! The task that moves frames between a client's state and its connection, sleeps, and connects again.
//!
//! It decides nothing: when to connect, what to send and when a connection is dead is the state's business.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use roundtrip_protocol::Frame;
use roundtrip_transport::runtime::{Sleep, sleep_until};
use roundtrip_transport::{Broken, Connect, Connection};
use tokio::time::Instant;

use crate::link::Shared;
use crate::state::{Step, Woken};

/// How many batches may go through in one poll before the other tasks of the runtime have their turn.
const BATCHES: usize = 32;

pub(crate) async fn drive(shared: Arc<Shared>, connect: Box<dyn Connect>) {
    loop {
        match next_step(&shared).await {
            Step::Connect => {}
            Step::End => return,
        }
        match attempt(&shared, &*connect).await {
            Some(Ok(connection)) => {
                shared.with_now(|state, now| state.handle_connected(now));
                let broken = Carrier::new(&shared, connection).carry().await;
                shared.with_now(|state, now| state.handle_broken(now, broken));
            }
            Some(Err(broken)) => shared.with_now(|state, now| state.handle_unreachable(now, broken)),
            None => {}
        }
    }
}

/// Sleeps until the state wants a connection, or nothing any more.
async fn next_step(shared: &Shared) -> Step {
    let mut alarm = Alarm::default();
    poll_fn(|context| {
        loop {
            let (step, deadline) = shared.drive(context.waker(), &mut Woken::default(), |state, now| {
                state.handle_deadline(now);
                (state.next_step(now), state.next_deadline())
            });
            if let Some(step) = step {
                return Poll::Ready(step);
            }
            ready!(alarm.poll_until(deadline, context));
        }
    })
    .await
}

/// Tries to connect; none when the state gave up on it first.
async fn attempt(shared: &Shared, connect: &dyn Connect) -> Option<Result<Box<dyn Connection>, Broken>> {
    let mut connecting = connect.connect();
    let mut alarm = Alarm::default();
    poll_fn(|context| {
        if let Poll::Ready(result) = connecting.as_mut().poll(context) {
            return Poll::Ready(Some(result));
        }
        loop {
            let (waits, deadline) = shared.drive(context.waker(), &mut Woken::default(), |state, now| {
                state.handle_deadline(now);
                (state.is_connecting(), state.next_deadline())
            });
            if !waits {
                return Poll::Ready(None);
            }
            ready!(alarm.poll_until(deadline, context));
        }
    })
    .await
}

/// One connection at work.
struct Carrier<'a> {
    shared: &'a Shared,
    connection: Box<dyn Connection>,
    outgoing: VecDeque<Frame>,
    incoming: VecDeque<Frame>,
    woken: Woken,
    sending: bool,
    limited: bool,
    deadline: Option<Instant>,
    alarm: Alarm,
}

impl<'a> Carrier<'a> {
    fn new(shared: &'a Shared, connection: Box<dyn Connection>) -> Self {
        Self {
            shared,
            connection,
            outgoing: VecDeque::new(),
            incoming: VecDeque::new(),
            woken: Woken::default(),
            sending: false,
            limited: false,
            deadline: None,
            alarm: Alarm::default(),
        }
    }

    /// Moves frames both ways until the connection is done; no error if the state let go of it.
    async fn carry(mut self) -> Option<Broken> {
        poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Broken>> {
        let mut is_attended = false;
        for _ in 0..BATCHES {
            match self.connection.poll_receive(context, &mut self.incoming) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(broken)) => return Poll::Ready(Some(broken)),
                // Whoever changes the state from here on wakes this task.
                Poll::Pending if is_attended => ready!(self.alarm.poll_until(self.deadline, context)),
                Poll::Pending => {}
            }
            // Only when all before is on its way: what waits in the state can still be overtaken by later news.
            let backlog = self.sending || !self.outgoing.is_empty();
            let carries = self.attend(context, backlog);
            if self.sending || !self.outgoing.is_empty() {
                match self.connection.poll_send(context, &mut self.outgoing) {
                    Poll::Ready(Ok(())) => self.sending = false,
                    Poll::Ready(Err(broken)) => return Poll::Ready(Some(broken)),
                    Poll::Pending => self.sending = true,
                }
            }
            if !carries {
                return Poll::Ready(None);
            }
            is_attended = self.sending || !backlog; // Else there is room again for what waits in the state.
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Tells the state what came and what time it is, and takes what it has to send. Gives whether it wants the
    /// connection still.
    fn attend(&mut self, context: &Context<'_>, backlog: bool) -> bool {
        let silent_for = self.connection.silent_for();
        let (incoming, outgoing) = (&mut self.incoming, &mut self.outgoing);
        let (carries, limits, deadline) = self.shared.drive(context.waker(), &mut self.woken, |state, now| {
            state.handle_heard(now.checked_sub(silent_for).unwrap_or(now));
            incoming.drain(..).for_each(|frame| state.handle_frame(now, frame));
            state.handle_deadline(now);
            if !backlog {
                state.poll_frames(now, outgoing);
            }
            (state.is_connected(), state.agreed_limits(), state.next_deadline())
        });
        self.deadline = deadline;
        if let Some(limits) = limits.filter(|_| !self.limited) {
            self.connection.set_limits(limits);
            self.limited = true;
        }
        carries
    }
}

/// A timer that exists only while there is something to wait for.
#[derive(Default)]
struct Alarm {
    armed: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl Alarm {
    /// Ready at the deadline, or earlier: a deadline that moved away does not move the timer each time.
    fn poll_until(&mut self, deadline: Option<Instant>, context: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = deadline else {
            self.armed = None;
            return Poll::Pending;
        };
        if self.armed.as_ref().is_none_or(|(armed, _)| *armed > deadline) {
            self.armed = Some((deadline, Box::pin(sleep_until(deadline))));
        }
        if let Some((_, sleep)) = &mut self.armed {
            ready!(sleep.as_mut().poll(context));
        }
        self.armed = None;
        Poll::Ready(())
    }
}
