//! What is due when: one queue and one task for the whole broker. While nothing is due it sets no timer.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, Mutex, Weak};

use roundtrip_core::Time;
use roundtrip_protocol::RequesterName;
use roundtrip_transport::runtime;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::batch::Batch;
use crate::channel::ChannelEntry;
use crate::lock::Lock;
use crate::shared::Shared;

/// What is to be looked after.
#[derive(Debug)]
pub(crate) enum Due {
    /// A channel has something to do, if it is still armed for that time.
    Channel(Weak<ChannelEntry>),
    /// An unnamed requester ends, if it has not come back since: the number counts its absences.
    Unnamed(RequesterName, u64),
}

/// The queue. Arming takes a lock that is a leaf, so that it is done under a channel's.
#[derive(Debug, Default)]
pub(crate) struct Timer {
    queue: Mutex<Queue>,
    earlier: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    entries: BinaryHeap<Reverse<Entry>>,
    next: u64,
}

#[derive(Debug)]
struct Entry {
    at: Time,
    number: u64,
    due: Due,
}

impl Timer {
    pub(crate) fn arm(&self, at: Time, due: Due) {
        let mut queue = self.queue.locked();
        let is_earliest = queue.entries.peek().is_none_or(|Reverse(first)| at < first.at);
        let number = queue.next;
        queue.next += 1;
        queue.entries.push(Reverse(Entry { at, number, due }));
        drop(queue);
        if is_earliest {
            self.earlier.notify_one();
        }
    }

    fn first(&self) -> Option<Time> {
        self.queue.locked().entries.peek().map(|Reverse(first)| first.at)
    }

    fn take_due(&self, now: Time) -> Option<(Time, Due)> {
        let mut queue = self.queue.locked();
        if queue.entries.peek().is_none_or(|Reverse(first)| first.at > now) {
            return None;
        }
        queue.entries.pop().map(|Reverse(first)| (first.at, first.due))
    }

    pub(crate) fn clear(&self) {
        let left = std::mem::take(&mut self.queue.locked().entries);
        drop(left);
    }
}

/// Looks after what is due until the broker stops.
pub(crate) async fn run(shared: Arc<Shared>, stopped: CancellationToken) {
    let mut batch = Batch::new(&shared);
    loop {
        batch.set_time();
        let now = batch.now;
        while let Some((at, due)) = shared.timer.take_due(now) {
            look_after(at, due, &mut batch);
        }
        batch.finish();
        let wake_up = shared.timer.first().and_then(|at| shared.clock.instant(at));
        let sleep = async {
            match wake_up {
                Some(at) => runtime::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = stopped.cancelled() => return,
            () = shared.timer.earlier.notified() => {}
            () = sleep => {}
        }
    }
}

fn look_after(at: Time, due: Due, batch: &mut Batch) {
    match due {
        Due::Channel(channel) => {
            let Some(channel) = channel.upgrade() else { return };
            channel.run_deadline(at, batch);
            let name = channel.name().clone();
            drop(channel);
            batch.pull();
            batch.shared.channels.forget_if_unused(&name);
            batch.shared.changes.tell();
        }
        Due::Unnamed(requester, absence) => {
            let shared = Arc::clone(&batch.shared);
            shared.unnamed.expire(&requester, absence, batch);
        }
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.number) == (other.at, other.number)
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}
