//! `/v1/mailboxes/{reply_channel}/{requester}/replies`: a requester's replies, to whoever follows its mailbox and to its
//! holder, each until it is acknowledged.

mod asked;
mod hold;
mod holder;
mod holds;
mod list;
mod reading;

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use roundtrip_client::{ChannelName, RequesterName, TicketId};
use tokio::time::Instant;

use crate::answer::within;
use crate::gateway::Shared;
use crate::outcome::Ended;
use crate::path::{self, OfMailbox, OfTicket, Segments};
use crate::problem::{Details, Problem};
use crate::query::{self, Parameters};
use crate::refusal::NoBroker;
use crate::{acknowledge, field, outcome, wait};
use asked::{Asked, Holding, Wanted};
use holder::ByHolder;
pub(crate) use holds::Holds;
use list::ListOrReply;
pub(crate) use list::Listed;
use reading::Reading;
pub(crate) use reading::Room;

/// Whose mailbox, on which reply channel.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Address {
    pub(crate) reply_channel: ChannelName,
    pub(crate) requester: RequesterName,
}

/// Reads a mailbox
///
/// As a list, oldest first, at most 100; or, with `open` or `Roundtrip-Holder`, as its holder, who is given the oldest
/// reply as `GET /v1/requests/{ticket}/reply` gives it. Neither takes anything: a reply stays until it is acknowledged.
#[utoipa::path(
    get,
    path = "/v1/mailboxes/{reply_channel}/{requester}/replies",
    operation_id = "read_mailbox",
    params(OfMailbox, Wanted, ByHolder),
    responses(
        Ended,
        (status = 200, description = "The list; or `replied`: the oldest reply's payload, with its content type and its \
         application headers.", headers(
            ("Roundtrip-Holder" = String, description = "The holder's name, to be sent back with each later call."),
            ("Roundtrip-Ticket" = String, description = "Whose outcome it is, if it is one."),
            ("Roundtrip-Reply" = String, description = "The path to `DELETE` when it was handled."),
         ), content(
            (ListOrReply = "application/json", example = json!([{
                "ticket": "shout_request:0190d5a3-7b1e-7cc0-8000-3c5f1f6a2b11",
                "channel": "shout_request",
                "operation": "shout",
                "outcome": "replied",
            }])),
            (serde_json::Value = "*/*", example = json!("HELLO")),
        )),
        (status = 204, description = "There was no reply for its holder in time.", headers(
            ("Roundtrip-Holder" = String, description = "The holder's name, to be sent back with each later call."),
        )),
        (status = 404, description = "`unknown_channel`", body = Details),
        (status = 409, description = "`mailbox_taken`: another holds it", body = Details),
        (status = 503, description = "`gateway_full`: too many held mailboxes or readers at once; `broker_full`; `no_broker`; \
         `no_random`",
         body = Details),
    )
)]
pub(crate) async fn replies(
    State(shared): State<Arc<Shared>>,
    mailbox: Segments<(String, String)>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let address = path::mailbox(mailbox)?;
    let query = query::read(parameters, &["wait", "after", "open", "lease"])?;
    let until = Instant::now() + wait::of(&query)?.min(shared.longest_wait);
    match Asked::read(&query, &headers)? {
        Asked::List { after } => list::list(&shared, &address, after, until).await,
        Asked::Oldest { holding, after } => oldest(&shared, &address, holding, after.as_ref(), until).await,
    }
}

/// A reply was handled
///
/// The broker may forget it from now on. It needs no holder. What was acknowledged before stays so.
#[utoipa::path(
    delete,
    path = "/v1/mailboxes/{reply_channel}/{requester}/replies/{ticket}",
    operation_id = "acknowledge_reply",
    params(OfMailbox, OfTicket),
    responses(
        NoBroker,
        (status = 204, description = "It is acknowledged."),
        (status = 403, description = "`forbidden`: it is another requester's; `foreign_origin`: the call comes from a web page.",
         body = Details),
        (status = 409, description = "`no_outcome_yet`", body = Details),
    )
)]
pub(crate) async fn acknowledge(
    State(shared): State<Arc<Shared>>,
    reply: Segments<(String, String, String)>,
) -> Result<StatusCode, Problem> {
    let (address, id) = path::reply(reply)?;
    acknowledge::under(&shared, &shared.client.requester(address.requester.as_str()), id).await
}

/// It is read as a follower reads, and so is the oldest that was not acknowledged, whoever was given it before.
async fn oldest(
    shared: &Shared,
    address: &Address,
    holding: Holding,
    after: Option<&TicketId>,
    until: Instant,
) -> Result<Response, Problem> {
    let held = within(shared.answer_timeout, shared.holds.open(&shared.client, address, holding)).await?;
    let reply = tokio::select! {
        biased;
        reply = Reading::oldest(shared, address, after, until) => reply?,
        () = held.ended() => return Err(Problem::mailbox_taken()),
    };
    let mut response = match reply {
        None => StatusCode::NO_CONTENT.into_response(),
        Some(reply) => {
            let mut response = outcome::answer(reply.outcome);
            name(response.headers_mut(), address, &reply.ticket);
            response
        }
    };
    response.headers_mut().insert(holder::HOLDER, held.holder().into());
    Ok(response)
}

/// Says which reply it is, and where it is acknowledged.
fn name(headers: &mut HeaderMap, address: &Address, ticket: &TicketId) {
    field::put(headers, HeaderName::from_static("roundtrip-ticket"), &ticket.to_string());
    field::put(headers, HeaderName::from_static("roundtrip-reply"), &path::in_mailbox(address, ticket));
}
