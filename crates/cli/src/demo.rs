//! `roundtrip demo`: ten patient summaries, and what happens to them when processes die.
//!
//! The broker and the sample EHR run in this process, two summary services and the API consumer in processes of their own,
//! started through this same binary. A broker that is to be killed has a process of its own too, and a folder. All of them
//! talk over TCP. What is said at the end is counted from the consumer's ledger and the files it wrote, and not from what
//! this process believes.

mod cast;
mod child;
mod director;
mod label;
mod report;
mod screen;
mod track;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use roundtrip::broker::Broker;
use roundtrip_patient_summary::consumer::ledger::{self, Account, Entry, Event};
use roundtrip_patient_summary::ehr::{Quota, SampleEhr, Upstream};
use roundtrip_patient_summary::operation;
use roundtrip_patient_summary::patients::Records;
use roundtrip_patient_summary::summary::Counts;
use serde::Serialize;

use crate::arguments::Demo;
use crate::color::Color;
use crate::exit::{Exit, Quit};
use crate::output::{self, tell};
use crate::signal::StopSignals;
use cast::{Cast, Happening};
pub(crate) use child::{broker, consumer, service};
use director::{Direction, Director};
use report::{Patient, Report};
use screen::Screen;

/// After this long something is wrong that waiting does not mend.
const LONGEST: Duration = Duration::from_secs(120);

pub(crate) async fn run(arguments: Demo, color: Color) -> Result<Exit, Quit> {
    let Demo { patients, ehr_data, output, calm, kill_broker, json } = arguments;
    let records = match &ehr_data {
        Some(folder) => Records::load(folder),
        None => Records::embedded(),
    };
    let records = records.map_err(|error| Quit::usage(error.to_string()))?;
    let wanted = patients.map_or(records.count(), |wanted| wanted as usize);
    if wanted > records.count() {
        let there = records.count();
        return Err(Quit::usage(format!("--patients {wanted}: there are records of {there}; ask for at most as many")));
    }
    let patients: Vec<String> = records.ids().take(wanted).map(str::to_owned).collect();
    fs::create_dir_all(&output).map_err(|error| {
        Quit::usage(format!("cannot make the folder {}: {error}; name another with --output", output.display()))
    })?;

    let started = Instant::now();
    let mut stop = StopSignals::listen()?;
    let ehr = start_ehr(records).await?;
    let backstage = Backstage::new()?;
    let data = backstage.data();
    let cast = |broker| Cast::new(broker, ehr.base_url(), backstage.ledger(), output.clone(), patients.clone());
    let mut screen = Screen::new(color, &patients, started);
    let (mut cast, broker) = if kill_broker {
        let mut cast = cast("127.0.0.1:0".to_owned());
        let address = cast.open(&data).await?;
        screen.tell("broker", &format!("listens on {address}, and keeps its requests on the disk"));
        (cast, None)
    } else {
        let (broker, address) = start_broker().await?;
        screen.tell("broker", &format!("listens on {address}"));
        (cast(address), Some(broker))
    };
    screen.tell("ehr", "serves three upstreams: slow, one of them rate limited");

    let director = Director::new(patients.clone(), calm, kill_broker);
    let played = tokio::select! {
        played = play(&mut cast, director, &data, &mut screen, started) => played.map(Some),
        () = stop.next() => Ok(None),
        () = tokio::time::sleep(LONGEST) => Err(Quit::saying(Exit::OtherOutcome, format!(
            "the demo did not end within {} s; run it again with ROUNDTRIP_LOG=debug to see why", LONGEST.as_secs()
        ))),
    };
    let took = started.elapsed();
    screen.close();
    cast.close().await;
    let Some(director) = played? else { return Ok(Exit::Interrupted) };
    ehr.stop().await;
    drop(broker);

    let entries =
        ledger::read(backstage.ledger()).map_err(|error| Quit::saying(Exit::OtherOutcome, error.to_string()))?;
    let report = reckon(&entries, &patients, &director, &output, took, calm);
    if json {
        report.patients.iter().try_for_each(|patient| output::json_line(&Line::of(patient)))?;
        tell(&report.account());
    } else {
        output::line(&report.text(color.for_stdout()))?;
    }
    for problem in report.problems() {
        tell(&problem);
    }
    Ok(if report.holds() { Exit::Done } else { Exit::OtherOutcome })
}

/// Starts everybody, and does what the director says until the consumer has everything.
async fn play(
    cast: &mut Cast,
    mut director: Director,
    data: &Path,
    screen: &mut Screen,
    started: Instant,
) -> Result<Director, Quit> {
    for name in cast.services() {
        cast.start_service(&name)?;
    }
    cast.start_consumer()?;
    loop {
        let deadline = director.next_deadline().map(|due| tokio::time::Instant::from_std(started + due));
        let due = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        let happening = tokio::select! {
            happening = cast.next() => happening,
            () = due => Happening::Time,
        };
        for direction in director.handle(started.elapsed(), happening) {
            match direction {
                Direction::Tell { who, what } => screen.tell(&who, &what),
                Direction::Show { patient, fraction, stage } => screen.show(&patient, fraction, &stage),
                Direction::Finish { patient, what } => screen.finish(&patient, &what),
                Direction::OtherWork { done } => screen.other_work(done, director.open()),
                Direction::KillService { name } => cast.kill_service(&name),
                Direction::StartService { name } => cast.start_service(&name)?,
                Direction::KillBroker => cast.kill_broker(),
                Direction::StartBroker => cast.start_broker(data)?,
                Direction::KillConsumer => cast.kill_consumer(),
                Direction::StartConsumer => cast.start_consumer()?,
                Direction::End => return Ok(director),
                Direction::GiveUp { why } => return Err(Quit::saying(Exit::OtherOutcome, why)),
            }
        }
    }
}

async fn start_broker() -> Result<(Broker, String), Quit> {
    let failed = |error: &dyn std::error::Error| Quit::saying(Exit::NoConnection, error.to_string());
    let broker = Broker::builder().channel(operation::channel()).start().map_err(|error| failed(&error))?;
    let address = broker.listen("127.0.0.1:0").await.map_err(|error| failed(&error))?;
    Ok((broker, address.to_string()))
}

/// Upstreams such as a hospital has: none is fast, and the pharmacy counts.
async fn start_ehr(records: Records) -> Result<SampleEhr, Quit> {
    let ehr = SampleEhr::builder(records)
        .latency(Duration::from_millis(150)..=Duration::from_millis(500))
        .quota(Upstream::Medications, Quota::new(3, Duration::from_millis(1500)))
        .start(([127, 0, 0, 1], 0).into())
        .await;
    ehr.map_err(|error| Quit::saying(Exit::NoConnection, error.to_string()))
}

/// Adds up what the ledger and the files say.
fn reckon(
    entries: &[Entry],
    patients: &[String],
    director: &Director,
    output: &Path,
    took: Duration,
    calm: bool,
) -> Report {
    let mut ticket_of: BTreeMap<&str, &str> = BTreeMap::new();
    let (mut outcomes, mut files) = (BTreeMap::new(), BTreeMap::new());
    for Entry { ticket, event, .. } in entries {
        match event {
            Event::Asked { patient } => {
                ticket_of.insert(patient, ticket);
            }
            Event::Outcome { outcome, attempts, .. } => {
                outcomes.insert(ticket.as_str(), (outcome.clone(), *attempts));
            }
            Event::Written { file } => {
                files.insert(ticket.as_str(), output.join(file));
            }
            _ => {}
        }
    }
    let patients = patients.iter().map(|patient| {
        let ticket = ticket_of.get(patient.as_str()).copied().unwrap_or_default();
        let (outcome, attempts) = outcomes.remove(ticket).unzip();
        let file = files.remove(ticket);
        let document = file.as_ref().and_then(|file| serde_json::from_slice(&fs::read(file).ok()?).ok());
        let (waited, worked) = director.times(patient);
        Patient {
            id: patient.clone(),
            outcome,
            attempts: attempts.unwrap_or(0),
            waited,
            worked,
            counts: document.as_ref().and_then(Counts::of),
            file,
        }
    });
    Report {
        patients: patients.collect(),
        account: Account::of(entries),
        took,
        calm,
        spared_broker: director.spared_broker(),
        program: program(),
    }
}

/// This program as it was typed: a first run has it in no PATH.
fn program() -> String {
    let typed = std::env::args().next().filter(|typed| typed.contains('/'));
    typed.unwrap_or_else(|| "roundtrip".to_owned())
}

/// One patient, with `--json`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    patient_id: &'a str,
    outcome: Option<&'a str>,
    attempts: u32,
    file: Option<&'a Path>,
}

impl<'a> Line<'a> {
    fn of(patient: &'a Patient) -> Self {
        let Patient { id, outcome, attempts, file, .. } = patient;
        Self { patient_id: id, outcome: outcome.as_deref(), attempts: *attempts, file: file.as_deref() }
    }
}

/// The folder that holds the ledger while the demo runs. Gone with it.
struct Backstage(PathBuf);

impl Backstage {
    fn new() -> Result<Self, Quit> {
        let path = std::env::temp_dir().join(format!("roundtrip-demo-{}", std::process::id()));
        // What a process of the same number left there belongs to a demo that is over.
        fs::remove_dir_all(&path).ok();
        fs::create_dir_all(&path).map_err(|error| {
            Quit::saying(Exit::OtherOutcome, format!("cannot make the folder {}: {error}; set TMPDIR", path.display()))
        })?;
        Ok(Self(path))
    }

    fn ledger(&self) -> PathBuf {
        self.0.join("ledger.jsonl")
    }

    /// Where a broker of its own process keeps its channel.
    fn data(&self) -> PathBuf {
        self.0.join("data")
    }
}

impl Drop for Backstage {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}
