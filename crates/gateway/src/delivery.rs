//! `POST /v1/channels/{channel}/deliveries`: takes one request to work on, for as long as a lease lasts.
//!
//! What is taken belongs to the token in its URL, which the gateway does not remember: any gateway of the same broker goes
//! on with it.

pub(crate) mod lease;
pub(crate) mod part;
pub(crate) mod progress;
pub(crate) mod settlement;

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use roundtrip_client::{Pulled, Request};
use utoipa::IntoParams;

use crate::gateway::Shared;
use crate::line::Unwritten;
use crate::path::{self, OfChannel, Segment};
use crate::problem::{Details, Problem};
use crate::query::{self, Parameters, Query};
use crate::{field, meta, wait};

/// How long a delivery is waited for and lasts, as it is described.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it is read by the macro alone")]
pub(crate) struct Terms {
    /// How long to wait for a request: whole seconds from 0 to 60, with or without `s`.
    #[param(required = false, pattern = "^0*(?:[0-9]|[1-5][0-9]|60)s?$", example = "20")]
    wait: String,
    /// The lease to ask for, in seconds; fractions allowed, with or without `s`. At least a millisecond; the channel's
    /// `max_lease` is the longest, and its own counts if left out.
    #[param(
        required = false,
        pattern = r"^(?:[1-9][0-9]{0,18}(?:\.[0-9]{1,9})?|0\.[0-9]{0,2}[1-9][0-9]{0,6})s?$",
        example = "900"
    )]
    lease: String,
}

/// Takes one request to work on
///
/// For as long as its lease lasts, which only `/renew` prolongs. The answer has the payload as it was submitted, with its
/// `Content-Type` and application headers. Whoever is gone before the answer was written has taken nothing.
#[utoipa::path(
    post,
    path = "/v1/channels/{channel}/deliveries",
    params(OfChannel, Terms),
    responses(
        (status = 200, description = "The request.", body = serde_json::Value, content_type = "*/*", headers(
            ("Roundtrip-Delivery" = String, description = "The path under which the delivery is settled. Whoever knows it has \
             the delivery."),
            ("Roundtrip-Lease" = f64, description = "How many seconds the lease lasts, from now and from each renewal."),
            ("Roundtrip-Remaining" = f64, description = "How many seconds are left for the work: until the request's \
             deadline or the end of the attempt."),
            ("Roundtrip-Ticket" = String, description = "The request's ticket."),
            ("Roundtrip-Requester" = String, description = "Whose request it is."),
            ("Roundtrip-Operation" = String, description = "The name of what is asked for, if it has one."),
            ("Roundtrip-Attempt" = u32, description = "Which attempt it is, counted from 1."),
            ("Roundtrip-Redrive-Of" = String, description = "The dead letter that the request was made of, if it was."),
        ), example = json!("hello")),
        (status = 204, description = "There was none in time."),
        (status = 404, description = "`unknown_channel`", body = Details),
        (status = 503, description = "`no_broker`: the broker does not answer; `broker_full`", body = Details),
    )
)]
pub(crate) async fn take(
    State(shared): State<Arc<Shared>>,
    channel: Segment,
    line: Option<Extension<Unwritten>>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let channel = path::channel(channel)?;
    let query = query::read(parameters, &["wait", "lease"])?;
    let wait = wait::of(&query)?.min(shared.longest_wait);
    let mut puller = shared.client.pull(channel.as_str());
    if let Some(lease) = lease(&query)? {
        puller = puller.lease(lease);
    }
    if !shared.readiness.is_connected() {
        return Err(Problem::no_broker());
    }
    let Some(pulled) = puller.take(1, wait).await?.pop() else {
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    let response = handed_over(&pulled);
    match line {
        Some(Extension(unwritten)) => unwritten.add(pulled),
        // Under another server than the gateway's own nobody sees what is written: then its lease ends what is lost.
        None => drop(pulled.leave()),
    }
    Ok(response)
}

fn lease(query: &Query) -> Result<Option<Duration>, Problem> {
    match query.seconds("lease")? {
        Some(lease) if lease < Duration::from_millis(1) => Err(Problem::invalid(
            "The parameter lease must be at least a millisecond, such as ?lease=900 for a quarter of an hour; it is less: \
             correct it, or leave it out for the channel's own.",
        )),
        lease => Ok(lease),
    }
}

fn handed_over(pulled: &Pulled) -> Response {
    let Request { operation, content_type, headers, payload, .. } = pulled.request();
    let mut response = Response::new(Body::from(payload.clone()));
    let into = response.headers_mut();
    meta::write(headers, into);
    field::put(into, header::CONTENT_TYPE, content_type);
    field::put(into, HeaderName::from_static("roundtrip-delivery"), &path::of_delivery(&pulled.token()));
    field::put(into, HeaderName::from_static("roundtrip-ticket"), &pulled.ticket().to_string());
    field::put(into, HeaderName::from_static("roundtrip-requester"), pulled.requester().as_str());
    field::put(into, HeaderName::from_static("roundtrip-operation"), operation);
    field::put(into, HeaderName::from_static("roundtrip-attempt"), &pulled.attempt().to_string());
    field::put(into, HeaderName::from_static("roundtrip-lease"), &seconds(pulled.lease()));
    if let Some(remaining) = pulled.remaining() {
        field::put(into, HeaderName::from_static("roundtrip-remaining"), &seconds(remaining));
    }
    if let Some(letter) = pulled.redrive_of() {
        field::put(into, HeaderName::from_static("roundtrip-redrive-of"), &letter.to_string());
    }
    response
}

/// In milliseconds at the finest, and whole where it is whole.
fn seconds(duration: Duration) -> String {
    match (duration.as_secs(), duration.subsec_millis()) {
        (whole, 0) => whole.to_string(),
        (whole, millis) => format!("{whole}.{millis:03}"),
    }
}
