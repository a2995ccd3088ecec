//! How much processor time a process or a thread has had, as the operating system counts it.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use anyhow::Context;
use rustix::time::{ClockId, clock_gettime};

/// What all processes have had that come of this one, and it itself: a server may be started by another program.
pub(crate) fn of_tree(id: u32) -> anyhow::Result<Duration> {
    children(id)?.into_iter().try_fold(of_process(id)?, |sum, child| Ok(sum + of_tree(child)?))
}

/// The processes that this one started and that are there now.
pub(crate) fn children(id: u32) -> anyhow::Result<Vec<u32>> {
    let mut children = Vec::new();
    for task in fs::read_dir(format!("/proc/{id}/task"))? {
        let told = fs::read_to_string(task?.path().join("children")).unwrap_or_default();
        children.extend(told.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
    }
    Ok(children)
}

/// What this process has had, with all threads that it ever had.
pub(crate) fn of_this_process() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// What the threads have had that this process has now. One that has ended is not in it.
fn of_process(id: u32) -> anyhow::Result<Duration> {
    let tasks = PathBuf::from(format!("/proc/{id}/task"));
    let entries = fs::read_dir(&tasks).context("processor time is read from /proc, as Linux has it")?;
    entries.map(|entry| of_thread(&entry?.path())).sum()
}

/// What the thread has had that stands here.
pub(crate) fn of_thread(path: &Path) -> anyhow::Result<Duration> {
    let figures = fs::read_to_string(path.join("schedstat")).context("reading the processor time of a thread")?;
    let nanos = figures.split_whitespace().next().context("the processor time of a thread is empty")?;
    Ok(Duration::from_nanos(nanos.parse()?))
}

/// Where the calling thread stands.
pub(crate) fn this_thread() -> io::Result<PathBuf> {
    fs::canonicalize("/proc/thread-self")
}
