//! `DELETE /v1/requests/{ticket}`: cancels a request, and does nothing else.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use roundtrip_client::{Cancellation, OutcomeKind};
use serde::Serialize;

use crate::answer::within;
use crate::gateway::Shared;
use crate::outcome::OUTCOME;
use crate::path::{self, Segment};
use crate::problem::{Problem, json};
use crate::status::JSON;

/// Answers which outcome the request has now, `cancelled` or the one that was first. Its payload is under `/reply`.
pub(crate) async fn cancel(State(shared): State<Arc<Shared>>, ticket: Segment) -> Result<Response, Problem> {
    #[derive(Serialize)]
    struct Ended<'a> {
        ticket: String,
        channel: &'a str,
        outcome: &'static str,
        reply: String,
    }
    let id = path::ticket(ticket)?;
    let kind = match within(shared.answer_timeout, shared.client.cancel(&id)).await? {
        Cancellation::Cancelled => OutcomeKind::Cancelled,
        Cancellation::Ended(kind) => kind,
    };
    let ended = Ended {
        ticket: id.to_string(),
        channel: id.channel.as_str(),
        outcome: kind.as_str(),
        reply: path::of_reply(&id),
    };
    let mut response = json(StatusCode::OK, JSON, &ended);
    response.headers_mut().insert(OUTCOME, HeaderValue::from_static(kind.as_str()));
    Ok(response)
}
