//! The API consumer: asks for patients' summaries, goes on with other work, and writes each summary to a file when it comes.
//!
//! It survives its own death at any point. A ticket stands in its [`ledger`] before it is submitted, a summary is in its file
//! before it is acknowledged, and a consumer that is started again goes on where the ledger ends: it attaches to what was
//! accepted, submits again, under the same ticket, what may not have been, and asks for nothing twice.

pub mod ledger;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use roundtrip::{
    Client, NameError, Outcome, OutcomeKind, PartEvent, RawTicket, Requester, SubmitError, TicketError, TicketId,
    WaitError,
};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::fhir::{InvalidPatientId, PatientId};
use crate::request::GeneratePatientSummary;
use ledger::{Event, Ledger, LedgerError, Stage, Standing, digest};

/// How long to wait before a refused submission is tried again, where the broker does not say.
const AGAIN: Duration = Duration::from_secs(1);

/// How long a summary may take.
const DEADLINE: Duration = Duration::from_secs(600);

/// How long one piece of other work takes.
const PIECE: Duration = Duration::from_millis(120);

/// Collects summaries under a requester name of its own.
#[derive(Debug)]
#[must_use = "it asks for nothing until it is told for whom"]
pub struct Consumer {
    desk: Desk,
}

#[derive(Debug)]
struct Desk {
    requester: Requester,
    ledger: Mutex<Ledger>,
    output: PathBuf,
    deadline: Duration,
    /// When it is cancelled, so is what is open.
    give_up: CancellationToken,
}

impl Consumer {
    /// A consumer that keeps this ledger and writes into this folder, which must be there.
    pub fn new(client: &Client, name: &str, ledger: Ledger, output: impl Into<PathBuf>) -> Self {
        let desk = Desk {
            requester: client.requester(name),
            ledger: Mutex::new(ledger),
            output: output.into(),
            deadline: DEADLINE,
            give_up: CancellationToken::new(),
        };
        Self { desk }
    }

    /// How long a summary may take: 10 minutes unless set. Then its request expires, wherever it is.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.desk.deadline = deadline;
        self
    }

    /// From the moment at which this is cancelled, nothing more is asked for, and what is open is cancelled.
    pub fn give_up_on(mut self, token: CancellationToken) -> Self {
        self.desk.give_up = token;
        self
    }

    /// Asks for these patients' summaries, and returns when each has its outcome. What the ledger says is done is not done
    /// again.
    ///
    /// Meanwhile it goes on with other work: asking costs a moment, and nothing waits for an answer.
    ///
    /// # Errors
    ///
    /// [`ConsumerError`]. What was asked for goes on; run again with the same ledger to collect it.
    pub async fn collect(
        self,
        patients: &[PatientId],
        on_event: impl Fn(ConsumerEvent) + Send + Sync + 'static,
    ) -> Result<(), ConsumerError> {
        let (desk, on_event) = (Arc::new(self.desk), Arc::new(on_event));
        let mut requests = JoinSet::new();
        for patient in patients {
            let standing = desk.standing(patient)?;
            let (desk, patient, on_event) = (Arc::clone(&desk), patient.clone(), Arc::clone(&on_event));
            requests.spawn(async move { desk.carry(&patient, standing, &*on_event).await });
        }
        let mut letters = Letters::default();
        let mut pieces = tokio::time::interval(PIECE);
        loop {
            tokio::select! {
                carried = requests.join_next() => match carried {
                    Some(Ok(carried)) => carried?,
                    Some(Err(error)) => std::panic::resume_unwind(error.into_panic()),
                    None => return Ok(()),
                },
                _ = pieces.tick() => {
                    letters.write_one();
                    on_event(ConsumerEvent::OtherWork { done: letters.written });
                }
            }
        }
    }
}

impl Desk {
    /// Where the patient's request stands; a new one has its ticket in the ledger when this returns.
    fn standing(&self, patient: &PatientId) -> Result<Standing, ConsumerError> {
        let known = self.ledger.lock().unwrap_or_else(PoisonError::into_inner).standings().remove(patient.as_str());
        if let Some(standing) = known {
            return Ok(standing);
        }
        let ticket = self.requester.new_ticket::<GeneratePatientSummary>()?.to_string();
        self.note(&ticket, Event::Asked { patient: patient.to_string() })?;
        Ok(Standing { ticket, stage: Stage::Asked })
    }

    /// Carries one patient's request from where it stands to its end.
    async fn carry(
        &self,
        patient: &PatientId,
        standing: Standing,
        on_event: &impl Fn(ConsumerEvent),
    ) -> Result<(), ConsumerError> {
        let id: TicketId = standing.ticket.parse()?;
        let mut ticket = match standing.stage {
            Stage::Acknowledged => return Ok(()),
            Stage::Asked => match self.submit(patient, &id, on_event).await? {
                Some(ticket) => ticket,
                None => return Ok(()),
            },
            Stage::Accepted | Stage::Handled => {
                on_event(ConsumerEvent::Resumed { patient: patient.to_string() });
                self.requester.attach_raw(id.clone())
            }
        };
        if standing.stage != Stage::Handled {
            let Some(outcome) = self.outcome(patient, &mut ticket, on_event).await? else { return Ok(()) };
            self.handle(patient, &id, &outcome, on_event)?;
        }
        match ticket.acknowledge().await {
            Ok(()) => self.note(&standing.ticket, Event::Acknowledged),
            // What is not acknowledged is told again to whoever asks under this name, until its retention has passed. All
            // of it is in the ledger and the file, so that is no reason to fail.
            Err(error) => {
                debug!(request.id = %id, %error, "not acknowledged");
                Ok(())
            }
        }
    }

    /// Submits until the broker has accepted; none if it was given up before. Under the same ticket it is one request,
    /// however often it is submitted.
    async fn submit(
        &self,
        patient: &PatientId,
        id: &TicketId,
        on_event: &impl Fn(ConsumerEvent),
    ) -> Result<Option<RawTicket>, ConsumerError> {
        while !self.give_up.is_cancelled() {
            let command = GeneratePatientSummary::of(patient.as_str());
            match self.requester.submit(command).under(id.clone()).deadline(self.deadline).await {
                Ok(ticket) => {
                    self.note(&id.to_string(), Event::Accepted)?;
                    on_event(ConsumerEvent::Accepted { patient: patient.to_string(), ticket: id.to_string() });
                    return Ok(Some(ticket.into_raw()));
                }
                Err(SubmitError::Unconfirmed { .. }) => {}
                Err(error) => match error.retry_after() {
                    Some(wait) => tokio::select! {
                        () = tokio::time::sleep(wait.max(AGAIN)) => {}
                        () = self.give_up.cancelled() => {}
                    },
                    None => return Err(error.into()),
                },
            }
        }
        Ok(None)
    }

    /// The outcome, and what comes before it; none if it was given up before it was accepted.
    async fn outcome(
        &self,
        patient: &PatientId,
        ticket: &mut RawTicket,
        on_event: &impl Fn(ConsumerEvent),
    ) -> Result<Option<Outcome>, ConsumerError> {
        loop {
            let (mut progress, mut parts) = (ticket.progress(), ticket.parts());
            let mut is_cancelled = false;
            let outcome = loop {
                tokio::select! {
                    outcome = ticket.outcome() => break outcome,
                    () = self.give_up.cancelled(), if !is_cancelled => {
                        is_cancelled = true;
                        // Whatever came first is the outcome, and comes as any other does.
                        if let Err(error) = ticket.cancel().await {
                            debug!(request.id = %ticket.id(), %error, "not cancelled");
                        }
                    }
                    Some(PartEvent::Part(part)) = parts.next() => {
                        if let Ok(section) = part.json::<ListedSection>() {
                            on_event(ConsumerEvent::Section {
                                patient: patient.to_string(),
                                section: section.name,
                                entries: section.entry.len(),
                            });
                        }
                    }
                    Some(step) = progress.next() => on_event(ConsumerEvent::Progress {
                        patient: patient.to_string(),
                        fraction: step.fraction,
                        stage: step.stage,
                    }),
                }
            };
            match outcome {
                Ok(outcome) => return Ok(Some(outcome)),
                // A broker that was started anew knows no ticket of the one before: the request is submitted again under
                // its own, and stays one request.
                Err(WaitError::UnknownTicket) => match self.submit(patient, &ticket.id().clone(), on_event).await? {
                    Some(again) => *ticket = again,
                    None => return Ok(None),
                },
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Notes the outcome, and writes the summary to its file.
    fn handle(
        &self,
        patient: &PatientId,
        id: &TicketId,
        outcome: &Outcome,
        on_event: &impl Fn(ConsumerEvent),
    ) -> Result<(), ConsumerError> {
        let kind = outcome.kind().as_str();
        let noted =
            Event::Outcome { outcome: kind.into(), attempts: outcome.attempts, digest: digest(kind, &outcome.payload) };
        self.note(&id.to_string(), noted)?;
        let mut file = None;
        if outcome.kind() == OutcomeKind::Replied {
            let name = format!("{patient}.json");
            let path = self.output.join(&name);
            write_whole(&path, &outcome.payload)
                .map_err(|source| ConsumerError::File { path: path.clone(), source })?;
            self.note(&id.to_string(), Event::Written { file: name })?;
            file = Some(path);
        }
        on_event(ConsumerEvent::Outcome {
            patient: patient.to_string(),
            outcome: kind.into(),
            attempts: outcome.attempts,
            file,
        });
        Ok(())
    }

    fn note(&self, ticket: &str, event: Event) -> Result<(), ConsumerError> {
        Ok(self.ledger.lock().unwrap_or_else(PoisonError::into_inner).write(ticket, event)?)
    }
}

/// What a consumer tells of its work. Patient ids, nothing of what is in a record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
#[non_exhaustive]
pub enum ConsumerEvent {
    /// The broker accepted the request.
    Accepted {
        /// The patient.
        patient: String,
        /// The request's ticket.
        ticket: String,
    },
    /// The ledger says that it was accepted before: the consumer attached to it again.
    Resumed {
        /// The patient.
        patient: String,
    },
    /// How far the service is.
    Progress {
        /// The patient.
        patient: String,
        /// How much is done, 0 to 1.
        fraction: f32,
        /// What was done last.
        stage: String,
    },
    /// A section of the summary is finished, before the whole is.
    Section {
        /// The patient.
        patient: String,
        /// Its name.
        section: String,
        /// How many entries it lists.
        entries: usize,
    },
    /// The outcome came and was handled.
    Outcome {
        /// The patient.
        patient: String,
        /// Which outcome.
        outcome: String,
        /// How many attempts it took.
        attempts: u32,
        /// Where the summary is, if there is one.
        file: Option<PathBuf>,
    },
    /// Something that has nothing to do with any request was done meanwhile.
    OtherWork {
        /// How many pieces so far.
        done: u64,
    },
}

/// What the consumer reads of a part.
#[derive(Deserialize)]
struct ListedSection {
    name: String,
    entry: Vec<serde::de::IgnoredAny>,
}

/// The consumer's other work: appointment letters, which need no summary and wait for none.
#[derive(Debug, Default)]
struct Letters {
    written: u64,
    last: String,
}

impl Letters {
    fn write_one(&mut self) {
        self.written += 1;
        let (hour, minute) = (8 + self.written / 4 % 9, self.written % 4 * 15);
        self.last = format!("Letter {}: please come on Monday at {hour:02}:{minute:02}.", self.written);
    }
}

/// Writes a file so that nobody ever sees half of it.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let partial = path.with_extension("json.partial");
    let mut file = File::create(&partial)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&partial, path)
}

/// Reads the ids of patients that a person named.
///
/// # Errors
///
/// One of them is no FHIR id.
pub fn patient_ids<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Vec<PatientId>, InvalidPatientId> {
    names.into_iter().map(str::parse).collect()
}

/// Why the consumer cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConsumerError {
    /// The broker does not take a request.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// There is no outcome to wait for.
    #[error(transparent)]
    Wait(#[from] WaitError),
    /// The ledger cannot be kept.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A ticket in the ledger is none.
    #[error("the ledger holds what is no ticket: {0}")]
    Ticket(#[from] TicketError),
    /// The channel is no name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A summary cannot be written.
    #[error("cannot write {}: {source}; make room, or name another folder", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_leaves_nothing_beside_it() {
        let folder = std::env::temp_dir().join(format!("roundtrip-consumer-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("p-1.json");
        write_whole(&path, b"one").unwrap();
        write_whole(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn events_travel_as_one_line_of_json() {
        let event = ConsumerEvent::Progress { patient: "p-1".into(), fraction: 0.5, stage: "results".into() };
        let line = serde_json::to_string(&event).unwrap();
        assert_eq!(line, r#"{"event":"progress","patient":"p-1","fraction":0.5,"stage":"results"}"#);
        assert_eq!(serde_json::from_str::<ConsumerEvent>(&line).unwrap(), event);
    }
}
