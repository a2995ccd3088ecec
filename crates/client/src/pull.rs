//! The pull interface: deliveries by lease alone, that the caller renews and settles by hand, from any task.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use roundtrip_protocol::{
    Answer, ChannelName, Hold, NameError, Problem, Progress, Refusal, RequestId, RequesterName, ServiceNumber,
    Settlement, StopReason, Ticket as TicketId, Token,
};
use tokio::time::Instant;

use roundtrip_transport::runtime;

use crate::failure::{RawFailure, whole_millis};
use crate::handler::Request;
use crate::link::Link;
use crate::message::Message;
use crate::part::{self, PartError, WithoutRoom};
use crate::question;
use crate::state::{CallAnswer, DeliveryKey, Handed, ServiceEvent, SettleFailure};

/// Takes deliveries from a channel by hand.
#[derive(Clone)]
pub struct Puller {
    link: Link,
    channel: Result<ChannelName, NameError>,
    lease: Option<Duration>,
}

impl Puller {
    pub(crate) fn new(link: Link, channel: &str) -> Self {
        Self { link, channel: ChannelName::new(channel), lease: None }
    }

    /// The lease to ask for, from each renewal on: whole milliseconds, at least one; the channel's `max_lease` is the
    /// longest, and [`Pulled::lease`] tells what it is. The channel's own `lease` unless set.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = Some(lease);
        self
    }

    /// Takes up to `max` requests. Waits up to `wait` for the first one, then gives what there is at once; nothing
    /// after `wait`. Between two calls nothing is delivered.
    ///
    /// Dropped while it waits, it gives back what it got.
    ///
    /// # Errors
    ///
    /// The channel is no name, the broker refuses it, or the client was closed. While disconnected it waits.
    pub async fn take(&self, max: u32, wait: Duration) -> Result<Vec<Pulled>, PullError> {
        let channel = self.channel.clone()?;
        let mut taken = Vec::new();
        if max == 0 {
            return Ok(taken);
        }
        let number = self.link.with(|state| state.open_service(&channel, max, Hold::Lease, self.lease));
        let taking = Taking { link: &self.link, number };
        let mut next = runtime::timeout(wait, taking.next()).await.ok();
        self.link.with(|state| state.stop_taking(number));
        loop {
            match next {
                Some(ServiceEvent::Delivery(handed)) => taken.push(Pulled::new(self.link.clone(), *handed)),
                Some(ServiceEvent::Ended(Ok(()))) => return Ok(taken),
                Some(ServiceEvent::Ended(Err(refusal))) => return Err(PullError::Refused(refusal)),
                Some(ServiceEvent::Closed) => return Err(PullError::ClientClosed),
                Some(ServiceEvent::Stopped { .. } | ServiceEvent::Missing(_)) | None => {} // The one it concerns is told when it settles.
            }
            next = Some(taking.next().await);
        }
    }
}

struct Taking<'a> {
    link: &'a Link,
    number: ServiceNumber,
}

impl Taking<'_> {
    async fn next(&self) -> ServiceEvent {
        self.link.wait(|state, waker| state.poll_service(self.number, waker)).await
    }
}

impl Drop for Taking<'_> {
    fn drop(&mut self) {
        self.link.with(|state| state.end_service(self.number));
    }
}

/// A request that was taken by hand. It is the caller's until its lease ends: [`Pulled::renew`] in time.
///
/// Dropped without being settled, it is released: given back, not counted.
pub struct Pulled {
    link: Link,
    key: DeliveryKey,
    token: Token,
    ticket: TicketId,
    attempt: u32,
    lease: Duration,
    until: Option<Instant>,
    requester: RequesterName,
    redrive_of: Option<RequestId>,
    request: Request,
}

impl Pulled {
    fn new(link: Link, handed: Handed) -> Self {
        Self {
            link,
            key: handed.key,
            token: handed.token,
            ticket: TicketId { channel: handed.channel, id: handed.token.id },
            attempt: handed.attempt,
            lease: handed.lease,
            until: handed.until,
            requester: handed.requester,
            redrive_of: handed.redrive_of,
            request: Request::new(handed.operation, handed.label, handed.payload),
        }
    }

    /// What is asked for.
    #[must_use]
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// The request's ticket.
    #[must_use]
    pub fn ticket(&self) -> &TicketId {
        &self.ticket
    }

    /// Who asks.
    #[must_use]
    pub fn requester(&self) -> &RequesterName {
        &self.requester
    }

    /// Which attempt this is: 1, 2, 3 …
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Which delivery of the request this is: 1, 2, 3 …, counted as an attempt or not.
    #[must_use]
    pub fn delivery(&self) -> u32 {
        self.token.delivery
    }

    /// How long the lease is, from each renewal on.
    #[must_use]
    pub fn lease(&self) -> Duration {
        self.lease
    }

    /// How much time is left for the work: until the request's deadline or the end of the channel's `attempt_timeout`,
    /// whichever is first. Zero when it has passed; none for a deadline beyond what the clock can say.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        self.until.map(|until| until.saturating_duration_since(Instant::now()))
    }

    /// The dead letter that the request was made of, if it was.
    #[must_use]
    pub fn redrive_of(&self) -> Option<RequestId> {
        self.redrive_of
    }

    /// Begins the lease anew.
    ///
    /// # Errors
    ///
    /// The lease was lost, the request was cancelled or has expired, or the client was closed.
    pub async fn renew(&self) -> Result<(), SettleError> {
        let call = self.link.with(|state| state.renew(self.key)).map_err(SettleError::of)?;
        match question::answer(&self.link, call).await {
            Some(CallAnswer::Answered(Answer::Renewed)) => Ok(()),
            Some(CallAnswer::Answered(Answer::Cancelled)) => Err(SettleError::Cancelled),
            Some(CallAnswer::Answered(Answer::Expired)) => Err(SettleError::Expired),
            Some(_) => Err(SettleError::LeaseLost),
            None => Err(SettleError::ClientClosed),
        }
    }

    /// Tells whoever follows the request how far the work is. Latest wins; it waits for nothing and renews nothing.
    pub fn progress(&self, fraction: f32, stage: impl Into<String>) {
        let progress = Progress { fraction, stage: stage.into(), note: String::new() };
        self.link.with(|state| state.report_progress(self.key, self.token, progress));
    }

    /// Adds an interim result, as [`Context::part`](crate::Context::part) does. It renews nothing.
    ///
    /// # Errors
    ///
    /// [`PartError`]; after `TooLarge` and `Invalid` the delivery goes on without the part.
    pub async fn part(&self, part: impl Into<Message>) -> Result<u32, PartError> {
        part::add(&self.link, (self.key, self.token), part.into(), WithoutRoom::Wait).await
    }

    /// As [`Pulled::part`], but where there is no room it does not wait for any.
    ///
    /// # Errors
    ///
    /// As [`Pulled::part`], and [`PartError::Full`].
    pub async fn try_part(&self, part: impl Into<Message>) -> Result<u32, PartError> {
        part::add(&self.link, (self.key, self.token), part.into(), WithoutRoom::GiveUp).await
    }

    /// Answers it, when all its parts are kept.
    ///
    /// # Errors
    ///
    /// [`SettleError`]; after `TooLarge` and `Invalid` the delivery goes on.
    pub async fn reply(&self, message: Message) -> Result<(), SettleError> {
        let (label, payload) = message.into_parts();
        self.settle(Settlement::Reply(label), payload).await
    }

    /// Fails it finally, with a code and a message that travel as they are.
    ///
    /// # Errors
    ///
    /// As [`Pulled::reply`].
    pub async fn fail(&self, problem: Problem) -> Result<(), SettleError> {
        self.settle(Settlement::Fail { problem, content_type: None }, Bytes::new()).await
    }

    /// Fails it in a way that another attempt may mend, no earlier than `after`.
    ///
    /// # Errors
    ///
    /// As [`Pulled::reply`].
    pub async fn retry(&self, problem: Problem, after: Option<Duration>) -> Result<(), SettleError> {
        self.settle(Settlement::Retry { problem, retry_after_ms: after.map(whole_millis) }, Bytes::new()).await
    }

    /// Rejects it: no other attempt, straight to the dead.
    ///
    /// # Errors
    ///
    /// As [`Pulled::reply`].
    pub async fn reject(&self, problem: Problem) -> Result<(), SettleError> {
        self.settle(Settlement::Reject(problem), Bytes::new()).await
    }

    /// Gives it back, not counted as an attempt.
    ///
    /// # Errors
    ///
    /// As [`Pulled::reply`].
    pub async fn release(&self) -> Result<(), SettleError> {
        self.settle(Settlement::Release, Bytes::new()).await
    }

    /// Gives it back, not counted as an attempt, and pauses the whole channel for that long, at most its
    /// `max_throttle`: what the service depends on is at its limit.
    ///
    /// # Errors
    ///
    /// As [`Pulled::reply`].
    pub async fn throttle(&self, pause: Duration) -> Result<(), SettleError> {
        self.settle(Settlement::Throttle { retry_after_ms: whole_millis(pause) }, Bytes::new()).await
    }

    /// Ends it as a raw handler's result would.
    ///
    /// # Errors
    ///
    /// As [`Pulled::reply`].
    pub async fn finish(&self, result: Result<Message, RawFailure>) -> Result<(), SettleError> {
        match result {
            Ok(message) => self.reply(message).await,
            Err(failure) => {
                let (settlement, payload) = failure.into_raw_settlement();
                self.settle(settlement, payload).await
            }
        }
    }

    async fn settle(&self, settlement: Settlement, payload: Bytes) -> Result<(), SettleError> {
        self.link.with(|state| state.settle_by_hand(self.key, settlement, payload)).map_err(SettleError::of)?;
        self.link.wait(|state, waker| state.poll_settled(self.key, waker)).await.map_err(SettleError::of)
    }
}

impl fmt::Debug for Pulled {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Pulled({}, attempt {}, {:?})", self.ticket, self.attempt, self.request)
    }
}

impl Drop for Pulled {
    fn drop(&mut self) {
        self.link.with(|state| state.release_delivery(self.key));
    }
}

/// Why nothing was taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PullError {
    /// The broker refuses the channel.
    #[error("the broker refuses to hand out work: {0}")]
    Refused(Refusal),
    /// The client was closed.
    #[error("the client was closed")]
    ClientClosed,
    /// The channel is no name.
    #[error(transparent)]
    Name(#[from] NameError),
}

/// Why a settlement or a renewal did not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettleError {
    /// The delivery is not the caller's any more: stop working on it.
    #[error("the lease was lost: stop working on this delivery")]
    LeaseLost,
    /// The request was cancelled: stop working on it.
    #[error("the request was cancelled: stop working on this delivery")]
    Cancelled,
    /// The request's deadline passed: stop working on it.
    #[error("the request has expired: stop working on this delivery")]
    Expired,
    /// The payload is over what the channel or the connection takes. The delivery goes on: settle in another way.
    #[error("the payload is over the limit of {limit} bytes: settle in another way")]
    TooLarge {
        /// In bytes.
        limit: u64,
    },
    /// The settlement contradicts the contract. The delivery goes on: settle in another way.
    #[error("the broker does not take this settlement: settle in another way")]
    Invalid,
    /// It was settled before.
    #[error("this delivery was settled before")]
    SettledBefore,
    /// The client was closed.
    #[error("the client was closed before the broker answered")]
    ClientClosed,
}

impl SettleError {
    fn of(failure: SettleFailure) -> Self {
        match failure {
            SettleFailure::Stopped(StopReason::Cancelled) => Self::Cancelled,
            SettleFailure::Stopped(StopReason::Expired) => Self::Expired,
            SettleFailure::Stopped(_) => Self::LeaseLost,
            SettleFailure::TooLarge { limit } => Self::TooLarge { limit },
            SettleFailure::Invalid => Self::Invalid,
            SettleFailure::SettledBefore => Self::SettledBefore,
            SettleFailure::Closed => Self::ClientClosed,
        }
    }
}
