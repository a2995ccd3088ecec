//! What is counted while a load runs: allocations of the process, less those of the load itself.

use std::alloc::System;
use std::sync::atomic::{AtomicUsize, Ordering};

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// How often the load itself allocated.
static OF_THE_LOAD: AtomicUsize = AtomicUsize::new(0);

/// How often anybody but the load allocated so far, a larger room for what there was included.
pub(crate) fn allocations() -> usize {
    all() - OF_THE_LOAD.load(Ordering::Relaxed)
}

fn all() -> usize {
    let stats = ALLOCATOR.stats();
    stats.allocations + stats.reallocations
}

/// Does what belongs to the load and is not counted. Not within itself.
///
/// The tool that counts instructions knows it by its name: see `instructions`.
#[inline(never)]
pub(crate) fn uncounted_share<R>(work: impl FnOnce() -> R) -> R {
    let before = all();
    let result = work();
    OF_THE_LOAD.fetch_add(all() - before, Ordering::Relaxed);
    result
}
