//! The writer: many groups, one commit.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use roundtrip_core::Change;
use roundtrip_transport::runtime;

use super::desk::Taken;
use super::{Disk, TRIED_AGAIN, sleep};
use crate::batch::Batch;
use crate::channel::ChannelEntry;
use crate::clock::millis;
use crate::shared::Shared;
use crate::storage::{Storage, StorageError, Write};

/// How many writes a commit has at most, but that a group is never parted.
const MOST_WRITES: usize = 4_096;

/// How long after the last commit room is given back to the disk, and how long between two steps of that.
const IDLE: Duration = Duration::from_millis(500);
const BETWEEN_STEPS: Duration = Duration::from_millis(20);

/// What one step of a channel decided: all of it is kept, or nothing.
pub(crate) struct Group {
    /// Who decided it; none if nobody needs to hear of it.
    pub(crate) channel: Option<Arc<ChannelEntry>>,
    /// Since the channel began again so many times.
    pub(crate) epoch: u64,
    /// The last change in it.
    pub(crate) through: Change,
    pub(crate) writes: Vec<Write>,
    /// About how many bytes it has.
    pub(crate) bytes: u64,
}

/// What became of a commit, and of what.
struct Committed {
    groups: Vec<Group>,
    result: Result<(), StorageError>,
}

struct Writer<'a> {
    shared: &'a Arc<Shared>,
    disk: &'a Disk,
    storage: Box<dyn Storage>,
    is_tidy: bool,
}

/// The writer's thread.
pub(super) fn work(shared: &Arc<Shared>, storage: Box<dyn Storage>) {
    let Some(mut writer) = Writer::new(shared, storage) else { return };
    let mut pause = IDLE;
    loop {
        let at_most = match (writer.disk.is_in_trouble(), writer.is_tidy) {
            (true, _) => Some(TRIED_AGAIN),
            (false, false) => Some(pause),
            (false, true) => None,
        };
        match writer.disk.writes.wait(at_most) {
            Taken::Work(groups) => {
                for together in in_commits(groups) {
                    let committed = writer.commit(together);
                    writer.tell(committed);
                }
                writer.rest();
                pause = IDLE;
            }
            Taken::Nothing if writer.disk.is_in_trouble() => writer.try_again(),
            Taken::Nothing => {
                writer.tidy();
                pause = BETWEEN_STEPS;
            }
            Taken::End => return,
        }
    }
}

/// The writer's task, over a storage that never blocks.
pub(super) async fn work_in_task(shared: Arc<Shared>, storage: Box<dyn Storage>) {
    let Some(mut writer) = Writer::new(&shared, storage) else { return };
    loop {
        let rung = writer.disk.writes.rung();
        let taken = if writer.disk.is_in_trouble() {
            runtime::timeout(TRIED_AGAIN, rung).await.unwrap_or(Taken::Nothing)
        } else {
            rung.await
        };
        match taken {
            Taken::Work(groups) => {
                for together in in_commits(groups) {
                    sleep(writer.storage.pause()).await;
                    let committed = writer.commit(together);
                    sleep(writer.storage.pause()).await;
                    writer.tell(committed);
                }
                writer.rest();
            }
            Taken::Nothing => writer.try_again(),
            Taken::End => return,
        }
    }
}

/// Puts groups together, in their order.
fn in_commits(groups: Vec<Group>) -> impl Iterator<Item = Vec<Group>> {
    let mut groups = groups.into_iter().peekable();
    std::iter::from_fn(move || {
        let (mut together, mut count) = (Vec::new(), 0);
        while let Some(group) = groups.next_if(|next| count == 0 || count + next.writes.len() <= MOST_WRITES) {
            count += group.writes.len();
            together.push(group);
        }
        (!together.is_empty()).then_some(together)
    })
}

impl<'a> Writer<'a> {
    fn new(shared: &'a Arc<Shared>, mut storage: Box<dyn Storage>) -> Option<Self> {
        let disk = shared.disk.as_ref()?;
        disk.used.store(storage.used().unwrap_or(0), Ordering::Relaxed);
        Some(Self { shared, disk, storage, is_tidy: false })
    }

    /// One commit. What a channel decided before it began again counts no more.
    fn commit(&mut self, mut groups: Vec<Group>) -> Committed {
        let bytes = groups.iter().map(|group| group.bytes).sum::<u64>();
        groups.retain(|group| group.channel.as_ref().is_none_or(|channel| channel.epoch() == group.epoch));
        let writes: Vec<Write> = groups.iter_mut().flat_map(|group| std::mem::take(&mut group.writes)).collect();
        let result = self.storage.commit(self.now_ms(), &writes);
        drop(writes);
        if let Ok(used) = self.storage.used() {
            self.disk.used.store(used, Ordering::Relaxed);
        }
        self.disk.queued.fetch_sub(bytes, Ordering::Relaxed);
        self.disk.set_trouble(result.as_ref().err());
        self.is_tidy = false;
        Committed { groups, result }
    }

    /// Tells each channel once, in the order in which they came.
    fn tell(&self, Committed { groups, result }: Committed) {
        let mut batch = Batch::new(self.shared);
        let mut told: Vec<(Arc<ChannelEntry>, u64, Change)> = Vec::new();
        for group in groups {
            let Some(channel) = group.channel else { continue };
            match told.iter_mut().find(|(known, ..)| Arc::ptr_eq(known, &channel)) {
                Some((_, _, through)) => *through = group.through,
                None => told.push((channel, group.epoch, group.through)),
            }
        }
        for (channel, epoch, through) in told {
            match &result {
                Ok(()) => channel.kept(epoch, through, &mut batch),
                Err(error) => channel.not_kept(epoch, error.kind, &mut batch),
            }
            let name = channel.name().clone();
            drop(channel);
            batch.pull();
            self.shared.channels.forget_if_unused(&name);
        }
        batch.finish();
    }

    /// Everything that was there is done.
    fn rest(&self) {
        self.disk.writes.done();
        self.disk.changes.tell();
    }

    fn try_again(&mut self) {
        let result = self.storage.commit(self.now_ms(), &[]);
        self.disk.set_trouble(result.as_ref().err());
        self.disk.changes.tell();
    }

    fn tidy(&mut self) {
        self.is_tidy = !self.storage.tidy().unwrap_or(false);
        if let Ok(used) = self.storage.used() {
            self.disk.used.store(used, Ordering::Relaxed);
        }
    }

    fn now_ms(&self) -> u64 {
        millis(self.shared.clock.now())
    }
}
