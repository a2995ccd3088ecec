//! A broker for a test starts in no time: shown by what it does not do, since a clock on a busy machine shows nothing.
#![allow(clippy::unwrap_used, reason = "a test ends where its expectation does")]

use std::alloc::System;

use roundtrip::testkit::TestBroker;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[tokio::test(start_paused = true)]
async fn a_broker_starts_with_one_task_and_few_allocations() {
    drop(TestBroker::start()); // What is made once in a process is made.
    let region = Region::new(ALLOCATOR);
    let before = tokio::time::Instant::now();
    let broker = TestBroker::start();
    let change = region.change();
    assert!(change.allocations < 200, "{} allocations", change.allocations);
    assert!(change.bytes_allocated < 256 * 1024, "{} bytes", change.bytes_allocated);
    let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    assert!(tasks <= 2, "its timer's, and that of the one before: {tasks}");
    assert_eq!(tokio::time::Instant::now(), before);
    drop(broker);
}
