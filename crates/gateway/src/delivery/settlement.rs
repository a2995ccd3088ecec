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

use crate::answer::{answered, within};
use crate::body::Whole;
use crate::gateway::Shared;
use crate::path::{self, Segment};
use crate::problem::Problem;
use crate::query::{self, Parameters};
use crate::{field, meta};

type Settled = Result<StatusCode, Problem>;

/// The body is the reply's payload, with its content type and application headers.
pub(crate) async fn reply(
    State(shared): State<Arc<Shared>>,
    delivery: Segment,
    parameters: Parameters,
    headers: HeaderMap,
    body: Body,
) -> Settled {
    let delivery = held(&shared, delivery)?;
    query::read(parameters, &[])?;
    let Whole { payload, room } = shared.bodies.read(&headers, body).await?;
    let content_type = field::single(&headers, "content-type")?.unwrap_or_default();
    let message = Message { content_type, headers: meta::read(&headers)?, payload };
    let settled = settled(&shared, delivery.reply(message)).await;
    drop(room);
    settled
}

/// Final: the body is the typed error, which travels whole. With `?retry=true` another attempt may mend it, no earlier
/// than `&after=SECONDS`.
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

/// No other attempt: the request is dead.
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

/// Given back, not counted as an attempt.
pub(crate) async fn release(State(shared): State<Arc<Shared>>, delivery: Segment, parameters: Parameters) -> Settled {
    let delivery = held(&shared, delivery)?;
    query::read(parameters, &[])?;
    settled(&shared, delivery.release()).await
}

/// Given back, not counted, and the whole channel pauses.
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

/// The work on a cancelled or expired request has ended: its place is free.
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

/// What a failure says of itself: nothing, or JSON with a `code` and a `message`.
fn told(payload: &[u8], usual: &str) -> Result<Failing, Problem> {
    #[derive(Deserialize)]
    struct Told {
        code: Option<String>,
        message: Option<String>,
    }
    if payload.is_empty() {
        return Ok(Failing::new(usual, ""));
    }
    let Ok(Told { code, message }) = serde_json::from_slice(payload) else {
        return Err(Problem::invalid(
            "The body must be JSON with the texts code and message, both of which may be missing, or there is none; what \
             came is something else.",
        ));
    };
    Ok(Failing::new(code.unwrap_or_else(|| usual.to_owned()), message.unwrap_or_default()))
}
