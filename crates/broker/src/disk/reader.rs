//! The reader: brings what is on disk and not in memory, and a channel's whole state when it begins.

use std::sync::Arc;
use std::time::Duration;

use roundtrip_transport::runtime;

use super::desk::Taken;
use super::{Disk, TRIED_AGAIN, sleep};
use crate::batch::Batch;
use crate::channel::ChannelEntry;
use crate::shared::Shared;
use crate::storage::{Ask, Content, Missing, Reader, StorageError, StorageErrorKind};

/// Something to read, and for whom.
pub(crate) enum Errand {
    /// All that a channel begins with.
    Load { channel: Arc<ChannelEntry>, epoch: u64 },
    /// Contents.
    Fetch { channel: Arc<ChannelEntry>, epoch: u64, asked: Vec<Ask> },
}

/// The reader's thread.
pub(super) fn work(shared: &Arc<Shared>, mut reader: Box<dyn Reader>) {
    let Some(disk) = &shared.disk else { return };
    let mut left = Vec::new();
    loop {
        let at_most = (!left.is_empty()).then_some(TRIED_AGAIN);
        match disk.errands.wait(at_most) {
            Taken::Work(errands) => left.extend(errands),
            Taken::Nothing => {}
            Taken::End => return,
        }
        left = run_all(shared, disk, &mut *reader, left);
    }
}

/// The reader's task, over a storage that never blocks.
pub(super) async fn work_in_task(shared: Arc<Shared>, mut reader: Box<dyn Reader>) {
    let Some(disk) = &shared.disk else { return };
    let mut left = Vec::new();
    loop {
        let rung = disk.errands.rung();
        let taken = if left.is_empty() {
            rung.await
        } else {
            runtime::timeout(TRIED_AGAIN, rung).await.unwrap_or(Taken::Nothing)
        };
        match taken {
            Taken::Work(errands) => left.extend(errands),
            Taken::Nothing => {}
            Taken::End => return,
        }
        for errand in std::mem::take(&mut left) {
            sleep(reader.pause()).await;
            left.extend(try_to_run(&shared, disk, &mut *reader, errand));
        }
    }
}

/// Runs errands in order. Those that the disk does not do now come back, to be tried again.
fn run_all(shared: &Arc<Shared>, disk: &Disk, reader: &mut dyn Reader, errands: Vec<Errand>) -> Vec<Errand> {
    errands.into_iter().filter_map(|errand| try_to_run(shared, disk, reader, errand)).collect()
}

/// Runs an errand, unless the work has ended. It comes back if the disk does not do it now.
fn try_to_run(shared: &Arc<Shared>, disk: &Disk, reader: &mut dyn Reader, errand: Errand) -> Option<Errand> {
    if disk.errands.is_closed() {
        return None;
    }
    match run(shared, reader, &errand) {
        Ok(()) => {
            forget_if_unused(shared, errand);
            None
        }
        Err(error) => {
            tracing::warn!(%error, "the disk does not give what is on it: it is asked again");
            Some(errand)
        }
    }
}

fn run(shared: &Arc<Shared>, reader: &mut dyn Reader, errand: &Errand) -> Result<(), StorageError> {
    let mut batch = Batch::new(shared);
    match errand {
        Errand::Load { channel, epoch } => {
            let began = runtime::now();
            if let Some(count) = channel.load(*epoch, reader, &mut batch)? {
                let took: Duration = runtime::now().saturating_duration_since(began);
                tracing::info!(channel = %channel.name(), requests = count, ?took, "recovered a channel");
            }
        }
        Errand::Fetch { channel, epoch, asked } => {
            let found = fetch(reader, asked)?;
            channel.found(*epoch, asked.iter().copied().zip(found).collect(), &mut batch);
        }
    }
    batch.finish();
    Ok(())
}

/// Who was told may have been forgotten but for this.
fn forget_if_unused(shared: &Shared, errand: Errand) {
    let (Errand::Load { channel, .. } | Errand::Fetch { channel, .. }) = errand;
    let name = channel.name().clone();
    drop(channel);
    shared.channels.forget_if_unused(&name);
}

/// Where a part of the disk cannot be read, only what is there is damaged.
fn fetch(reader: &mut dyn Reader, asked: &[Ask]) -> Result<Vec<Result<Content, Missing>>, StorageError> {
    match reader.read(asked) {
        Err(error) if error.kind == StorageErrorKind::Damaged => {}
        other => return other,
    }
    let mut found = Vec::new();
    for one in asked {
        match reader.read(std::slice::from_ref(one)) {
            Ok(mut one) => found.append(&mut one),
            Err(error) if error.kind == StorageErrorKind::Damaged => found.push(Err(Missing::Damaged)),
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}
