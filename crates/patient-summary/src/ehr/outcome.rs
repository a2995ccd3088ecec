//! Answers that are not data: each an HTTP status and an OperationOutcome that says what was expected.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::fhir::FHIR_JSON;

/// The content type of everything the sample EHR says.
pub(super) const FHIR: [(HeaderName, HeaderValue); 1] = [(header::CONTENT_TYPE, HeaderValue::from_static(FHIR_JSON))];

/// Why a request gets no data. None of them repeats what was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("there is nothing here; expected /ehr/…, /medications/… or /immunizations/… and a resource type")]
    UnknownPath,
    #[error("this upstream does not serve that resource type; expected one of {}", served.join(", "))]
    UnknownType { served: &'static [&'static str] },
    #[error("this server only answers GET")]
    OnlyReading,
    #[error("the query cannot be read; expected parameters such as ?patient=ID&_count=50")]
    BadQuery,
    #[error("expected the parameter {expected}")]
    MissingPatient { expected: &'static str },
    #[error("`{parameter}` was given more than once with different values; expected one")]
    Contradiction { parameter: &'static str },
    #[error("`_count` must be a whole number from 1 to 1000")]
    BadCount,
    #[error("the page is not one that this server named; follow `link` as it is")]
    BadPage,
    #[error("over this upstream's quota; wait as long as Retry-After says")]
    Throttled { retry_after: Duration },
    #[error("this upstream is down; try again later")]
    Down,
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::UnknownPath | Self::UnknownType { .. } => StatusCode::NOT_FOUND,
            Self::OnlyReading => StatusCode::METHOD_NOT_ALLOWED,
            Self::Throttled { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Down => StatusCode::SERVICE_UNAVAILABLE,
            Self::BadQuery
            | Self::MissingPatient { .. }
            | Self::Contradiction { .. }
            | Self::BadCount
            | Self::BadPage => StatusCode::BAD_REQUEST,
        }
    }

    /// The issue type, of FHIR's own list.
    fn code(&self) -> &'static str {
        match self {
            Self::UnknownPath => "not-found",
            Self::UnknownType { .. } | Self::OnlyReading => "not-supported",
            Self::BadQuery => "structure",
            Self::MissingPatient { .. } => "required",
            Self::Contradiction { .. } | Self::BadCount | Self::BadPage => "value",
            Self::Throttled { .. } => "throttled",
            Self::Down => "transient",
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let outcome = OperationOutcome {
            resource_type: "OperationOutcome",
            issue: [Issue { severity: "error", code: self.code(), diagnostics: self.to_string() }],
        };
        let mut response = (self.status(), FHIR, Json(outcome)).into_response();
        if let Self::Throttled { retry_after } = self {
            // Whole seconds, rounded up: a client that waits them out finds a token.
            let seconds = (retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0)).max(1);
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

#[derive(Serialize)]
struct OperationOutcome {
    #[serde(rename = "resourceType")]
    resource_type: &'static str,
    issue: [Issue; 1],
}

#[derive(Serialize)]
struct Issue {
    severity: &'static str,
    code: &'static str,
    diagnostics: String,
}
