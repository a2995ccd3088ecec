//! What a command learns of its request by its environment.

use std::ffi::OsString;

use roundtrip::{Context, Request};

/// The variables of one request.
pub(crate) fn of(request: &Request, context: &Context) -> Vec<(String, String)> {
    let ticket = context.ticket();
    let mut variables = vec![
        ("ROUNDTRIP_CHANNEL".to_owned(), ticket.channel.to_string()),
        ("ROUNDTRIP_TICKET".to_owned(), ticket.to_string()),
        ("ROUNDTRIP_OPERATION".to_owned(), request.operation.clone()),
        ("ROUNDTRIP_ATTEMPT".to_owned(), context.attempt().to_string()),
        ("ROUNDTRIP_DELIVERY".to_owned(), context.delivery().to_string()),
        ("ROUNDTRIP_REQUESTER".to_owned(), context.requester().to_string()),
        ("ROUNDTRIP_CONTENT_TYPE".to_owned(), request.content_type.clone()),
    ];
    if let Some(remaining) = context.remaining() {
        variables.push(("ROUNDTRIP_REMAINING_MS".to_owned(), remaining.as_millis().to_string()));
    }
    variables.extend(request.headers.0.iter().map(|(name, value)| (header(name), value.clone())));
    // The system ends a variable at its first zero byte, and refuses to start the command.
    variables.retain(|(_, value)| !value.contains('\0'));
    variables
}

/// Variables of the process that started this one, which are about another request.
pub(crate) fn inherited() -> impl Iterator<Item = OsString> {
    let about_a_request = |name: &str| name == "ROUNDTRIP_REMAINING_MS" || name.starts_with("ROUNDTRIP_HEADER_");
    std::env::vars_os().map(|(name, _)| name).filter(move |name| about_a_request(&name.to_string_lossy()))
}

/// `trace-id` is `ROUNDTRIP_HEADER_TRACE_ID`.
fn header(name: &str) -> String {
    let upper = name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
    "ROUNDTRIP_HEADER_".chars().chain(upper).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_becomes_a_name_that_shells_take() {
        assert_eq!(header("trace-id"), "ROUNDTRIP_HEADER_TRACE_ID");
        assert_eq!(header("x=y é"), "ROUNDTRIP_HEADER_X_Y__");
    }
}
