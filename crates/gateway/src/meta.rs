//! Application headers: the broker passes them on and reads none, and so does the gateway.
//!
//! `Roundtrip-Meta-NAME` is the header NAME; `traceparent`, `tracestate` and `ce-*` keep their names. HTTP does not know
//! capital letters in names, so that those that come are small.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use roundtrip_client::Headers;
use utoipa::IntoParams;

use crate::field;
use crate::problem::Problem;

/// What stands before an application header's name.
pub(crate) const PREFIX: &str = "roundtrip-meta-";

/// Those that have a name of their own, as they are described.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it is read by the macro alone")]
pub(crate) struct Traced {
    /// An application header, as W3C Trace Context has it.
    #[param(required = false, example = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")]
    traceparent: String,
    /// An application header, as W3C Trace Context has it.
    #[param(required = false, example = "ward=7")]
    tracestate: String,
}

/// The application headers of a call.
pub(crate) fn read(headers: &HeaderMap) -> Result<Headers, Problem> {
    let mut found = Vec::new();
    for (name, value) in headers {
        let inner = match name.as_str().strip_prefix(PREFIX) {
            Some("") => {
                return Err(Problem::invalid("Roundtrip-Meta- needs a name behind it, such as Roundtrip-Meta-Ward."));
            }
            Some(inner) => inner,
            None if passes(name.as_str()) => name.as_str(),
            None => continue,
        };
        found.push((inner.to_owned(), field::text(name.as_str(), value)?));
    }
    Ok(Headers(found))
}

/// Puts application headers into an answer. Those that HTTP cannot carry are left out.
pub(crate) fn write(headers: &Headers, into: &mut HeaderMap) {
    for (name, value) in &headers.0 {
        let name =
            if passes(name) { HeaderName::try_from(name) } else { HeaderName::try_from(format!("{PREFIX}{name}")) };
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.as_bytes())) {
            into.append(name, value);
        }
    }
}

fn passes(name: &str) -> bool {
    matches!(name, "traceparent" | "tracestate") || name.strip_prefix("ce-").is_some_and(|rest| !rest.is_empty())
}
