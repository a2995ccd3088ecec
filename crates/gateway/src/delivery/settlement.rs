//! `POST {delivery}/reply`, `/fail`, `/reject`, `/release`, `/throttle` and `/stopped`: how a delivery ends.
//!
//! 204 says that the broker has it. The same again is 204 again, while the broker knows the request.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use roundtrip_client::{HeldDelivery, Message, Problem as Failing, SettleError};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::answer::{answered, within};
use crate::body::{Whole, object};
use crate::field;
use crate::gateway::Shared;
use crate::meta::Traced;
use crate::path::{self, OfDelivery, Segment};
use crate::problem::{Details, Problem};
use crate::query::{self, Parameters};
use crate::refusal::{self, NoBroker, OfBody};

type Settled = Result<StatusCode, Problem>;

/// Settles it with a reply
///
/// The body is the outcome's payload, with its `Content-Type` and application headers: `Roundtrip-Meta-NAME`, `traceparent`,
/// `tracestate` and `ce-*`. The same again is 204 again.
#[utoipa::path(
    post,
    path = "/v1/deliveries/{delivery}/reply",
    operation_id = "settle_with_reply",
    params(OfDelivery, Traced),
    request_body(description = "The payload.", content(
        (String = "text/plain", example = json!("HELLO")),
        (serde_json::Value = "application/json", example = json!({"patient": 4711})),
        ("application/octet-stream"),
    )),
    responses(
        refusal::OfDelivery,
        OfBody,
        (status = 204, description = "The request has this reply."),
        (status = 503, description = "`mailbox_busy`: no room for this reply now, and the delivery goes on; `gateway_full`: too \
         many payloads at once; `no_broker`", body = Details),
    )
)]
pub(crate) async fn reply(
    State(shared): State<Arc<Shared>>,
    delivery: Segment,
    parameters: Parameters,
    headers: HeaderMap,
    body: Body,
) -> Settled {
    let delivery = held(&shared, delivery)?;
    query::read(parameters, &[])?;
    let (message, room) = shared.bodies.read(&headers, body).await?.message(&headers)?;
    let settled = settled(&shared, delivery.reply(message)).await;
    drop(room);
    settled
}

/// Whether another attempt may mend it, as it is described.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it is read by the macro alone")]
pub(crate) struct Retry {
    /// Whether another attempt may come; `false` if left out.
    #[param(required = false, example = true)]
    retry: bool,
    /// How long no other attempt comes, only with `retry=true`: seconds, fractions allowed, with or without `s`. The
    /// channel's own backoff if left out.
    #[param(required = false, pattern = r"^[0-9]{1,19}(?:\.[0-9]{1,9})?s?$", example = "30")]
    after: String,
}

/// Settles it with a failure
///
/// For good: the body, if there is one, travels whole as the typed error; from JSON the texts `code` and `message` are told
/// beside it, and a `status` from 400 to 599 is the requester's. With `retry=true` another attempt may mend it, and the body
/// is as that of `/reject`. The same again is 204 again.
#[utoipa::path(
    post,
    path = "/v1/deliveries/{delivery}/fail",
    params(OfDelivery, Retry),
    request_body(description = "The typed error.", content(
        (serde_json::Value = "application/json",
         example = json!({"code": "unknown_patient", "message": "nobody has this number", "status": 404})),
        (String = "text/plain", example = json!("nobody has this number")),
        ("application/octet-stream"),
    )),
    responses(
        refusal::OfDelivery,
        OfBody,
        (status = 204, description = "This attempt failed, or the request did."),
        (status = 503, description = "`mailbox_busy`: no room for this error now, and the delivery goes on; `gateway_full`: too \
         many payloads at once; `no_broker`", body = Details),
    )
)]
pub(crate) async fn fail(
    State(shared): State<Arc<Shared>>,
    delivery: Segment,
    parameters: Parameters,
    headers: HeaderMap,
    body: Body,
) -> Settled {
    let delivery = held(&shared, delivery)?;
    let query = query::read(parameters, &["retry", "after"])?;
    let (may_retry, after) =
        (query.word("retry", &[("true", true), ("false", false)])?.unwrap_or(false), query.seconds("after")?);
    if !may_retry && after.is_some() {
        return Err(Problem::invalid(
            "The parameter after says when another attempt may come, and goes with retry=true: add that, or leave after out.",
        ));
    }
    let Whole { payload, room } = shared.bodies.read(&headers, body).await?;
    if may_retry {
        let failing = told(&payload, "retryable")?;
        return settled(&shared, delivery.retry(failing, after)).await;
    }
    if payload.is_empty() {
        return settled(&shared, delivery.fail(Failing::new(FAILED, ""))).await;
    }
    let failing = told(&payload, FAILED).unwrap_or_else(|_| Failing::new(FAILED, ""));
    let content_type = field::single(&headers, "content-type")?.unwrap_or_default();
    let error = Message::new(payload).content_type(content_type);
    let settled = settled(&shared, delivery.fail_with(failing, error)).await;
    drop(room);
    settled
}

/// Settles it for dead
///
/// No other attempt comes. The same again is 204 again.
#[utoipa::path(
    post,
    path = "/v1/deliveries/{delivery}/reject",
    params(OfDelivery),
    request_body(description = "Why, if that is to be told.", content = Told),
    responses(refusal::OfDelivery, OfBody, (status = 204, description = "The request is dead."))
)]
pub(crate) async fn reject(
    State(shared): State<Arc<Shared>>,
    delivery: Segment,
    parameters: Parameters,
    headers: HeaderMap,
    body: Body,
) -> Settled {
    let delivery = held(&shared, delivery)?;
    query::read(parameters, &[])?;
    let Whole { payload, .. } = shared.bodies.read(&headers, body).await?;
    settled(&shared, delivery.reject(told(&payload, "rejected")?)).await
}

/// Gives it back
///
/// It is not counted as an attempt. The same again is 204 again.
#[utoipa::path(
    post,
    path = "/v1/deliveries/{delivery}/release",
    params(OfDelivery),
    responses(refusal::OfDelivery, NoBroker, (status = 204, description = "It is given back."))
)]
pub(crate) async fn release(State(shared): State<Arc<Shared>>, delivery: Segment, parameters: Parameters) -> Settled {
    let delivery = held(&shared, delivery)?;
    query::read(parameters, &[])?;
    settled(&shared, delivery.release()).await
}

/// How long a channel pauses, as it is described.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it is read by the macro alone")]
pub(crate) struct Pause {
    /// Seconds, fractions allowed, with or without `s`.
    #[param(pattern = r"^[0-9]{1,19}(?:\.[0-9]{1,9})?s?$", example = "30")]
    after: String,
}

/// Gives it back, and pauses its channel
///
/// What the service depends on is at its limit. It is not counted as an attempt. The same again is 204 again.
#[utoipa::path(
    post,
    path = "/v1/deliveries/{delivery}/throttle",
    params(OfDelivery, Pause),
    responses(refusal::OfDelivery, NoBroker, (status = 204, description = "It is given back, and the channel pauses."))
)]
pub(crate) async fn throttle(State(shared): State<Arc<Shared>>, delivery: Segment, parameters: Parameters) -> Settled {
    let delivery = held(&shared, delivery)?;
    let pause: Option<Duration> = query::read(parameters, &["after"])?.seconds("after")?;
    let pause = pause.ok_or_else(|| {
        Problem::invalid(
            "The parameter after must say for how many seconds the channel pauses, such as ?after=30; there is none.",
        )
    })?;
    settled(&shared, delivery.throttle(pause)).await
}

/// Says that unwanted work has ended
///
/// The work on a cancelled or expired request: its place is free.
#[utoipa::path(
    post,
    path = "/v1/deliveries/{delivery}/stopped",
    params(OfDelivery),
    responses(
        NoBroker,
        (status = 204, description = "Its place is free."),
        (status = 409, description = "`not_stopped`: it goes on; `lease_lost`: it is another's, or was settled", body = Details),
    )
)]
pub(crate) async fn stopped(State(shared): State<Arc<Shared>>, delivery: Segment, parameters: Parameters) -> Settled {
    let delivery = held(&shared, delivery)?;
    query::read(parameters, &[])?;
    match answered(shared.answer_timeout, delivery.renew()).await? {
        Ok(()) => Err(Problem::new(
            StatusCode::CONFLICT,
            "not_stopped",
            "The request was neither cancelled nor has it expired.",
            "Its delivery goes on: reply, or give it back with POST on /release.",
        )),
        // A settlement of such a delivery is dropped, and says that the work has ended.
        Err(SettleError::Cancelled | SettleError::Expired) => {
            match answered(shared.answer_timeout, delivery.release()).await? {
                Ok(()) | Err(SettleError::Cancelled | SettleError::Expired) => Ok(StatusCode::NO_CONTENT),
                Err(error) => Err(error.into()),
            }
        }
        Err(error) => Err(error.into()),
    }
}

/// The delivery that a path names.
pub(super) fn held(shared: &Shared, delivery: Segment) -> Result<HeldDelivery, Problem> {
    Ok(shared.client.held(&path::delivery(delivery)?))
}

async fn settled(shared: &Shared, answer: impl Future<Output = Result<(), SettleError>>) -> Settled {
    within(shared.answer_timeout, answer).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The code of a final failure that gives none.
const FAILED: &str = "failed";

/// What a failure says of itself.
#[derive(Deserialize, ToSchema)]
#[schema(as = Failure, example = json!({"code": "ehr_down", "message": "no answer"}))]
pub(crate) struct Told {
    /// What programs tell failures apart by.
    code: Option<String>,
    /// One sentence about it.
    message: Option<String>,
}

/// Nothing, or JSON with a `code` and a `message`.
fn told(payload: &[u8], usual: &str) -> Result<Failing, Problem> {
    if payload.is_empty() {
        return Ok(Failing::new(usual, ""));
    }
    let Some(Told { code, message }) = object(payload) else {
        return Err(Problem::invalid(
            "The body must be JSON with the texts code and message, both of which may be missing, or there is none; what \
             came is something else.",
        ));
    };
    Ok(Failing::new(code.unwrap_or_else(|| usual.to_owned()), message.unwrap_or_default()))
}
