//! What an outcome is over HTTP: the service's payload, or a problem.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use roundtrip_client::{Ending, Outcome, OutcomeKind, ProblemDetails};
use serde::Serialize;
use serde_json::Value;

use crate::meta;
use crate::problem::{PROBLEM_JSON, json};

/// The header that says how a request ended. It stands on every answer that carries an outcome, and on no other.
pub(crate) const OUTCOME: &str = "roundtrip-outcome";

/// The answer that carries an outcome.
pub(crate) fn answer(outcome: Outcome) -> Response {
    let kind = outcome.kind();
    let mut response = match outcome.problem() {
        Some(problem) => failure(kind, &problem),
        None => reply(outcome),
    };
    response.headers_mut().insert(OUTCOME, HeaderValue::from_static(kind.as_str()));
    response
}

fn reply(outcome: Outcome) -> Response {
    let mut response = Response::new(Body::from(outcome.payload));
    if let Ending::Replied(label) = outcome.ending {
        let headers = response.headers_mut();
        if let Some(content_type) = HeaderValue::try_from(&*label.content_type).ok().filter(|text| !text.is_empty()) {
            headers.insert(header::CONTENT_TYPE, content_type);
        }
        meta::write(&label.headers, headers);
    }
    response
}

fn failure(kind: OutcomeKind, problem: &ProblemDetails) -> Response {
    let failed = Failed::of(kind, problem);
    json(failed.status(), PROBLEM_JSON, &failed)
}

/// The problem that an outcome other than a reply is.
#[derive(Serialize)]
pub(crate) struct Failed {
    status: u16,
    #[serde(flatten)]
    problem: Value,
}

impl Failed {
    pub(crate) fn of(kind: OutcomeKind, problem: &ProblemDetails) -> Self {
        let problem = serde_json::to_value(problem).unwrap_or_default();
        let status = match kind {
            OutcomeKind::Dead => StatusCode::BAD_GATEWAY,
            OutcomeKind::Expired => StatusCode::GATEWAY_TIMEOUT,
            OutcomeKind::Cancelled => StatusCode::GONE,
            _ => wanted(&problem).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        };
        Self { status: status.as_u16(), problem }
    }

    fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// The status that a service gave its failure, if that is one of an error.
fn wanted(problem: &Value) -> Option<StatusCode> {
    let status = problem.get("details")?.get("status")?.as_u64()?;
    (400..=599).contains(&status).then(|| StatusCode::from_u16(status as u16).ok()).flatten()
}
