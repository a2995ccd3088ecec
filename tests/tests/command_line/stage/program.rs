//! The binary under test as a child process.

use std::ffi::OsString;
use std::process::Stdio;

pub(crate) use rustix::process::Signal;
use rustix::process::{Pid, kill_process};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

use super::LIMIT;
use super::feed::Feed;

/// The binary under test, running. Dropped, it is killed.
pub(crate) struct Program {
    pub(crate) stdout: Feed,
    pub(crate) stderr: Feed,
    child: Child,
    what: String,
}

/// How a program ended, and all that it wrote.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The exit status; none if a signal ended it.
    pub(crate) exit: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    what: String,
}

impl Program {
    /// Starts it with nothing to read.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::with(arguments, |_| {})
    }

    /// Starts it, prepared further.
    pub(crate) fn with(arguments: &[&str], prepare: impl FnOnce(&mut Command)) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_roundtrip-under-test"));
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let ours = |name: &OsString| name.to_string_lossy().starts_with("ROUNDTRIP_");
        std::env::vars_os().map(|(name, _)| name).filter(ours).for_each(|name| {
            command.env_remove(name);
        });
        prepare(&mut command);
        let mut child = command.spawn().expect("the binary under test starts");
        let stdout = child.stdout.take().map_or_else(Feed::nothing, Feed::of);
        let stderr = child.stderr.take().map_or_else(Feed::nothing, Feed::of);
        Self { stdout, stderr, child, what: arguments.join(" ") }
    }

    /// Starts it with this to read on standard input.
    pub(crate) fn reading(arguments: &[&str], input: Vec<u8>, prepare: impl FnOnce(&mut Command)) -> Self {
        let mut program = Self::with(arguments, |command| {
            prepare(command);
            command.stdin(Stdio::piped());
        });
        let mut stdin = program.child.stdin.take().expect("it is piped");
        tokio::spawn(async move { stdin.write_all(&input).await });
        program
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.id()).ok().and_then(Pid::from_raw).expect("it has a process id");
        kill_process(id, signal).expect("it runs");
    }

    /// Lets none of its files grow beyond this size, as a full disk would; none: any size.
    pub(crate) fn limit_files(&self, largest: Option<u64>) {
        let pid = rustix::process::Pid::from_raw(self.id().cast_signed());
        let limit = rustix::process::Rlimit { current: largest, maximum: None };
        rustix::process::prlimit(pid, rustix::process::Resource::Fsize, limit).unwrap();
    }

    /// Waits until it ends.
    pub(crate) async fn ended(mut self) -> Ended {
        let waited = tokio::time::timeout(LIMIT, self.child.wait()).await;
        let Ok(status) = waited else { panic!("`{}` does not end", self.what) };
        let stdout = String::from_utf8_lossy(&self.stdout.whole().await).into_owned();
        let stderr = String::from_utf8_lossy(&self.stderr.whole().await).into_owned();
        Ended { exit: status.expect("it can be waited for").code(), stdout, stderr, what: self.what }
    }
}

impl Ended {
    /// The one object that it printed.
    #[track_caller]
    pub(crate) fn object(&self) -> Value {
        let objects = self.objects();
        assert_eq!(objects.len(), 1, "`{}`: {}", self.what, self.stdout);
        objects[0].clone()
    }

    /// The objects that it printed, one a line.
    #[track_caller]
    pub(crate) fn objects(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).expect("one object a line")).collect()
    }

    /// Itself, after a look at the exit status.
    #[track_caller]
    pub(crate) fn with_exit(self, expected: i32) -> Self {
        let Self { exit, stdout, stderr, what } = &self;
        assert_eq!(*exit, Some(expected), "`{what}`\nstdout: {stdout}\nstderr: {stderr}");
        self
    }
}
