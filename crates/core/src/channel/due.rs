//! When a request next needs attention.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::time::Duration;

use super::slots::Slot;
use crate::time::Time;

/// The one time at which each request next needs attention, if there is one.
#[derive(Debug, Default)]
pub(super) struct Due(BTreeSet<Entry>);

/// The time stands in two halves: so an entry has 12 bytes, and not 16.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    upper: u32,
    lower: u32,
    slot: Slot,
}

impl Due {
    pub(super) fn insert(&mut self, time: Time, slot: Slot) {
        self.0.insert(Entry::new(time, slot));
    }

    pub(super) fn remove(&mut self, time: Time, slot: Slot) {
        self.0.remove(&Entry::new(time, slot));
    }

    /// The earliest.
    pub(super) fn first(&self) -> Option<(Time, Slot)> {
        self.0.first().map(|entry| (entry.time(), entry.slot))
    }
}

impl Entry {
    const fn new(time: Time, slot: Slot) -> Self {
        let nanos = time.nanos();
        Self { upper: (nanos >> 32) as u32, lower: nanos as u32, slot }
    }

    const fn time(self) -> Time {
        Time::after_start(Duration::from_nanos(self.nanos()))
    }

    const fn nanos(self) -> u64 {
        (self.upper as u64) << 32 | self.lower as u64
    }
}

/// Compared as one number, which a tree does many times for each entry.
impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        let number = |entry: &Self| u128::from(entry.nanos()) << 32 | u128::from(entry.slot.0);
        number(self).cmp(&number(other))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
