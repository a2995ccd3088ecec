//! Waiting for an outcome: how long a call asks for, as `?wait=20`, and the wait itself.

use std::time::Duration;

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use roundtrip_client::{Outcome, RawTicket, WaitError};
use utoipa::IntoParams;

use crate::gateway::Shared;
use crate::problem::Problem;

/// No call waits longer.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What stands behind the question mark, as the extractor finds it.
pub(crate) type Parameters = Result<Query<Vec<(String, String)>>, QueryRejection>;

/// The same as it is described.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it is read by the macro alone")]
pub(crate) struct Wait {
    /// How long to wait for the outcome: whole seconds from 0 to 60, with or without `s`. The answer comes earlier if
    /// the outcome does.
    #[param(required = false, pattern = "^0*(?:[0-9]|[1-5][0-9]|60)s?$", example = "20")]
    wait: String,
}

/// The time to wait; none at all if the call does not say.
pub(crate) fn asked(parameters: Parameters) -> Result<Duration, Problem> {
    let wrong = |what: &str| {
        Problem::invalid(format!(
            "The only parameter is wait, once, in whole seconds from 0 to 60, such as ?wait=20 or ?wait=20s; {what}."
        ))
    };
    let Ok(Query(parameters)) = parameters else { return Err(wrong("what came does not decode")) };
    match parameters.as_slice() {
        [] => Ok(Duration::ZERO),
        [(name, value)] if name == "wait" => {
            let seconds =
                whole(value.strip_suffix('s').unwrap_or(value)).ok_or_else(|| wrong("its value is another"))?;
            let wait = Duration::from_secs(seconds);
            if wait > LONGEST_WAIT {
                return Err(wrong("it asks for more: ask again when it passed"));
            }
            Ok(wait)
        }
        [_] => Err(wrong("the one that came has another name")),
        more => Err(wrong(&format!("{} came", more.len()))),
    }
}

/// Waits that long for the outcome, but no longer than the gateway has it; none if it did not come. Whoever stops waiting
/// stops nothing else.
pub(crate) async fn outcome(shared: &Shared, ticket: &RawTicket, wait: Duration) -> Result<Option<Outcome>, WaitError> {
    let wait = wait.min(shared.longest_wait);
    if wait.is_zero() {
        return Ok(None);
    }
    tokio::time::timeout(wait, ticket.outcome()).await.ok().transpose()
}

/// A whole number in decimal digits.
pub(crate) fn whole(text: &str) -> Option<u64> {
    text.bytes().all(|digit| digit.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str) -> Option<u64> {
        let uri = format!("/{query}").parse().unwrap();
        super::asked(Query::try_from_uri(&uri)).ok().map(|wait| wait.as_secs())
    }

    #[test]
    fn whole_seconds_are_taken_with_and_without_their_unit() {
        assert_eq!(asked(""), Some(0));
        assert_eq!(asked("?wait=0"), Some(0));
        assert_eq!(asked("?wait=20"), Some(20));
        assert_eq!(asked("?wait=60s"), Some(60));
    }

    #[test]
    fn everything_else_is_told() {
        let queries = [
            "?wait=",
            "?wait=s",
            "?wait=61",
            "?wait=-1",
            "?wait=+1",
            "?wait=1.5",
            "?wait=1m",
            "?wiat=1",
            "?wait=1&wait=1",
            "?a=%FF",
        ];
        for query in queries {
            assert_eq!(asked(query), None, "{query}");
        }
    }
}
