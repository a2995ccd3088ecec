//! One source's search: all its pages, with waits where the upstream asks for them.

use std::time::Duration;

use reqwest::header::{self, HeaderMap};
use reqwest::{Client, Response, StatusCode, Url};
use serde::Deserialize;
use serde_json::Value;
use tracing::debug;

use super::Source;
use super::failure::{GatherError, SearchsetProblem, Unreachable};
use super::gather::upstream;
use crate::fhir::{FHIR_JSON, PatientId};

/// The most that is read of one page. A page of 1000 resources of ordinary size is some 2 MB.
const PAGE_BYTES: usize = 32 << 20;

/// What a wait is when an upstream asks for one without saying how long in seconds.
const UNSAID: Duration = Duration::from_secs(1);

/// Searches upstreams.
#[derive(Debug, Clone)]
pub(super) struct Searcher {
    pub(super) client: Client,
    pub(super) base: Url,
    pub(super) timeout: Option<Duration>,
    pub(super) patience: Duration,
    pub(super) pages: usize,
    pub(super) page_size: usize,
}

impl Searcher {
    /// All of a patient's resources of one source. What they are is not checked here.
    pub(super) async fn search(&self, source: Source, patient: &PatientId) -> Result<Vec<Value>, GatherError> {
        let unusable = |problem| GatherError::NotASearchset { asked: source, problem };
        let mut patience = self.patience;
        let mut next = Some(self.first_page(source, patient));
        let (mut resources, mut total, mut pages) = (Vec::new(), None, 0);
        while let Some(url) = next {
            if pages == self.pages {
                return Err(unusable(SearchsetProblem::TooManyPages { limit: self.pages }));
            }
            pages += 1;
            let page = self.page(source, &url, &mut patience).await?;
            total = total.or(page.total);
            next = page.next(&url).map_err(unusable)?;
            resources.extend(page.matches());
        }
        match total {
            Some(total) if total > resources.len() as u64 => {
                Err(unusable(SearchsetProblem::Incomplete { total, came: resources.len() }))
            }
            _ => Ok(resources),
        }
    }

    fn first_page(&self, source: Source, patient: &PatientId) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{}/{}", self.base.path(), upstream(source), source.resource_type()));
        url.query_pairs_mut()
            .append_pair(if source == Source::Patient { "_id" } else { "patient" }, patient.as_str())
            .extend_pairs((source == Source::Observation).then_some(("category", "laboratory")))
            .append_pair("_count", &self.page_size.to_string());
        url
    }

    /// One page. Waits and asks again while the upstream says so and patience lasts; each wait uses some up, so it ends.
    async fn page(&self, source: Source, url: &Url, patience: &mut Duration) -> Result<Searchset, GatherError> {
        loop {
            let response = self.ask(source, url).await?;
            let status = response.status();
            if status == StatusCode::OK {
                let body = body(source, response).await?;
                return Searchset::read(&body)
                    .ok_or(GatherError::NotASearchset { asked: source, problem: SearchsetProblem::OtherForm });
            }
            let retry_after = retry_after(status, response.headers());
            match retry_after {
                Some(wait) if wait <= *patience => {
                    debug!(source = %source, seconds = wait.as_secs(), "waiting as the upstream asks");
                    *patience -= wait;
                    tokio::time::sleep(wait).await;
                }
                _ => {
                    return Err(GatherError::Upstream { asked: source, status: status.as_u16(), retry_after });
                }
            }
        }
    }

    async fn ask(&self, source: Source, url: &Url) -> Result<Response, GatherError> {
        let mut request = self.client.get(url.clone()).header(header::ACCEPT, FHIR_JSON);
        if let Some(timeout) = self.timeout {
            request = request.timeout(timeout);
        }
        request.send().await.map_err(|error| unreachable(source, &error))
    }
}

/// How long to wait before asking again, if the upstream wants that: 429 always, 503 when it says how long. At least a
/// second, so that waiting uses patience up.
fn retry_after(status: StatusCode, headers: &HeaderMap) -> Option<Duration> {
    let said = headers.get(header::RETRY_AFTER).map(|value| {
        // The other form, a date, would need clocks that agree.
        let seconds = value.to_str().ok().and_then(|text| text.trim().parse().ok());
        seconds.map_or(UNSAID, Duration::from_secs).max(UNSAID)
    });
    match status {
        StatusCode::TOO_MANY_REQUESTS => Some(said.unwrap_or(UNSAID)),
        StatusCode::SERVICE_UNAVAILABLE => said,
        _ => None,
    }
}

async fn body(source: Source, mut response: Response) -> Result<Vec<u8>, GatherError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(source, &error))? {
        if body.len() + chunk.len() > PAGE_BYTES {
            let problem = SearchsetProblem::TooLarge { limit: PAGE_BYTES };
            return Err(GatherError::NotASearchset { asked: source, problem });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The client's own error has the URL in it, and the URL the patient's id: only its kind goes on.
fn unreachable(source: Source, error: &reqwest::Error) -> GatherError {
    let problem = if error.is_timeout() {
        Unreachable::TimedOut
    } else if error.is_connect() {
        Unreachable::NoConnection
    } else {
        Unreachable::BrokeOff
    };
    GatherError::Unreachable { asked: source, problem }
}

/// A page of a search, as far as it is read. Entries stay as they came.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Searchset {
    resource_type: String,
    r#type: String,
    total: Option<u64>,
    #[serde(default)]
    link: Vec<Link>,
    #[serde(default)]
    entry: Vec<Value>,
}

#[derive(Deserialize)]
struct Link {
    relation: String,
    url: String,
}

impl Searchset {
    fn read(body: &[u8]) -> Option<Self> {
        let page: Self = serde_json::from_slice(body).ok()?;
        (page.resource_type == "Bundle" && page.r#type == "searchset").then_some(page)
    }

    fn next(&self, current: &Url) -> Result<Option<Url>, SearchsetProblem> {
        let Some(link) = self.link.iter().find(|link| link.relation == "next") else {
            return Ok(None);
        };
        let next = current.join(&link.url).map_err(|_| SearchsetProblem::ForeignLink)?;
        if next.origin() == current.origin() { Ok(Some(next)) } else { Err(SearchsetProblem::ForeignLink) }
    }

    /// What matched: not what the server added of its own accord, such as an OperationOutcome.
    fn matches(self) -> impl Iterator<Item = Value> {
        self.entry
            .into_iter()
            .filter(|entry| entry["search"]["mode"].as_str().is_none_or(|mode| mode == "match"))
            .map(|mut entry| entry["resource"].take())
    }
}
