//! What a requester keeps of an accepted request, and what waiting for it means.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;

use roundtrip_protocol::Ticket as TicketId;

use crate::acknowledge::{AcknowledgeError, acknowledge};
use crate::cancel::{self, CancelError, Cancellation};
use crate::operation::Operation;
use crate::outcome::{Outcome, OutcomeError};
use crate::parts::Parts;
use crate::progress::ProgressUpdates;
use crate::requester::Introduced;
use crate::state::{NewSubmission, PartPlace, TicketFailure, TicketKey};
use crate::status::{self, TicketState};
use crate::submit::SubmitError;
use crate::wait::WaitError;

/// An accepted request of the operation `Op`.
///
/// Awaiting it gives the reply, and acknowledges as it hands the outcome over: the broker forgets it. Who wants to
/// handle the outcome first takes [`Ticket::outcome`] and then [`Ticket::acknowledge`].
///
/// Dropping it does not end the request, unless [`Ticket::cancel_on_drop`] was asked for. The reply of an unnamed
/// requester is acknowledged when it comes, that of a named one stays in its mailbox.
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

    /// Whether the submission's idempotency key was there before. Then this is the ticket of the request that came
    /// first, and nothing new was accepted.
    ///
    /// If that one came under another requester's name, this ticket follows it and acknowledges nothing: neither when
    /// it is awaited nor when it is dropped.
    #[must_use]
    pub fn is_duplicate(&self) -> bool {
        self.raw.is_duplicate()
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

    /// The interim results that the service adds, from the first that is kept; ends with the outcome.
    ///
    /// ```
    /// # use roundtrip_client::{Operation, OutcomeError, PartEvent, Ticket};
    /// # async fn example<Op: Operation<Reply = String>>(ticket: Ticket<Op>) -> Result<(), OutcomeError<Op::Error>> {
    /// let mut sections: Vec<String> = Vec::new();
    /// let mut parts = ticket.parts();
    /// while let Some(event) = parts.next().await {
    ///     match event {
    ///         PartEvent::Part(part) => sections.extend(part.json()),
    ///         PartEvent::Restarted { .. } => sections.clear(), // another attempt: what came before is void
    ///         _ => {}
    ///     }
    /// }
    /// let summary = ticket.await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn parts(&self) -> Parts {
        self.raw.parts()
    }

    /// As [`Ticket::parts`], from behind a part that was handled before: by this process, or by another that stored
    /// where it was.
    #[must_use]
    pub fn parts_after(&self, delivery: u32, number: u32) -> Parts {
        self.raw.parts_after(delivery, number)
    }

    /// Ends the request: its outcome is `cancelled`, unless it had one before. A service at work on it is told.
    ///
    /// It goes on through a broken connection, and is done even if the future is dropped.
    ///
    /// # Errors
    ///
    /// The broker does not know the ticket, or the client was closed.
    pub async fn cancel(&self) -> Result<Cancellation, CancelError> {
        self.raw.cancel().await
    }

    /// Cancels the request when the ticket is dropped before its outcome is there; while a future that awaits the
    /// ticket is dropped, too. Not the request of another requester that the submission was a
    /// [duplicate](Ticket::is_duplicate) of.
    #[must_use]
    pub fn cancel_on_drop(self) -> Self {
        Self { raw: self.raw.cancel_on_drop(), ..self }
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
            let outcome = self.raw.awaited().await?;
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
    duplicate: bool,
    /// Whether handled parts are acknowledged.
    acknowledges_parts: bool,
    followed: Result<Arc<Followed>, WaitError>,
}

/// A ticket's place in the client's state; its last clone gives the place back.
pub(crate) struct Followed {
    pub(crate) requester: Arc<Introduced>,
    pub(crate) key: TicketKey,
    /// Whether the outcome was handed over to the last who follows.
    is_handed_over: bool,
}

impl Followed {
    fn new(requester: Arc<Introduced>, key: TicketKey) -> Arc<Self> {
        Arc::new(Self { requester, key, is_handed_over: false })
    }

    async fn last_outcome(&self) -> Result<Outcome, TicketFailure> {
        self.requester.link.wait(|state, waker| state.poll_last_outcome(self.key, waker)).await
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.requester.link.with(|state| match self.is_handed_over {
            true => state.release_handed_over(self.key),
            false => state.release_ticket(self.key),
        });
    }
}

impl RawTicket {
    pub(crate) fn submit(requester: Arc<Introduced>, submission: NewSubmission) -> Self {
        let id = submission.ticket.clone();
        let key = requester.link.with_now(|state, now| state.submit(now, submission));
        Self { id, duplicate: false, acknowledges_parts: true, followed: Ok(Followed::new(requester, key)) }
    }

    pub(crate) fn attach(requester: Arc<Introduced>, id: TicketId) -> Self {
        let key = requester.link.with(|state| state.attach(requester.key, &id));
        // Nobody had the name of an unnamed requester before: the request is another's.
        let acknowledges_parts = !requester.unnamed;
        Self { id, duplicate: false, acknowledges_parts, followed: Ok(Followed::new(requester, key)) }
    }

    pub(crate) fn failed(id: TicketId, why: WaitError) -> Self {
        Self { id, duplicate: false, acknowledges_parts: false, followed: Err(why) }
    }

    /// As [`Ticket::id`].
    #[must_use]
    pub fn id(&self) -> &TicketId {
        &self.id
    }

    /// As [`Ticket::is_duplicate`].
    #[must_use]
    pub fn is_duplicate(&self) -> bool {
        self.duplicate
    }

    /// As [`Ticket::services`].
    #[must_use]
    pub fn services(&self) -> Option<u32> {
        let followed = self.followed.as_ref().ok()?;
        followed.requester.link.with(|state| state.services_when_accepted(followed.key))
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
        followed.requester.link.with(|state| state.mark_acknowledged(followed.key));
        Ok(())
    }

    /// As [`Ticket::progress`].
    #[must_use]
    pub fn progress(&self) -> ProgressUpdates {
        ProgressUpdates { followed: self.followed.as_ref().ok().map(Arc::clone), seen: 0 }
    }

    /// As [`Ticket::parts`].
    #[must_use]
    pub fn parts(&self) -> Parts {
        self.parts_after(0, 0)
    }

    /// As [`Ticket::parts_after`].
    #[must_use]
    pub fn parts_after(&self, delivery: u32, number: u32) -> Parts {
        match &self.followed {
            Ok(followed) => Parts::of(followed, &self.id, PartPlace { delivery, number }, self.acknowledges_parts),
            Err(why) => Parts::failed(why.clone()),
        }
    }

    /// As [`Ticket::cancel`].
    ///
    /// # Errors
    ///
    /// The broker does not know the ticket, or the client was closed.
    pub async fn cancel(&self) -> Result<Cancellation, CancelError> {
        let followed = self.followed.as_ref().map_err(CancelError::before_asking)?;
        cancel::cancel(&followed.requester.link, &self.id).await
    }

    /// As [`Ticket::cancel_on_drop`].
    #[must_use]
    pub fn cancel_on_drop(self) -> Self {
        if let Ok(followed) = &self.followed {
            followed.requester.link.with(|state| state.cancel_on_drop(followed.key));
        }
        self
    }

    /// As [`Ticket::state`].
    ///
    /// # Errors
    ///
    /// The broker does not know the ticket, or the client was closed.
    pub async fn state(&self) -> Result<TicketState, WaitError> {
        let followed = self.followed.as_ref().map_err(Clone::clone)?;
        status::ask(&followed.requester, &self.id).await
    }

    /// Waits until the broker accepted the submission behind the ticket, which becomes the ticket of the first request
    /// if it is a duplicate.
    pub(crate) async fn accepted(mut self) -> Result<Self, SubmitError> {
        let Ok(followed) = &self.followed else { return Err(SubmitError::ClientClosed { ticket: self.id }) };
        let link = &followed.requester.link;
        let accepted = link
            .wait(|state, waker| {
                state.poll_accepted(followed.key, waker).map_ok(|()| state.first_request(followed.key))
            })
            .await;
        if let Some(first) = accepted.map_err(|failure| SubmitError::of(failure, &self.id))? {
            self.acknowledges_parts = first.is_own;
            self.id.id = first.id;
            self.duplicate = true;
        }
        Ok(self)
    }

    /// Waits for the outcome of a submission that may not have been answered yet. The ticket is of no use any more.
    pub(crate) async fn called(&self) -> Result<Outcome, SubmitError> {
        let Ok(followed) = &self.followed else { return Err(SubmitError::ClientClosed { ticket: self.id.clone() }) };
        followed.last_outcome().await.map_err(|failure| SubmitError::of(failure, &self.id))
    }

    /// As [`RawTicket::outcome`]. The ticket is of no use any more.
    async fn awaited(&self) -> Result<Outcome, WaitError> {
        let followed = self.followed.as_ref().map_err(Clone::clone)?;
        followed.last_outcome().await.map_err(WaitError::of)
    }

    /// Acknowledges an outcome as it is handed to the user, and leaves one that does not decode.
    pub(crate) fn hand_over<Op: Operation>(self, outcome: Outcome) -> Result<Op::Reply, OutcomeError<Op::Error>> {
        let result = outcome.decode::<Op>();
        if !matches!(result, Err(OutcomeError::InvalidReply { .. })) {
            self.acknowledge_unasked();
        }
        result
    }

    fn acknowledge_unasked(self) {
        let Ok(mut followed) = self.followed else { return };
        match Arc::get_mut(&mut followed) {
            Some(followed) => followed.is_handed_over = true,
            None => followed.requester.link.with(|state| state.acknowledge_ticket(followed.key)),
        }
    }
}

impl IntoFuture for RawTicket {
    type Output = Result<Outcome, WaitError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let outcome = self.awaited().await?;
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
