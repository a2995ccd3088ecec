//! `POST /v1/channels/{channel}/requests`: submits a request, and waits for its outcome if the caller prefers that.

mod key;
mod terms;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use roundtrip_client::RawTicket;
use serde::Serialize;
use utoipa::ToSchema;

use crate::body::Whole;
use crate::gateway::Shared;
use crate::meta::Traced;
use crate::outcome::Ended;
use crate::path::{self, OfChannel, Segment};
use crate::preference::Preference;
use crate::problem::{Details, Problem, json};
use crate::status::{JSON, RETRY_AFTER};
use crate::{field, outcome, wait};
use terms::{Asked, Terms};

/// Submits a request
///
/// The body is the payload, and its `Content-Type` goes with it as it stands. `Roundtrip-Meta-NAME`, `traceparent`,
/// `tracestate` and `ce-*` are application headers, which are passed on. Without `Prefer: wait=N` the answer is 202 at once,
/// with it the outcome if that comes in time. Every answer to an accepted request has `Location`.
#[utoipa::path(
    post,
    path = "/v1/channels/{channel}/requests",
    params(OfChannel, Asked, Traced),
    request_body(description = "The payload.", content(
        (String = "text/plain", example = json!("hello")),
        (serde_json::Value = "application/json", example = json!({"patient": 4711})),
        ("application/octet-stream"),
    )),
    responses(
        Ended,
        (status = 202, description = "It is accepted.", body = Accepted, headers(
            ("Location" = String, description = "The path of the request."),
            ("Retry-After" = u64, description = "In how many seconds to ask for it."),
            ("Preference-Applied" = String, description = "What was done of `Prefer`."),
            ("Roundtrip-Duplicate" = bool, description = "`true` if the idempotency key was known: it is the same request."),
        )),
        (status = 400, description = "`invalid`: the detail says what was expected; `unknown_operation`", body = Details),
        (status = 404, description = "`unknown_channel`", body = Details),
        (status = 408, description = "`too_slow`: the payload stopped coming", body = Details),
        (status = 413, description = "`too_large`", body = Details),
        (status = 415, description = "`unknown_content_type`: the channel takes others", body = Details),
        (status = 422, description = "`key_conflict`: the key belongs to another request", body = Details),
        (status = 429, description = "`channel_full`, `mailbox_full`", body = Details),
        (status = 503, description = "`broker_full`, `draining`, `no_service`, `storage`, `gateway_full`, `no_broker`; \
         `unconfirmed`: `Location` says where the request is if it was accepted", body = Details),
    )
)]
pub(crate) async fn submit(
    State(shared): State<Arc<Shared>>,
    channel: Segment,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let channel = path::channel(channel)?;
    let terms = Terms::read(&headers)?;
    let Whole { payload, room } = shared.bodies.read(&headers, body).await?;
    let ticket = terms.submission(&shared, &channel, payload).timeout(shared.answer_timeout).await?;
    drop(room);

    // From here on the request goes on whatever becomes of this call, and every answer says where.
    let preference = Preference::of(&headers);
    let mut response = match wait::outcome(&shared, &ticket, preference.wait()).await {
        Ok(Some(outcome)) => outcome::answer(outcome),
        Ok(None) | Err(_) => accepted(&ticket),
    };
    let headers = response.headers_mut();
    field::put(headers, header::LOCATION, &path::of_request(ticket.id()));
    if let Some(applied) = preference.applied() {
        headers.insert("preference-applied", applied);
    }
    if ticket.is_duplicate() {
        headers.insert("roundtrip-duplicate", HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// An accepted request.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "ticket": "shout_request:0190d5a3-7b1e-7cc0-8000-3c5f1f6a2b11",
    "channel": "shout_request",
    "state": "accepted",
    "services": 1,
    "status": "/v1/requests/shout_request:0190d5a3-7b1e-7cc0-8000-3c5f1f6a2b11",
    "reply": "/v1/requests/shout_request:0190d5a3-7b1e-7cc0-8000-3c5f1f6a2b11/reply",
}))]
struct Accepted<'a> {
    /// The request's ticket.
    ticket: String,
    /// Its channel.
    channel: &'a str,
    /// Always `accepted`.
    #[schema(pattern = "^accepted$")]
    state: &'static str,
    /// How many services its channel has; null if the broker does not say.
    #[schema(required)]
    services: Option<u32>,
    /// The path of where it is.
    status: String,
    /// The path of its outcome.
    reply: String,
}

/// Nobody has asked where it is by now: what is known is that it was accepted, and where to ask.
fn accepted(ticket: &RawTicket) -> Response {
    let id = ticket.id();
    let accepted = Accepted {
        ticket: id.to_string(),
        channel: id.channel.as_str(),
        state: "accepted",
        services: ticket.services(),
        status: path::of_request(id),
        reply: path::of_reply(id),
    };
    let mut response = json(StatusCode::ACCEPTED, JSON, &accepted);
    response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
    response
}
