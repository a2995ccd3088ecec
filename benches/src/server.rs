//! A server that is measured, in a process of its own.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::Value;

use crate::{cpu, memory, role};

/// How long a server may take to listen.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server that runs. Dropped, it is killed.
#[derive(Debug)]
pub(crate) struct Server(Child);

impl Server {
    /// Starts this program in a [`role`].
    pub(crate) fn start(role: &str, arguments: &[&OsStr]) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(role).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
        Ok(Self(command.spawn().context("starting a server")?))
    }

    /// Starts a server that is told its port as its first argument, and waits until it listens there.
    pub(crate) fn start_on_a_port(role: &str, arguments: &[&OsStr]) -> anyhow::Result<(Self, SocketAddr)> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?; // Free again, and the server takes it.
        let port = address.port().to_string();
        let arguments = [&[OsStr::new(&port)], arguments].concat();
        let mut server = Self::start(role, &arguments)?;
        let began = Instant::now();
        while let Err(error) = TcpStream::connect(address) {
            let ended = server.0.try_wait()?;
            anyhow::ensure!(ended.is_none(), "the server ended as it started; it said why above");
            anyhow::ensure!(began.elapsed() < PATIENCE, "the server does not listen: {error}");
            thread::sleep(Duration::from_micros(200));
        }
        Ok((server, address))
    }

    /// Starts the binary of this broker as people do, and tells its address.
    pub(crate) fn start_the_binary() -> anyhow::Result<(Self, String)> {
        let mut server = Self::start(role::BINARY, &["--listen", "127.0.0.1:0", "--json"].map(OsStr::new))?;
        let ready: Value = serde_json::from_str(&server.ready()?)?;
        let address = ready["listen"].as_str().context("the broker says where it listens")?.to_owned();
        Ok((server, address))
    }

    /// The line that it prints when it is ready.
    pub(crate) fn ready(&mut self) -> anyhow::Result<String> {
        let stdout = self.0.stdout.take().context("a server says once that it is ready")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        anyhow::ensure!(line.ends_with('\n'), "the server did not start; it said why above");
        Ok(line.trim_end().to_owned())
    }

    /// How much memory it takes, in bytes: what is resident of its processes.
    pub(crate) fn memory(&self) -> anyhow::Result<u64> {
        memory::of_tree(self.0.id())
    }

    /// How much processor time it has had.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        cpu::of_tree(self.0.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().ok(); // It may have ended by itself.
        self.0.wait().ok();
    }
}
