//! The names in a path, and the paths that answers name.

use std::fmt::Display;
use std::str::FromStr;

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use roundtrip_client::{ChannelName, DeliveryToken, TicketId};

use crate::mailbox::Address;
use crate::problem::Problem;

/// The one name in a path as the extractor finds it.
pub(crate) type Segment = Result<Path<String>, PathRejection>;

/// Several names in a path as the extractor finds them.
pub(crate) type Segments<Names> = Result<Path<Names>, PathRejection>;

pub(crate) fn channel(segment: Segment) -> Result<ChannelName, Problem> {
    parse(segment, "/v1/channels/{channel} needs a channel's name")
}

pub(crate) fn ticket(segment: Segment) -> Result<TicketId, Problem> {
    parse(segment, "/v1/requests/{ticket} needs a ticket")
}

pub(crate) fn delivery(segment: Segment) -> Result<DeliveryToken, Problem> {
    parse(segment, "/v1/deliveries/{delivery} needs the token of a delivery")
}

pub(crate) fn mailbox(segments: Segments<(String, String)>) -> Result<Address, Problem> {
    let needed = "/v1/mailboxes/{reply-channel}/{requester}/replies needs the names of both";
    let (reply_channel, requester) = texts(segments, needed)?;
    Ok(Address { reply_channel: read(&reply_channel, needed)?, requester: read(&requester, needed)? })
}

pub(crate) fn reply(segments: Segments<(String, String, String)>) -> Result<(Address, TicketId), Problem> {
    let needed = "/v1/mailboxes/{reply-channel}/{requester}/replies/{ticket} needs two names and a ticket";
    let (reply_channel, requester, ticket) = texts(segments, needed)?;
    let address = Address { reply_channel: read(&reply_channel, needed)?, requester: read(&requester, needed)? };
    Ok((address, read(&ticket, needed)?))
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

/// Where the reply to a request is acknowledged, as one of a mailbox.
pub(crate) fn in_mailbox(mailbox: &Address, ticket: &TicketId) -> String {
    let Address { reply_channel, requester } = mailbox;
    format!("/v1/mailboxes/{reply_channel}/{requester}/replies/{ticket}")
}

fn parse<T: FromStr<Err: Display>>(segment: Segment, needed: &str) -> Result<T, Problem> {
    read(&texts(segment, needed)?, needed)
}

fn texts<Names>(segments: Segments<Names>, needed: &str) -> Result<Names, Problem> {
    let Path(names) = segments.map_err(|_| Problem::invalid(format!("{needed}; what came is no text in UTF-8.")))?;
    Ok(names)
}

fn read<T: FromStr<Err: Display>>(text: &str, needed: &str) -> Result<T, Problem> {
    text.parse().map_err(|error| Problem::invalid(format!("{needed}: {error}.")))
}
