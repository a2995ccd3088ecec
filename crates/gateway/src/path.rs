//! The names in a path, and the paths that answers name.

use std::str::FromStr;

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use roundtrip_client::{ChannelName, DeliveryToken, TicketId};

use crate::problem::Problem;

/// The one name in a path as the extractor finds it.
pub(crate) type Segment = Result<Path<String>, PathRejection>;

pub(crate) fn channel(segment: Segment) -> Result<ChannelName, Problem> {
    parse(segment, "/v1/channels/{channel} needs a channel's name")
}

pub(crate) fn ticket(segment: Segment) -> Result<TicketId, Problem> {
    parse(segment, "/v1/requests/{ticket} needs a ticket")
}

pub(crate) fn delivery(segment: Segment) -> Result<DeliveryToken, Problem> {
    parse(segment, "/v1/deliveries/{delivery} needs the token of a delivery")
}

/// Where a request is.
pub(crate) fn of_request(ticket: &TicketId) -> String {
    format!("/v1/requests/{ticket}")
}

/// Where its outcome is.
pub(crate) fn of_reply(ticket: &TicketId) -> String {
    format!("/v1/requests/{ticket}/reply")
}

/// Where a delivery is settled.
pub(crate) fn of_delivery(token: &DeliveryToken) -> String {
    format!("/v1/deliveries/{token}")
}

fn parse<T: FromStr<Err: std::fmt::Display>>(segment: Segment, needed: &str) -> Result<T, Problem> {
    let text = segment.map_err(|_| Problem::invalid(format!("{needed}; what came is no text in UTF-8.")))?.0;
    text.parse().map_err(|error| Problem::invalid(format!("{needed}: {error}.")))
}
