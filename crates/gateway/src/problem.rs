//! What the gateway says when it refuses: problem details of RFC 9457, with a code, and what to do.

use std::borrow::Cow;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use roundtrip_client::RefusalCode;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};
use utoipa::openapi::{Header, RefOr};

use crate::field;

/// The media type of problem details.
pub(crate) const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// The codes of the gateway's own, beside the broker's [`RefusalCode`]s.
const CODES: [&str; 19] = [
    "cancelled",
    "expired",
    "foreign_origin",
    "gateway_full",
    "lease_lost",
    "mailbox_busy",
    "mailbox_taken",
    "no_broker",
    "no_outcome_yet",
    "no_random",
    "not_stopped",
    "other_method",
    "parts_full",
    "recovering",
    "too_slow",
    "unconfirmed",
    "unknown_code",
    "unknown_host",
    "unknown_path",
];

const TYPE_PREFIX: &str = "urn:roundtrip:problem:";

/// Why a call was not answered with what it asked for. Says nothing about a request's end.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    detail: Cow<'static, str>,
    retry_after: Option<Duration>,
    location: Option<String>,
    limit: Option<u64>,
}

impl Problem {
    pub(crate) fn new(
        status: StatusCode,
        code: &'static str,
        title: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        debug_assert!(codes().any(|known| known == code), "{code} is not in the list of codes");
        Self { status, code, title, detail: detail.into(), retry_after: None, location: None, limit: None }
    }

    /// Something in the call contradicts the contract.
    pub(crate) fn invalid(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", "The call is not as it has to be.", detail)
    }

    /// The broker does not answer, or nobody can say so.
    pub(crate) fn no_broker() -> Self {
        let detail = "The gateway has no answer from its broker: it is not connected, or the broker is too busy. Try again; \
                      /readyz says 200 when it is connected.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "no_broker", "The broker does not answer.", detail)
            .retry_after(Duration::from_secs(1))
    }

    /// There is no room here for what the call needs.
    pub(crate) fn gateway_full(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "gateway_full", "The gateway is full.", detail)
            .retry_after(Duration::from_secs(1))
    }

    /// Somebody else holds the mailbox.
    pub(crate) fn mailbox_taken() -> Self {
        let detail = "A mailbox has one holder at a time. Read it without open, which takes nothing; try again later; or \
                      displace its holder with ?open=take.";
        Self::new(StatusCode::CONFLICT, "mailbox_taken", "Another holder has the mailbox.", detail)
    }

    pub(crate) fn unknown_path() -> Self {
        let detail = "There is POST /v1/channels/{channel}/requests; GET and DELETE /v1/requests/{ticket}; GET \
                      /v1/requests/{ticket}/reply; GET /v1/requests/{ticket}/events; POST \
                      /v1/requests/{ticket}/acknowledge and /v1/requests/{ticket}/parts/{part}/acknowledge; GET \
                      /v1/mailboxes/{reply_channel}/{requester}/replies; DELETE \
                      /v1/mailboxes/{reply_channel}/{requester}/replies/{ticket}; POST \
                      /v1/channels/{channel}/deliveries; POST /v1/deliveries/{delivery}/reply, fail, reject, release, \
                      throttle, stopped, renew, progress and part; GET /healthz and /readyz; and \
                      GET /openapi.json, which describes them all.";
        Self::new(StatusCode::NOT_FOUND, "unknown_path", "There is nothing under this path.", detail)
    }

    pub(crate) fn other_method() -> Self {
        let detail = "The path is right and the method is another: the header Allow lists those that there are.";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "other_method", "The path does not take this method.", detail)
    }

    /// When to try again, which is told in whole seconds.
    pub(crate) fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// Where to look for what may have been accepted.
    pub(crate) fn location(mut self, path: String) -> Self {
        self.location = Some(path);
        self
    }

    /// How many bytes there may be.
    pub(crate) fn limit(mut self, bytes: u64) -> Self {
        self.limit = Some(bytes);
        self
    }

    #[cfg(test)]
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }
}

/// Why a call was not answered with what it asked for (RFC 9457). It says nothing about a request's end.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem, example = json!({
    "type": "urn:roundtrip:problem:unknown_ticket",
    "title": "The broker does not know this ticket.",
    "status": 404,
    "detail": "It was never accepted, was acknowledged before, is past its channel's retention, or was held in memory by a \
               broker that was started anew.",
    "code": "unknown_ticket",
}))]
pub(crate) struct Details<'a> {
    /// `urn:roundtrip:problem:` and the code.
    r#type: String,
    /// One sentence that is the same for every such problem.
    title: &'a str,
    /// The answer's status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What was expected, what came, and what to do.
    detail: &'a str,
    #[schema(schema_with = code)]
    code: &'a str,
    /// How many bytes there may be, if there were too many.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, value_type = u64)]
    limit: Option<u64>,
}

fn code() -> Object {
    let what = "What programs tell problems apart by.";
    ObjectBuilder::new().schema_type(Type::String).description(Some(what)).enum_values(Some(codes())).build()
}

fn codes() -> impl Iterator<Item = &'static str> {
    RefusalCode::ALL.iter().map(|code| code.as_str()).chain(CODES)
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let details = Details {
            r#type: format!("{TYPE_PREFIX}{}", self.code),
            title: self.title,
            status: self.status.as_u16(),
            detail: &self.detail,
            code: self.code,
            limit: self.limit,
        };
        let mut response = json(self.status, PROBLEM_JSON, &details);
        let headers = response.headers_mut();
        if let Some(after) = self.retry_after {
            headers.insert(header::RETRY_AFTER, whole_seconds(after).into());
        }
        if let Some(path) = self.location {
            field::put(headers, header::LOCATION, &path);
        }
        response
    }
}

/// Completes the description of a call: a problem has its own media type, and some say when to try again.
pub(crate) fn describe(call: &mut Operation) {
    for (status, answer) in &mut call.responses.responses {
        let RefOr::T(answer) = answer else { continue };
        if status.as_str() < "400" {
            continue;
        }
        if let Some(content) = answer.content.swap_remove("application/json") {
            answer.content.insert("application/problem+json".to_owned(), content);
        }
        if let "429" | "503" = status.as_str() {
            let mut retry_after = Header::new(Object::with_type(Type::Integer));
            retry_after.description = Some("In how many seconds to try again, where that helps.".to_owned());
            answer.headers.insert("Retry-After".to_owned(), retry_after.into());
        }
    }
}

/// An answer of JSON.
pub(crate) fn json(status: StatusCode, media_type: HeaderValue, value: &impl Serialize) -> Response {
    // Nothing that is answered here has a key that is no text.
    let mut response = Response::new(Body::from(serde_json::to_vec(value).unwrap_or_default()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    response
}

/// Begun seconds included: whoever comes back then does not come too early.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0)).max(1)
}
