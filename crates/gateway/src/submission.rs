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

use crate::body::Whole;
use crate::gateway::Shared;
use crate::path::{self, Segment};
use crate::preference::Preference;
use crate::problem::{Problem, json};
use crate::status::{JSON, RETRY_AFTER};
use crate::{outcome, wait};
use terms::Terms;

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
    if let Ok(path) = HeaderValue::try_from(path::of_request(ticket.id())) {
        headers.insert(header::LOCATION, path);
    }
    if let Some(applied) = preference.applied() {
        headers.insert("preference-applied", applied);
    }
    if ticket.is_duplicate() {
        headers.insert("roundtrip-duplicate", HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// Nobody has asked where it is by now: what is known is that it was accepted, and where to ask.
fn accepted(ticket: &RawTicket) -> Response {
    #[derive(Serialize)]
    struct Accepted<'a> {
        ticket: String,
        channel: &'a str,
        state: &'static str,
        status: String,
        reply: String,
    }
    let id = ticket.id();
    let accepted = Accepted {
        ticket: id.to_string(),
        channel: id.channel.as_str(),
        state: "accepted",
        status: path::of_request(id),
        reply: path::of_reply(id),
    };
    let mut response = json(StatusCode::ACCEPTED, JSON, &accepted);
    response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
    response
}
