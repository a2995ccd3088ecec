//! Submitting and waiting for the outcome in one.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

use roundtrip_protocol::Ticket as TicketId;

use crate::operation::Operation;
use crate::outcome::OutcomeError;
use crate::submit::{Submit, SubmitError};

/// A request that is about to be submitted and waited for. Await it for the reply; it acknowledges as it hands over.
///
/// Dropped before it is ready, it does what a dropped [`Submit`] or a dropped [`Ticket`](crate::Ticket) does.
#[must_use = "nothing is submitted until it is awaited"]
pub struct Call<Op> {
    submit: Submit<Op>,
}

impl<Op: Operation> Call<Op> {
    pub(crate) fn new(submit: Submit<Op>) -> Self {
        Self { submit }
    }

    /// As [`Submit::header`].
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.submit = self.submit.header(name, value);
        self
    }

    /// As [`Submit::priority`].
    pub fn priority(mut self, priority: u8) -> Self {
        self.submit = self.submit.priority(priority);
        self
    }

    /// As [`Submit::deadline`].
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.submit = self.submit.deadline(deadline);
        self
    }

    /// As [`Submit::delay`].
    pub fn delay(mut self, delay: Duration) -> Self {
        self.submit = self.submit.delay(delay);
        self
    }

    /// As [`Submit::idempotency_key`].
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.submit = self.submit.idempotency_key(key);
        self
    }

    /// As [`Submit::one_way`].
    pub fn one_way(mut self) -> Self {
        self.submit = self.submit.one_way();
        self
    }

    /// As [`Submit::under`].
    pub fn under(mut self, ticket: TicketId) -> Self {
        self.submit = self.submit.under(ticket);
        self
    }

    async fn answer(self) -> Result<Op::Reply, CallError<Op::Error>> {
        let ticket = self.submit.raw.start()?;
        let outcome = ticket.called().await?;
        Ok(ticket.hand_over::<Op>(outcome)?)
    }
}

impl<Op: Operation> IntoFuture for Call<Op> {
    type Output = Result<Op::Reply, CallError<Op::Error>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.answer())
    }
}

/// Why a call gave no reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError<E> {
    /// It was not accepted, or nobody knows.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// It was accepted and ended without a reply.
    #[error("{0}")]
    Outcome(#[from] OutcomeError<E>),
}
