//! The demo's child processes, from the outside: started, listened to, and killed.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use roundtrip_patient_summary::consumer::ConsumerEvent;
use roundtrip_patient_summary::service::ServiceEvent;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::child::BrokerEvent;
use crate::exit::{Exit, Quit};
use crate::lifeline;

/// How many summaries a service works on at once.
const CONCURRENCY: &str = "3";

/// How many things may have happened that nobody has looked at: then the children wait.
const UNREAD: usize = 256;

/// How long a broker that was killed may take to be gone.
const GONE: Duration = Duration::from_secs(5);

/// Something happened.
#[derive(Debug)]
pub(crate) enum Happening {
    /// A service told something.
    Service { name: String, event: ServiceEvent },
    /// A service's process is gone, and all it told has been read.
    ServiceEnded { name: String },
    /// The broker told something, where it is a process of its own.
    Broker { event: BrokerEvent },
    /// The broker's process is gone.
    BrokerEnded,
    /// The consumer told something.
    Consumer { event: ConsumerEvent },
    /// The consumer's process is gone, and all it told has been read.
    ConsumerEnded { status: Option<ExitStatus> },
    /// The time that was waited for has come.
    Time,
}

/// The processes on stage. All of them end with it.
pub(crate) struct Cast {
    broker: String,
    ehr: String,
    ledger: PathBuf,
    output: PathBuf,
    patients: Vec<String>,
    services: BTreeMap<String, CancellationToken>,
    consumer: Option<CancellationToken>,
    own_broker: Option<CancellationToken>,
    happenings: mpsc::Receiver<Happening>,
    teller: mpsc::Sender<Happening>,
}

impl Cast {
    pub(crate) fn new(broker: String, ehr: String, ledger: PathBuf, output: PathBuf, patients: Vec<String>) -> Self {
        let (teller, happenings) = mpsc::channel(UNREAD);
        Self {
            broker,
            ehr,
            ledger,
            output,
            patients,
            services: BTreeMap::new(),
            consumer: None,
            own_broker: None,
            happenings,
            teller,
        }
    }

    /// Starts a broker that keeps its channel in the folder, where the others look for it. It is waited for.
    pub(crate) async fn open(&mut self, data: &Path) -> Result<&str, Quit> {
        self.start_broker(data)?;
        match self.next().await {
            Happening::Broker { event: BrokerEvent::Listens { address } } => self.broker = address,
            _ => return Err(Quit::saying(Exit::NoConnection, "the broker did not start; it said why above")),
        }
        Ok(&self.broker)
    }

    /// Starts the broker where it was.
    pub(crate) fn start_broker(&mut self, data: &Path) -> Result<(), Quit> {
        let mut command = self.myself("demo-broker")?;
        command.args(["--listen", &self.broker]).arg("--data").arg(data);
        let kill = self.start(command, |event| Happening::Broker { event }, |_| Happening::BrokerEnded)?;
        self.own_broker = Some(kill);
        Ok(())
    }

    /// SIGKILL, for the broker of all of them.
    pub(crate) fn kill_broker(&mut self) {
        if let Some(kill) = self.own_broker.take() {
            kill.cancel();
        }
    }

    /// Ends the broker, if it is one of these processes: when this returns nobody writes into its folder any more.
    pub(crate) async fn close(&mut self) {
        if self.own_broker.is_some() {
            self.kill_broker();
            let gone = async { while !matches!(self.next().await, Happening::BrokerEnded) {} };
            tokio::time::timeout(GONE, gone).await.ok();
        }
    }

    /// The names of the services there are at first.
    pub(crate) fn services(&self) -> [String; 2] {
        ["service a".to_owned(), "service b".to_owned()]
    }

    pub(crate) fn start_service(&mut self, name: &str) -> Result<(), Quit> {
        let mut command = self.myself("demo-service")?;
        command.args(["--broker", &self.broker, "--ehr", &self.ehr, "--concurrency", CONCURRENCY]);
        let named = name.to_owned();
        let told = move |event| Happening::Service { name: named.clone(), event };
        let named = name.to_owned();
        let ended = move |_| Happening::ServiceEnded { name: named };
        let kill = self.start(command, told, ended)?;
        self.services.insert(name.to_owned(), kill);
        Ok(())
    }

    pub(crate) fn start_consumer(&mut self) -> Result<(), Quit> {
        let mut command = self.myself("demo-consumer")?;
        command.arg("--broker").arg(&self.broker).arg("--ledger").arg(&self.ledger).arg("--output").arg(&self.output);
        command.args(&self.patients);
        let told = |event| Happening::Consumer { event };
        let kill = self.start(command, told, |status| Happening::ConsumerEnded { status })?;
        self.consumer = Some(kill);
        Ok(())
    }

    /// SIGKILL: nothing in the process gets to say or finish anything.
    pub(crate) fn kill_service(&mut self, name: &str) {
        if let Some(kill) = self.services.remove(name) {
            kill.cancel();
        }
    }

    /// SIGKILL, as well.
    pub(crate) fn kill_consumer(&mut self) {
        if let Some(kill) = self.consumer.take() {
            kill.cancel();
        }
    }

    /// What happens next.
    pub(crate) async fn next(&mut self) -> Happening {
        match self.happenings.recv().await {
            Some(happening) => happening,
            None => std::future::pending().await, // This cast holds a sender itself.
        }
    }

    /// This same binary, through the same entry.
    fn myself(&self, part: &str) -> Result<Command, Quit> {
        let binary = env::current_exe().map_err(|error| {
            Quit::saying(Exit::OtherOutcome, format!("cannot find this program's own file: {error}"))
        })?;
        let mut command = Command::new(binary);
        command.arg(part).stdout(Stdio::piped()).stderr(Stdio::inherit());
        if env::var_os("ROUNDTRIP_LOG").is_none() {
            // What they warn of is what the demo tells of.
            command.env("ROUNDTRIP_LOG", "error");
        }
        lifeline::attach(&mut command);
        Ok(command)
    }

    fn start<E: DeserializeOwned + Send + 'static>(
        &self,
        mut command: Command,
        told: impl Fn(E) -> Happening + Send + 'static,
        ended: impl FnOnce(Option<ExitStatus>) -> Happening + Send + 'static,
    ) -> Result<CancellationToken, Quit> {
        let child = command.spawn();
        let child = child.map_err(|error| {
            Quit::saying(Exit::OtherOutcome, format!("cannot start a process of the demo: {error}"))
        })?;
        let (teller, kill) = (self.teller.clone(), CancellationToken::new());
        tokio::spawn(follow(child, kill.clone(), teller, told, ended));
        Ok(kill)
    }
}

/// Passes on what a child tells, until all of it is read and the child is gone.
async fn follow<E: DeserializeOwned>(
    mut child: Child,
    kill: CancellationToken,
    teller: mpsc::Sender<Happening>,
    told: impl Fn(E) -> Happening,
    ended: impl FnOnce(Option<ExitStatus>) -> Happening,
) {
    let mut lines = child.stdout.take().map(|stdout| BufReader::new(stdout).lines());
    let mut killed = false;
    while let Some(reader) = &mut lines {
        tokio::select! {
            () = kill.cancelled(), if !killed => {
                killed = true;
                child.start_kill().ok(); // It may be gone already.
            }
            line = reader.next_line() => match line {
                // A line that a kill cut short tells nothing.
                Ok(Some(line)) => if let Ok(event) = serde_json::from_str(&line) {
                    teller.send(told(event)).await.ok();
                },
                _ => lines = None,
            }
        }
    }
    let status = child.wait().await.ok();
    teller.send(ended(status)).await.ok();
}
