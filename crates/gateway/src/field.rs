//! Header fields: reading one that stands at most once, of which a problem tells the name and never the value; and
//! writing one.

use axum::http::{HeaderMap, HeaderName, HeaderValue};

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

/// Puts a text into an answer. What is empty, or what HTTP cannot carry, is left out.
pub(crate) fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_bytes(value.as_bytes())
        && !value.is_empty()
    {
        headers.insert(name, value);
    }
}
