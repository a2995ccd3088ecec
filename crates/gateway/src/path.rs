//! The names in a path, and the paths that answers name.

use std::str::FromStr;

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use roundtrip_client::{ChannelName, TicketId};
use utoipa::IntoParams;

use crate::problem::Problem;

/// The one name in a path as the extractor finds it.
pub(crate) type Segment = Result<Path<String>, PathRejection>;

/// The path of what belongs to a channel, as it is described.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it is read by the macro alone")]
pub(crate) struct OfChannel {
    /// The channel's name.
    #[param(max_length = 128, pattern = r"^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$", example = "shout_request")]
    channel: String,
}

/// The path of what belongs to a request, as it is described.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it is read by the macro alone")]
pub(crate) struct OfTicket {
    /// The request's ticket, `CHANNEL:ID`, as it was answered to the submission.
    #[param(
        max_length = 165,
        pattern = r"^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
        example = "shout_request:0190d5a3-7b1e-7cc0-8000-3c5f1f6a2b11"
    )]
    ticket: String,
}

pub(crate) fn channel(segment: Segment) -> Result<ChannelName, Problem> {
    parse(segment, "/v1/channels/{channel}/requests needs a channel's name")
}

pub(crate) fn ticket(segment: Segment) -> Result<TicketId, Problem> {
    parse(segment, "/v1/requests/{ticket} needs a ticket")
}

/// Where a request is.
pub(crate) fn of_request(ticket: &TicketId) -> String {
    format!("/v1/requests/{ticket}")
}

/// Where its outcome is.
pub(crate) fn of_reply(ticket: &TicketId) -> String {
    format!("/v1/requests/{ticket}/reply")
}

fn parse<T: FromStr<Err: std::fmt::Display>>(segment: Segment, needed: &str) -> Result<T, Problem> {
    let text = segment.map_err(|_| Problem::invalid(format!("{needed}; what came is no text in UTF-8.")))?.0;
    text.parse().map_err(|error| Problem::invalid(format!("{needed}: {error}.")))
}
