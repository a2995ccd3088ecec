//! Waiting for an outcome: how long a call asks for, as `?wait=20`, and the wait itself.

use std::time::Duration;

use roundtrip_client::{Outcome, RawTicket, WaitError};

use crate::gateway::Shared;
use crate::problem::Problem;
use crate::query::{Parameters, Query};

/// No call waits longer.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// The time to wait, which is all that the call takes; none at all if it does not say.
pub(crate) fn asked(parameters: Parameters) -> Result<Duration, Problem> {
    Query::read(parameters, &["wait"])?.wait()
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
