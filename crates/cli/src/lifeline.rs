//! Child processes that end when this process does, however it ends.
//!
//! A child holds the reading end of a pipe, and the parent the writing end, that nothing is ever written to. When the parent
//! is gone, by SIGKILL too, the system closes it, and the child ends. On Linux the system is also asked to kill it.

use std::io::Read;
use std::process::Stdio;

use tokio::process::Command;

/// Gives a child the pipe. What is spawned must call [`hold`] first; the `ChildStdin` must be kept.
pub(crate) fn attach(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::piped()).kill_on_drop(true)
}

/// Ends this process when the one that started it is gone.
pub(crate) fn hold() {
    #[cfg(target_os = "linux")]
    // A second line, for a process that is stopped and cannot read. The pipe stands where this is refused.
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL)).ok();
    std::thread::spawn(|| {
        let mut stdin = std::io::stdin().lock();
        // An error is the end of the pipe as well: nobody holds it.
        while stdin.read(&mut [0; 64]).is_ok_and(|read| read > 0) {}
        std::process::exit(0);
    });
}
