//! The writer: many groups, one commit; and who tells the channels of it.

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

/// What is to be told of a commit.
pub(crate) struct Commit {
    /// How far each channel is kept, since it began again so many times.
    channels: Vec<(Arc<ChannelEntry>, u64, Change)>,
    /// How many groups it had.
    groups: usize,
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
                    let (commit, result) = writer.commit(together);
                    writer.hand_on(commit, result);
                }
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
                    let (commit, result) = writer.commit(together);
                    sleep(writer.storage.pause()).await;
                    writer.hand_on(commit, result);
                }
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
    fn commit(&mut self, mut groups: Vec<Group>) -> (Commit, Result<(), StorageError>) {
        let bytes = groups.iter().map(|group| group.bytes).sum::<u64>();
        let count = groups.len();
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
        (Commit::of(groups, count), result)
    }

    /// Goes on with the next commit while the channels are told of this one. Of one that failed they are told before:
    /// nothing of what they decided on top of it may be kept.
    fn hand_on(&self, commit: Commit, result: Result<(), StorageError>) {
        match result {
            Ok(()) => self.disk.commits.put(commit),
            Err(error) => {
                commit.tell(self.shared, |channel, epoch, _, batch| channel.not_kept(epoch, error.kind, batch))
            }
        }
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

/// The task that tells channels how far they are kept. It is one of the broker's runtime, beside the connections that it
/// wakes, so that the disk's thread is free for the disk.
pub(super) async fn tell_in_task(shared: Arc<Shared>) {
    let Some(disk) = &shared.disk else { return };
    while let Taken::Work(commits) = disk.commits.rung().await {
        for commit in commits {
            commit.tell(&shared, |channel, epoch, through, batch| channel.kept(epoch, through, batch));
        }
    }
}

impl Commit {
    fn of(groups: Vec<Group>, count: usize) -> Self {
        let mut channels: Vec<(Arc<ChannelEntry>, u64, Change)> = Vec::new();
        for Group { channel, epoch, through: to, .. } in groups {
            let Some(channel) = channel else { continue };
            match channels.iter_mut().find(|(known, ..)| Arc::ptr_eq(known, &channel)) {
                Some((_, _, through)) => *through = to,
                None => channels.push((channel, epoch, to)),
            }
        }
        Self { channels, groups: count }
    }

    /// Tells each channel once, in the order in which they came.
    fn tell(self, shared: &Arc<Shared>, mut tell: impl FnMut(&Arc<ChannelEntry>, u64, Change, &mut Batch)) {
        let mut batch = Batch::new(shared);
        for (channel, epoch, through) in self.channels {
            tell(&channel, epoch, through, &mut batch);
            let name = channel.name().clone();
            drop(channel);
            batch.pull();
            shared.channels.forget_if_unused(&name);
        }
        batch.finish();
        if let Some(disk) = &shared.disk {
            // What the channels decided when they were told is counted already.
            disk.untold.fetch_sub(self.groups, Ordering::Release);
            disk.changes.tell();
        }
    }
}
