//! `GET /v1/requests/{ticket}/reply`: the outcome of a request, the one call that a script needs.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::Response;
use roundtrip_client::RequestState;

use crate::answer::within;
use crate::gateway::Shared;
use crate::outcome::{self, Ended};
use crate::path::{self, OfTicket, Segment};
use crate::problem::{Problem, json};
use crate::query::Parameters;
use crate::refusal::OfRequest;
use crate::status::{JSON, RETRY_AFTER, Status};
use crate::wait::{self, Wait};

/// How a request ended
///
/// The outcome, or where the request is while there is none. With `wait` it waits that long for the outcome. Reading
/// acknowledges nothing.
#[utoipa::path(get, path = "/v1/requests/{ticket}/reply", params(OfTicket, Wait), responses(
    Ended,
    OfRequest,
    (status = 202, description = "It has no outcome yet.", body = Status, headers(
        ("Retry-After" = u64, description = "In how many seconds to ask again."),
    )),
))]
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
