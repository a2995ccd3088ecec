//! Waiting for an outcome: how long a call asks for, as `?wait=20`, and the wait itself.

use std::time::Duration;

use roundtrip_client::{Outcome, RawTicket, WaitError};
use utoipa::IntoParams;

use crate::gateway::Shared;
use crate::problem::Problem;
use crate::query::{self, Parameters, Query};

/// No call waits longer.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// The wait of a call, as it is described.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it is read by the macro alone")]
pub(crate) struct Wait {
    /// How long to wait for the outcome: whole seconds from 0 to 60, with or without `s`. The answer comes earlier if
    /// the outcome does.
    #[param(required = false, pattern = "^0*(?:[0-9]|[1-5][0-9]|60)s?$", example = "20")]
    wait: String,
}

/// The time to wait, of a call that has no other parameter; none at all if the call does not say.
pub(crate) fn asked(parameters: Parameters) -> Result<Duration, Problem> {
    of(&query::read(parameters, &["wait"])?)
}

/// The time to wait, among other parameters.
pub(crate) fn of(query: &Query) -> Result<Duration, Problem> {
    Ok(query.whole_seconds("wait", 0, LONGEST_WAIT.as_secs())?.unwrap_or_default())
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
