//! The broker: this same program, begun as the binary `roundtrip` begins.

use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::entry::now;
use super::party::end_with_the_parent;

/// The word that makes this program the binary.
pub(super) const COMMAND: &str = "broker";

/// How long a start may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Plays the binary.
pub(super) fn be_one() -> ExitCode {
    end_with_the_parent();
    roundtrip_cli::main()
}

/// Where the broker lives.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) address: String,
    configuration: PathBuf,
    pub(super) data: PathBuf,
}

impl Place {
    /// A place in this folder.
    pub(super) fn new(folder: &Path, configuration: &str, seed: u64) -> io::Result<Self> {
        let file = folder.join("broker.toml");
        std::fs::write(&file, configuration)?;
        let address = format!("127.0.0.1:{}", free_port(seed)?);
        Ok(Self { address, configuration: file, data: folder.join("data") })
    }

    /// Forgets everything, as no disk should.
    pub(super) fn forget(&self) -> io::Result<()> {
        std::fs::remove_dir_all(&self.data)
    }
}

/// A port that nobody listens on, below those from which the system takes the ports of clients: a client that tries to
/// reach a dead broker must not get the broker's own port.
fn free_port(seed: u64) -> io::Result<u16> {
    let first = 10_000 + (seed.wrapping_add(std::process::id().into()) % 20_000) as u16;
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    (first..32_000).find(free).ok_or_else(|| io::Error::new(ErrorKind::AddrInUse, "no port is free"))
}

/// A broker that runs. Dropped, it is killed.
#[derive(Debug)]
pub(super) struct Broker {
    child: Child,
    /// When it listened.
    pub(super) since: u64,
    /// How long that took.
    pub(super) took: Duration,
}

impl Broker {
    /// Starts one and waits until it listens.
    pub(super) async fn start(place: &Place) -> io::Result<Self> {
        let began = Instant::now();
        let mut child = begin(place)?;
        let stdout = child.stdout.take().ok_or(ErrorKind::BrokenPipe)?;
        let mut lines = BufReader::new(stdout).lines();
        let ready = tokio::time::timeout(PATIENCE, lines.next_line()).await??;
        match ready {
            Some(line) if line.contains("\"ready\"") => Ok(Self { child, since: now(), took: began.elapsed() }),
            _ => Err(io::Error::other("the broker did not start; it said why above")),
        }
    }

    /// Starts one that is killed after this time, ready or not.
    pub(super) async fn start_in_vain(place: &Place, lives: Duration) -> io::Result<()> {
        let mut child = begin(place)?;
        tokio::time::sleep(lives).await; // A moment that chance chose.
        child.kill().await
    }

    /// SIGKILL: nothing in it gets to say or finish anything. It is gone when this returns.
    pub(super) async fn kill(mut self) -> io::Result<()> {
        self.child.kill().await
    }

    /// SIGTERM, as whoever runs a broker stops it.
    pub(super) async fn stop(mut self) -> io::Result<ExitStatus> {
        let id = self.child.id().and_then(|id| Pid::from_raw(id as i32)).ok_or(ErrorKind::NotFound)?;
        kill_process(id, Signal::TERM)?;
        tokio::time::timeout(PATIENCE, self.child.wait()).await?
    }
}

fn begin(place: &Place) -> io::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(COMMAND).arg("--config").arg(&place.configuration).arg("--data").arg(&place.data);
    command.args(["--listen", &place.address, "--json"]);
    let ours = |name: &OsString| name.to_string_lossy().starts_with("ROUNDTRIP_");
    std::env::vars_os().map(|(name, _)| name).filter(ours).for_each(|name| {
        command.env_remove(name);
    });
    command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn()
}
