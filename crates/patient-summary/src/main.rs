//! The binary `patient-summary`: the flagship's three parties, each to be started by itself against a running broker.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use roundtrip::{Client, ConnectError};
use roundtrip_patient_summary::consumer::ledger::{Account, Ledger};
use roundtrip_patient_summary::consumer::{Consumer, ConsumerEvent, patient_ids};
use roundtrip_patient_summary::ehr::{Quota, SampleEhr, Upstream};
use roundtrip_patient_summary::patients::Records;
use roundtrip_patient_summary::service::{ServiceEvent, SummaryService};
use roundtrip_patient_summary::sources::gather::Gatherer;
use tokio_util::sync::CancellationToken;

/// Patient summaries by request and reply: a sample EHR, a summary service and an API consumer.
#[derive(Parser)]
#[command(version, after_help = EXAMPLE)]
struct Arguments {
    #[command(subcommand)]
    party: Party,
}

const EXAMPLE: &str = "In four terminals:
  roundtrip broker
  patient-summary ehr --listen 127.0.0.1:8090
  patient-summary service --ehr http://127.0.0.1:8090
  patient-summary consumer --output summaries";

#[derive(Subcommand)]
enum Party {
    /// Serves patients' records as three slow and rate-limited upstreams.
    Ehr {
        /// Where to listen.
        #[arg(long, default_value = "127.0.0.1:8090", value_name = "ADDR")]
        listen: SocketAddr,
        /// A folder of patient bundles; the ten samples inside the binary if left out.
        #[arg(long, value_name = "DIR")]
        ehr_data: Option<PathBuf>,
    },
    /// Answers `generate_patient_summary` from what an EHR knows. Ctrl-C finishes what it works on.
    Service {
        #[command(flatten)]
        broker: BrokerAddress,
        /// The base that the EHR's upstreams stand under.
        #[arg(long, default_value = "http://127.0.0.1:8090", value_name = "URL")]
        ehr: String,
        /// How many summaries to work on at once.
        #[arg(long, default_value_t = 4, value_name = "N")]
        concurrency: u32,
    },
    /// Asks for summaries, goes on with other work, and writes each to a file. Ctrl-C cancels what is open. Killed and
    /// started again, it goes on where it was.
    Consumer {
        #[command(flatten)]
        broker: BrokerAddress,
        /// Where the summaries go.
        #[arg(long, default_value = "summaries", value_name = "DIR")]
        output: PathBuf,
        /// Where the tickets are kept; `ledger.jsonl` in the output folder if left out.
        #[arg(long, value_name = "FILE")]
        ledger: Option<PathBuf>,
        /// How long a summary may take, in seconds; then its request expires.
        #[arg(long, default_value_t = 600, value_name = "SECONDS")]
        deadline: u64,
        /// Whose summaries; the ten sample patients' if none is named.
        #[arg(value_name = "PATIENT-ID")]
        patients: Vec<String>,
    },
}

#[derive(clap::Args)]
struct BrokerAddress {
    /// The broker's address.
    #[arg(long = "broker", env = "ROUNDTRIP_BROKER", default_value = "127.0.0.1:7420", value_name = "ADDR")]
    address: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_env("ROUNDTRIP_LOG");
    let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let ended = match Arguments::parse().party {
        Party::Ehr { listen, ehr_data } => ehr(listen, ehr_data).await,
        Party::Service { broker, ehr, concurrency } => service(&broker.address, &ehr, concurrency).await,
        Party::Consumer { broker, output, ledger, deadline, patients } => {
            let ledger = ledger.unwrap_or_else(|| output.join("ledger.jsonl"));
            let deadline = Duration::from_secs(deadline);
            consumer(&broker.address, output, ledger, deadline, &patients).await
        }
    };
    match ended {
        Ok(code) => code,
        Err(error) if error.is::<ConnectError>() => {
            eprintln!("{error:#}");
            ExitCode::from(4)
        }
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn ehr(listen: SocketAddr, folder: Option<PathBuf>) -> Result<ExitCode> {
    let records = match folder {
        Some(folder) => Records::load(folder)?,
        None => Records::embedded()?,
    };
    let patients = records.count();
    let ehr = SampleEhr::builder(records)
        .quota(Upstream::Medications, Quota::new(3, Duration::from_secs(2)))
        .start(listen)
        .await?;
    eprintln!("the sample EHR serves {patients} patients at {}", ehr.base_url());
    interrupted().await;
    ehr.stop().await;
    Ok(ExitCode::SUCCESS)
}

async fn service(broker: &str, ehr: &str, concurrency: u32) -> Result<ExitCode> {
    let service = SummaryService::new(Gatherer::new(ehr)?);
    let client = waiting_for(broker).await?;
    eprintln!("the summary service takes requests from the broker at {broker}");
    let tell = |event| match event {
        ServiceEvent::Taken { patient, attempt, .. } => eprintln!("{patient}  taken, attempt {attempt}"),
        ServiceEvent::Done { patient, replied: true, .. } => eprintln!("{patient}  replied"),
        ServiceEvent::Done { patient, .. } => eprintln!("{patient}  no summary from this attempt"),
        _ => {}
    };
    service.serve(&client, tell).concurrency(concurrency).with_graceful_shutdown(interrupted()).run().await?;
    client.close().await;
    Ok(ExitCode::SUCCESS)
}

async fn consumer(
    broker: &str,
    output: PathBuf,
    ledger: PathBuf,
    deadline: Duration,
    patients: &[String],
) -> Result<ExitCode> {
    let patients = if patients.is_empty() {
        patient_ids(Records::embedded()?.ids())?
    } else {
        patient_ids(patients.iter().map(String::as_str))?
    };
    std::fs::create_dir_all(&output)
        .with_context(|| format!("cannot make the folder {}; name another with --output", output.display()))?;
    let client = Client::connect(broker).connect_timeout(Duration::ZERO).await?;
    let consumer = Consumer::new(&client, "api-consumer", Ledger::open(&ledger)?, &output);
    let tell = |event| match event {
        ConsumerEvent::Accepted { patient, ticket } => eprintln!("{patient}  accepted as {ticket}"),
        ConsumerEvent::Resumed { patient } => eprintln!("{patient}  attached to again"),
        ConsumerEvent::Progress { patient, fraction, stage } => {
            eprintln!("{patient}  {:3.0} % {stage}", fraction * 100.0);
        }
        ConsumerEvent::Section { patient, section, entries } => {
            eprintln!("{patient}  {section}: {entries} listed");
        }
        ConsumerEvent::Outcome { patient, outcome, attempts, .. } => {
            eprintln!("{patient}  {outcome} at attempt {attempts}");
        }
        ConsumerEvent::OtherWork { done } if done % 10 == 0 => {
            eprintln!("meanwhile: {done} appointment letters written")
        }
        _ => {}
    };
    let give_up = CancellationToken::new();
    let collecting = consumer.deadline(deadline).give_up_on(give_up.clone()).collect(&patients, tell);
    tokio::pin!(collecting);
    tokio::select! {
        collected = &mut collecting => collected?,
        () = interrupted() => {
            eprintln!("cancelling what is open; Ctrl-C again leaves it, and the same --ledger goes on where it was");
            give_up.cancel();
            tokio::select! {
                collected = collecting => collected?,
                () = interrupted() => return Ok(ExitCode::from(130)),
            }
        }
    }
    client.close().await;
    let account = Account::of(&roundtrip_patient_summary::consumer::ledger::read(&ledger)?);
    eprintln!("accepted {}   outcomes {}   lost {}", account.accepted, account.outcomes, account.lost);
    Ok(match (give_up.is_cancelled(), account.lost) {
        (true, _) => ExitCode::from(130),
        (false, 0) => ExitCode::SUCCESS,
        (false, _) => ExitCode::FAILURE,
    })
}

/// Connects, however long it takes for a broker to be there.
async fn waiting_for(broker: &str) -> Result<Client, ConnectError> {
    match Client::connect(broker).connect_timeout(Duration::ZERO).await {
        Err(ConnectError::Unreachable { .. }) => {
            eprintln!("waiting for a broker at {broker}: start one with `roundtrip broker --listen {broker}`");
            Client::connect(broker).retry_first_connect(true).await
        }
        connected => connected,
    }
}

async fn interrupted() {
    // Without a handler for it, Ctrl-C ends the process at once, which loses nothing either.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
