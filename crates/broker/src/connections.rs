//! The connections that are there.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use roundtrip_core::PeerId;

use crate::lock::Lock;
use crate::session::Session;

/// The connections of a broker. Its lock is a leaf.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    next: AtomicU64,
    sessions: Mutex<HashMap<PeerId, Arc<Session>>>,
}

impl Connections {
    pub(crate) fn next_id(&self) -> PeerId {
        PeerId(self.next.fetch_add(1, Ordering::Relaxed) + 1)
    }

    pub(crate) fn insert(&self, session: &Arc<Session>) {
        self.sessions.locked().insert(session.id(), Arc::clone(session));
    }

    pub(crate) fn remove(&self, id: PeerId) {
        let removed = self.sessions.locked().remove(&id);
        drop(removed);
    }

    pub(crate) fn count(&self) -> usize {
        self.sessions.locked().len()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Session>> {
        self.sessions.locked().values().cloned().collect()
    }
}
