//! The queue: first in, first out within a priority, and the higher priority first.

use std::collections::BTreeMap;

use roundtrip_protocol::{MAX_PRIORITY, RequestId};

/// A place in the queue. A request keeps it for as long as it is open, so that what comes back is where it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    /// 0 to 9; 9 goes first.
    pub(super) priority: u8,
    /// By when it first became waiting.
    pub(super) order: u64,
}

/// The requests that wait for a service.
#[derive(Debug)]
pub(super) struct Queue {
    /// By priority.
    lanes: [BTreeMap<u64, RequestId>; MAX_PRIORITY as usize + 1],
}

impl Default for Queue {
    fn default() -> Self {
        Self { lanes: std::array::from_fn(|_| BTreeMap::new()) }
    }
}

impl Queue {
    pub(super) fn insert(&mut self, position: Position, id: RequestId) {
        if let Some(lane) = self.lanes.get_mut(usize::from(position.priority)) {
            lane.insert(position.order, id);
        }
    }

    pub(super) fn remove(&mut self, position: Position) {
        if let Some(lane) = self.lanes.get_mut(usize::from(position.priority)) {
            lane.remove(&position.order);
        }
    }

    /// Who goes next.
    pub(super) fn first(&self) -> Option<RequestId> {
        self.lanes.iter().rev().find_map(|lane| lane.first_key_value()).map(|(_, id)| *id)
    }

    /// The first of each priority.
    pub(super) fn heads(&self) -> impl Iterator<Item = RequestId> {
        self.lanes.iter().filter_map(|lane| lane.first_key_value()).map(|(_, id)| *id)
    }

    /// About how many go before a position: of its own priority, those that may have left from the middle are counted.
    pub(super) fn ahead(&self, position: Position) -> u64 {
        let own = usize::from(position.priority);
        let higher = self.lanes.iter().skip(own + 1).map(BTreeMap::len).sum::<usize>() as u64;
        let before = self.lanes.get(own).map_or(0, |lane| {
            let first = lane.first_key_value().map_or(position.order, |(order, _)| *order);
            position.order.saturating_sub(first).min(lane.len() as u64)
        });
        higher + before
    }
}
