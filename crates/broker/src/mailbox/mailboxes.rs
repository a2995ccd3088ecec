//! All mailboxes by address. One that nobody uses is forgotten.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};

use dashmap::DashMap;
use roundtrip_core::Mailbox;
use roundtrip_protocol::{Refusal, RefusalCode};

use super::{Address, Guarded, MAILBOX_OVERHEAD, MailboxEntry, MailboxHandle};
use crate::batch::Batch;
use crate::memory::{Memory, Room};

/// The mailboxes of a broker. The map is a leaf among the locks: it calls nobody.
pub(crate) struct Mailboxes {
    map: DashMap<Address, Arc<MailboxEntry>>,
    next: AtomicU64,
    most: usize,
    capacity: usize,
    memory: Arc<Memory>,
    /// How many channels are read from disk as the broker starts.
    recovering: AtomicUsize,
    me: Weak<Self>,
}

impl Mailboxes {
    pub(crate) fn new(most: usize, capacity: usize, memory: &Arc<Memory>) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            map: DashMap::new(),
            next: AtomicU64::new(1),
            most,
            capacity,
            memory: Arc::clone(memory),
            recovering: AtomicUsize::new(0),
            me: Weak::clone(me),
        })
    }

    /// A channel is going to be read from disk: outcomes may be in it.
    pub(crate) fn begin_recovery(&self) {
        self.recovering.fetch_add(1, Ordering::AcqRel);
    }

    /// It has been read, and its outcomes are in their mailboxes.
    pub(crate) fn end_recovery(&self, batch: &mut Batch) {
        if self.recovering.fetch_sub(1, Ordering::AcqRel) == 1 {
            let all: Vec<_> = self.map.iter().map(|entry| handle(&entry)).collect();
            all.iter().for_each(|mailbox| mailbox.catch_up(batch));
        }
    }

    pub(super) fn is_recovering(&self) -> bool {
        self.recovering.load(Ordering::Acquire) > 0
    }

    /// The mailbox at this address, made if there is none.
    pub(crate) fn mailbox(&self, address: &Address, is_unnamed: bool) -> Result<MailboxHandle, Refusal> {
        if let Some(entry) = self.map.get(address) {
            return Ok(handle(&entry));
        }
        let full = |what: String| Refusal::passing(RefusalCode::BrokerFull, what, 1_000);
        if self.map.len() >= self.most {
            return Err(full(format!("the broker has its {} mailboxes: try again when some are empty", self.most)));
        }
        let Some(room) = self.memory.room_for_submission(MAILBOX_OVERHEAD) else {
            return Err(full("the broker has no memory for another mailbox now".to_owned()));
        };
        Ok(self.mailbox_in(address, is_unnamed, room))
    }

    /// The mailbox at this address, of requests that a durable channel has kept: made if there is none, however many
    /// there are.
    pub(crate) fn mailbox_again(&self, address: &Address, is_unnamed: bool) -> MailboxHandle {
        if let Some(entry) = self.map.get(address) {
            return handle(&entry);
        }
        self.mailbox_in(address, is_unnamed, self.memory.room_at_any_rate(MAILBOX_OVERHEAD))
    }

    fn mailbox_in(&self, address: &Address, is_unnamed: bool, room: Room) -> MailboxHandle {
        let entry = self.map.entry(address.clone()).or_insert_with(|| {
            Arc::new(MailboxEntry {
                serial: self.next.fetch_add(1, Ordering::Relaxed),
                address: address.clone(),
                is_unnamed,
                capacity: self.capacity,
                places: AtomicUsize::new(0),
                handles: AtomicUsize::new(0),
                has_ended: AtomicBool::new(false),
                home: Weak::clone(&self.me),
                state: Mutex::new(Guarded {
                    mailbox: Mailbox::new(),
                    is_noted: false,
                    is_pulled: false,
                    offered: Vec::new(),
                    catching_up: Vec::new(),
                }),
                _room: room,
            })
        });
        handle(&entry)
    }

    #[cfg(feature = "simulation")]
    pub(crate) fn count(&self) -> usize {
        self.map.len()
    }

    /// Its unnamed requester is gone: the next one at this address gets a mailbox of its own.
    pub(crate) fn remove(&self, mailbox: &MailboxHandle) {
        self.map.remove_if(mailbox.address(), |_, entry| entry.serial == mailbox.serial());
    }

    pub(super) fn forget(&self, unused: &MailboxEntry) {
        self.map.remove_if(&unused.address, |_, entry| {
            entry.serial == unused.serial && entry.handles.load(Ordering::Acquire) == 0
        });
    }
}

/// Made while the map is held, so that the mailbox is not forgotten meanwhile.
fn handle(entry: &Arc<MailboxEntry>) -> MailboxHandle {
    entry.handles.fetch_add(1, Ordering::Relaxed);
    MailboxHandle(Arc::clone(entry))
}
