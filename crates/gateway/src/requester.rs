//! Names in headers, and the one under which a call is made.

use axum::http::HeaderMap;
use roundtrip_client::{NameError, RequesterName};
use utoipa::IntoParams;

use crate::field;
use crate::problem::Problem;

/// The header that names a requester, as it is described.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it is read by the macro alone")]
pub(crate) struct ByRequester {
    /// Under whose name the call is made: needed if the request was submitted under one.
    #[param(
        required = false,
        rename = "Roundtrip-Requester",
        max_length = 128,
        pattern = r"^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$",
        example = "night-shift"
    )]
    requester: String,
}

/// The name in `Roundtrip-Requester`; none if the call gives none.
pub(crate) fn named(headers: &HeaderMap) -> Result<Option<RequesterName>, Problem> {
    name(headers, "roundtrip-requester", RequesterName::new)
}

/// A name in a header.
pub(crate) fn name<T>(
    headers: &HeaderMap,
    header: &'static str,
    parse: impl FnOnce(String) -> Result<T, NameError>,
) -> Result<Option<T>, Problem> {
    let Some(text) = field::single(headers, header)? else { return Ok(None) };
    parse(text).map(Some).map_err(|error| Problem::invalid(format!("The header {header} must be a name: {error}.")))
}
