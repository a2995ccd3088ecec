//! `POST {delivery}/part`: an interim result, behind those that are there.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use roundtrip_client::Message;

use super::settlement::held;
use crate::answer::within;
use crate::body::Whole;
use crate::gateway::Shared;
use crate::path::Segment;
use crate::problem::Problem;
use crate::query::{self, Parameters};
use crate::{field, meta};

/// With `?number=N` it is that part and no other, so that it can be sent again by whoever got no answer.
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
    let Whole { payload, room } = shared.bodies.read(&headers, body).await?;
    let content_type = field::single(&headers, "content-type")?.unwrap_or_default();
    let part = Message { content_type, headers: meta::read(&headers)?, payload };
    let number = within(shared.answer_timeout, delivery.try_part(part)).await?;
    drop(room);
    Ok((StatusCode::NO_CONTENT, [("roundtrip-part", number.to_string())]).into_response())
}
