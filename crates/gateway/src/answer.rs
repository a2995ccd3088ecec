//! Waiting for the broker's answer, and not for ever: while it cannot be reached the client waits on.

use std::time::Duration;

use crate::problem::Problem;

/// What the broker answers, or that it does not.
pub(crate) async fn within<T, E: Into<Problem>>(
    timeout: Duration,
    answer: impl Future<Output = Result<T, E>>,
) -> Result<T, Problem> {
    match tokio::time::timeout(timeout, answer).await {
        Ok(answer) => answer.map_err(Into::into),
        Err(_) => Err(Problem::no_broker()),
    }
}
