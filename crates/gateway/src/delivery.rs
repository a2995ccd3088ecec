//! `POST /v1/channels/{channel}/deliveries`: takes one request to work on, for as long as a lease lasts.
//!
//! What is taken belongs to the token in its URL, which the gateway does not remember: any gateway of the same broker goes
//! on with it.

mod lease;
mod part;
mod progress;
mod settlement;

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use roundtrip_client::{Pulled, Request};

pub(crate) use lease::renew;
pub(crate) use part::add_part;
pub(crate) use progress::report;
pub(crate) use settlement::{fail, reject, release, reply, stopped, throttle};

use crate::gateway::Shared;
use crate::line::Unwritten;
use crate::path::{self, Segment};
use crate::problem::Problem;
use crate::query::{self, Parameters, Query};
use crate::{meta, wait};

/// Waits for a request, up to `?wait=N`; 204 if none came. The lease is `?lease=N`, or the channel's.
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
    put(into, header::CONTENT_TYPE, content_type);
    put(into, HeaderName::from_static("roundtrip-delivery"), &path::of_delivery(&pulled.token()));
    put(into, HeaderName::from_static("roundtrip-ticket"), &pulled.ticket().to_string());
    put(into, HeaderName::from_static("roundtrip-requester"), pulled.requester().as_str());
    put(into, HeaderName::from_static("roundtrip-operation"), operation);
    put(into, HeaderName::from_static("roundtrip-attempt"), &pulled.attempt().to_string());
    put(into, HeaderName::from_static("roundtrip-lease"), &seconds(pulled.lease()));
    if let Some(remaining) = pulled.remaining() {
        put(into, HeaderName::from_static("roundtrip-remaining"), &seconds(remaining));
    }
    if let Some(letter) = pulled.redrive_of() {
        put(into, HeaderName::from_static("roundtrip-redrive-of"), &letter.to_string());
    }
    response
}

/// What is empty, or what HTTP cannot carry, is left out.
fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_bytes(value.as_bytes())
        && !value.is_empty()
    {
        headers.insert(name, value);
    }
}

/// In milliseconds at the finest, and whole where it is whole.
fn seconds(duration: Duration) -> String {
    match (duration.as_secs(), duration.subsec_millis()) {
        (whole, 0) => whole.to_string(),
        (whole, millis) => format!("{whole}.{millis:03}"),
    }
}
