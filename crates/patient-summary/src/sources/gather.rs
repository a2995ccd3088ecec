//! Asks the upstreams about one patient: a few at a time, page by page, and politely.
//!
//! The Patient comes first, since without one there is nothing to ask for; then the other sources, concurrently. An upstream
//! that says "too many requests" is waited out as long as it says; nothing else is ever repeated here. Trying again is the
//! broker's work, which does it with backoff and where everybody can see it.
//!
//! **When a source is presented as unavailable.** By default never: with a source missing, gathering fails, retryably, so
//! that a later attempt gives the whole picture. With [`Missing::Tolerate`], which a service passes on its last attempt, a
//! source that could not be reached or that answered with an error status becomes [`Answer::Unavailable`], and the summary
//! says so with `emptyReason` `unavailable`: better than failing forever. Four things are never tolerated: a missing Patient,
//! an answer that cannot be trusted (another patient's resource, no searchset, pages that lead nowhere or end early), an
//! unknown patient, and an upstream over its quota: it will answer later, and asking later costs no attempt.
//!
//! [`Answer::Unavailable`]: super::Answer::Unavailable

use std::collections::VecDeque;
use std::time::Duration;

use reqwest::Url;
use serde_json::Value;
use tokio::task::JoinSet;
use tracing::{instrument, warn};

pub use super::failure::{GatherError, SearchsetProblem, Unreachable};
use super::search::Searcher;
use super::{Misplaced, Source, Sources};
use crate::ehr::Upstream;
use crate::fhir::PatientId;
use crate::sections::{SectionName, Sections};

/// Asks one hospital's upstreams. Cheap to clone; clones share their connections.
#[derive(Debug, Clone)]
#[must_use]
pub struct Gatherer {
    searcher: Searcher,
    concurrency: usize,
}

impl Gatherer {
    /// Gathers from the upstreams under this base, `http://127.0.0.1:43121`: `/ehr`, `/medications` and `/immunizations`.
    ///
    /// # Errors
    ///
    /// [`GathererError`] if the base is no `http` URL, or the HTTP client cannot be made.
    pub fn new(base: &str) -> Result<Self, GathererError> {
        let mut base = Url::parse(base).ok().filter(|base| base.scheme() == "http").ok_or(GathererError::Base)?;
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let client = reqwest::Client::builder()
            // A redirect could lead to another host, and a proxy always does; patients' ids are in the URLs.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|_| GathererError::Client)?;
        let searcher = Searcher {
            client,
            base,
            timeout: Some(Duration::from_secs(10)),
            patience: Duration::from_secs(10),
            pages: 100,
            page_size: 100,
        };
        Ok(Self { searcher, concurrency: 4 })
    }

    /// How many sources are asked at the same time: 4 unless set, at least 1.
    pub fn concurrency(mut self, concurrency: usize) -> Self {
        self.concurrency = concurrency.max(1);
        self
    }

    /// How long one answer may take, body included: 10 s unless set. `None` waits without end.
    pub fn timeout(mut self, timeout: Option<Duration>) -> Self {
        self.searcher.timeout = timeout;
        self
    }

    /// How long one source may be waited for in all because it is over its quota: 10 s unless set. A wait that would take
    /// longer is not begun; gathering then fails at once with the upstream's retry-after.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.searcher.patience = patience;
        self
    }

    /// How many pages one source may have: 100 unless set, at least 1.
    pub fn pages(mut self, pages: usize) -> Self {
        self.searcher.pages = pages.max(1);
        self
    }

    /// How many resources are asked for at once: 100 unless set, 1 to 1000.
    pub fn page_size(mut self, page_size: usize) -> Self {
        self.searcher.page_size = page_size.clamp(1, 1000);
        self
    }

    /// Gathers what these sections need about this patient.
    ///
    /// # Errors
    ///
    /// [`GatherError`]; [`is_final`](GatherError::is_final) says whether trying again can help,
    /// [`retry_after`](GatherError::retry_after) when.
    pub async fn gather(
        &self,
        patient: &PatientId,
        sections: &Sections,
        missing: Missing,
    ) -> Result<Sources, GatherError> {
        let mut gathering = self.begin(patient, sections, missing).await?;
        while gathering.next().await?.is_some() {}
        Ok(gathering.into_sources())
    }

    /// Begins to gather: asks who the patient is, since without one there is nothing else to ask for.
    ///
    /// # Errors
    ///
    /// As [`gather`](Self::gather).
    #[instrument(skip_all)]
    pub async fn begin(
        &self,
        patient: &PatientId,
        sections: &Sections,
        missing: Missing,
    ) -> Result<Gathering, GatherError> {
        let waiting: VecDeque<Source> = sections.iter().map(SectionName::source).collect();
        let of = waiting.len() + 1;
        Ok(Gathering {
            sources: self.identify(patient).await?,
            patient: patient.clone(),
            searcher: self.searcher.clone(),
            concurrency: self.concurrency,
            missing,
            waiting,
            asking: JoinSet::new(),
            latest: Progress { source: Source::Patient, answered: true, finished: 1, of },
        })
    }

    async fn identify(&self, patient: &PatientId) -> Result<Sources, GatherError> {
        let mut found = self.searcher.search(Source::Patient, patient).await?;
        let misplaced = |problem| GatherError::Misplaced { asked: Source::Patient, problem };
        match (found.pop(), found.is_empty()) {
            (None, _) => Err(GatherError::UnknownPatient),
            (Some(one), true) => Sources::of(patient, one).map_err(misplaced),
            (Some(_), false) => Err(misplaced(Misplaced::AnotherPatient)),
        }
    }
}

/// One patient's sources as they answer. Dropping it gives up what is being asked.
#[derive(Debug)]
#[must_use = "it asks for the next source when it is told to"]
pub struct Gathering {
    patient: PatientId,
    searcher: Searcher,
    concurrency: usize,
    missing: Missing,
    waiting: VecDeque<Source>,
    asking: JoinSet<(Source, Result<Vec<Value>, GatherError>)>,
    sources: Sources,
    latest: Progress,
}

impl Gathering {
    /// Waits for the next source to be done; none when all are.
    ///
    /// # Errors
    ///
    /// [`GatherError`], after which there is nothing more to wait for.
    #[instrument(skip_all)]
    pub async fn next(&mut self) -> Result<Option<Progress>, GatherError> {
        while self.asking.len() < self.concurrency
            && let Some(source) = self.waiting.pop_front()
        {
            let (searcher, patient) = (self.searcher.clone(), self.patient.clone());
            self.asking.spawn(async move { (source, searcher.search(source, &patient).await) });
        }
        let (source, answer) = match self.asking.join_next().await {
            None => return Ok(None),
            Some(Ok(done)) => done,
            Some(Err(error)) => std::panic::resume_unwind(error.into_panic()),
        };
        let answered = match answer {
            Ok(resources) => {
                self.sources
                    .answered(source, resources)
                    .map_err(|problem| GatherError::Misplaced { asked: source, problem })?;
                true
            }
            Err(error) if self.missing == Missing::Tolerate && error.is_absence() => {
                warn!(source = %source, %error, "the summary will say that this source was unavailable");
                self.sources.unavailable(source);
                false
            }
            Err(error) => return Err(error),
        };
        self.latest = Progress { source, answered, finished: self.latest.finished + 1, of: self.latest.of };
        Ok(Some(self.latest))
    }

    /// What was done last; who the patient is, at first.
    #[must_use]
    pub const fn latest(&self) -> Progress {
        self.latest
    }

    /// What is known so far.
    #[must_use]
    pub const fn sources(&self) -> &Sources {
        &self.sources
    }

    /// What was gathered.
    #[must_use]
    pub fn into_sources(self) -> Sources {
        self.sources
    }
}

/// What to do about a source that cannot be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// Fail, so that another attempt can be made.
    Fail,
    /// Go on, and let the summary say that it was unavailable. For the last attempt.
    Tolerate,
}

/// A source is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Which.
    pub source: Source,
    /// Whether it answered; if not, it is presented as unavailable.
    pub answered: bool,
    /// How many are done, this one included.
    pub finished: usize,
    /// How many there are in all.
    pub of: usize,
}

/// Why no gatherer could be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GathererError {
    /// The base is no URL with `http`.
    #[error("the EHR's base is not an http URL; expected something like http://127.0.0.1:8080")]
    Base,
    /// The HTTP client cannot be made.
    #[error("the HTTP client cannot be set up on this system")]
    Client,
}

/// Which upstream a source is asked of.
pub(super) fn upstream(source: Source) -> Upstream {
    match source {
        Source::MedicationRequest => Upstream::Medications,
        Source::Immunization => Upstream::Immunizations,
        Source::Patient | Source::Condition | Source::AllergyIntolerance | Source::Observation | Source::Procedure => {
            Upstream::Ehr
        }
    }
}
