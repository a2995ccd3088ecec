//! What several frames of one connection lead to, gathered so that each connection and mailbox is attended to once.

use std::sync::Arc;

use roundtrip_core::{Effect, Time};

use crate::clock::Jitter;
use crate::handles::BrokerHandles;
use crate::mailbox::MailboxHandle;
use crate::peer::Peer;
use crate::shared::Shared;

/// One run of steps: its time, and who is to be attended to after it.
///
/// [`pull`](Self::pull) and [`wake`](Self::wake) are called when no lock is held.
pub(crate) struct Batch {
    pub(crate) shared: Arc<Shared>,
    pub(crate) now: Time,
    pub(crate) jitter: Jitter,
    pub(crate) effects: Vec<Effect<BrokerHandles>>,
    touched: Vec<Peer>,
    mailboxes: Vec<MailboxHandle>,
}

impl Batch {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        Self {
            shared: Arc::clone(shared),
            now: shared.clock.now(),
            jitter: shared.seeds.jitter(),
            effects: Vec::new(),
            touched: Vec::new(),
            mailboxes: Vec::new(),
        }
    }

    /// Begins the next run.
    pub(crate) fn set_time(&mut self) {
        self.now = self.shared.clock.now();
    }

    pub(crate) fn touch(&mut self, peer: &Peer) {
        if peer.begin_touched() {
            self.touched.push(peer.clone());
        }
    }

    pub(crate) fn pull_later(&mut self, mailbox: MailboxHandle) {
        self.mailboxes.push(mailbox);
    }

    /// Offers what arrived in mailboxes to their readers.
    pub(crate) fn pull(&mut self) {
        while let Some(mailbox) = self.mailboxes.pop() {
            mailbox.pull(self);
        }
    }

    /// Wakes each connection that something was put before, once.
    pub(crate) fn wake(&mut self) {
        for peer in self.touched.drain(..) {
            peer.wake_receiver();
        }
    }

    /// Both.
    pub(crate) fn finish(&mut self) {
        self.pull();
        self.wake();
    }
}
