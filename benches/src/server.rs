//! A server that is measured, in a process of its own.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context;

use crate::cpu;

/// A server that runs. Dropped, it is killed.
#[derive(Debug)]
pub(crate) struct Server(Child);

impl Server {
    /// Starts this program in a [`role`](crate::role).
    pub(crate) fn start(role: &str, arguments: &[&OsStr]) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(role).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
        Ok(Self(command.spawn().context("starting a server")?))
    }

    /// The line that it prints when it is ready.
    pub(crate) fn ready(&mut self) -> anyhow::Result<String> {
        let stdout = self.0.stdout.take().context("a server says once that it is ready")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        anyhow::ensure!(line.ends_with('\n'), "the server did not start; it said why above");
        Ok(line.trim_end().to_owned())
    }

    /// How much processor time it has had.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        cpu::of_process(self.0.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().ok(); // It may have ended by itself.
        self.0.wait().ok();
    }
}
