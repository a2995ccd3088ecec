//! What all connections of a broker share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::batch::Batch;
use crate::builder::Limits;
use crate::changes::Changes;
use crate::channel::Channels;
use crate::clock::{Clock, Jitter, start_number};
use crate::connections::Connections;
use crate::drain::Draining;
use crate::instances::Instances;
use crate::mailbox::Mailboxes;
use crate::memory::{Memory, Room};
use crate::settings::{ChannelPlan, ChannelSettings, OnUnknown};
use crate::timer::Timer;
use crate::unnamed::UnnamedRequesters;

/// The broker, without its listeners.
pub(crate) struct Shared {
    pub(crate) limits: Limits,
    /// Stands in every token: tells this start of the broker from every other.
    pub(crate) start: u64,
    pub(crate) clock: Clock,
    pub(crate) jitter: Jitter,
    pub(crate) memory: Arc<Memory>,
    pub(crate) channels: Channels,
    pub(crate) mailboxes: Arc<Mailboxes>,
    pub(crate) unnamed: UnnamedRequesters,
    pub(crate) instances: Instances,
    pub(crate) connections: Connections,
    pub(crate) timer: Timer,
    pub(crate) changes: Changes,
    pub(crate) draining: Draining,
    /// Connections that did not begin with a good handshake.
    pub(crate) garbage: AtomicU64,
    /// Outcomes in all channels that may go where memory is short.
    pub(crate) fetched: AtomicUsize,
    /// A client asked the broker to drain.
    pub(crate) drain_requested: CancellationToken,
    /// Ends every task.
    pub(crate) stopped: CancellationToken,
    /// Ends those that listen; a child of `stopped`.
    pub(crate) stop_listening: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

impl Shared {
    pub(crate) fn new(
        limits: Limits,
        plans: Vec<ChannelPlan>,
        defaults: ChannelSettings,
        on_unknown: OnUnknown,
    ) -> Arc<Self> {
        let memory = Memory::new(limits.memory);
        let start = start_number();
        let stopped = CancellationToken::new();
        Arc::new(Self {
            start,
            clock: Clock::start(),
            jitter: Jitter::seeded(),
            channels: Channels::new(plans, defaults, on_unknown, limits.channels, start, &memory),
            mailboxes: Mailboxes::new(limits.mailboxes, limits.mailbox_capacity, &memory),
            unnamed: UnnamedRequesters::default(),
            instances: Instances::default(),
            connections: Connections::default(),
            timer: Timer::default(),
            changes: Changes::default(),
            draining: Draining::default(),
            garbage: AtomicU64::new(0),
            fetched: AtomicUsize::new(0),
            drain_requested: CancellationToken::new(),
            stop_listening: stopped.child_token(),
            stopped,
            tasks: TaskTracker::new(),
            memory,
            limits,
        })
    }

    pub(crate) fn count_garbage(&self) {
        self.garbage.fetch_add(1, Ordering::Relaxed);
    }

    /// Memory for a request. Where it is short, outcomes that were fetched and are in no mailbox go first. No lock but
    /// a session's is held when it is called.
    pub(crate) fn room_for_request(self: &Arc<Self>, bytes: usize) -> Option<Room> {
        loop {
            if let Some(room) = self.memory.room_for_submission(bytes) {
                return Some(room);
            }
            if self.fetched.load(Ordering::Relaxed) == 0 {
                return None;
            }
            let mut batch = Batch::new(self);
            let freed = self.channels.all().iter().filter(|channel| channel.make_room(&mut batch)).count();
            batch.finish();
            if freed == 0 {
                return None;
            }
        }
    }

    /// Ends everything at once. Calling it again does nothing.
    pub(crate) fn stop(self: &Arc<Self>) {
        self.draining.stop();
        self.stopped.cancel();
        self.tasks.close();
        let mut batch = Batch::new(self);
        for session in self.connections.all() {
            session.abandon(&mut batch);
        }
        batch.wake();
        drop(batch);
        self.timer.clear();
        self.unnamed.clear();
        self.channels.clear();
    }
}
