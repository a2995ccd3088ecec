//! The sample EHR: a small FHIR R4 search server over HTTP, for a summary service to have something real to ask.
//!
//! It serves patients' records as three upstreams, each with a quota, a latency and a failure switch of its own, as three
//! systems of a hospital would:
//!
//! | upstream | serves |
//! |---|---|
//! | `/ehr` | Patient, Condition, AllergyIntolerance, Procedure, Observation |
//! | `/medications` | MedicationRequest |
//! | `/immunizations` | Immunization |
//!
//! `GET /{upstream}/{Type}?patient=ID&_count=N` answers a `searchset` Bundle (Patient also by `_id`, Observation also with
//! `category`). It stores nothing, checks no permission, and is no FHIR server beyond that one search.

mod outcome;
mod search;
mod upstream;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error};

pub use upstream::{Quota, Served, Upstream};

use crate::patients::Records;
use outcome::Refusal;
use search::{Search, searchset};
use upstream::Gate;

/// A running sample EHR. It stops listening and ends its connections when it is dropped.
#[derive(Debug)]
pub struct SampleEhr {
    address: SocketAddr,
    switches: Switches,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl SampleEhr {
    /// Prepares an EHR that serves these patients.
    pub fn builder(records: Records) -> SampleEhrBuilder {
        SampleEhrBuilder { records, gates: Upstream::ALL.map(|upstream| (upstream, Gate::default())).into() }
    }

    /// Where it listens. With port 0 asked for, this has the port that was free.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base that the three upstreams stand under: `http://127.0.0.1:43121`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What changes its behaviour while it runs.
    #[must_use]
    pub fn switches(&self) -> Switches {
        self.switches.clone()
    }

    /// Stops listening, lets the requests that it has finish, and returns when all is done.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if let Err(error) = (&mut self.task).await {
            error!(%error, "the sample EHR ended badly");
        }
    }
}

impl Drop for SampleEhr {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// What a sample EHR will be like.
///
/// ```no_run
/// # use roundtrip_patient_summary::{ehr::{Quota, SampleEhr, Upstream}, patients::Records};
/// # use std::time::Duration;
/// # async fn start() -> Result<(), Box<dyn std::error::Error>> {
/// let ehr = SampleEhr::builder(Records::embedded()?)
///     .latency(Duration::ZERO..=Duration::from_millis(20))
///     .quota(Upstream::Medications, Quota::new(5, Duration::from_secs(1)))
///     .start("127.0.0.1:0".parse()?)
///     .await?;
/// println!("{}/ehr/Patient?_id=…", ehr.base_url());
/// # Ok(())
/// # }
/// ```
#[must_use = "an EHR serves nothing until it is started"]
pub struct SampleEhrBuilder {
    records: Records,
    gates: BTreeMap<Upstream, Gate>,
}

impl SampleEhrBuilder {
    /// How long every upstream takes for an answer: a random time within these bounds. 50 to 400 ms unless set, which is a
    /// guess: real figures are not published.
    pub fn latency(mut self, latency: RangeInclusive<Duration>) -> Self {
        for gate in self.gates.values_mut() {
            gate.latency = latency.clone();
        }
        self
    }

    /// How long one upstream takes for an answer.
    pub fn latency_of(mut self, upstream: Upstream, latency: RangeInclusive<Duration>) -> Self {
        self.gates.entry(upstream).or_default().latency = latency;
        self
    }

    /// How many requests one upstream takes in a time. Without one it takes all.
    pub fn quota(mut self, upstream: Upstream, quota: Quota) -> Self {
        self.gates.entry(upstream).or_default().limit(Some(quota));
        self
    }

    /// Starts to listen. Port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// [`StartError`] if the address cannot be listened on.
    pub async fn start(self, address: SocketAddr) -> Result<SampleEhr, StartError> {
        let failed = |source| StartError { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let switches = Switches::over(self.gates);
        let service = Service { records: Arc::new(self.records), switches: switches.clone(), address };
        let router = Router::new()
            .route("/{upstream}/{resource_type}", get(answer))
            .fallback(|| async { Refusal::UnknownPath.into_response() })
            .method_not_allowed_fallback(|| async { Refusal::OnlyReading.into_response() })
            .with_state(service);

        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stopped).await {
                error!(%error, "the sample EHR cannot go on listening");
            }
        });
        Ok(SampleEhr { address, switches, stop, task })
    }
}

/// The address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("the sample EHR cannot listen on {address}; name another address, or port 0 for a free one")]
pub struct StartError {
    address: SocketAddr,
    source: io::Error,
}

/// What changes a running EHR's behaviour, upstream by upstream. Cheap to clone; changes hold from the next request on.
#[derive(Debug, Clone)]
pub struct Switches {
    gates: Arc<BTreeMap<Upstream, upstream::SharedGate>>,
}

impl Switches {
    /// Makes an upstream fail every request with 503, or work again.
    pub fn fail(&self, upstream: Upstream, failing: bool) {
        self.with(upstream, |gate| gate.failing = failing);
    }

    /// Changes how long an upstream takes for an answer.
    pub fn set_latency(&self, upstream: Upstream, latency: RangeInclusive<Duration>) {
        self.with(upstream, |gate| gate.latency = latency);
    }

    /// Changes how many requests an upstream takes in a time, starting with all of them free; `None` takes all.
    pub fn set_quota(&self, upstream: Upstream, quota: Option<Quota>) {
        self.with(upstream, |gate| gate.limit(quota));
    }

    /// What an upstream has answered so far.
    #[must_use]
    pub fn served(&self, upstream: Upstream) -> Served {
        self.with(upstream, |gate| gate.served)
    }

    fn over(gates: BTreeMap<Upstream, Gate>) -> Self {
        Self { gates: Arc::new(gates.into_iter().map(|(upstream, gate)| (upstream, gate.into())).collect()) }
    }

    fn with<T>(&self, upstream: Upstream, change: impl FnOnce(&mut Gate) -> T) -> T {
        self.gates[&upstream].with(change)
    }
}

#[derive(Clone)]
struct Service {
    records: Arc<Records>,
    switches: Switches,
    address: SocketAddr,
}

async fn answer(
    State(service): State<Service>,
    Path((upstream, resource_type)): Path<(String, String)>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let Some(upstream) = Upstream::named(&upstream) else {
        return Refusal::UnknownPath.into_response();
    };
    let latency = match service.switches.with(upstream, Gate::admit) {
        Ok(latency) => latency,
        Err(refusal) => {
            debug!(upstream = upstream.as_str(), %refusal, "refused");
            return refusal.into_response();
        }
    };
    tokio::time::sleep(latency).await;

    let Ok(Query(parameters)) = query else {
        return Refusal::BadQuery.into_response();
    };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).map(str::to_owned);
    let base = format!("http://{}/{}", host.unwrap_or_else(|| service.address.to_string()), upstream.as_str());
    match Search::read(upstream, &resource_type, &parameters) {
        Ok(search) => searchset(&service.records, &search, &base).into_response(),
        Err(refusal) => refusal.into_response(),
    }
}
