//! The processes around the broker: from the outside, and how each begins.

use std::io;
use std::process::{ExitCode, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use roundtrip::Client;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::book::Book;
use super::journal::{Journal, finishing};
use super::load::Load;
use super::{requester, service};
use crate::simulation::chance::Chance;

/// The word that makes this program a party.
pub(super) const COMMAND: &str = "party";

/// Which side of a load a party is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Requester,
    Service,
}

/// A party that runs. Dropped, it is told to begin nothing new; it ends when all it has begun has ended.
#[derive(Debug)]
#[must_use = "a party that is dropped begins nothing new"]
pub(super) struct Party {
    _stdin: Option<tokio::process::ChildStdin>,
}

impl Party {
    /// Starts one in a process of its own. What it tells goes into the book.
    pub(super) fn start(side: Side, load: Load, address: &str, seed: u64, book: Arc<Book>) -> io::Result<Self> {
        let word = if side == Side::Requester { "requester" } else { "service" };
        let mut command = Command::new(std::env::current_exe()?);
        command.args([COMMAND, word, load.name(), address, &seed.to_string()]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let stdin = child.stdin.take();
        tokio::spawn(async move {
            let ended = follow(child, load, &book).await;
            book.close(side, ended);
        });
        Ok(Self { _stdin: stdin })
    }
}

async fn follow(mut child: Child, load: Load, book: &Book) -> io::Result<ExitStatus> {
    if let Some(stdout) = child.stdout.take() {
        let mut lines = BufReader::new(stdout).lines();
        while let Some(line) = lines.next_line().await? {
            book.enter(load, serde_json::from_str(&line)?);
        }
    }
    child.wait().await
}

/// Plays the party that the words name.
pub(super) fn be_one(words: &[String]) -> ExitCode {
    end_with_the_parent();
    let [side, load, address, seed] = words else { return ExitCode::from(2) };
    let (Some(load), Ok(seed)) = (Load::named(load), seed.parse()) else { return ExitCode::from(2) };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => Journal.give_up(error),
    };
    let chance = Chance::new(seed);
    runtime.block_on(async {
        let connect = Client::connect(address.as_str()).retry_first_connect(true);
        let client = match connect.submit_timeout(Duration::from_secs(5)).await {
            Ok(client) => client,
            Err(error) => Journal.give_up(error),
        };
        match side.as_str() {
            "requester" => requester::run(load, &client, chance, finishing()).await,
            _ => service::run(load, &client, chance, finishing()).await,
        }
        client.close().await;
    });
    ExitCode::SUCCESS
}

/// Whoever started this process takes it along, however it ends.
pub(super) fn end_with_the_parent() {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL)).ok();
}
