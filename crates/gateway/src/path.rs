//! The names in a path, and the paths that answers name.

use std::fmt::Display;
use std::str::FromStr;

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use roundtrip_client::{ChannelName, DeliveryToken, TicketId};
use utoipa::IntoParams;

use crate::mailbox::Address;
use crate::problem::Problem;

/// The one name in a path as the extractor finds it.
pub(crate) type Segment = Result<Path<String>, PathRejection>;

/// Several names in a path as the extractor finds them.
pub(crate) type Segments<Names> = Result<Path<Names>, PathRejection>;

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

/// The path of a part of a request, as it is described.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it is read by the macro alone")]
pub(crate) struct OfPart {
    /// The part's id, `DELIVERY.NUMBER`, as it was told with it.
    #[param(max_length = 19, pattern = r"^(?:0|[1-9][0-9]{0,8})\.(?:0|[1-9][0-9]{0,8})$", example = "1.3")]
    part: String,
}

/// The path of what belongs to a delivery, as it is described.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it is read by the macro alone")]
pub(crate) struct OfDelivery {
    /// The delivery's token, `CHANNEL:ID:DELIVERY:START`, as it was answered in `Roundtrip-Delivery`.
    #[param(
        max_length = 192,
        pattern = r"^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}:[1-9][0-9]{0,8}:[0-9a-f]{1,16}$",
        example = "shout_request:0190d5a3-7b1e-7cc0-8000-3c5f1f6a2b11:1:5a5b01"
    )]
    delivery: String,
}

/// The path of a mailbox, as it is described.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it is read by the macro alone")]
pub(crate) struct OfMailbox {
    /// The reply channel's name.
    #[param(max_length = 128, pattern = r"^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$", example = "shout_reply")]
    reply_channel: String,
    /// Whose mailbox it is.
    #[param(max_length = 128, pattern = r"^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$", example = "night-shift")]
    requester: String,
}

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
    let needed = "/v1/mailboxes/{reply_channel}/{requester}/replies needs the names of both";
    let (reply_channel, requester) = texts(segments, needed)?;
    Ok(Address { reply_channel: read(&reply_channel, needed)?, requester: read(&requester, needed)? })
}

pub(crate) fn reply(segments: Segments<(String, String, String)>) -> Result<(Address, TicketId), Problem> {
    let needed = "/v1/mailboxes/{reply_channel}/{requester}/replies/{ticket} needs two names and a ticket";
    let (reply_channel, requester, ticket) = texts(segments, needed)?;
    let address = Address { reply_channel: read(&reply_channel, needed)?, requester: read(&requester, needed)? };
    Ok((address, read(&ticket, needed)?))
}

/// A request, and the id of one of its parts.
pub(crate) fn part(segments: Segments<(String, String)>) -> Result<(TicketId, String), Problem> {
    let needed = "/v1/requests/{ticket}/parts/{part} needs a ticket and a part";
    let (ticket, part) = texts(segments, needed)?;
    Ok((read(&ticket, needed)?, part))
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
