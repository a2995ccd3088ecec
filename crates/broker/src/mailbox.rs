//! Mailboxes: where outcomes wait for their requester, and how they get to who reads them.
//!
//! A mailbox lists outcomes and never holds one; they stay in their channels. So offering one takes two steps: the
//! mailbox says which is next for whom, then the channel puts it before the reader. [`MailboxHandle::pull`] does both,
//! one puller at a time, with no more than one lock held across them.

mod mailboxes;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};

use roundtrip_core::{Mailbox, Notice, Opened, PeerId, ReaderId};
use roundtrip_protocol::{
    CaughtUp, ChannelName, MailboxEnd, MailboxNumber, MailboxOpened, OpenMode, Opening, RequestId, RequesterName,
};

pub(crate) use self::mailboxes::Mailboxes;
use crate::batch::Batch;
use crate::channel::ChannelEntry;
use crate::lock::Lock;
use crate::memory::Room;
use crate::peer::{Open, Peer};

/// What a mailbox takes of memory beside what waits in it, in bytes.
pub(crate) const MAILBOX_OVERHEAD: usize = 1024;

/// Whose mailbox, on which reply channel.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Address {
    pub(crate) reply_channel: ChannelName,
    pub(crate) requester: RequesterName,
}

/// Where an outcome stays.
#[derive(Clone)]
pub(crate) struct Posted {
    channel: Weak<ChannelEntry>,
    serial: u64,
    id: RequestId,
}

impl Posted {
    pub(crate) fn new(channel: &Arc<ChannelEntry>, id: RequestId) -> Self {
        Self { channel: Arc::downgrade(channel), serial: channel.serial, id }
    }
}

impl PartialEq for Posted {
    fn eq(&self, other: &Self) -> bool {
        (self.serial, self.id) == (other.serial, other.id)
    }
}

impl Eq for Posted {}

impl Hash for Posted {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.serial.hash(hasher);
        self.id.hash(hasher);
    }
}

/// A mailbox.
pub(crate) struct MailboxEntry {
    serial: u64,
    address: Address,
    is_unnamed: bool,
    capacity: usize,
    /// Places that requests have taken.
    places: AtomicUsize,
    /// How many handles there are: without any, the mailbox is forgotten.
    handles: AtomicUsize,
    has_ended: AtomicBool,
    home: Weak<Mailboxes>,
    state: Mutex<Guarded>,
    _room: Room,
}

struct Guarded {
    mailbox: Mailbox<Posted, Peer>,
    /// Somebody is going to pull.
    is_noted: bool,
    /// Somebody pulls.
    is_pulled: bool,
    /// What is offered to readers, while its channel has not said whether that is sent them.
    offered: Vec<(Peer, ReaderId, Posted)>,
    /// Readers that have been offered all that was there, once they were sent these.
    catching_up: Vec<(Peer, MailboxNumber, Vec<Posted>)>,
}

/// A use of a mailbox: by a request that has a place in it, by a reader, by a session that knows it.
pub(crate) struct MailboxHandle(Arc<MailboxEntry>);

impl MailboxHandle {
    pub(crate) fn serial(&self) -> u64 {
        self.0.serial
    }

    pub(crate) fn address(&self) -> &Address {
        &self.0.address
    }

    /// Takes a place for a request; none when the mailbox is full.
    pub(crate) fn place(&self) -> Option<Place> {
        let capacity = self.0.capacity;
        let take = |taken: usize| (taken < capacity).then_some(taken + 1);
        self.0.places.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).ok()?;
        Some(Place { mailbox: Some(self.clone()), is_taken: true })
    }

    /// A place for a request that had one before the broker started, full or not.
    pub(crate) fn place_again(&self) -> Place {
        self.0.places.fetch_add(1, Ordering::Relaxed);
        Place { mailbox: Some(self.clone()), is_taken: true }
    }

    /// The address alone.
    pub(crate) fn address_alone(&self) -> Place {
        Place { mailbox: Some(self.clone()), is_taken: false }
    }

    /// Whether its requester's name was made by its library.
    pub(crate) fn is_unnamed(&self) -> bool {
        self.0.is_unnamed
    }

    /// Whether requests have places in it.
    pub(crate) fn has_places(&self) -> bool {
        self.0.places.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn capacity(&self) -> usize {
        self.0.capacity
    }

    fn has_ended(&self) -> bool {
        self.0.has_ended.load(Ordering::Relaxed)
    }

    /// Opens it for a reader, and answers. The number stands for it from here on, if it was opened.
    pub(crate) fn open(&self, peer: &Peer, number: MailboxNumber, mode: OpenMode, window: u32, batch: &mut Batch) {
        let mut notices = Vec::new();
        let mut state = self.0.state.locked();
        let opened = state.mailbox.handle_open(peer.clone(), number, mode, window, &mut notices);
        state.tell(&self.0, notices, batch);
        let opening = match opened {
            Opened::Opened => {
                peer.open(|open| open.open_mailbox(number, self.clone()));
                Opening::Opened
            }
            Opened::Held => Opening::Held,
        };
        peer.send(MailboxOpened { mailbox: number, opening }, batch);
        self.note(&mut state, batch);
    }

    pub(crate) fn widen(&self, reader: ReaderId, more: u32, batch: &mut Batch) {
        let mut state = self.0.state.locked();
        state.mailbox.handle_window(reader, more);
        self.note(&mut state, batch);
    }

    /// All channels are there: whoever waited for them has caught up behind what it was offered since.
    fn catch_up(&self, batch: &mut Batch) {
        let mut state = self.0.state.locked();
        let Guarded { offered, catching_up, .. } = &mut *state;
        catching_up.retain_mut(|(peer, number, due)| {
            let reader = ReaderId { peer: roundtrip_core::Peer::id(peer), mailbox: *number };
            due.extend(offered_to(offered, reader));
            self.0.waits_to_catch_up(peer, *number, due, batch)
        });
    }

    pub(crate) fn close(&self, reader: ReaderId, peer: &Peer, batch: &mut Batch) {
        let mut state = self.0.state.locked();
        state.mailbox.handle_close(reader);
        state.forget_reader(|peer, number| (peer, number) == (reader.peer, reader.mailbox));
        peer.close_mailbox(reader.mailbox, MailboxEnd::Closed, batch);
    }

    pub(crate) fn forget_peer(&self, peer: PeerId) {
        let mut state = self.0.state.locked();
        state.mailbox.handle_peer_gone(peer);
        state.forget_reader(|of, _| of == peer);
    }

    /// Its unnamed requester is gone.
    pub(crate) fn end(&self, batch: &mut Batch) {
        self.0.has_ended.store(true, Ordering::Relaxed);
        let mut notices = Vec::new();
        let mut state = self.0.state.locked();
        state.mailbox.handle_end(&mut notices);
        state.tell(&self.0, notices, batch);
    }

    pub(crate) fn post(&self, posted: Posted, batch: &mut Batch) {
        let mut state = self.0.state.locked();
        state.mailbox.handle_post(posted);
        self.note(&mut state, batch);
    }

    pub(crate) fn unpost(&self, posted: &Posted) {
        self.0.state.locked().mailbox.handle_unpost(posted);
    }

    /// A connection stopped following. Under its channel's lock, so an offer that is not decided yet is going to be
    /// sent: a second one would send it twice.
    pub(crate) fn repost(&self, peer: PeerId, posted: &Posted, batch: &mut Batch) {
        let mut state = self.0.state.locked();
        let is_undecided = state.offered.iter().any(|(to, _, offered)| {
            // Where the connection reads the mailbox twice, another reader of it may have been passed over before.
            let mine =
                |open: &mut Open| open.mailboxes().filter(|(_, mailbox)| mailbox.serial() == self.serial()).count();
            roundtrip_core::Peer::id(to) == peer && offered == posted && to.open(mine) == 1
        });
        if !is_undecided {
            state.mailbox.handle_repost(peer, posted);
            self.note(&mut state, batch);
        }
    }

    /// Whether a reader was sent what it was offered. Under the lock of the channel that decided it.
    pub(crate) fn decide(&self, reader: ReaderId, posted: &Posted, is_sent: bool, batch: &mut Batch) {
        let mut state = self.0.state.locked();
        if let Some(index) = state.offered.iter().position(|(_, to, offered)| *to == reader && offered == posted) {
            state.offered.swap_remove(index);
        }
        let is_it = |peer: &Peer, number: MailboxNumber| {
            (roundtrip_core::Peer::id(peer), number) == (reader.peer, reader.mailbox)
        };
        state.catching_up.retain_mut(|(peer, number, due)| {
            if is_it(peer, *number) {
                due.retain(|one| one != posted);
            }
            self.0.waits_to_catch_up(peer, *number, due, batch)
        });
        if !is_sent {
            state.mailbox.handle_skipped(reader);
        }
    }

    /// A reader's outbox fell under its mark.
    pub(crate) fn resume(&self, batch: &mut Batch) {
        self.note(&mut self.0.state.locked(), batch);
    }

    /// Offers what waits to whoever reads, until nobody takes more. No lock is held when it is called.
    pub(crate) fn pull(&self, batch: &mut Batch) {
        {
            let mut state = self.0.state.locked();
            if state.is_pulled {
                // Left noted: who pulls looks again before it ends.
                return;
            }
            state.is_pulled = true;
        }
        loop {
            let mut notices = Vec::new();
            let mut state = self.0.state.locked();
            state.is_noted = false;
            let offer = state.mailbox.poll_offer(&mut notices);
            state.tell(&self.0, notices, batch);
            let Some((peer, number, posted)) = offer else {
                state.is_pulled = false;
                return;
            };
            let reader = ReaderId { peer: roundtrip_core::Peer::id(&peer), mailbox: number };
            state.offered.push((peer.clone(), reader, posted.clone()));
            drop(state);
            match posted.channel.upgrade() {
                Some(channel) => channel.reply(posted.id, peer, reader, self, batch),
                None => self.decide(reader, &posted, false, batch),
            }
        }
    }

    fn note(&self, state: &mut Guarded, batch: &mut Batch) {
        if !std::mem::replace(&mut state.is_noted, true) {
            batch.pull_later(self.clone());
        }
    }
}

impl MailboxEntry {
    /// Tells a reader that it has caught up, if these are none and no more are read from disk. Says whether it waits.
    fn waits_to_catch_up(&self, peer: &Peer, number: MailboxNumber, due: &[Posted], batch: &mut Batch) -> bool {
        if !due.is_empty() || self.home.upgrade().is_some_and(|home| home.is_recovering()) {
            return true;
        }
        peer.send(CaughtUp { mailbox: number }, batch);
        false
    }
}

impl Guarded {
    /// Sends notices in the order in which the mailbox gave them, under its lock. Who is still to be sent something that
    /// it was offered has caught up behind that.
    fn tell(&mut self, entry: &MailboxEntry, notices: Vec<(Peer, MailboxNumber, Notice)>, batch: &mut Batch) {
        for (peer, number, notice) in notices {
            let reader = ReaderId { peer: roundtrip_core::Peer::id(&peer), mailbox: number };
            let end = match notice {
                Notice::Taken => MailboxEnd::Taken,
                Notice::Ended => MailboxEnd::Ended,
                Notice::CaughtUp => {
                    let due: Vec<Posted> = offered_to(&self.offered, reader).collect();
                    if entry.waits_to_catch_up(&peer, number, &due, batch) {
                        self.catching_up.push((peer, number, due));
                    }
                    continue;
                }
            };
            self.forget_reader(|peer, number| (peer, number) == (reader.peer, reader.mailbox));
            peer.close_mailbox(number, end, batch);
        }
    }

    fn forget_reader(&mut self, is_it: impl Fn(PeerId, MailboxNumber) -> bool) {
        self.catching_up.retain(|(peer, number, _)| !is_it(roundtrip_core::Peer::id(peer), *number));
    }
}

/// What a reader was offered, and its channel has not decided yet.
fn offered_to(offered: &[(Peer, ReaderId, Posted)], reader: ReaderId) -> impl Iterator<Item = Posted> {
    offered.iter().filter(move |(_, to, _)| *to == reader).map(|(_, _, posted)| posted.clone())
}

impl Clone for MailboxHandle {
    fn clone(&self) -> Self {
        self.0.handles.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(&self.0))
    }
}

impl Drop for MailboxHandle {
    fn drop(&mut self) {
        if self.0.handles.fetch_sub(1, Ordering::AcqRel) == 1
            && let Some(home) = self.0.home.upgrade()
        {
            home.forget(&self.0);
        }
    }
}

impl fmt::Debug for MailboxHandle {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0.address, out)
    }
}

/// A request's return address, and its place there, which is free again when it is dropped. A clone is the address alone.
#[derive(Debug)]
pub(crate) struct Place {
    mailbox: Option<MailboxHandle>,
    is_taken: bool,
}

impl Place {
    /// Of a request that wants no reply.
    pub(crate) const fn nowhere() -> Self {
        Self { mailbox: None, is_taken: false }
    }

    pub(crate) const fn mailbox(&self) -> Option<&MailboxHandle> {
        self.mailbox.as_ref()
    }

    /// The reply channel, if there is still a mailbox on it.
    pub(crate) fn reply_channel(&self) -> Option<ChannelName> {
        let mailbox = self.mailbox().filter(|mailbox| !mailbox.has_ended())?;
        Some(mailbox.address().reply_channel.clone())
    }
}

impl Clone for Place {
    fn clone(&self) -> Self {
        Self { mailbox: self.mailbox.clone(), is_taken: false }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.is_taken
            && let Some(mailbox) = &self.mailbox
        {
            mailbox.0.places.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl roundtrip_core::Place for Place {
    fn has_mailbox(&self) -> bool {
        self.mailbox().is_some_and(|mailbox| !mailbox.has_ended())
    }
}
