//! `DELETE /v1/requests/{ticket}`: cancels a request, and does nothing else.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use roundtrip_client::{Cancellation, OutcomeKind};
use serde::Serialize;
use utoipa::ToSchema;

use crate::answer::within;
use crate::gateway::Shared;
use crate::outcome::{OUTCOME, OutcomeName};
use crate::path::{self, OfTicket, Segment};
use crate::problem::{Problem, json};
use crate::refusal::OfRequest;
use crate::status::JSON;

/// Which outcome a request has once somebody tried to cancel it.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "ticket": "shout_request:0190d5a3-7b1e-7cc0-8000-3c5f1f6a2b11",
    "channel": "shout_request",
    "outcome": "cancelled",
    "ended_before": false,
    "reply": "/v1/requests/shout_request:0190d5a3-7b1e-7cc0-8000-3c5f1f6a2b11/reply",
}))]
struct Cancelled<'a> {
    /// The request's ticket.
    ticket: String,
    /// Its channel.
    channel: &'a str,
    /// `cancelled`, or whichever was first.
    #[schema(value_type = OutcomeName)]
    outcome: &'static str,
    /// Whether it had that before this call.
    ended_before: bool,
    /// The path of the outcome.
    reply: String,
}

/// Cancels a request
///
/// Answers which outcome the request has now, `cancelled` or the one that was first. Its payload is under `/reply`.
#[utoipa::path(delete, path = "/v1/requests/{ticket}", params(OfTicket), responses(
    OfRequest,
    (status = 200, description = "It has this outcome.", body = Cancelled, headers(
        ("Roundtrip-Outcome" = OutcomeName, description = "The outcome."),
    )),
))]
pub(crate) async fn cancel(State(shared): State<Arc<Shared>>, ticket: Segment) -> Result<Response, Problem> {
    let id = path::ticket(ticket)?;
    let (kind, ended_before) = match within(shared.answer_timeout, shared.client.cancel(&id)).await? {
        Cancellation::Cancelled => (OutcomeKind::Cancelled, false),
        Cancellation::Ended(kind) => (kind, true),
    };
    let ended = Cancelled {
        ticket: id.to_string(),
        channel: id.channel.as_str(),
        outcome: kind.as_str(),
        ended_before,
        reply: path::of_reply(&id),
    };
    let mut response = json(StatusCode::OK, JSON, &ended);
    response.headers_mut().insert(OUTCOME, HeaderValue::from_static(kind.as_str()));
    Ok(response)
}
