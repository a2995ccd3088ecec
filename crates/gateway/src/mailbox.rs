//! `/v1/mailboxes/{reply-channel}/{requester}/replies`: a requester's replies, to whoever follows its mailbox and to its
//! holder, each until it is acknowledged.

mod asked;
mod hold;
mod holder;
mod holds;
mod list;
mod reading;

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use roundtrip_client::{ChannelName, RequesterName, TicketId};
use tokio::time::Instant;

use crate::answer::within;
use crate::gateway::Shared;
use crate::path::{self, Segments};
use crate::problem::Problem;
use crate::query::{self, Parameters};
use crate::{acknowledge, outcome, wait};
use asked::{Asked, Holding};
pub(crate) use holds::Holds;
use reading::Reading;
pub(crate) use reading::Room;

/// Whose mailbox, on which reply channel.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Address {
    pub(crate) reply_channel: ChannelName,
    pub(crate) requester: RequesterName,
}

/// Lists what is there, or gives its holder the oldest. Neither takes anything: a reply stays until it is acknowledged.
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

/// The reply was handled, and the broker may forget it: by ticket, so that its holder may have gone meanwhile.
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
            name(&mut response, address, &reply.ticket);
            response
        }
    };
    response.headers_mut().insert(holder::HOLDER, held.holder().into());
    Ok(response)
}

/// Says which reply it is, and where it is acknowledged.
fn name(response: &mut Response, address: &Address, ticket: &TicketId) {
    let named = [("roundtrip-ticket", ticket.to_string()), ("roundtrip-reply", path::in_mailbox(address, ticket))];
    for (name, value) in named {
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(name, value);
        }
    }
}
