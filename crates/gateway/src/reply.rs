//! `GET /v1/requests/{ticket}/reply`: the outcome of a request, the one call that a script needs.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::Response;
use roundtrip_client::RequestState;

use crate::answer::within;
use crate::gateway::Shared;
use crate::outcome;
use crate::path::{self, Segment};
use crate::problem::{Problem, json};
use crate::query::Parameters;
use crate::status::{JSON, RETRY_AFTER, Status};
use crate::wait;

/// Reading acknowledges nothing: the outcome can be read again until it is acknowledged or its retention passes.
pub(crate) async fn reply(
    State(shared): State<Arc<Shared>>,
    ticket: Segment,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let id = path::ticket(ticket)?;
    let wait = wait::asked(parameters)?;
    let ticket = shared.unnamed.attach_raw(id.clone());
    if let Some(outcome) = wait::outcome(&shared, &ticket, wait).await? {
        return Ok(outcome::answer(outcome));
    }
    let state = within(shared.answer_timeout, ticket.state()).await?;
    if let RequestState::Ended(_) = state.state {
        return within(shared.answer_timeout, ticket.outcome()).await.map(outcome::answer);
    }
    let mut response = json(StatusCode::ACCEPTED, JSON, &Status::of(&id, &state));
    response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
    Ok(response)
}
