//! A command's process group: what the command starts is ended with it.

use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Child;

use super::guard::Guard;

/// How long a command has to end by itself when it was told to.
pub(super) const GRACE: Duration = Duration::from_secs(5);

/// The process group of a command that runs. Dropped before the command has ended, it is killed.
pub(super) struct Group {
    leader: Option<Pid>,
    guard: Arc<Guard>,
    ended: bool,
}

impl Group {
    /// The group that this child leads.
    pub(super) fn of(child: &Child, guard: Arc<Guard>) -> Self {
        let leader = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        leader.into_iter().for_each(|leader| guard.begun(leader));
        Self { leader, guard, ended: false }
    }

    /// Asks the command to end.
    pub(super) fn stop(&self) {
        self.signal(Signal::TERM);
    }

    /// The command is done: what it left running on purpose stays.
    pub(super) fn has_ended(mut self) {
        self.ended = true;
    }

    fn signal(&self, signal: Signal) {
        if let Some(leader) = self.leader {
            kill_process_group(leader, signal).ok(); // It may have ended by itself.
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.ended {
            self.signal(Signal::KILL);
        }
        self.leader.into_iter().for_each(|leader| self.guard.ended(leader));
    }
}
