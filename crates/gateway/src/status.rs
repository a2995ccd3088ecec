//! `GET /v1/requests/{ticket}`: where a request is.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use roundtrip_client::{Progress, RequestState, TicketId, TicketState};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

use crate::answer::within;
use crate::gateway::Shared;
use crate::path::{self, OfTicket, Segment};
use crate::problem::{Problem, json};
use crate::query::Parameters;
use crate::refusal::OfRequest;
use crate::wait::{self, Wait};

pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// When to look again, for whoever does not wait.
pub(crate) const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// Where a request is
///
/// With `wait` it waits that long for the request's outcome.
#[utoipa::path(get, path = "/v1/requests/{ticket}", params(OfTicket, Wait), responses(
    OfRequest,
    (status = 200, description = "It has no outcome yet.", body = Status),
    (status = 303, description = "It has its outcome, which `Location` says the path of.", headers(
        ("Location" = String, description = "The path of the outcome."),
    )),
))]
pub(crate) async fn state(
    State(shared): State<Arc<Shared>>,
    ticket: Segment,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let id = path::ticket(ticket)?;
    let wait = wait::asked(parameters)?;
    if !wait.is_zero() && wait::outcome(&shared, &shared.unnamed.attach_raw(id.clone()), wait).await?.is_some() {
        return Ok(see_reply(&id));
    }
    let state = within(shared.answer_timeout, shared.client.status(&id)).await?;
    Ok(match state.state {
        RequestState::Ended(_) => see_reply(&id),
        _ => json(StatusCode::OK, JSON, &Status::of(&id, &state)),
    })
}

fn see_reply(id: &TicketId) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, path::of_reply(id))]).into_response()
}

/// Where a request is, as callers are told.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "ticket": "shout_request:0190d5a3-7b1e-7cc0-8000-3c5f1f6a2b11",
    "channel": "shout_request",
    "state": "in_flight",
    "delivery": 1,
    "attempt": 1,
    "progress": {"fraction": 0.5, "stage": "drafting", "note": "page 3 of 6"},
    "ahead": 0,
    "services": 2,
    "attempts": 1,
    "remaining": 3583.25,
}))]
pub(crate) struct Status<'a> {
    /// The request's ticket.
    ticket: String,
    /// Its channel.
    channel: &'a str,
    #[schema(schema_with = states)]
    state: &'static str,
    /// Which delivery a service has, counted from 1; null if none has one.
    #[schema(required)]
    delivery: Option<u32>,
    /// Which attempt that is; null if no service has it.
    #[schema(required)]
    attempt: Option<u32>,
    /// How far its service says it is; null if it said nothing.
    #[schema(required)]
    progress: Option<Reached<'a>>,
    /// How many requests of its channel go before it.
    ahead: u64,
    /// How many services its channel has.
    services: u32,
    /// How many attempts were counted.
    attempts: u32,
    /// How many seconds remain until its deadline; null if nobody can say.
    #[schema(required)]
    remaining: Option<f64>,
    /// In how many seconds it begins to wait, if it is scheduled.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, value_type = f64)]
    begins_in: Option<f64>,
    /// The dead letter that it was made of, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, value_type = String)]
    redrive_of: Option<String>,
}

/// How far a service is with a request, in its own words.
#[derive(Serialize, ToSchema)]
#[schema(as = Progress)]
pub(crate) struct Reached<'a> {
    /// From 0 to 1.
    #[schema(minimum = 0, maximum = 1)]
    fraction: f32,
    /// What it does now.
    stage: &'a str,
    /// More about it.
    note: &'a str,
}

fn states() -> Object {
    let what = "Where it is; `open` is a state of a later broker.";
    let states = ["scheduled", "waiting", "in_flight", "backing_off", "open"];
    ObjectBuilder::new().schema_type(Type::String).description(Some(what)).enum_values(Some(states)).build()
}

impl<'a> Reached<'a> {
    pub(crate) fn of(progress: &'a Progress) -> Self {
        Self { fraction: progress.fraction, stage: &progress.stage, note: &progress.note }
    }
}

impl<'a> Status<'a> {
    pub(crate) fn of(id: &'a TicketId, told: &'a TicketState) -> Self {
        let state = match told.state {
            RequestState::Waiting => "waiting",
            RequestState::InFlight { .. } => "in_flight",
            RequestState::BackingOff => "backing_off",
            RequestState::Scheduled { .. } => "scheduled",
            _ => "open",
        };
        let (delivery, attempt) = match told.state {
            RequestState::InFlight { delivery, attempt } => (Some(delivery), Some(attempt)),
            _ => (None, None),
        };
        let begins_in = match told.state {
            RequestState::Scheduled { in_ms } => Some(seconds(Duration::from_millis(in_ms))),
            _ => None,
        };
        Self {
            ticket: id.to_string(),
            channel: id.channel.as_str(),
            state,
            delivery,
            attempt,
            progress: told.progress.as_ref().map(Reached::of),
            ahead: told.ahead,
            services: told.services,
            attempts: told.attempts,
            remaining: told.remaining.map(seconds),
            begins_in,
            redrive_of: told.redrive_of.map(|letter| letter.to_string()),
        }
    }
}

/// In whole milliseconds.
fn seconds(duration: Duration) -> f64 {
    duration.as_millis() as f64 / 1_000.0
}
