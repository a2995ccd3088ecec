//! What a mailbox has, oldest first, a page at a time.

use axum::http::StatusCode;
use axum::response::Response;
use roundtrip_client::{Reply, TicketId};
use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{AnyOfBuilder, ArrayBuilder, Ref, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::{Address, Reading};
use crate::gateway::Shared;
use crate::outcome::OutcomeName;
use crate::problem::{Problem, json};
use crate::status::JSON;

/// How many replies a list has at most.
const MOST: usize = 100;

/// How many payloads may be on their way at once: they come with what is listed, and are dropped.
const WINDOW: u32 = 8;

/// A list waits for its first reply, and then for no other.
pub(super) async fn list(
    shared: &Shared,
    address: &Address,
    after: Option<TicketId>,
    until: Instant,
) -> Result<Response, Problem> {
    let mut reading = Reading::begin(shared, address, WINDOW).await?;
    let mut page = Page { after, listed: Vec::new() };
    loop {
        while !page.is_full()
            && let Some(reply) = reading.next_there().await?
        {
            page.add(reply);
        }
        if !page.listed.is_empty() {
            break;
        }
        match reading.next_until(until).await? {
            Some(reply) => page.add(reply),
            None => break,
        }
    }
    Ok(json(StatusCode::OK, JSON, &page.listed))
}

struct Page {
    /// The ticket that is still looked for, behind which the page begins.
    after: Option<TicketId>,
    listed: Vec<Listed>,
}

/// A reply in a list.
#[derive(Serialize, ToSchema)]
#[schema(as = ListedReply)]
pub(crate) struct Listed {
    /// The request's ticket.
    ticket: String,
    /// Its channel.
    channel: String,
    /// The name of what was asked for; empty if it has none.
    operation: String,
    /// How it ended.
    #[schema(value_type = OutcomeName)]
    outcome: &'static str,
}

/// What is answered as JSON, as it is described: a list, or to a holder whatever a service replied.
pub(super) struct ListOrReply;

impl PartialSchema for ListOrReply {
    fn schema() -> RefOr<Schema> {
        let listed = ArrayBuilder::new().items(Ref::from_schema_name("ListedReply"));
        AnyOfBuilder::new().item(listed).item(Value::schema()).into()
    }
}

impl ToSchema for ListOrReply {}

impl Page {
    fn is_full(&self) -> bool {
        self.after.is_none() && self.listed.len() >= MOST
    }

    /// What stands before the ticket is listed only if that does not come: it was acknowledged then, and nobody knows
    /// where it was.
    fn add(&mut self, reply: Reply) {
        if self.after.as_ref() == Some(&reply.ticket) {
            self.after = None;
            self.listed.clear();
        } else if self.listed.len() < MOST {
            self.listed.push(Listed {
                ticket: reply.ticket.to_string(),
                channel: reply.ticket.channel.as_str().to_owned(),
                operation: reply.operation,
                outcome: reply.outcome.kind().as_str(),
            });
        }
    }
}
