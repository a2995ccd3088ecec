//! The requests of a channel: each in its slot, and found by its id.
//!
//! A long queue is many requests, so what finds them is small: the slot's number in the index, the queue and the times.

use std::cell::Cell;
use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use roundtrip_protocol::RequestId;

use super::index::Index;
use super::request::Request;
use super::slots::{Slot, Slots};
use crate::handles::Handles;

#[derive(Debug)]
pub(super) struct Requests<H: Handles> {
    slots: Slots<Request<H>>,
    index: Index,
    /// Clients make the ids: none may know which of them collide.
    hasher: RandomState,
    /// Where the last one was found: a step asks for the same one again and again.
    latest: Cell<Slot>,
}

impl<H: Handles> Default for Requests<H> {
    fn default() -> Self {
        Self {
            slots: Slots::default(),
            index: Index::default(),
            hasher: RandomState::default(),
            latest: Cell::new(Slot::default()),
        }
    }
}

impl<H: Handles> Requests<H> {
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where the request is.
    pub(super) fn slot(&self, id: &RequestId) -> Option<Slot> {
        let latest = self.latest.get();
        if self.is_in(latest, id) {
            return Some(latest);
        }
        let slot = self.look_up(id, self.hasher.hash_one(id))?;
        self.latest.set(slot);
        Some(slot)
    }

    pub(super) fn get(&self, id: &RequestId) -> Option<&Request<H>> {
        self.slots.get(self.slot(id)?)
    }

    pub(super) fn get_mut(&mut self, id: &RequestId) -> Option<&mut Request<H>> {
        let slot = self.slot(id)?;
        self.slots.get_mut(slot)
    }

    /// The request in a slot.
    pub(super) fn at(&self, slot: Slot) -> Option<&Request<H>> {
        self.slots.get(slot)
    }

    pub(super) fn at_mut(&mut self, slot: Slot) -> Option<&mut Request<H>> {
        self.slots.get_mut(slot)
    }

    /// Makes room for so many more.
    pub(super) fn reserve(&mut self, more: usize) {
        let Self { slots, index, hasher, .. } = self;
        index.reserve(more, |slot| hash(slots, hasher, slot));
    }

    /// Puts a request in, in place of one with the same id.
    pub(super) fn insert(&mut self, request: Request<H>) -> Slot {
        let id = request.id;
        let hashed = self.hasher.hash_one(id);
        if self.look_up(&id, hashed).is_some() {
            self.remove(&id);
        }
        let slot = self.slots.insert(request);
        let Self { slots, index, hasher, .. } = self;
        index.insert(hashed, slot, |slot| hash(slots, hasher, slot));
        self.latest.set(slot);
        slot
    }

    pub(super) fn remove(&mut self, id: &RequestId) -> Option<Request<H>> {
        let slot = self.slot(id)?;
        let Self { slots, index, hasher, .. } = self;
        index.remove(hasher.hash_one(id), slot, |slot| hash(slots, hasher, slot));
        slots.remove(slot)
    }

    /// All of them, in the order of their slots.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Request<H>> {
        self.slots.iter()
    }

    fn look_up(&self, id: &RequestId, hashed: u64) -> Option<Slot> {
        self.index.find(hashed, |slot| self.is_in(slot, id))
    }

    fn is_in(&self, slot: Slot, id: &RequestId) -> bool {
        self.slots.get(slot).is_some_and(|request| request.id == *id)
    }
}

fn hash<H: Handles>(slots: &Slots<Request<H>>, hasher: &RandomState, slot: Slot) -> u64 {
    slots.get(slot).map_or(0, |request| hasher.hash_one(request.id))
}
