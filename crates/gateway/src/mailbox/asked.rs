//! What a call wants of a mailbox: a list, or to hold it.

use std::time::Duration;

use axum::http::HeaderMap;
use roundtrip_client::{OpenMode, TicketId};
use utoipa::IntoParams;

use super::holder::Holder;
use crate::problem::Problem;
use crate::query::Query;

/// The longest lease, in seconds.
const LONGEST_LEASE: u64 = 3_600;

/// How a mailbox is read, as it is described.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it is read by the macro alone")]
pub(super) struct Wanted {
    /// How long to wait for a reply: whole seconds from 0 to 60, with or without `s`.
    #[param(required = false, pattern = "^0*(?:[0-9]|[1-5][0-9]|60)s?$", example = "20")]
    wait: String,
    /// The ticket behind which a list goes on; it begins at the oldest if that is there no more. Not for a holder.
    #[param(
        required = false,
        max_length = 165,
        pattern = r"^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
        example = "shout_request:0190d5a3-7b1e-7cc0-8000-3c5f1f6a2b11"
    )]
    after: String,
    /// Become its holder: `if_free` if there is none, `take` to displace another.
    #[param(required = false, pattern = "^(?:if_free|take)$", example = "if_free")]
    open: String,
    /// How long the caller holds it from the end of each call on: whole seconds from 1 to 3600, with or without `s`; 30 if
    /// never said. Only for a holder.
    #[param(required = false, pattern = "^0*(?:[1-9][0-9]{0,2}|[12][0-9]{3}|3[0-5][0-9]{2}|3600)s?$", example = "600")]
    lease: String,
}

pub(super) enum Asked {
    /// What is there, behind a ticket that was listed before.
    List { after: Option<TicketId> },
    /// The oldest, for its holder, or the oldest behind a ticket that it was given before.
    Oldest { holding: Holding, after: Option<TicketId> },
}

/// How a caller holds a mailbox.
pub(super) struct Holding {
    /// Its name; none the first time.
    pub(super) holder: Option<Holder>,
    pub(super) mode: OpenMode,
    /// How long it holds from each call on, if it says so.
    pub(super) lease: Option<Duration>,
}

impl Asked {
    pub(super) fn read(query: &Query, headers: &HeaderMap) -> Result<Self, Problem> {
        let holder = Holder::of(headers)?;
        let mode = query.word("open", &[("if_free", OpenMode::IfFree), ("take", OpenMode::Take)])?;
        let lease = query.whole_seconds("lease", 1, LONGEST_LEASE)?;
        let after = query.text("after").map(ticket).transpose()?;
        match (mode, &holder) {
            (None, None) if lease.is_some() => Err(Problem::invalid(
                "The parameter lease is for who holds the mailbox; this call only reads it: add open=if_free, or leave \
                 it out.",
            )),
            (None, None) => Ok(Self::List { after }),
            _ => {
                let holding = Holding { holder, mode: mode.unwrap_or(OpenMode::IfFree), lease };
                Ok(Self::Oldest { holding, after })
            }
        }
    }
}

fn ticket(text: &str) -> Result<TicketId, Problem> {
    text.parse().map_err(|error| Problem::invalid(format!("The parameter after must be a ticket: {error}.")))
}
