//! The name by which a holder is known over its calls.

use axum::http::{HeaderMap, HeaderValue, StatusCode};

use utoipa::IntoParams;

use crate::field;
use crate::problem::Problem;

/// The header in which the name is told and sent back.
pub(super) const HOLDER: &str = "roundtrip-holder";

/// 128 random bits, so that nobody holds under another's by chance.
const BYTES: usize = 16;

/// The header, as it is described.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it is read by the macro alone")]
pub(super) struct ByHolder {
    /// The holder's name, as it was answered. `open` may be left out then.
    #[param(
        required = false,
        rename = "Roundtrip-Holder",
        pattern = "^[0-9a-f]{32}$",
        example = "3f1c0de5a77b4a1e9f0e2d6c5b4a3921"
    )]
    holder: String,
}

/// A holder's name: 32 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Holder(String);

impl Holder {
    /// One that nobody has.
    pub(super) fn new() -> Result<Self, Problem> {
        let mut bytes = [0; BYTES];
        getrandom::fill(&mut bytes).map_err(|_| {
            let detail = "The gateway needs random numbers of its system, and got none: try again.";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "no_random", "The system gives no random numbers.", detail)
        })?;
        Ok(Self(format!("{:032x}", u128::from_ne_bytes(bytes))))
    }

    /// The one that a call sends; none if it sends none.
    pub(super) fn of(headers: &HeaderMap) -> Result<Option<Self>, Problem> {
        let Some(text) = field::single(headers, HOLDER)? else { return Ok(None) };
        let is_digit = |digit: u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
        if text.len() == 2 * BYTES && text.bytes().all(is_digit) {
            return Ok(Some(Self(text)));
        }
        Err(Problem::invalid(
            "The header roundtrip-holder must be sent back as it came, 32 digits 0 to 9 and a to f; it is another: send \
             it as it came, or leave it out and ask with open=if_free.",
        ))
    }
}

impl From<&Holder> for HeaderValue {
    fn from(holder: &Holder) -> Self {
        // Its digits are all that a header may have.
        Self::from_str(&holder.0).unwrap_or_else(|_| Self::from_static(""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &'static str) -> Result<Option<Holder>, Problem> {
        Holder::of(&[(HOLDER.parse().unwrap(), HeaderValue::from_static(text))].into_iter().collect())
    }

    #[test]
    fn a_name_is_new_each_time_and_read_as_it_was_told() {
        let name = Holder::new().unwrap();
        assert_ne!(name, Holder::new().unwrap());
        let headers = [(HOLDER.parse().unwrap(), HeaderValue::from(&name))].into_iter().collect();
        assert_eq!(Holder::of(&headers).unwrap(), Some(name));
    }

    #[test]
    fn what_is_no_name_is_told_and_not_repeated() {
        for text in ["", "secret", "0123456789ABCDEF0123456789ABCDEF", "0123456789abcdef0123456789abcdef0"] {
            let problem = format!("{:?}", of(text).unwrap_err());
            assert!(problem.contains("roundtrip-holder") && !problem.contains("secret"), "{problem}");
        }
    }
}
