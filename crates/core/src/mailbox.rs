//! What a mailbox does: an ordered list of outcomes that wait to be acknowledged, one holder, and followers.
//!
//! It never holds an outcome, only where to find it, and never calls a channel. Whether a reader is sent an entry
//! that it was offered decides the channel; the mailbox is told when it was skipped.
//!
//! (Signatures first; the author of `core` completes it.)

use roundtrip_protocol::{MailboxNumber, OpenMode};

use crate::handles::{Peer, PeerId};

/// Where a reader stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ReaderId {
    /// Over which connection.
    pub peer: PeerId,
    /// The connection's number of the mailbox.
    pub mailbox: MailboxNumber,
}

/// What a reader is told.
#[derive(Debug, Clone, PartialEq, Eq)]
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

/// An ordered list of `E`, where to find an outcome, and who reads it over connections `P`.
#[derive(Debug)]
pub struct Mailbox<E, P> {
    _signatures: std::marker::PhantomData<(E, P)>,
}

impl<E: Clone + Eq + std::hash::Hash, P: Peer> Mailbox<E, P> {
    /// An empty mailbox that nobody reads.
    #[must_use]
    pub fn new() -> Self { unimplemented!() }
    /// Opens it for a reader. With `Take` the former holder gets [`Notice::Taken`].
    pub fn handle_open(&mut self, peer: P, mailbox: MailboxNumber, mode: OpenMode, window: u32, notices: &mut Vec<(P, MailboxNumber, Notice)>) -> Opened { unimplemented!() }
    /// Lets a reader be offered so many entries more.
    pub fn handle_window(&mut self, reader: ReaderId, more: u32) { unimplemented!() }
    /// A reader closed.
    pub fn handle_close(&mut self, reader: ReaderId) { unimplemented!() }
    /// A connection is gone: all its readers are.
    pub fn handle_peer_gone(&mut self, peer: PeerId) { unimplemented!() }
    /// The mailbox's unnamed requester is gone: every reader gets [`Notice::Ended`].
    pub fn handle_end(&mut self, notices: &mut Vec<(P, MailboxNumber, Notice)>) { unimplemented!() }
    /// An outcome arrived.
    pub fn handle_post(&mut self, entry: E) { unimplemented!() }
    /// An outcome was acknowledged, or its retention passed.
    pub fn handle_unpost(&mut self, entry: &E) { unimplemented!() }
    /// Readers on this connection are to be offered the entry again.
    pub fn handle_repost(&mut self, peer: PeerId, entry: &E) { unimplemented!() }
    /// The entry that was offered last to the reader was not sent: its window is given back, the entry stays skipped
    /// for it until it is reposted.
    pub fn handle_skipped(&mut self, reader: ReaderId) { unimplemented!() }
    /// The next entry for any reader that has window and whose connection has room: the reader's window is one
    /// smaller. None when there is nothing to offer now. Also says who has caught up.
    pub fn poll_offer(&mut self, notices: &mut Vec<(P, MailboxNumber, Notice)>) -> Option<(P, MailboxNumber, E)> { unimplemented!() }
    /// How many outcomes wait.
    #[must_use]
    pub fn len(&self) -> usize { unimplemented!() }
    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool { unimplemented!() }
    /// Whether nobody reads it.
    #[must_use]
    pub fn is_unread(&self) -> bool { unimplemented!() }
}
