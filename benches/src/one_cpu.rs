//! Everything on one CPU, for as long as a measurement wants it: a server that is started meanwhile runs there too.

use anyhow::Context;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The calling thread is held on one CPU. Dropped, it may run where it could before.
#[derive(Debug)]
pub(crate) struct OneCpu {
    before: CpuSet,
}

impl OneCpu {
    /// Holds this thread, and what it starts from here on, on the first CPU that it may run on.
    pub(crate) fn pin() -> anyhow::Result<Self> {
        let before = sched_getaffinity(None).context("asking where this may run")?;
        let first = (0..CpuSet::MAX_CPU).find(|cpu| before.is_set(*cpu)).context("this may run on no CPU")?;
        let mut one = CpuSet::new();
        one.set(first);
        sched_setaffinity(None, &one).context("asking to run on one CPU")?;
        Ok(Self { before })
    }
}

impl Drop for OneCpu {
    fn drop(&mut self) {
        sched_setaffinity(None, &self.before).ok(); // It was allowed before.
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_was_held_is_let_go() {
        let before = sched_getaffinity(None).unwrap();
        let held = OneCpu::pin().unwrap();
        assert_eq!(sched_getaffinity(None).unwrap().count(), 1);
        drop(held);
        assert_eq!(sched_getaffinity(None).unwrap(), before);
    }
}
