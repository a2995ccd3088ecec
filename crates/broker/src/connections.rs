//! The connections that are there.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use roundtrip_core::PeerId;

use crate::lock::Lock;
use crate::session::Session;
use crate::shared::Shared;

/// The connections of a broker. Its lock is a leaf.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    next: AtomicU64,
    sessions: Mutex<BTreeMap<PeerId, Arc<Session>>>,
    count: AtomicUsize,
}

/// A place among the connections, given back when everything else of the connection is dropped.
pub(crate) struct Membership {
    shared: Arc<Shared>,
    id: PeerId,
}

impl Connections {
    pub(crate) fn next_id(&self) -> PeerId {
        PeerId(self.next.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Counts it in until its [`Membership`] is dropped.
    pub(crate) fn insert(&self, session: &Arc<Session>) {
        self.count.fetch_add(1, Ordering::AcqRel);
        self.sessions.locked().insert(session.id(), Arc::clone(session));
    }

    fn remove(&self, id: PeerId) {
        let removed = self.sessions.locked().remove(&id);
        if removed.is_some() {
            drop(removed);
            // Last, so that whoever sees that it is gone finds nothing of it.
            self.count.fetch_sub(1, Ordering::AcqRel);
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    pub(crate) fn all(&self) -> Vec<Arc<Session>> {
        self.sessions.locked().values().cloned().collect()
    }
}

impl Membership {
    pub(crate) fn of(shared: &Arc<Shared>, session: &Session) -> Self {
        Self { shared: Arc::clone(shared), id: session.id() }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.shared.connections.remove(self.id);
        self.shared.changes.tell();
    }
}
