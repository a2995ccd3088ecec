//! Reading a header field that stands at most once. What a problem tells is its name, never its value.

use axum::http::{HeaderMap, HeaderValue};

use crate::problem::Problem;

/// The text of a field; none if it is not there.
pub(crate) fn single(headers: &HeaderMap, name: &'static str) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => text(name, value).map(Some),
        (Some(_), Some(_)) => Err(Problem::invalid(format!(
            "The header {name} may stand once; it stands {} times: leave one.",
            values.count() + 2
        ))),
    }
}

/// The text of one value.
pub(crate) fn text(name: &str, value: &HeaderValue) -> Result<String, Problem> {
    let text = std::str::from_utf8(value.as_bytes()).map_err(|_| {
        Problem::invalid(format!("The header {name} must be text in UTF-8; its bytes are none: encode its value."))
    })?;
    Ok(text.trim_matches([' ', '\t']).to_owned())
}
