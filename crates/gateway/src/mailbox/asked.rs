//! What a call wants of a mailbox: a list, or to hold it.

use std::time::Duration;

use axum::http::HeaderMap;
use roundtrip_client::{OpenMode, TicketId};

use super::holder::Holder;
use crate::problem::Problem;
use crate::query::Query;

/// The longest lease, in seconds.
const LONGEST_LEASE: u64 = 3_600;

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
