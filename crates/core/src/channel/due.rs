//! When a request next needs attention.

use std::collections::BTreeSet;
use std::time::Duration;

use super::slots::Slot;
use crate::time::Time;

/// The one time at which each request next needs attention, if there is one.
#[derive(Debug, Default)]
pub(super) struct Due(BTreeSet<Entry>);

/// The time stands in two halves: so an entry has 12 bytes, and not 16.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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
        let nanos = (self.upper as u64) << 32 | self.lower as u64;
        Time::after_start(Duration::from_nanos(nanos))
    }
}
