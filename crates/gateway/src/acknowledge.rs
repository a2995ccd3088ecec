//! `POST /v1/requests/{ticket}/acknowledge`: the outcome was handled, and the broker may forget it.

pub(crate) mod parts;

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use roundtrip_client::{Requester, TicketId};

use crate::answer::within;
use crate::gateway::Shared;
use crate::path::{self, OfTicket, Segment};
use crate::problem::{Details, Problem};
use crate::refusal::NoBroker;
use crate::requester::{self, ByRequester};

/// The outcome was handled
///
/// The broker may forget it from now on. Under the name in `Roundtrip-Requester`, where the request has one. What was
/// acknowledged before stays so.
#[utoipa::path(post, path = "/v1/requests/{ticket}/acknowledge", params(OfTicket, ByRequester), responses(
    NoBroker,
    (status = 204, description = "It is acknowledged."),
    (status = 403, description = "`forbidden`: it is another requester's; `foreign_origin`: the call comes from a web page.",
     body = Details),
    (status = 409, description = "`no_outcome_yet`", body = Details),
))]
pub(crate) async fn acknowledge(
    State(shared): State<Arc<Shared>>,
    ticket: Segment,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let id = path::ticket(ticket)?;
    let requester = match requester::named(&headers)? {
        Some(name) => shared.client.requester(name.as_str()),
        None => shared.unnamed.clone(),
    };
    under(&shared, &requester, id).await
}

/// Acknowledges under this requester's name, or under none.
pub(crate) async fn under(shared: &Shared, requester: &Requester, id: TicketId) -> Result<StatusCode, Problem> {
    within(shared.answer_timeout, requester.attach_raw(id).acknowledge()).await?;
    Ok(StatusCode::NO_CONTENT)
}
