//! What a broker's refusal is over HTTP.

use std::time::Duration;

use axum::http::StatusCode;
use roundtrip_client::{
    AcknowledgeError, CancelError, PartError, PullError, Refusal, RefusalCode, RepliesError, SettleError, StopReason,
    SubmitError, WaitError,
};
use utoipa::IntoResponses;

use crate::path;
use crate::problem::{Details, Problem};

/// What any call may be answered that asks the broker, as it is described.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it is read by the macro alone")]
pub(crate) enum NoBroker {
    /// `no_broker`: the broker does not answer.
    #[response(status = 503)]
    Unavailable(Details<'static>),
}

/// What any call may be answered that asks for a request, as it is described.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it is read by the macro alone")]
pub(crate) enum OfRequest {
    /// `unknown_ticket`
    #[response(status = 404)]
    Unknown(Details<'static>),
    /// `no_broker`: the broker does not answer; `broker_full`: too many calls wait at once.
    #[response(status = 503)]
    Unavailable(Details<'static>),
}

/// What any call may be answered that goes on with a delivery or settles it, as it is described.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it is read by the macro alone")]
pub(crate) enum OfDelivery {
    /// `lease_lost`: the delivery is another's, or was settled in another way; `cancelled`, `expired`: nobody wants its result.
    #[response(status = 409)]
    Lost(Details<'static>),
}

/// What any call may be answered that brings a body, as it is described.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it is read by the macro alone")]
pub(crate) enum OfBody {
    /// `too_slow`: the body stopped coming.
    #[response(status = 408)]
    TooSlow(Details<'static>),
    /// `too_large`
    #[response(status = 413)]
    TooLarge(Details<'static>),
    /// `gateway_full`: too many payloads at once; `no_broker`: the broker does not answer.
    #[response(status = 503)]
    Unavailable(Details<'static>),
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let Refusal { code, message, retry_after_ms } = refusal;
        let (status, title) = match code {
            RefusalCode::UnknownChannel => (StatusCode::NOT_FOUND, "There is no such channel."),
            RefusalCode::UnknownTicket => return unknown_ticket(),
            RefusalCode::UnknownOperation => (StatusCode::BAD_REQUEST, "The channel does not take this operation."),
            RefusalCode::UnknownContentType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "The channel does not take this content type.")
            }
            RefusalCode::Invalid => (StatusCode::BAD_REQUEST, "The request contradicts the contract."),
            RefusalCode::Forbidden => (StatusCode::FORBIDDEN, "This is not allowed to the caller."),
            RefusalCode::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "The request is too large."),
            RefusalCode::KeyConflict => {
                (StatusCode::UNPROCESSABLE_ENTITY, "The idempotency key belongs to another request.")
            }
            RefusalCode::ChannelFull => (StatusCode::TOO_MANY_REQUESTS, "The channel is full."),
            RefusalCode::MailboxFull => (StatusCode::TOO_MANY_REQUESTS, "The requester's mailbox is full."),
            RefusalCode::BrokerFull => (StatusCode::SERVICE_UNAVAILABLE, "The broker is full."),
            RefusalCode::Draining => (StatusCode::SERVICE_UNAVAILABLE, "The broker is stopping."),
            RefusalCode::NoService => (StatusCode::SERVICE_UNAVAILABLE, "The channel has no service now."),
            RefusalCode::Storage => (StatusCode::SERVICE_UNAVAILABLE, "The broker's disk keeps nothing now."),
            _ => (StatusCode::SERVICE_UNAVAILABLE, "The broker refused the request."),
        };
        let problem = Self::new(status, code.as_str(), title, message);
        match retry_after_ms {
            Some(after) => problem.retry_after(Duration::from_millis(after)),
            None => problem,
        }
    }
}

impl From<SubmitError> for Problem {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Refused(refusal) => refusal.into(),
            SubmitError::Unconfirmed { ticket } | SubmitError::ClientClosed { ticket } => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "unconfirmed",
                "The broker did not say in time whether it accepts the request.",
                "The request may or may not have been accepted: Location says where it is if it was. To send it again and \
                 be sure that it is one request, give it an Idempotency-Key from the beginning.",
            )
            .retry_after(Duration::from_secs(1))
            .location(path::of_request(&ticket)),
            SubmitError::TooLarge { part, found, limit } => Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                RefusalCode::TooLarge.as_str(),
                "The request is too large.",
                format!("The request's {part} may have {limit} bytes and has {found}: send less."),
            )
            .limit(limit as u64),
            SubmitError::TooManyOpen { .. } => too_many(),
            SubmitError::Name(error) => Self::invalid(error.to_string()),
            _ => Self::no_broker(),
        }
    }
}

impl From<WaitError> for Problem {
    fn from(error: WaitError) -> Self {
        match error {
            WaitError::UnknownTicket => unknown_ticket(),
            // What can be wrong with a ticket is that no channel can have its channel's name.
            WaitError::Refused(refusal) if refusal.code == RefusalCode::Invalid => unknown_ticket(),
            WaitError::Refused(refusal) => refusal.into(),
            WaitError::TooManyOpen { .. } => too_many(),
            WaitError::Name(error) => Self::invalid(error.to_string()),
            _ => Self::no_broker(),
        }
    }
}

impl From<CancelError> for Problem {
    fn from(error: CancelError) -> Self {
        match error {
            CancelError::UnknownTicket => unknown_ticket(),
            CancelError::Name(error) => Self::invalid(error.to_string()),
            _ => Self::no_broker(),
        }
    }
}

impl From<AcknowledgeError> for Problem {
    fn from(error: AcknowledgeError) -> Self {
        match error {
            AcknowledgeError::NoOutcomeYet => Self::new(
                StatusCode::CONFLICT,
                "no_outcome_yet",
                "There is nothing to acknowledge yet.",
                "The request has no outcome yet: wait for it with GET on its /reply?wait=20, then acknowledge.",
            ),
            AcknowledgeError::Forbidden => Self::new(
                StatusCode::FORBIDDEN,
                RefusalCode::Forbidden.as_str(),
                "The request belongs to another requester.",
                "An outcome is acknowledged under its requester's name: send it in Roundtrip-Requester.",
            ),
            _ => Self::no_broker(),
        }
    }
}

impl From<PullError> for Problem {
    fn from(error: PullError) -> Self {
        match error {
            PullError::Refused(refusal) => refusal.into(),
            PullError::Name(error) => Self::invalid(error.to_string()),
            _ => Self::no_broker(),
        }
    }
}

impl From<RepliesError> for Problem {
    fn from(error: RepliesError) -> Self {
        match error {
            RepliesError::Taken | RepliesError::Held => Self::mailbox_taken(),
            RepliesError::Refused(refusal) => refusal.into(),
            RepliesError::TooManyOpen { .. } => too_many(),
            RepliesError::Name(error) => Self::invalid(error.to_string()),
            _ => Self::no_broker(),
        }
    }
}

impl From<SettleError> for Problem {
    fn from(error: SettleError) -> Self {
        match error {
            SettleError::LeaseLost | SettleError::SettledBefore => Self::new(
                StatusCode::CONFLICT,
                "lease_lost",
                "The delivery is not the caller's any more.",
                "Its lease ran out, or it was settled in another way: stop working on it. Others may have it now.",
            ),
            SettleError::Cancelled => unwanted("cancelled", "The request was cancelled."),
            SettleError::Expired => unwanted("expired", "The request has expired."),
            SettleError::TooLarge { limit } => too_large(limit),
            SettleError::MailboxBusy { retry_after } => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "mailbox_busy",
                "The broker has no room for this reply now.",
                "The delivery goes on, and so does its lease: renew it, and settle again.",
            )
            .retry_after(retry_after),
            SettleError::Invalid => Self::invalid(
                "The broker does not take this settlement: its content type, headers, code and message may have 60 KiB \
                 together, and no more. The delivery goes on: settle in another way.",
            ),
            _ => Self::no_broker(),
        }
    }
}

impl From<PartError> for Problem {
    fn from(error: PartError) -> Self {
        match error {
            PartError::Full => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "parts_full",
                "There is no room for another part of this request now.",
                "The parts that its requester has not acknowledged fill the channel's parts_room: renew the lease, and add \
                 this part again.",
            )
            .retry_after(Duration::from_secs(1)),
            PartError::TooLarge { limit } => too_large(limit),
            PartError::Missing { next } => {
                Self::invalid(format!("The parts of a delivery are numbered 1, 2, 3 and so on: the next one is {next}."))
            }
            PartError::Invalid => Self::invalid("The broker does not take this part: its headers are over their limit."),
            PartError::Stopped(StopReason::Cancelled) => SettleError::Cancelled.into(),
            PartError::Stopped(StopReason::Expired) => SettleError::Expired.into(),
            PartError::Stopped(_) | PartError::Settled => SettleError::LeaseLost.into(),
            _ => Self::no_broker(),
        }
    }
}

fn unwanted(code: &'static str, title: &'static str) -> Problem {
    let detail = "Nobody wants its result any more: stop working on it, and say so with POST on /stopped, which frees its place.";
    Problem::new(StatusCode::CONFLICT, code, title, detail)
}

fn too_large(limit: u64) -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        RefusalCode::TooLarge.as_str(),
        "The payload is too large.",
        format!("It may have {limit} bytes and has more. The delivery goes on: send less."),
    )
    .limit(limit)
}

fn unknown_ticket() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        RefusalCode::UnknownTicket.as_str(),
        "The broker does not know this ticket.",
        "It was never accepted, was acknowledged before, is past its channel's retention, or was held in memory by a \
         broker that was started anew.",
    )
}

fn too_many() -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        RefusalCode::BrokerFull.as_str(),
        "The gateway follows as many requests as its broker allows.",
        "Too many calls wait at once: try again later, or wait with fewer.",
    )
    .retry_after(Duration::from_secs(1))
}
