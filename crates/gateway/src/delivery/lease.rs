//! `POST {delivery}/renew`: the work goes on, and the lease begins anew.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;

use super::settlement::held;
use crate::answer::within;
use crate::gateway::Shared;
use crate::path::Segment;
use crate::problem::Problem;
use crate::query::{self, Parameters};

/// Also tells whether anybody still wants the result.
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
