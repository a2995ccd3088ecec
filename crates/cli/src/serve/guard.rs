//! Ends the commands of a `serve` that was killed.
//!
//! Whoever is killed with SIGKILL can end nothing any more. So `serve` starts a second process, in a process group of its
//! own, that reads from a pipe which groups have begun (`+ID`) and ended (`-ID`). When `serve` is gone, however it went, the
//! system closes the pipe, and the guard ends the groups that are left. Linux could be asked to kill a child with its
//! parent, but not what that child has started, and other systems could not.

use std::collections::HashSet;
use std::env;
use std::io::{self, BufRead, Write};
use std::os::unix::process::CommandExt;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};

use super::group::GRACE;
use crate::exit::{Exit, Quit};

/// What the hidden command is called.
pub(crate) const COMMAND: &str = "serve-guard";

/// The pipe to the guard of this process.
pub(super) struct Guard {
    pipe: Mutex<ChildStdin>,
}

impl Guard {
    /// Starts one.
    pub(super) fn start() -> Result<Self, Quit> {
        let failed = |error: io::Error| {
            let sentence = format!("cannot start the process that ends the commands if this one is killed: {error}");
            Quit::saying(Exit::OtherOutcome, sentence)
        };
        let mut command = Command::new(env::current_exe().map_err(failed)?);
        command.arg(COMMAND).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // A group of its own: Ctrl-C on the terminal is for `serve`, which outlives its commands then.
        let mut child = command.process_group(0).spawn().map_err(failed)?;
        let pipe = child.stdin.take().ok_or_else(|| failed(io::ErrorKind::BrokenPipe.into()))?;
        Ok(Self { pipe: Mutex::new(pipe) })
    }

    /// From here on the group is ended with this process.
    pub(super) fn begun(&self, group: Pid) {
        self.tell('+', group);
    }

    /// The group is none of ours any more.
    pub(super) fn ended(&self, group: Pid) {
        self.tell('-', group);
    }

    fn tell(&self, what: char, group: Pid) {
        let mut pipe = self.pipe.lock().unwrap_or_else(PoisonError::into_inner);
        // Without its guard a service is still one.
        writeln!(pipe, "{what}{}", group.as_raw_nonzero()).ok();
    }
}

/// The guard itself: waits until the pipe is closed, then ends what is left.
pub(crate) fn run() -> Exit {
    let left = groups_left(io::stdin().lock());
    end(&left, Signal::TERM);
    let until = Instant::now() + GRACE;
    let runs = |group: &Pid| test_kill_process_group(*group).is_ok();
    while left.iter().any(runs) && Instant::now() < until {
        thread::sleep(Duration::from_millis(20)); // They are not our children: nobody tells us of their end.
    }
    end(&left, Signal::KILL);
    Exit::Done
}

fn end(groups: &HashSet<Pid>, signal: Signal) {
    for group in groups {
        kill_process_group(*group, signal).ok(); // It may have ended by itself.
    }
}

fn groups_left(reports: impl BufRead) -> HashSet<Pid> {
    let mut groups = HashSet::new();
    for line in reports.lines().map_while(Result::ok) {
        let group = |id: &str| id.parse().ok().and_then(Pid::from_raw);
        match (line.strip_prefix('+').and_then(group), line.strip_prefix('-').and_then(group)) {
            (Some(begun), _) => groups.insert(begun),
            (_, Some(ended)) => groups.remove(&ended),
            _ => false,
        };
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_begun_and_not_ended_is_left() {
        let left = groups_left(&b"+17\n+18\n-17\n+19\nnonsense\n+0\n-19\n+2"[..]);
        assert_eq!(left, [2, 18].into_iter().filter_map(Pid::from_raw).collect());
    }
}
