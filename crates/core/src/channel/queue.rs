//! The queue: first in, first out within a priority, and the higher priority first.

use std::collections::BTreeMap;

use roundtrip_protocol::MAX_PRIORITY;

use super::slots::Slot;

/// A place in the queue. A request keeps it for as long as it is open, so that what comes back is where it was.
///
/// The priority stands above the order, in one number: no channel ever counts to 2^56.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position(u64);

impl Position {
    const ORDER_BITS: u32 = 56;

    /// A priority of 0 to 9, where 9 goes first; and an order, by when the request first became waiting.
    pub(super) const fn new(priority: u8, order: u64) -> Self {
        Self((priority as u64) << Self::ORDER_BITS | order & ((1 << Self::ORDER_BITS) - 1))
    }

    pub(super) const fn priority(self) -> u8 {
        (self.0 >> Self::ORDER_BITS) as u8
    }

    pub(super) const fn order(self) -> u64 {
        self.0 & ((1 << Self::ORDER_BITS) - 1)
    }
}

/// The requests that wait for a service.
#[derive(Debug)]
pub(super) struct Queue {
    /// By priority.
    lanes: [BTreeMap<u64, Slot>; MAX_PRIORITY as usize + 1],
}

impl Default for Queue {
    fn default() -> Self {
        Self { lanes: std::array::from_fn(|_| BTreeMap::new()) }
    }
}

impl Queue {
    pub(super) fn insert(&mut self, position: Position, slot: Slot) {
        if let Some(lane) = self.lanes.get_mut(usize::from(position.priority())) {
            lane.insert(position.order(), slot);
        }
    }

    pub(super) fn remove(&mut self, position: Position) {
        if let Some(lane) = self.lanes.get_mut(usize::from(position.priority())) {
            lane.remove(&position.order());
        }
    }

    /// Who goes next.
    pub(super) fn first(&self) -> Option<Slot> {
        self.lanes.iter().rev().find_map(|lane| lane.first_key_value()).map(|(_, slot)| *slot)
    }

    /// The first of each priority.
    pub(super) fn heads(&self) -> impl Iterator<Item = Slot> {
        self.lanes.iter().filter_map(|lane| lane.first_key_value()).map(|(_, slot)| *slot)
    }

    /// About how many go before a position: of its own priority, those that may have left from the middle are counted.
    pub(super) fn ahead(&self, position: Position) -> u64 {
        let (own, order) = (usize::from(position.priority()), position.order());
        let higher = self.lanes.iter().skip(own + 1).map(BTreeMap::len).sum::<usize>() as u64;
        let before = self.lanes.get(own).map_or(0, |lane| {
            let first = lane.first_key_value().map_or(order, |(first, _)| *first);
            order.saturating_sub(first).min(lane.len() as u64)
        });
        higher + before
    }
}
