//! `POST {delivery}/progress`: how far the work is, for whoever follows the request.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use roundtrip_client::{OutcomeKind, RequestState, SettleError, WaitError};
use serde::Deserialize;

use super::settlement::held;
use crate::answer::answered;
use crate::body::Whole;
use crate::gateway::Shared;
use crate::path::Segment;
use crate::problem::Problem;
use crate::query::{self, Parameters};

/// The latest wins. It renews nothing.
pub(crate) async fn report(
    State(shared): State<Arc<Shared>>,
    delivery: Segment,
    parameters: Parameters,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, Problem> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Reached {
        fraction: f32,
        #[serde(default)]
        stage: String,
        #[serde(default)]
        note: String,
    }
    let delivery = held(&shared, delivery)?;
    query::read(parameters, &[])?;
    let Whole { payload, .. } = shared.bodies.read(&headers, body).await?;
    let reached: Option<Reached> = serde_json::from_slice(&payload).ok();
    let Some(Reached { fraction, stage, note }) = reached.filter(|it| (0.0..=1.0).contains(&it.fraction)) else {
        return Err(Problem::invalid(
            "The body must be JSON with fraction from 0 to 1, and if you like the texts stage and note, such as \
             {\"fraction\": 0.5, \"stage\": \"labs\"}; what came is something else.",
        ));
    };
    // A report is not answered, and the broker alone knows whether it counts. What is asked behind it says what became
    // of its delivery.
    delivery.note(fraction, stage, note);
    let token = delivery.token();
    let state = answered(shared.answer_timeout, shared.client.status(&token.ticket())).await?;
    match state.map(|told| told.state) {
        Ok(RequestState::InFlight { delivery: latest, .. }) if latest == token.delivery() => Ok(StatusCode::NO_CONTENT),
        Ok(RequestState::Ended(OutcomeKind::Cancelled)) => Err(SettleError::Cancelled.into()),
        Ok(RequestState::Ended(OutcomeKind::Expired)) => Err(SettleError::Expired.into()),
        Ok(_) | Err(WaitError::UnknownTicket) => Err(SettleError::LeaseLost.into()),
        Err(error) => Err(error.into()),
    }
}
