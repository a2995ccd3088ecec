//! The disk behind durable channels: one writer commits what all of them have decided together, one reader brings what
//! is not in memory. Both are threads of their own, so that nothing else ever waits for a disk.
//!
//! A channel puts what a step decided on the writer's desk, under its own lock, and goes on. Everything that waits there
//! when the writer comes back is made durable by one commit. Then each channel is told how far it is kept, and tells those
//! who wait: in a task of the broker's runtime, while the writer is at the next commit.

mod desk;
mod reader;
mod writer;

use std::io;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use roundtrip_protocol::{ChannelName, Refusal, RefusalCode};
use roundtrip_transport::runtime;

use self::desk::Bell;
pub(crate) use self::desk::Desk;
pub(crate) use self::reader::Errand;
use self::writer::Commit;
pub(crate) use self::writer::Group;
use crate::builder::Limits;
use crate::changes::Changes;
use crate::clock::{start_number, system_millis};
use crate::lock::Lock;
use crate::shared::Shared;
use crate::storage::{ChannelRow, MAX_CHANNEL_ROW, Reader, Start, Storage, StorageError, StorageErrorKind};

/// How long after an error the disk is tried again.
const TRIED_AGAIN: Duration = Duration::from_secs(1);

/// When to submit again where the disk is full or in trouble, in milliseconds.
const RETRY_AFTER_MS: u64 = 1_000;

/// What of a request that is on disk is beside its texts and payload, and its entries in the pages of the tables, in
/// bytes.
pub(crate) const DISK_OVERHEAD: u64 = 512;

/// Who does the disk's work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Worker {
    /// A thread for writing and one for reading: they may block.
    Threads,
    /// Tasks of the broker's runtime: for a storage that never blocks.
    Tasks,
}

/// A storage in which a start of the broker has begun, and what is found there.
pub(crate) struct Kept {
    worker: Worker,
    storage: Box<dyn Storage>,
    reader: Box<dyn Reader>,
    pub(crate) start: Start,
    pub(crate) channels: Vec<(ChannelRow, ChannelName)>,
}

impl Kept {
    pub(crate) fn begin(mut storage: Box<dyn Storage>, worker: Worker) -> Result<Self, StorageError> {
        let start = storage.begin(start_number(), system_millis())?;
        let mut reader = storage.reader()?;
        let channels = reader.channels()?;
        Ok(Self { worker, storage, reader, start, channels })
    }

    /// The disk of a broker with these limits.
    pub(crate) fn disk(&self, limits: &Limits) -> Arc<Disk> {
        let last = self.channels.iter().map(|(row, _)| row.0).max().unwrap_or(0);
        Arc::new(Disk::new(self.worker, limits.disk, limits.memory, last + 1))
    }
}

/// What durable channels share.
pub(crate) struct Disk {
    limit: u64,
    /// What the last commit left behind.
    used: AtomicU64,
    /// What is on its way to the disk.
    queued: AtomicU64,
    /// How many groups were decided whose channels were not told yet what became of them.
    untold: AtomicUsize,
    /// What is set aside for the outcomes of open requests.
    reserved: AtomicU64,
    /// How many bytes of contents channels keep in memory although they are on disk.
    shelved: AtomicUsize,
    most_shelved: usize,
    next_channel: AtomicU32,
    trouble: Mutex<Option<StorageErrorKind>>,
    writes: Desk<Group>,
    commits: Desk<Commit>,
    errands: Desk<Errand>,
    /// Told after each commit.
    pub(crate) changes: Changes,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Disk {
    /// A disk of at most so many bytes, beside a memory of so many. `first_channel` is the first free number.
    pub(crate) fn new(worker: Worker, limit: u64, memory: usize, first_channel: u32) -> Self {
        Self {
            limit,
            used: AtomicU64::new(0),
            queued: AtomicU64::new(0),
            untold: AtomicUsize::new(0),
            reserved: AtomicU64::new(0),
            shelved: AtomicUsize::new(0),
            most_shelved: memory / 64,
            next_channel: AtomicU32::new(first_channel),
            trouble: Mutex::default(),
            writes: Desk::new(Bell::of(worker)),
            commits: Desk::new(Bell::of(Worker::Tasks)),
            errands: Desk::new(Bell::of(worker)),
            changes: Changes::default(),
            threads: Mutex::default(),
        }
    }

    /// Begins to work, first of all with the channels that are there.
    pub(crate) fn start(shared: &Arc<Shared>, kept: Kept) -> io::Result<()> {
        let Some(disk) = &shared.disk else { return Ok(()) };
        let Kept { worker, storage, reader, .. } = kept;
        shared.channels.each(|channel| {
            if channel.recovery().0 {
                shared.mailboxes.begin_recovery();
                disk.read(Errand::Load { channel: Arc::clone(channel), epoch: 0 });
            }
        });
        runtime::spawn(writer::tell_in_task(Arc::clone(shared)));
        let (of_writer, of_reader) = (Arc::clone(shared), Arc::clone(shared));
        match worker {
            Worker::Threads => {
                let mut threads = disk.threads.locked();
                threads.push(in_thread("roundtrip-writer", move || writer::work(&of_writer, storage))?);
                threads.push(in_thread("roundtrip-reader", move || reader::work(&of_reader, reader))?);
            }
            Worker::Tasks => {
                runtime::spawn(writer::work_in_task(of_writer, storage));
                runtime::spawn(reader::work_in_task(of_reader, reader));
            }
        }
        Ok(())
    }

    /// Takes what a step of a channel decided. Under the channel's lock, so that groups of a channel keep their order.
    pub(crate) fn write(&self, group: Group) {
        self.queued.fetch_add(group.bytes, Ordering::Relaxed);
        self.untold.fetch_add(1, Ordering::Relaxed);
        self.writes.put(group);
    }

    /// Has something read.
    pub(crate) fn read(&self, errand: Errand) {
        self.errands.put(errand);
    }

    /// A number for a channel that has none; none when all are given away.
    pub(crate) fn channel_row(&self) -> Option<ChannelRow> {
        let next = |number: u32| (number <= MAX_CHANNEL_ROW).then_some(number + 1);
        self.next_channel.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).ok().map(ChannelRow)
    }

    /// Whether a request that takes so many bytes may be accepted: not if it would leave less than a quarter for
    /// outcomes, and not while the disk does not keep anything.
    pub(crate) fn check_submission(&self, bytes: u64) -> Result<(), Refusal> {
        if let Some(kind) = *self.trouble.locked() {
            return Err(refusal(kind));
        }
        if self.fits_below(self.limit - self.limit / 4, bytes) {
            return Ok(());
        }
        let message = "the broker has no room on its disk for another request now: submit later";
        Err(Refusal::passing(RefusalCode::BrokerFull, message, RETRY_AFTER_MS))
    }

    /// Whether an answer or a part of so many bytes beyond what was set aside fits.
    pub(crate) fn has_room_for_reply(&self, bytes: u64) -> bool {
        self.trouble.locked().is_none() && self.fits_below(self.limit - self.limit / 16, bytes)
    }

    fn fits_below(&self, limit: u64, bytes: u64) -> bool {
        let taken = [&self.used, &self.queued, &self.reserved];
        let taken = taken.into_iter().map(|taken| taken.load(Ordering::Relaxed)).sum::<u64>();
        taken.saturating_add(bytes) <= limit
    }

    /// Sets room aside for outcomes: so much in place of so much before.
    pub(crate) fn reserve(&self, bytes: u64, before: u64) {
        self.reserved.fetch_add(bytes, Ordering::Relaxed);
        self.reserved.fetch_sub(before, Ordering::Relaxed);
    }

    /// Counts what a channel keeps in memory although it is on disk.
    pub(crate) fn shelve(&self, bytes: usize) {
        self.shelved.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn unshelve(&self, bytes: usize) {
        self.shelved.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Whether channels keep more of that than they should.
    pub(crate) fn has_too_much_shelved(&self) -> bool {
        self.shelved.load(Ordering::Relaxed) > self.most_shelved
    }

    /// What is wrong with it now.
    fn set_trouble(&self, error: Option<&StorageError>) {
        let kind = error.map(|error| error.kind);
        let before = std::mem::replace(&mut *self.trouble.locked(), kind);
        match error {
            Some(error) if before != kind => {
                tracing::warn!(%error, "durable channels refuse work: the disk keeps nothing")
            }
            None if before.is_some() => tracing::info!("the disk keeps again, and durable channels take work"),
            _ => {}
        }
    }

    pub(crate) fn is_in_trouble(&self) -> bool {
        self.trouble.locked().is_some()
    }

    /// Waits until everything that was decided is on disk, or cannot be.
    pub(crate) async fn until_kept(&self) {
        self.changes.until(|| (self.untold.load(Ordering::Acquire) == 0 || self.is_in_trouble()).then_some(())).await;
    }

    /// Ends the work, when what waits is done. It blocks for the commit that is under way.
    pub(crate) fn stop(&self) {
        self.writes.close();
        self.errands.close();
        self.commits.close();
        let threads = std::mem::take(&mut *self.threads.locked());
        for thread in threads {
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

/// Waits so long, if that is anything.
async fn sleep(length: Duration) {
    if !length.is_zero() {
        runtime::sleep_until(runtime::now() + length).await;
    }
}

/// A thread whose clock is that of the runtime that the broker lives in.
fn in_thread(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Handle::try_current().ok();
    let work = move || {
        let _clock = runtime.as_ref().map(tokio::runtime::Handle::enter);
        work();
    };
    thread::Builder::new().name(name.to_owned()).spawn(work)
}

/// What a submission is told that a disk in trouble does not keep.
pub(crate) fn refusal(kind: StorageErrorKind) -> Refusal {
    let why = match kind {
        StorageErrorKind::Full => "is full",
        StorageErrorKind::Io => "does not keep anything now",
        StorageErrorKind::Damaged => "is damaged",
    };
    let message = format!("the channel is durable and the broker's disk {why}: nothing was kept, submit later");
    Refusal::passing(RefusalCode::Storage, message, RETRY_AFTER_MS)
}
