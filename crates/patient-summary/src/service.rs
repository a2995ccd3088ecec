//! The Patient Summary service: takes `generate_patient_summary`, asks the EHR's upstreams, replies with the document.
//!
//! It keeps nothing between two requests. What an attempt could not do is said to the broker, which tries again: on another
//! service, later, and where everybody can see it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use roundtrip::{Client, Context, Failure, Message, Operation, RawFailure, Request, Service};
use serde::{Deserialize, Serialize};
use tracing::{debug, instrument, warn};

use crate::fhir::{FHIR_JSON, PatientId};
use crate::operation::SummaryError;
use crate::request::GeneratePatientSummary;
use crate::sections::{SectionName, Sections};
use crate::sources::Sources;
use crate::sources::gather::{GatherError, Gatherer, Missing, Progress};
use crate::summary::document::Bundle;
use crate::summary::{Issue, finish_section, summarise};

/// The attempt on which a source that cannot be asked no longer fails the summary, but is marked in it as unavailable: the
/// last one that a channel allows unless it is set otherwise.
pub const LAST_ATTEMPT: u32 = 5;

/// How long an upstream that is over its quota is left alone, where it does not say.
const QUOTA_PAUSE: Duration = Duration::from_secs(1);

/// Answers requests for patient summaries from what one EHR knows. Cheap to clone.
#[derive(Debug, Clone)]
#[must_use = "it answers nothing until it is served"]
pub struct SummaryService {
    gatherer: Gatherer,
    last_attempt: u32,
}

impl SummaryService {
    /// A service that gathers from this EHR.
    pub fn new(gatherer: Gatherer) -> Self {
        Self { gatherer, last_attempt: LAST_ATTEMPT }
    }

    /// From which attempt on a missing source is tolerated: [`LAST_ATTEMPT`] unless set. It should be the channel's
    /// `max_attempts`.
    pub fn last_attempt(mut self, attempt: u32) -> Self {
        self.last_attempt = attempt;
        self
    }

    /// Serves the channel of [`GeneratePatientSummary`] over this client. `on_event` hears of each request as it is taken
    /// and as it is done with.
    pub fn serve(self, client: &Client, on_event: impl Fn(ServiceEvent) + Send + Sync + 'static) -> Service {
        let (service, on_event) = (Arc::new(self), Arc::new(on_event));
        client.raw_service(GeneratePatientSummary::CHANNEL, move |request, job| {
            let (service, on_event) = (Arc::clone(&service), Arc::clone(&on_event));
            async move {
                let command = read(&request)?;
                let (patient, ticket) = (command.patient_id.clone(), job.ticket().to_string());
                on_event(ServiceEvent::Taken {
                    patient: patient.clone(),
                    ticket: ticket.clone(),
                    attempt: job.attempt(),
                });
                let answer = service.answer(&command, &job).await;
                on_event(ServiceEvent::Done { patient, ticket, replied: answer.is_ok() });
                answer
            }
        })
    }

    /// The summary, or why there is none. Stops when the work is no longer wanted: cancelled, expired, or taken away.
    ///
    /// # Errors
    ///
    /// [`NoSummary`] says whether another attempt can mend it.
    #[instrument(skip_all, fields(request.id = %job.ticket(), attempt = job.attempt()))]
    pub async fn summarise(&self, command: &GeneratePatientSummary, job: &Context) -> Result<Bundle, NoSummary> {
        let (patient, sections) = command.parse().map_err(SummaryError::from)?;
        let sources = tokio::select! {
            gathered = self.gather(&patient, &sections, job) => gathered?,
            () = job.cancelled().cancelled() => return Err(NoSummary::Unwanted),
        };
        let issue = Issue { at: SystemTime::now(), document: job.ticket().to_string() };
        Ok(summarise(&sources, &sections, &issue))
    }

    /// Asks the upstreams; each section is a part as soon as its source has answered.
    async fn gather(&self, patient: &PatientId, sections: &Sections, job: &Context) -> Result<Sources, GatherError> {
        let missing = if job.attempt() >= self.last_attempt { Missing::Tolerate } else { Missing::Fail };
        let mut gathering = self.gatherer.begin(patient, sections, missing).await?;
        report(gathering.latest(), job);
        while let Some(step) = gathering.next().await? {
            report(step, job);
            for section in sections.iter().filter(|section| section.source() == step.source) {
                hand_in(gathering.sources(), section, job).await;
            }
        }
        Ok(gathering.into_sources())
    }

    async fn answer(&self, command: &GeneratePatientSummary, job: &Context) -> Result<Message, RawFailure> {
        let document = self.summarise(command, job).await.map_err(raw_failure)?;
        Ok(Message::new(document.to_json()?).content_type(FHIR_JSON))
    }
}

/// Why an attempt has no summary.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoSummary {
    /// No attempt will have one.
    #[error(transparent)]
    Final(#[from] SummaryError),
    /// Another attempt may have one.
    #[error(transparent)]
    Later(GatherError),
    /// Nobody waits for this attempt any more.
    #[error("the work is no longer wanted from this attempt")]
    Unwanted,
}

impl From<GatherError> for NoSummary {
    fn from(error: GatherError) -> Self {
        SummaryError::of(&error).map_or(Self::Later(error), Self::Final)
    }
}

/// What a service tells of its work. Patient ids and tickets, nothing of what is in a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
#[non_exhaustive]
pub enum ServiceEvent {
    /// A request was taken, and work on it began.
    Taken {
        /// The patient.
        patient: String,
        /// The request's ticket.
        ticket: String,
        /// Which attempt it is.
        attempt: u32,
    },
    /// The work on a request ended.
    Done {
        /// The patient.
        patient: String,
        /// The request's ticket.
        ticket: String,
        /// Whether there is a summary; if not, it failed, finally or until the next attempt.
        replied: bool,
    },
}

fn report(progress: Progress, job: &Context) {
    let fraction = progress.finished as f32 / progress.of as f32;
    job.note(fraction, progress.source.label(), if progress.answered { "" } else { "unavailable" });
}

/// Adds a finished section as a part. It is a convenience, and the whole document follows: a consumer that reads no parts
/// holds nothing up, so what finds no room is left out.
async fn hand_in(sources: &Sources, section: SectionName, job: &Context) {
    let Some(finished) = finish_section(sources, section) else { return };
    let Ok(payload) = serde_json::to_vec(&finished) else { return };
    if let Err(error) = job.try_part(Message::new(payload).content_type("application/json")).await {
        debug!(%error, "a finished section was not handed in as a part");
    }
}

fn read(request: &Request) -> Result<GeneratePatientSummary, RawFailure> {
    if !request.operation.is_empty() && request.operation != GeneratePatientSummary::NAME {
        let expected = format!("this service takes {:?} alone", GeneratePatientSummary::NAME);
        return Err(Failure::problem("unknown_operation", expected));
    }
    serde_json::from_slice(&request.payload).map_err(|_| {
        Failure::problem("invalid_payload", r#"expected a payload of the form {"patientId": "…", "sections": ["…"]}"#)
    })
}

/// Said by hand, not by `?`: that makes a retryable failure of any error.
fn raw_failure(why: NoSummary) -> RawFailure {
    let error = match why {
        NoSummary::Final(error) => return Failure::fail(typed_error(&error)),
        NoSummary::Unwanted => return Failure::release(),
        NoSummary::Later(error) => error,
    };
    if error.is_over_quota() {
        // Nobody else would fare better meanwhile: the channel pauses, and the attempt does not count.
        return Failure::throttle(error.retry_after().unwrap_or(QUOTA_PAUSE));
    }
    warn!(%error, "this attempt has no summary");
    let code = match &error {
        GatherError::Upstream { .. } => "upstream_failed",
        GatherError::Unreachable { .. } => "upstream_unreachable",
        _ => "upstream_unusable",
    };
    let retry_after = error.retry_after();
    let failure = Failure::retry(error).code(code);
    match retry_after {
        Some(wait) => failure.after(wait),
        None => failure,
    }
}

fn typed_error(error: &SummaryError) -> Message {
    // An enum of words serializes; were it not so, the requester still gets a final failure, without its value.
    Message::new(serde_json::to_vec(error).unwrap_or_default()).content_type("application/json")
}
