//! What all connections of a broker share.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use roundtrip_protocol::{Refusal, RefusalCode};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::batch::Batch;
use crate::builder::Limits;
use crate::changes::Changes;
use crate::channel::Channels;
use crate::clock::{Clock, Seeds, start_number};
use crate::connections::Connections;
use crate::disk::{Disk, Kept};
use crate::drain::Draining;
use crate::instances::Instances;
use crate::mailbox::Mailboxes;
use crate::memory::{Memory, Room};
use crate::settings::{ChannelPlan, ChannelSettings, OnUnknown};
use crate::timer::Timer;
use crate::unnamed::UnnamedRequesters;

/// When to try again where there is no room, in milliseconds.
const RETRY_AFTER_MS: u64 = 1_000;

/// The broker, without its listeners.
pub(crate) struct Shared {
    pub(crate) limits: Limits,
    /// Stands in every token: tells this start of the broker from every other.
    pub(crate) start: u64,
    pub(crate) clock: Clock,
    pub(crate) seeds: Seeds,
    pub(crate) memory: Arc<Memory>,
    /// Where durable channels are kept, if there are some.
    pub(crate) disk: Option<Arc<Disk>>,
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
    pub(crate) fn start(
        limits: Limits,
        plans: Vec<ChannelPlan>,
        defaults: ChannelSettings,
        on_unknown: OnUnknown,
        kept: Option<Kept>,
    ) -> io::Result<Arc<Self>> {
        let memory = Memory::new(limits.memory);
        let start = kept.as_ref().map_or_else(start_number, |kept| kept.start.number);
        let shown = kept.as_ref().map_or(Duration::ZERO, |kept| Duration::from_millis(kept.start.now_ms));
        let disk = kept.as_ref().map(|kept| kept.disk(&limits));
        let on_disk = disk.as_ref().zip(kept.as_ref()).map(|(disk, kept)| (disk, kept.channels.clone()));
        let stopped = CancellationToken::new();
        let shared = Arc::new(Self {
            start,
            clock: Clock::starting_at(shown),
            seeds: Seeds::new(),
            channels: Channels::new(plans, defaults, on_unknown, limits.channels, start, &memory, on_disk),
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
            disk,
            limits,
        });
        if let Some(kept) = kept
            && let Err(error) = Disk::start(&shared, kept)
        {
            shared.stop();
            return Err(error);
        }
        Ok(shared)
    }

    pub(crate) fn count_garbage(&self) {
        self.garbage.fetch_add(1, Ordering::Relaxed);
    }

    /// Room for a request: memory, and if it is durable so many bytes of the disk. Where either is short, outcomes that
    /// were fetched and are in no mailbox go first. No lock but a session's is held when it is called.
    pub(crate) fn room_for_request(self: &Arc<Self>, bytes: usize, on_disk: Option<u64>) -> Result<Room, Refusal> {
        loop {
            let refusal = match self.try_room_for_request(bytes, on_disk) {
                Ok(room) => return Ok(room),
                Err(refusal) => refusal,
            };
            if refusal.code != RefusalCode::BrokerFull || self.fetched.load(Ordering::Relaxed) == 0 {
                return Err(refusal);
            }
            let mut batch = Batch::new(self);
            let mut has_freed = false;
            self.channels.each(|channel| has_freed |= channel.make_room(&mut batch));
            batch.finish();
            if !has_freed {
                return Err(refusal);
            }
        }
    }

    fn try_room_for_request(&self, bytes: usize, on_disk: Option<u64>) -> Result<Room, Refusal> {
        if let Some((disk, bytes)) = self.disk.as_ref().zip(on_disk) {
            disk.check_submission(bytes)?;
        }
        self.memory.room_for_submission(bytes).ok_or_else(|| {
            let message = format!("the broker has no memory for a request that needs {bytes} bytes now: submit later");
            Refusal::passing(RefusalCode::BrokerFull, message, RETRY_AFTER_MS)
        })
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
        if let Some(disk) = &self.disk {
            disk.stop();
        }
        self.timer.clear();
        self.unnamed.clear();
        self.channels.clear();
    }
}
