//! `POST {delivery}/progress`: how far the work is, for whoever follows the request.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use roundtrip_client::{OutcomeKind, RefusalCode, RequestState, SettleError, WaitError};
use serde::Deserialize;
use utoipa::ToSchema;

use super::settlement::held;
use crate::answer::answered;
use crate::body::{Whole, object};
use crate::gateway::Shared;
use crate::path::{OfDelivery, Segment};
use crate::problem::Problem;
use crate::query::{self, Parameters};
use crate::refusal::{self, OfBody};

/// How far the work is, in the service's own words.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Report, example = json!({"fraction": 0.5, "stage": "drafting", "note": "page 3 of 6"}))]
pub(crate) struct Reached {
    /// From 0 to 1.
    #[schema(minimum = 0, maximum = 1)]
    fraction: f64,
    /// What is done now. 256 bytes of it are kept.
    #[serde(default)]
    stage: String,
    /// More about it. 1,024 bytes of it are kept.
    #[serde(default)]
    note: String,
}

/// Says how far the work is
///
/// To whoever asks for the request or follows it. The latest wins. It does not renew the lease.
#[utoipa::path(
    post,
    path = "/v1/deliveries/{delivery}/progress",
    operation_id = "report",
    params(OfDelivery),
    request_body = Reached,
    responses(refusal::OfDelivery, OfBody, (status = 204, description = "It is told."))
)]
pub(crate) async fn report(
    State(shared): State<Arc<Shared>>,
    delivery: Segment,
    parameters: Parameters,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, Problem> {
    let delivery = held(&shared, delivery)?;
    query::read(parameters, &[])?;
    let Whole { payload, .. } = shared.bodies.read(&headers, body).await?;
    let reached = object::<Reached>(&payload).filter(|it| (0.0..=1.0).contains(&it.fraction));
    let Some(Reached { fraction, stage, note }) = reached else {
        return Err(Problem::invalid(
            "The body must be JSON with fraction from 0 to 1, and if you like the texts stage and note, such as \
             {\"fraction\": 0.5, \"stage\": \"labs\"}; what came is something else.",
        ));
    };
    // A report is not answered, and the broker alone knows whether it counts. What is asked behind it says what became
    // of its delivery.
    delivery.note(fraction as f32, stage, note);
    let token = delivery.token();
    let state = answered(shared.answer_timeout, shared.client.status(&token.ticket())).await?;
    match state.map(|told| told.state) {
        Ok(RequestState::InFlight { delivery: latest, .. }) if latest == token.delivery() => Ok(StatusCode::NO_CONTENT),
        Ok(RequestState::Ended(OutcomeKind::Cancelled)) => Err(SettleError::Cancelled.into()),
        Ok(RequestState::Ended(OutcomeKind::Expired)) => Err(SettleError::Expired.into()),
        // Of no request and of a channel that cannot be it is told as of a delivery that was lost, as when it is settled.
        Err(WaitError::Refused(refusal))
            if matches!(refusal.code, RefusalCode::Invalid | RefusalCode::UnknownChannel) =>
        {
            Err(SettleError::LeaseLost.into())
        }
        Ok(_) | Err(WaitError::UnknownTicket) => Err(SettleError::LeaseLost.into()),
        Err(error) => Err(error.into()),
    }
}
