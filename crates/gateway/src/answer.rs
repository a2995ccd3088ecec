//! Waiting for the broker's answer, and not for ever: while it cannot be reached the client waits on.

use std::time::Duration;

use crate::problem::Problem;

/// What the broker answers, or that it does not.
pub(crate) async fn within<T, E: Into<Problem>>(
    timeout: Duration,
    answer: impl Future<Output = Result<T, E>>,
) -> Result<T, Problem> {
    answered(timeout, answer).await?.map_err(Into::into)
}

/// As [`within`], for those who go by what the broker answers.
pub(crate) async fn answered<T>(timeout: Duration, answer: impl Future<Output = T>) -> Result<T, Problem> {
    tokio::time::timeout(timeout, answer).await.map_err(|_| Problem::no_broker())
}
