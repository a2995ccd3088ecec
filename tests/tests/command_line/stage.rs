//! The programs under test, and folders for their files.

mod feed;
mod folder;
#[cfg(target_os = "linux")]
pub(crate) mod processes;
mod program;

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

pub(crate) use folder::Folder;
pub(crate) use program::{Ended, Program, Signal};

/// How long anything may take here. Never what a test waits for.
pub(crate) const LIMIT: Duration = Duration::from_secs(90);

/// A broker in a process of its own.
pub(crate) struct BrokerProgram {
    pub(crate) program: Program,
    pub(crate) address: String,
}

impl BrokerProgram {
    /// Starts one on a free port and waits until it listens.
    pub(crate) async fn start() -> Self {
        Self::listening_on("127.0.0.1:0").await
    }

    /// Starts one there and waits until it listens.
    pub(crate) async fn listening_on(address: &str) -> Self {
        Self::ready(Program::start(&["broker", "--listen", address, "--json"])).await
    }

    /// Starts one on a free port that is told so by its file, and waits until it listens.
    pub(crate) async fn configured(folder: &Folder, configuration: &str) -> Self {
        let file = folder.write("broker.toml", configuration);
        let file = file.to_str().expect("the folder has a name of plain text");
        Self::ready(Program::start(&["broker", "--config", file, "--listen", "127.0.0.1:0", "--json"])).await
    }

    /// Waits until it listens.
    pub(crate) async fn ready(mut program: Program) -> Self {
        let line = program.stdout.line(|_| true).await;
        let ready: Value = serde_json::from_str(&line).expect("the ready line is JSON");
        assert_eq!(ready["event"], "ready", "{line}");
        let address = ready["listen"].as_str().expect("it says where it listens").to_owned();
        Self { program, address }
    }

    /// Starts a command against this broker.
    pub(crate) fn command(&self, arguments: &[&str]) -> Program {
        Program::with(arguments, |command| {
            command.env("ROUNDTRIP_BROKER", &self.address);
        })
    }

    /// Runs a command against this broker to its end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Ended {
        self.command(arguments).ended().await
    }

    /// Starts `serve` and waits until the broker knows the service.
    pub(crate) async fn serve(&self, channel: &str, command: &[&str]) -> Program {
        let program = self.command(&[&["serve", channel, "--concurrency", "4", "--"], command].concat());
        self.until(channel, |figures| figures["services"] == 1).await;
        program
    }

    /// Sends a request that nobody waits for, and gives its ticket.
    pub(crate) async fn submit(&self, arguments: &[&str]) -> String {
        let ended = self.run(&[&["request"], arguments, &["--no-wait"]].concat()).await.with_exit(0);
        assert_eq!(ended.stdout.lines().count(), 1, "the ticket alone: {}", ended.stdout);
        ended.stdout.trim_end().to_owned()
    }

    /// Where a request is, as `status --json` prints it.
    pub(crate) async fn status(&self, ticket: &str) -> Value {
        self.run(&["status", ticket, "--json"]).await.with_exit(0).object()
    }

    /// The figures of the channels, as `channels --json` prints them.
    pub(crate) async fn channels(&self) -> Vec<Value> {
        let ended = self.run(&["channels", "--json"]).await.with_exit(0);
        ended.stdout.lines().map(|line| serde_json::from_str(line).expect("one object a line")).collect()
    }

    /// Waits until the figures of a channel are as they should be.
    pub(crate) async fn until(&self, channel: &str, satisfied: impl Fn(&Value) -> bool) {
        let looking = async {
            while !self.channels().await.iter().any(|figures| figures["channel"] == channel && satisfied(figures)) {}
        };
        tokio::time::timeout(LIMIT, looking).await.expect("the channel does not come to these figures");
    }
}

/// Waits until a file is there, which another process makes.
pub(crate) async fn appears(file: &Path) {
    let looking = async {
        while !file.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await; // A file tells nobody that it is there.
        }
    };
    tokio::time::timeout(LIMIT, looking).await.unwrap_or_else(|_| panic!("{} does not appear", file.display()));
}

/// A shell script that tells by a file that it has begun, and goes on when the test makes another.
pub(crate) fn begin_and_wait(folder: &Folder, then: &str) -> String {
    let (begun, go_on) = (folder.path("begun"), folder.path("go-on"));
    format!(
        "cat >/dev/null; echo >> '{}'; until test -e '{}'; do sleep 0.02; done; {then}",
        begun.display(),
        go_on.display()
    )
}
