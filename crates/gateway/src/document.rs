//! `GET /openapi.json`: what the gateway takes and answers, for programs that write clients and tests.
//!
//! What it says of a call stands beside the call. Here stands what is the same for all.

use std::sync::LazyLock;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use utoipa::OpenApi;
use utoipa::openapi::RefOr;

use crate::mailbox::Listed;
use crate::outcome::{LastProblem, OutcomeProblem};
use crate::problem::Details;
use crate::status::JSON;
use crate::{gateway, guard, outcome, problem};

/// What all calls have in common.
#[derive(OpenApi)]
#[openapi(
    components(schemas(Details, OutcomeProblem, LastProblem, Listed)),
    info(
        title = "Roundtrip",
        description = "Requests over HTTP: submitted, followed, awaited, cancelled and acknowledged; and taken, worked on and \
                   settled by services. An answer that carries how a \
                   request ended has `Roundtrip-Outcome`, whatever its status; an answer without it says nothing about a \
                   request's end.",
    )
)]
pub(crate) struct Head;

/// It is the same for as long as the program runs.
static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| {
    let (_, mut document) = gateway::routes().split_for_parts();
    let calls = document.paths.paths.values_mut().flat_map(|path| {
        [&mut path.get, &mut path.post, &mut path.put, &mut path.patch, &mut path.delete].into_iter().flatten()
    });
    for call in calls {
        // A payload may be empty, and a failure need say nothing; no other body may be missing.
        if let Some(RefOr::T(body)) = &mut call.request_body
            && (body.content.contains_key("application/octet-stream") || call.operation_id.as_deref() == Some("reject"))
        {
            body.required = None;
        }
        guard::describe(call);
        problem::describe(call);
        outcome::describe(call);
    }
    if let Some(components) = &mut document.components {
        components.headers.extend(guard::confined());
    }
    // Nothing in it has a key that is no text.
    serde_json::to_vec(&document).unwrap_or_default().into()
});

/// This document
///
/// OpenAPI 3.1, in the version of the gateway that answers.
#[utoipa::path(get, path = "/openapi.json", responses(
    (status = 200, description = "The document.", body = serde_json::Value, example = json!({"openapi": "3.1.0"})),
))]
pub(crate) async fn document() -> Response {
    ([(header::CONTENT_TYPE, JSON)], DOCUMENT.clone()).into_response()
}
