//! A connection as channels and mailboxes see it: its outbox, and the numbers of it that others may close.
//!
//! The outbox is bounded by bytes: over its mark nothing is offered to the connection, and its session reads nothing
//! more. Nothing waits for it. Frames leave it in the order in which they were put in; only of a ticket's progress
//! the latest alone waits, behind everything else. For a connection that carries bytes they are encoded as they are put
//! in, so that nothing else is made of them on the way.

mod open;
mod outbox;
mod queue;

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use roundtrip_core::{Outcome, PeerId, Tell, Time};
use roundtrip_protocol::{
    ChannelName, DeadLetter, Frame, Header, MailboxEnd, MailboxNumber, Reply, RequestId, Text, TicketNumber,
};
use roundtrip_transport::{Broken, Heard, WriteQueue, runtime};

pub(crate) use self::open::{Asked, InUse, Open, Ticket};
use self::outbox::{Outbox, State, travelling};
use self::queue::{Body, Frames, Queue};
use crate::batch::Batch;
use crate::clock::Clock;
use crate::handles::BrokerHandles;
use crate::lock::Lock;
use crate::memory::Room;
use crate::message::Payload;

/// From how many waiting bytes on nothing more is offered to a connection.
pub(crate) const MARK: usize = 256 * 1024;

/// How a connection shows that it lives.
#[derive(Debug)]
pub(crate) enum Life {
    /// It lives until it is gone: both ends are in one process.
    UntilGone,
    /// By the bytes that arrive.
    Heard { heard: Arc<Heard>, clock: Clock },
}

/// A connection. Clones are the same connection.
#[derive(Clone)]
pub(crate) struct Peer(Arc<Inner>);

struct Inner {
    id: PeerId,
    life: Life,
    /// Nothing is read from it now, so that its silence means nothing.
    is_unread: AtomicBool,
    /// How many bytes wait; written under the lock of `outbox`.
    weight: AtomicUsize,
    /// How many more a durable channel is going to put in, when it may.
    promised: AtomicUsize,
    touched: AtomicBool,
    outbox: Mutex<Outbox>,
}

/// Bytes that count as waiting before a connection until it is dropped: because they are, or will never be.
#[derive(Debug)]
pub(crate) struct Promise {
    peer: Peer,
    bytes: usize,
}

impl Drop for Promise {
    fn drop(&mut self) {
        self.peer.0.promised.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// An outcome in a mailbox, as a reader is told of it.
#[derive(Clone, Copy)]
pub(crate) struct Told<'a> {
    pub(crate) mailbox: MailboxNumber,
    pub(crate) channel: &'a ChannelName,
    pub(crate) id: RequestId,
    pub(crate) redrive_of: Option<RequestId>,
    pub(crate) operation: &'a Text,
    /// In memory.
    pub(crate) outcome: &'a Outcome<BrokerHandles>,
}

/// What came of taking frames from an outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Some frames.
    Some {
        /// The outbox was over its mark and is not any more.
        fell_under_mark: bool,
    },
    /// There will be none any more.
    End,
}

impl Peer {
    pub(crate) fn new(id: PeerId, life: Life, room: Room, max_open: usize) -> Self {
        let queue = match life {
            Life::UntilGone => Queue::Frames(Frames::default()),
            Life::Heard { .. } => Queue::Bytes(WriteQueue::new()),
        };
        Self(Arc::new(Inner {
            id,
            life,
            is_unread: AtomicBool::new(false),
            weight: AtomicUsize::new(0),
            promised: AtomicUsize::new(0),
            touched: AtomicBool::new(false),
            outbox: Mutex::new(Outbox::new(queue, room, max_open)),
        }))
    }

    /// Puts a frame before the connection.
    pub(crate) fn send(&self, header: impl Into<Header>, batch: &mut Batch) {
        self.put(batch, |outbox| outbox.put(header, Body::None));
    }

    /// Puts a dead letter before the connection.
    pub(crate) fn send_dead_letter(&self, header: DeadLetter, payload: Option<&Arc<Payload>>, batch: &mut Batch) {
        self.put(batch, |outbox| outbox.put(header, Body::of(payload)));
    }

    /// Puts what a channel tells before the connection.
    pub(crate) fn tell(&self, tell: Tell<BrokerHandles>, batch: &mut Batch) {
        self.put(batch, |outbox| outbox.tell(tell));
    }

    /// Puts a reply before the connection, unless the mailbox is not open under this number any more.
    pub(crate) fn reply(&self, mailbox: u64, reply: Told<'_>, batch: &mut Batch) {
        self.put(batch, |outbox| {
            if outbox.open.mailbox(reply.mailbox).is_some_and(|open| open.serial() == mailbox) {
                let (ending, body) = travelling(reply.outcome);
                let Told { mailbox, channel, id, redrive_of, operation, outcome } = reply;
                let (channel, operation, attempts) = (channel.clone(), operation.clone(), outcome.attempts);
                outbox.put(Reply { mailbox, channel, id, redrive_of, operation, attempts, ending }, body);
            }
        });
    }

    /// Tells that a mailbox is not open any more. Its number stands for nothing from here on.
    pub(crate) fn close_mailbox(&self, number: MailboxNumber, reason: MailboxEnd, batch: &mut Batch) {
        let closed = self.put(batch, |outbox| {
            let closed = outbox.open.close_mailbox(number);
            if closed.is_some() {
                outbox.put(roundtrip_protocol::MailboxClosed { mailbox: number, reason }, Body::None);
            }
            closed
        });
        // The handle may be the last of its mailbox, which is forgotten then: not under this lock.
        drop(closed);
    }

    /// Looks into the numbers that stand for tickets and mailboxes.
    pub(crate) fn open<T>(&self, look: impl FnOnce(&mut Open) -> T) -> T {
        let mut outbox = self.0.outbox.locked();
        let found = look(&mut outbox.open);
        outbox.count_room();
        found
    }

    /// Stops following under this number.
    pub(crate) fn close_ticket(&self, number: TicketNumber) -> Option<Ticket> {
        self.0.outbox.locked().close_ticket(number)
    }

    /// Takes all that waits before a connection in the same process.
    pub(crate) fn poll_take_frames(
        &self,
        context: &Context<'_>,
        to: &mut VecDeque<Frame>,
    ) -> Poll<Result<Taken, Broken>> {
        self.poll_take(context, |queue| {
            if let Queue::Frames(frames) = queue {
                frames.take_into(to);
            }
        })
    }

    /// Takes all that waits before a connection that carries bytes, in exchange for an empty queue.
    pub(crate) fn poll_take_bytes(&self, context: &Context<'_>, to: &mut WriteQueue) -> Poll<Result<Taken, Broken>> {
        debug_assert!(to.is_empty(), "what was taken is written before more is");
        self.poll_take(context, |queue| {
            if let Queue::Bytes(bytes) = queue {
                std::mem::swap(bytes, to);
            }
        })
    }

    fn poll_take(&self, context: &Context<'_>, take: impl FnOnce(&mut Queue)) -> Poll<Result<Taken, Broken>> {
        let mut outbox = self.0.outbox.locked();
        if outbox.state == State::Closed {
            return Poll::Ready(Ok(Taken::End));
        }
        if let Some(broken) = outbox.broken.take() {
            return Poll::Ready(Err(broken));
        }
        outbox.flush_progress();
        let is_empty = outbox.queue.is_empty();
        if !is_empty {
            take(&mut outbox.queue);
        }
        self.0.weight.store(outbox.weight(), Ordering::Relaxed);
        let fell_under_mark = outbox.was_over_mark && self.is_under_mark();
        outbox.was_over_mark &= !fell_under_mark;
        if is_empty && !fell_under_mark {
            if outbox.state == State::Closing {
                return Poll::Ready(Ok(Taken::End));
            }
            outbox.queue.rest();
            outbox.count_room();
            outbox.receiver = Some(context.waker().clone());
            return Poll::Pending;
        }
        outbox.count_room();
        let sender = if fell_under_mark { outbox.sender.take() } else { None };
        drop(outbox);
        if let Some(sender) = sender {
            sender.wake();
        }
        Poll::Ready(Ok(Taken::Some { fell_under_mark }))
    }

    /// Ready when the outbox is under its mark, so that frames from the connection may be handled; or over for good.
    pub(crate) fn poll_under_mark(&self, context: &Context<'_>) -> Poll<()> {
        if self.is_under_mark() {
            return Poll::Ready(());
        }
        let mut outbox = self.0.outbox.locked();
        if self.is_under_mark() || outbox.state != State::Open {
            return Poll::Ready(());
        }
        outbox.sender = Some(context.waker().clone());
        Poll::Pending
    }

    pub(crate) fn is_under_mark(&self) -> bool {
        self.0.weight.load(Ordering::Relaxed) + self.0.promised.load(Ordering::Relaxed) < MARK
    }

    /// So many bytes are going to be put before it.
    pub(crate) fn promise(&self, bytes: usize) -> Promise {
        self.0.promised.fetch_add(bytes, Ordering::Relaxed);
        Promise { peer: self.clone(), bytes }
    }

    /// While nothing is read from the connection, its leases do not run out.
    pub(crate) fn set_unread(&self, is_unread: bool) {
        if self.0.is_unread.swap(is_unread, Ordering::Relaxed)
            && !is_unread
            && let Life::Heard { heard, .. } = &self.0.life
        {
            heard.stamp(runtime::now());
        }
    }

    /// What waits is sent, and nothing more is put in. No number stands for anything any more.
    pub(crate) fn close(&self, batch: &mut Batch) {
        self.leave(State::Closing, batch);
    }

    /// Nothing is sent any more.
    pub(crate) fn close_at_once(&self, batch: &mut Batch) {
        self.leave(State::Closed, batch);
    }

    fn leave(&self, state: State, batch: &mut Batch) {
        let mut outbox = self.0.outbox.locked();
        let left = outbox.leave(state);
        self.0.weight.store(outbox.weight(), Ordering::Relaxed);
        outbox.count_room();
        let sender = outbox.sender.take();
        drop(outbox);
        drop(left);
        if let Some(sender) = sender {
            sender.wake();
        }
        batch.touch(self);
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.0.outbox.locked().state != State::Open
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.0.outbox.locked().state == State::Closed
    }

    /// Whether the caller is the one to wake it.
    pub(crate) fn begin_touched(&self) -> bool {
        // What was put in lies behind the outbox's lock, as does whatever its receiver does once this is cleared.
        !self.0.touched.load(Ordering::Relaxed) && !self.0.touched.swap(true, Ordering::AcqRel)
    }

    pub(crate) fn wake_receiver(&self) {
        self.0.touched.store(false, Ordering::Release);
        let receiver = self.0.outbox.locked().receiver.take();
        if let Some(receiver) = receiver {
            receiver.wake();
        }
    }

    /// Whoever receives asks again before it waits.
    pub(crate) fn forget_receiver(&self) {
        self.0.outbox.locked().receiver = None;
    }

    /// Puts something in, and has whoever takes it looked after.
    fn put<T>(&self, batch: &mut Batch, put: impl FnOnce(&mut Outbox) -> T) -> T {
        let mut outbox = self.0.outbox.locked();
        let put = put(&mut outbox);
        let weight = outbox.weight();
        self.0.weight.store(weight, Ordering::Relaxed);
        outbox.was_over_mark |= !self.is_under_mark();
        outbox.count_room();
        drop(outbox);
        batch.touch(self);
        put
    }
}

impl roundtrip_core::Peer for Peer {
    fn id(&self) -> PeerId {
        self.0.id
    }

    fn last_heard(&self) -> Time {
        match &self.0.life {
            Life::UntilGone => Time::NEVER,
            Life::Heard { clock, .. } if self.0.is_unread.load(Ordering::Relaxed) => clock.now(),
            Life::Heard { heard, clock } => clock.time(heard.last()),
        }
    }

    fn has_room(&self) -> bool {
        self.is_under_mark()
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Peer({})", self.0.id.0)
    }
}

/// A length of time as frames tell it.
pub(crate) fn millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}
