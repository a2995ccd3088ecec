//! Who follows a request: mostly one connection, and none any more where a requester left while its request waits.

use roundtrip_protocol::TicketNumber;

use super::follow::Follower;
use crate::handles::{Handles, Peer, PeerId};

/// The followers of a request, in the order in which they came. If there are none it takes a pointer's room and no more.
#[derive(Debug)]
pub(super) struct FollowerList<H: Handles>(Option<Box<Present<H>>>);

#[derive(Debug)]
struct Present<H: Handles> {
    first: Follower<H>,
    others: Vec<Follower<H>>,
}

impl<H: Handles> Default for FollowerList<H> {
    fn default() -> Self {
        Self(None)
    }
}

impl<H: Handles> FollowerList<H> {
    pub(super) fn push(&mut self, follower: Follower<H>) {
        match &mut self.0 {
            None => self.0 = Some(Box::new(Present { first: follower, others: Vec::new() })),
            Some(present) => present.others.push(follower),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Follower<H>> {
        self.0.iter().flat_map(|present| std::iter::once(&present.first).chain(&present.others))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Follower<H>> {
        self.0.iter_mut().flat_map(|present| {
            let Present { first, others } = &mut **present;
            std::iter::once(first).chain(others)
        })
    }

    /// The one of a connection under one of its ticket numbers.
    pub(super) fn find(&mut self, peer: PeerId, ticket: TicketNumber) -> Option<&mut Follower<H>> {
        self.iter_mut().find(|follower| follower.is(peer, ticket))
    }

    /// Whether a connection follows, under any number.
    pub(super) fn has(&self, peer: PeerId) -> bool {
        self.iter().any(|follower| follower.peer.id() == peer)
    }

    pub(super) fn remove(&mut self, peer: PeerId, ticket: TicketNumber) -> Option<Follower<H>> {
        let present = self.0.as_mut()?;
        if !present.first.is(peer, ticket) {
            let index = present.others.iter().position(|follower| follower.is(peer, ticket))?;
            return Some(present.others.remove(index));
        }
        if present.others.is_empty() {
            return self.0.take().map(|present| present.first);
        }
        let second = present.others.remove(0);
        Some(std::mem::replace(&mut present.first, second))
    }

    /// All of a connection are gone.
    pub(super) fn remove_all(&mut self, peer: PeerId) {
        let Some(mut present) = self.0.take() else { return };
        present.others.retain(|follower| follower.peer.id() != peer);
        if present.first.peer.id() == peer {
            if present.others.is_empty() {
                return;
            }
            present.first = present.others.remove(0);
        }
        self.0 = Some(present);
    }
}
