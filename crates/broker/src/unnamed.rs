//! Requesters whose name the library made: their mailboxes end with them, at goodbye or some time after their last
//! connection broke.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use roundtrip_core::Command;
use roundtrip_protocol::RequesterName;

use crate::batch::Batch;
use crate::lock::Lock;
use crate::mailbox::MailboxHandle;
use crate::shared::Shared;
use crate::timer::Due;

/// How long an unnamed requester may be away.
const AWAY: Duration = Duration::from_secs(60);

/// The unnamed requesters that are there, or not long away.
#[derive(Debug, Default)]
pub(crate) struct UnnamedRequesters(Mutex<HashMap<RequesterName, Unnamed>>);

#[derive(Debug, Default)]
struct Unnamed {
    connections: usize,
    /// How often it went away.
    absences: u64,
    mailboxes: Vec<MailboxHandle>,
}

impl UnnamedRequesters {
    /// It is there over another connection.
    pub(crate) fn arrive(&self, requester: &RequesterName) {
        self.0.locked().entry(requester.clone()).or_default().connections += 1;
    }

    /// It uses a mailbox, which ends with it.
    pub(crate) fn add_mailbox(&self, requester: &RequesterName, mailbox: &MailboxHandle) {
        if let Some(unnamed) = self.0.locked().get_mut(requester)
            && unnamed.mailboxes.iter().all(|known| known.serial() != mailbox.serial())
        {
            unnamed.mailboxes.push(mailbox.clone());
        }
    }

    /// It was there before the broker started, and has a while to come back.
    pub(crate) fn remember(&self, requester: &RequesterName, mailbox: &MailboxHandle, shared: &Shared) {
        let mut all = self.0.locked();
        let is_known = all.contains_key(requester);
        let unnamed = all.entry(requester.clone()).or_default();
        if unnamed.mailboxes.iter().all(|known| known.serial() != mailbox.serial()) {
            unnamed.mailboxes.push(mailbox.clone());
        }
        if !is_known {
            unnamed.absences += 1;
            shared.timer.arm(shared.clock.now() + AWAY, Due::Unnamed(requester.clone(), unnamed.absences));
        }
    }

    /// It said goodbye over a connection. Over the last one, it ends.
    pub(crate) fn say_goodbye(&self, requester: &RequesterName, batch: &mut Batch) {
        let mut all = self.0.locked();
        let Some(unnamed) = all.get_mut(requester) else { return };
        unnamed.connections = unnamed.connections.saturating_sub(1);
        let ended = if unnamed.connections == 0 { all.remove(requester) } else { None };
        drop(all);
        end(requester, ended, batch);
    }

    /// A connection of it broke. After the last one, it has a while to come back.
    pub(crate) fn lose(&self, requester: &RequesterName, batch: &Batch) {
        let mut all = self.0.locked();
        let Some(unnamed) = all.get_mut(requester) else { return };
        unnamed.connections = unnamed.connections.saturating_sub(1);
        if unnamed.connections == 0 {
            unnamed.absences += 1;
            batch.shared.timer.arm(batch.now + AWAY, Due::Unnamed(requester.clone(), unnamed.absences));
        }
    }

    /// Its while is over.
    pub(crate) fn expire(&self, requester: &RequesterName, absence: u64, batch: &mut Batch) {
        let mut all = self.0.locked();
        let is_away = all.get(requester).is_some_and(|unnamed| unnamed.connections == 0 && unnamed.absences == absence);
        let ended = if is_away { all.remove(requester) } else { None };
        drop(all);
        end(requester, ended, batch);
    }

    pub(crate) fn clear(&self) {
        let left = std::mem::take(&mut *self.0.locked());
        drop(left);
    }
}

fn end(requester: &RequesterName, ended: Option<Unnamed>, batch: &mut Batch) {
    let Some(Unnamed { mailboxes, .. }) = ended else { return };
    for mailbox in &mailboxes {
        batch.shared.mailboxes.remove(mailbox);
        mailbox.end(batch);
    }
    // Services may wait for it to acknowledge parts.
    let shared = Arc::clone(&batch.shared);
    if mailboxes.iter().any(MailboxHandle::has_places) {
        shared.channels.each(|channel| {
            channel.run(Command::RequesterGone { requester: requester.clone() }, batch);
        });
    }
}
