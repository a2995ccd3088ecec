//! `POST {delivery}/renew`: the work goes on, and the lease begins anew.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;

use super::settlement::held;
use crate::answer::within;
use crate::gateway::Shared;
use crate::path::{OfDelivery, Segment};
use crate::problem::Problem;
use crate::query::{self, Parameters};
use crate::refusal::{self, NoBroker};

/// Renews the lease
///
/// It begins anew. Also tells whether anybody still wants the result: 409 `cancelled` or `expired` if not.
#[utoipa::path(
    post,
    path = "/v1/deliveries/{delivery}/renew",
    operation_id = "renew",
    params(OfDelivery),
    responses(refusal::OfDelivery, NoBroker, (status = 204, description = "It is renewed."))
)]
pub(crate) async fn renew(
    State(shared): State<Arc<Shared>>,
    delivery: Segment,
    parameters: Parameters,
) -> Result<StatusCode, Problem> {
    let delivery = held(&shared, delivery)?;
    query::read(parameters, &[])?;
    within(shared.answer_timeout, delivery.renew()).await?;
    Ok(StatusCode::NO_CONTENT)
}
