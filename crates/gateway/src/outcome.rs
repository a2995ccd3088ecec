//! What an outcome is over HTTP: the service's payload, or a problem.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use roundtrip_client::{Ending, Outcome, OutcomeKind, ProblemDetails};
use serde::Serialize;
use serde_json::Value;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{AnyOfBuilder, ObjectBuilder, Ref, Schema, Type};
use utoipa::openapi::{Header, RefOr};
use utoipa::{IntoResponses, ToSchema};

use crate::meta;
use crate::problem::{PROBLEM_JSON, json};

/// The header that says how a request ended. It stands on every answer that carries an outcome, and on no other.
pub(crate) const OUTCOME: &str = "roundtrip-outcome";

/// How many attempts were counted. It stands beside the outcome where that is answered whole.
const ATTEMPTS: &str = "roundtrip-attempts";

/// How a request may end.
#[derive(ToSchema)]
#[schema(as = Outcome, rename_all = "snake_case", example = "replied")]
#[expect(dead_code, reason = "it is read by the macro alone")]
pub(crate) enum OutcomeName {
    /// A service replied.
    Replied,
    /// A service failed it finally.
    Failed,
    /// It is not tried again.
    Dead,
    /// Its deadline passed.
    Expired,
    /// Somebody cancelled it.
    Cancelled,
}

/// A request's end that is no reply, as problem details of RFC 9457.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is read by the macro alone")]
pub(crate) struct OutcomeProblem {
    /// `urn:roundtrip:problem:` and the code.
    r#type: String,
    /// One sentence that is the same for every such outcome.
    title: String,
    /// The answer's status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// One sentence about this outcome.
    #[schema(required = false)]
    detail: String,
    /// `expired`; `cancelled`; why it is dead, such as `attempts_exhausted` or `rejected`; the service's own word if it failed.
    code: String,
    /// Which of the outcomes it is.
    outcome: OutcomeName,
    /// How many attempts were counted.
    attempts: u32,
    /// The service's typed error, if it failed and that is JSON.
    #[schema(required = false)]
    details: Value,
    /// What the last attempt of a dead request failed with.
    #[schema(required = false)]
    last: LastProblem,
}

/// What an attempt failed with.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is read by the macro alone")]
pub(crate) struct LastProblem {
    /// The service's word for it.
    code: String,
    /// Its sentence about it.
    message: String,
}

/// The answers that carry an outcome, as they are described.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it is read by the macro alone")]
pub(crate) enum Ended {
    /// `replied`: the service's payload, with its content type and its application headers.
    #[response(status = 200, content_type = "*/*", example = json!("HELLO"))]
    Replied(Value),
    /// `cancelled`
    #[response(status = 410, example = json!({
        "type": "urn:roundtrip:problem:cancelled",
        "title": "The request was cancelled.",
        "status": 410,
        "detail": "Somebody cancelled it by its ticket.",
        "code": "cancelled",
        "outcome": "cancelled",
        "attempts": 0,
    }))]
    Cancelled(OutcomeProblem),
    /// `failed`, and the service named no status.
    #[response(status = 500, example = json!({
        "type": "urn:roundtrip:problem:failed",
        "title": "The request failed finally.",
        "status": 500,
        "code": "failed",
        "outcome": "failed",
        "attempts": 1,
        "details": {"unknown": "patient"},
    }))]
    Failed(OutcomeProblem),
    /// `dead`
    #[response(status = 502, example = json!({
        "type": "urn:roundtrip:problem:rejected",
        "title": "The request is dead: it is not tried again.",
        "status": 502,
        "detail": "A service rejected it.",
        "code": "rejected",
        "outcome": "dead",
        "attempts": 1,
        "last": {"code": "rejected", "message": ""},
    }))]
    Dead(OutcomeProblem),
    /// `expired`
    #[response(status = 504, example = json!({
        "type": "urn:roundtrip:problem:expired",
        "title": "The request expired.",
        "status": 504,
        "detail": "Its deadline passed before it had a reply.",
        "code": "expired",
        "outcome": "expired",
        "attempts": 0,
    }))]
    Expired(OutcomeProblem),
    /// `failed`, with the status that the service named.
    #[response(status = "4XX")]
    FailedByCaller(OutcomeProblem),
    /// `failed`, with the status that the service named.
    #[response(status = "5XX")]
    FailedByService(OutcomeProblem),
}

/// Completes the description of a call that may answer an outcome: a service may name the status of any problem.
pub(crate) fn describe(call: &mut Operation) {
    let answers = &mut call.responses.responses;
    if !answers.contains_key("4XX") {
        return;
    }
    // What is said of an accepted request, or of a reply in a mailbox, is said with any outcome.
    let of_accepted = match answers.get("202").or_else(|| answers.get("200")) {
        Some(RefOr::T(accepted)) => accepted.headers.clone(),
        _ => BTreeMap::new(),
    };
    let either =
        AnyOfBuilder::new().item(Ref::from_schema_name("Problem")).item(Ref::from_schema_name("OutcomeProblem"));
    let either = RefOr::T(Schema::AnyOf(either.build()));
    for (status, answer) in answers {
        let RefOr::T(answer) = answer else { continue };
        if status == "202" {
            continue;
        }
        let mut outcome = Header::new(Ref::from_schema_name("Outcome"));
        outcome.description = Some("How the request ended; not there if this is no outcome.".to_owned());
        answer.headers.insert("Roundtrip-Outcome".to_owned(), outcome.into());
        let mut attempts = Header::new(ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)));
        attempts.description = Some("How many attempts were counted; not there if this is no outcome.".to_owned());
        answer.headers.insert("Roundtrip-Attempts".to_owned(), attempts.into());
        for (name, header) in of_accepted.iter().filter(|(name, _)| *name != "Retry-After") {
            answer.headers.entry(name.clone()).or_insert_with(|| header.clone());
        }
        for content in answer.content.values_mut() {
            if let RefOr::T(content) = content
                && content.schema == Some(Ref::from_schema_name("Problem").into())
            {
                content.schema = Some(either.clone());
            }
        }
    }
}

/// The answer that carries an outcome.
pub(crate) fn answer(outcome: Outcome) -> Response {
    let (kind, attempts) = (outcome.kind(), outcome.attempts);
    let mut response = match outcome.problem() {
        Some(problem) => failure(kind, &problem),
        None => reply(outcome),
    };
    response.headers_mut().insert(OUTCOME, HeaderValue::from_static(kind.as_str()));
    response.headers_mut().insert(ATTEMPTS, attempts.into());
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
