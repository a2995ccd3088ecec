//! `GET /v1/requests/{ticket}`: where a request is.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use roundtrip_client::{Progress, RequestState, TicketId, TicketState};
use serde::Serialize;

use crate::answer::within;
use crate::gateway::Shared;
use crate::path::{self, Segment};
use crate::problem::{Problem, json};
use crate::query::Parameters;
use crate::wait;

pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// When to look again, for whoever does not wait.
pub(crate) const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

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
#[derive(Serialize)]
pub(crate) struct Status<'a> {
    ticket: String,
    channel: &'a str,
    state: &'static str,
    delivery: Option<u32>,
    progress: Option<Reached<'a>>,
    ahead: u64,
}

/// How far the work is, as callers are told.
#[derive(Serialize)]
pub(crate) struct Reached<'a> {
    fraction: f32,
    stage: &'a str,
    note: &'a str,
}

impl<'a> Reached<'a> {
    pub(crate) fn of(progress: &'a Progress) -> Self {
        Self { fraction: progress.fraction, stage: &progress.stage, note: &progress.note }
    }
}

impl<'a> Status<'a> {
    pub(crate) fn of(id: &'a TicketId, told: &'a TicketState) -> Self {
        let (state, delivery) = match told.state {
            RequestState::Waiting => ("waiting", None),
            RequestState::InFlight { delivery, .. } => ("in_flight", Some(delivery)),
            RequestState::BackingOff => ("backing_off", None),
            RequestState::Scheduled { .. } => ("scheduled", None),
            _ => ("open", None),
        };
        Self {
            ticket: id.to_string(),
            channel: id.channel.as_str(),
            state,
            delivery,
            progress: told.progress.as_ref().map(Reached::of),
            ahead: told.ahead,
        }
    }
}
