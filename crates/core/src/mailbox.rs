//! What a mailbox does: an ordered list of outcomes that wait to be acknowledged, one holder, and followers.
//!
//! It never holds an outcome, only where to find it, and never calls a channel. It offers entries to readers; whether
//! an offered entry was sent the caller knows, and says so when it was not: [`Mailbox::handle_skipped`].

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;

use foldhash::{HashMap, HashMapExt};
use roundtrip_protocol::{MailboxNumber, OpenMode};

use crate::handles::{Peer, PeerId};

/// A reader: a connection's number of a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReaderId {
    /// Over which connection.
    pub peer: PeerId,
    /// The connection's number of the mailbox.
    pub mailbox: MailboxNumber,
}

/// What a reader is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// Another holder took the mailbox: the reader is none any more.
    Taken,
    /// The mailbox is gone: the reader is none any more.
    Ended,
    /// All that was there when it was opened has been offered.
    CaughtUp,
}

/// What became of opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opened {
    /// The reader is one.
    Opened,
    /// Another holds it, and it should only be opened if free.
    Held,
}

/// Notices with the readers that they are for.
pub type Notices<P> = Vec<(P, MailboxNumber, Notice)>;

/// An ordered list of entries, which say where to find outcomes, and who reads it.
#[derive(Debug)]
pub struct Mailbox<E, P> {
    /// Every entry, and when it came among the others.
    numbers: HashMap<E, u64>,
    /// The same in order, while somebody reads it: a requester that follows its requests reads no mailbox.
    entries: BTreeMap<u64, E>,
    next_number: u64,
    readers: BTreeMap<ReaderId, Reader<P>>,
    holder: Option<ReaderId>,
}

#[derive(Debug)]
struct Reader<P> {
    peer: P,
    window: u32,
    /// Entries before this one have been offered.
    next: u64,
    /// Entries before `next` that are to be offered again.
    again: BTreeSet<u64>,
    /// Where the list ended when it was opened, until that has been offered.
    catching_up_to: Option<u64>,
}

impl<E, P> Default for Mailbox<E, P> {
    fn default() -> Self {
        Self {
            numbers: HashMap::new(),
            entries: BTreeMap::new(),
            next_number: 0,
            readers: BTreeMap::new(),
            holder: None,
        }
    }
}

impl<E: Clone + Eq + Hash, P: Peer> Mailbox<E, P> {
    /// An empty mailbox that nobody reads.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens it for a reader. With `Take` the former holder gets [`Notice::Taken`].
    pub fn handle_open(
        &mut self,
        peer: P,
        mailbox: MailboxNumber,
        mode: OpenMode,
        window: u32,
        notices: &mut Notices<P>,
    ) -> Opened {
        let reader = ReaderId { peer: peer.id(), mailbox };
        match (mode, self.holder) {
            (OpenMode::IfFree, Some(_)) => return Opened::Held,
            (OpenMode::Take, Some(former)) => {
                if let Some(Reader { peer, .. }) = self.readers.remove(&former) {
                    notices.push((peer, former.mailbox, Notice::Taken));
                }
                self.holder = Some(reader);
            }
            (OpenMode::Take | OpenMode::IfFree, None) => self.holder = Some(reader),
            (OpenMode::Follow, _) => {}
        }
        if self.readers.is_empty() {
            self.entries = self.numbers.iter().map(|(entry, number)| (*number, entry.clone())).collect();
        }
        let catching_up_to = Some(self.next_number);
        self.readers.insert(reader, Reader { peer, window, next: 0, again: BTreeSet::new(), catching_up_to });
        Opened::Opened
    }

    /// Lets a reader be offered so many entries more.
    pub fn handle_window(&mut self, reader: ReaderId, more: u32) {
        if let Some(reader) = self.readers.get_mut(&reader) {
            reader.window = reader.window.saturating_add(more);
        }
    }

    /// A reader closed.
    pub fn handle_close(&mut self, reader: ReaderId) {
        self.readers.remove(&reader);
        self.holder = self.holder.filter(|holder| *holder != reader);
        self.forget_order_unless_read();
    }

    /// A connection is gone: all its readers are.
    pub fn handle_peer_gone(&mut self, peer: PeerId) {
        self.readers.retain(|reader, _| reader.peer != peer);
        self.holder = self.holder.filter(|holder| holder.peer != peer);
        self.forget_order_unless_read();
    }

    /// The mailbox's unnamed requester is gone: every reader gets [`Notice::Ended`].
    pub fn handle_end(&mut self, notices: &mut Notices<P>) {
        self.holder = None;
        for (reader, Reader { peer, .. }) in std::mem::take(&mut self.readers) {
            notices.push((peer, reader.mailbox, Notice::Ended));
        }
        self.forget_order_unless_read();
    }

    fn forget_order_unless_read(&mut self) {
        if self.readers.is_empty() {
            self.entries = BTreeMap::new();
        }
    }

    /// An outcome arrived. One that is there already stays where it is.
    pub fn handle_post(&mut self, entry: E) {
        if self.numbers.contains_key(&entry) {
            return;
        }
        let number = self.next_number;
        self.next_number += 1;
        if !self.readers.is_empty() {
            self.entries.insert(number, entry.clone());
        }
        self.numbers.insert(entry, number);
    }

    /// An outcome was acknowledged, or its retention passed.
    pub fn handle_unpost(&mut self, entry: &E) {
        if let Some(number) = self.numbers.remove(entry) {
            self.entries.remove(&number);
            for reader in self.readers.values_mut() {
                reader.again.remove(&number);
            }
        }
    }

    /// Readers on this connection are to be offered the entry again.
    pub fn handle_repost(&mut self, peer: PeerId, entry: &E) {
        let Some(&number) = self.numbers.get(entry) else {
            return;
        };
        for (_, reader) in self.readers.iter_mut().filter(|(reader, _)| reader.peer == peer) {
            if number < reader.next {
                reader.again.insert(number);
            }
        }
    }

    /// What was offered last to the reader was not sent: its window is as before.
    pub fn handle_skipped(&mut self, reader: ReaderId) {
        self.handle_window(reader, 1);
    }

    /// The next entry for any reader that has window and whose connection has room; the reader's window is one
    /// smaller then. None when there is nothing to offer now. Tells who has caught up on the way: its notices are to be
    /// sent before the entry.
    pub fn poll_offer(&mut self, notices: &mut Notices<P>) -> Option<(P, MailboxNumber, E)> {
        for (id, reader) in &mut self.readers {
            let waiting = reader.again.first().copied().or_else(|| {
                let (number, _) = self.entries.range(reader.next..).next()?;
                Some(*number)
            });
            if let Some(end) = reader.catching_up_to
                && waiting.is_none_or(|number| number >= end)
            {
                reader.catching_up_to = None;
                notices.push((reader.peer.clone(), id.mailbox, Notice::CaughtUp));
            }
            let Some(number) = waiting else { continue };
            if reader.window == 0 || !reader.peer.has_room() {
                continue;
            }
            reader.again.remove(&number);
            reader.next = reader.next.max(number + 1);
            if let Some(entry) = self.entries.get(&number) {
                reader.window -= 1;
                return Some((reader.peer.clone(), id.mailbox, entry.clone()));
            }
        }
        None
    }

    /// How many outcomes wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// Whether nobody reads it.
    #[must_use]
    pub fn is_unread(&self) -> bool {
        self.readers.is_empty()
    }
}

#[cfg(test)]
mod tests;
