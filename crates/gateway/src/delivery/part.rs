//! `POST {delivery}/part`: an interim result, behind those that are there.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use utoipa::IntoParams;

use super::settlement::held;
use crate::answer::within;
use crate::gateway::Shared;
use crate::meta::Traced;
use crate::path::{OfDelivery, Segment};
use crate::problem::{Details, Problem};
use crate::query::{self, Parameters};
use crate::refusal::{self, OfBody};

/// Which part it is, as it is described.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it is read by the macro alone")]
pub(crate) struct Numbered {
    /// Which part of the delivery it is: the next one if left out.
    #[param(required = false, minimum = 1, example = 1)]
    number: u32,
}

/// Adds an interim result
///
/// It goes behind those that there are, to whoever follows the request. With `number` it is that part and no other, so that
/// it can be sent again by whoever got no answer. The body is its payload, with its `Content-Type` and application headers:
/// `Roundtrip-Meta-NAME`, `traceparent`, `tracestate` and `ce-*`. It does not renew the lease.
#[utoipa::path(
    post,
    path = "/v1/deliveries/{delivery}/part",
    params(OfDelivery, Numbered, Traced),
    request_body(description = "The payload.", content(
        (String = "text/plain", example = json!("page 1")),
        (serde_json::Value = "application/json", example = json!({"page": 1})),
        ("application/octet-stream"),
    )),
    responses(
        refusal::OfDelivery,
        OfBody,
        (status = 204, description = "It is added.", headers(
            ("Roundtrip-Part" = u32, description = "Which part of the delivery it is, counted from 1."),
        )),
        (status = 503, description = "`parts_full`: no room for another part now, and the delivery goes on; `gateway_full`: too \
         many payloads at once; `no_broker`", body = Details),
    )
)]
pub(crate) async fn add_part(
    State(shared): State<Arc<Shared>>,
    delivery: Segment,
    parameters: Parameters,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let mut delivery = held(&shared, delivery)?;
    if let Some(number) = query::read(parameters, &["number"])?.number("number")? {
        delivery = delivery.after_part(number - 1);
    }
    let (part, room) = shared.bodies.read(&headers, body).await?.message(&headers)?;
    let number = within(shared.answer_timeout, delivery.try_part(part)).await?;
    drop(room);
    Ok((StatusCode::NO_CONTENT, [("roundtrip-part", number.to_string())]).into_response())
}
