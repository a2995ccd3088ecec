//! What a requester keeps of an accepted request, and what waiting for it means.

use std::fmt;
use std::future::{Future, IntoFuture, poll_fn};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use roundtrip_protocol::{Acknowledgement, Progress, RequestState, Ticket as TicketId};

use crate::channels;
use crate::operation::Operation;
use crate::outcome::{Outcome, OutcomeError, WaitError};
use crate::requester::Introduced;
use crate::state::{CallAnswer, NewSubmission, TicketKey};
use crate::submit::SubmitError;

/// An accepted request of the operation `Op`.
///
/// Awaiting it gives the reply, and acknowledges as it hands the outcome over: the broker forgets it. Who wants to
/// handle the outcome first takes [`Ticket::outcome`] and then [`Ticket::acknowledge`].
///
/// Dropping it does not end the request. The reply of an unnamed requester is acknowledged when it comes, that of a
/// named one stays in its mailbox.
pub struct Ticket<Op> {
    raw: RawTicket,
    operation: PhantomData<fn() -> Op>,
}

impl<Op: Operation> Ticket<Op> {
    pub(crate) fn new(raw: RawTicket) -> Self {
        Self { raw, operation: PhantomData }
    }

    /// What to store of it: written `channel:id`, and attached to with [`Requester::attach`](crate::Requester::attach)
    /// from anywhere.
    #[must_use]
    pub fn id(&self) -> &TicketId {
        self.raw.id()
    }

    /// How many services the channel had when the request was accepted; none for a ticket that was attached to.
    #[must_use]
    pub fn services(&self) -> Option<u32> {
        self.raw.services()
    }

    /// Waits for the outcome and does not acknowledge it: the broker keeps it until [`Ticket::acknowledge`].
    ///
    /// # Errors
    ///
    /// Every outcome but a reply that decodes is an [`OutcomeError`], and so is the end of the wait without one.
    pub async fn outcome(&self) -> Result<Op::Reply, OutcomeError<Op::Error>> {
        self.raw.outcome().await?.decode::<Op>()
    }

    /// Tells the broker that the outcome was handled and may be forgotten.
    ///
    /// # Errors
    ///
    /// [`AcknowledgeError`] says what the broker answered instead.
    pub async fn acknowledge(&self) -> Result<(), AcknowledgeError> {
        self.raw.acknowledge().await
    }

    /// The progress that the service reports, the latest each time.
    #[must_use]
    pub fn progress(&self) -> ProgressUpdates {
        self.raw.progress()
    }

    /// Asks the broker where the request is.
    ///
    /// # Errors
    ///
    /// The broker does not know the ticket, or the client was closed.
    pub async fn state(&self) -> Result<TicketState, WaitError> {
        self.raw.state().await
    }

    /// The same ticket for an outcome in bytes.
    #[must_use]
    pub fn into_raw(self) -> RawTicket {
        self.raw
    }
}

impl<Op: Operation> IntoFuture for Ticket<Op> {
    type Output = Result<Op::Reply, OutcomeError<Op::Error>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let outcome = self.raw.outcome().await?;
            self.raw.hand_over::<Op>(outcome)
        })
    }
}

impl<Op> fmt::Debug for Ticket<Op> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Ticket({})", self.raw.id)
    }
}

/// An accepted request whose outcome is wanted in bytes. Awaiting and dropping it do what they do with a [`Ticket`].
pub struct RawTicket {
    id: TicketId,
    followed: Result<Arc<Followed>, WaitError>,
}

/// A ticket's place in the client's state; its last clone gives the place back.
struct Followed {
    requester: Arc<Introduced>,
    key: TicketKey,
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.requester.link.with(|state, _| state.release_ticket(self.key));
    }
}

impl RawTicket {
    pub(crate) fn submit(requester: Arc<Introduced>, submission: NewSubmission) -> Self {
        let id = submission.ticket.clone();
        let key = requester.link.with(|state, now| state.submit(now, submission));
        Self { id, followed: Ok(Arc::new(Followed { requester, key })) }
    }

    pub(crate) fn attach(requester: Arc<Introduced>, id: TicketId) -> Self {
        let key = requester.link.with(|state, _| state.attach(requester.key, &id));
        Self { id, followed: Ok(Arc::new(Followed { requester, key })) }
    }

    pub(crate) fn failed(id: TicketId, why: WaitError) -> Self {
        Self { id, followed: Err(why) }
    }

    /// As [`Ticket::id`].
    #[must_use]
    pub fn id(&self) -> &TicketId {
        &self.id
    }

    /// As [`Ticket::services`].
    #[must_use]
    pub fn services(&self) -> Option<u32> {
        let followed = self.followed.as_ref().ok()?;
        followed.requester.link.with(|state, _| state.services_when_accepted(followed.key))
    }

    /// Waits for the outcome and does not acknowledge it.
    ///
    /// # Errors
    ///
    /// The broker does not know the ticket or refuses to follow it, or the client was closed.
    pub async fn outcome(&self) -> Result<Outcome, WaitError> {
        let followed = self.followed.as_ref().map_err(Clone::clone)?;
        let link = &followed.requester.link;
        link.wait(|state, waker| state.poll_outcome(followed.key, waker)).await.map_err(WaitError::of)
    }

    /// As [`Ticket::acknowledge`].
    ///
    /// # Errors
    ///
    /// [`AcknowledgeError`] says what the broker answered instead.
    pub async fn acknowledge(&self) -> Result<(), AcknowledgeError> {
        let Ok(followed) = &self.followed else { return Err(AcknowledgeError::Forbidden) };
        acknowledge(&followed.requester, &self.id).await?;
        followed.requester.link.with(|state, _| state.mark_acknowledged(followed.key));
        Ok(())
    }

    /// As [`Ticket::progress`].
    #[must_use]
    pub fn progress(&self) -> ProgressUpdates {
        ProgressUpdates { followed: self.followed.as_ref().ok().map(Arc::clone), seen: 0 }
    }

    /// As [`Ticket::state`].
    ///
    /// # Errors
    ///
    /// The broker does not know the ticket, or the client was closed.
    pub async fn state(&self) -> Result<TicketState, WaitError> {
        let followed = self.followed.as_ref().map_err(Clone::clone)?;
        let link = &followed.requester.link;
        // A second attachment: the broker answers each with the state of that moment.
        let asked = Self::attach(Arc::clone(&followed.requester), self.id.clone());
        let Ok(asking) = &asked.followed else { return Err(WaitError::ClientClosed) };
        link.wait(|state, waker| state.poll_state(asking.key, waker)).await.map_err(WaitError::of)
    }

    /// Waits until the broker accepted the submission behind the ticket.
    pub(crate) async fn accepted(&self) -> Result<(), SubmitError> {
        let Ok(followed) = &self.followed else { return Err(SubmitError::ClientClosed { ticket: self.id.clone() }) };
        let link = &followed.requester.link;
        let accepted = link.wait(|state, waker| state.poll_accepted(followed.key, waker)).await;
        accepted.map_err(|failure| SubmitError::of(failure, &self.id))
    }

    /// Waits for the outcome of a submission that may not have been answered yet.
    pub(crate) async fn called(&self) -> Result<Outcome, SubmitError> {
        let Ok(followed) = &self.followed else { return Err(SubmitError::ClientClosed { ticket: self.id.clone() }) };
        let link = &followed.requester.link;
        let outcome = link.wait(|state, waker| state.poll_outcome(followed.key, waker)).await;
        outcome.map_err(|failure| SubmitError::of(failure, &self.id))
    }

    /// Acknowledges an outcome as it is handed to the user, and leaves one that does not decode.
    pub(crate) fn hand_over<Op: Operation>(&self, outcome: Outcome) -> Result<Op::Reply, OutcomeError<Op::Error>> {
        let result = outcome.decode::<Op>();
        if !matches!(result, Err(OutcomeError::InvalidReply { .. })) {
            self.acknowledge_unasked();
        }
        result
    }

    fn acknowledge_unasked(&self) {
        if let Ok(followed) = &self.followed {
            followed.requester.link.with(|state, _| state.acknowledge_ticket(followed.key));
        }
    }
}

impl IntoFuture for RawTicket {
    type Output = Result<Outcome, WaitError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let outcome = self.outcome().await?;
            self.acknowledge_unasked();
            Ok(outcome)
        })
    }
}

impl fmt::Debug for RawTicket {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "RawTicket({})", self.id)
    }
}

/// Where a request is, as the broker saw it when it was asked.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TicketState {
    /// Where.
    pub state: RequestState,
    /// How many services its channel has.
    pub services: u32,
    /// The latest progress of the delivery in flight.
    pub progress: Option<Progress>,
}

impl TicketState {
    pub(crate) fn new(state: RequestState, services: u32, progress: Option<Progress>) -> Self {
        Self { state, services, progress }
    }
}

/// The progress of one request: a stream of the latest, that ends with the request's outcome.
///
/// It follows the ticket by itself, so the ticket may be awaited beside it. The ticket counts as dropped once both
/// are.
pub struct ProgressUpdates {
    followed: Option<Arc<Followed>>,
    seen: u64,
}

impl ProgressUpdates {
    /// The latest progress that was not seen yet, or the next to come; none when the request has its outcome.
    pub async fn next(&mut self) -> Option<Progress> {
        poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &Context<'_>) -> Poll<Option<Progress>> {
        let Some(followed) = &self.followed else { return Poll::Ready(None) };
        let link = &followed.requester.link;
        link.with(|state, _| state.poll_progress(followed.key, &mut self.seen, context.waker()))
    }
}

impl Stream for ProgressUpdates {
    type Item = Progress;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Progress>> {
        self.poll(context)
    }
}

/// Why an acknowledgement did nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AcknowledgeError {
    /// There is nothing to acknowledge yet.
    #[error("the request has no outcome yet: await it first")]
    NoOutcomeYet,
    /// The outcome stands under another requester's name.
    #[error("the request belongs to another requester: acknowledge under that requester's name")]
    Forbidden,
    /// The client was closed: the outcome may come again.
    #[error("the client was closed before the broker confirmed the acknowledgement: the outcome may come again")]
    ClientClosed,
}

pub(crate) async fn acknowledge(requester: &Introduced, ticket: &TicketId) -> Result<(), AcknowledgeError> {
    let link = &requester.link;
    let call = link.with(|state, _| state.acknowledge(requester.key, ticket));
    match channels::answer(link, call).await {
        Some(CallAnswer::Acknowledged(Acknowledgement::Done)) => Ok(()),
        Some(CallAnswer::Acknowledged(Acknowledgement::NoOutcomeYet)) => Err(AcknowledgeError::NoOutcomeYet),
        Some(CallAnswer::Acknowledged(_)) => Err(AcknowledgeError::Forbidden),
        _ => Err(AcknowledgeError::ClientClosed),
    }
}
