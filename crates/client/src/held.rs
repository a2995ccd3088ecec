//! Deliveries by lease alone: whoever shows the token renews and settles, from any task, process or host.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use roundtrip_protocol::{
    Answer, ChannelName, NameError, Problem, Progress, Settlement, StopReason, Ticket as TicketId, Token,
};

use crate::failure::{RawFailure, whole_millis};
use crate::link::Link;
use crate::message::Message;
use crate::part::{self, PartError, WithoutRoom};
use crate::question;
use crate::state::{CallAnswer, DeliveryKey, SettleFailure};

/// A delivery that somebody holds by its token: [pulled](crate::Pulled) here, or
/// [gone on with](crate::Client::held) by a token that was kept.
///
/// The broker alone knows whether the token still counts: everything that is asked may be answered
/// [`LeaseLost`](SettleError::LeaseLost). Dropping one that was made of a token gives nothing back.
pub struct HeldDelivery {
    link: Link,
    key: DeliveryKey,
    pub(crate) token: DeliveryToken,
}

impl HeldDelivery {
    pub(crate) fn pulled(link: Link, key: DeliveryKey, token: DeliveryToken) -> Self {
        Self { link, key, token }
    }

    pub(crate) fn by_token(link: Link, token: DeliveryToken) -> Self {
        let key = link.with(|state| state.hold_by_token(&token.channel, token.token));
        Self { link, key, token }
    }

    pub(crate) fn leave(&self) {
        self.link.with(|state| state.leave_to_lease(self.key));
    }

    /// What to show to go on with it elsewhere.
    #[must_use]
    pub fn token(&self) -> DeliveryToken {
        self.token.clone()
    }

    /// Says which part was the last, for a delivery that was made of a token: the next one is then that one's follower
    /// and no other, so that it can be added again by whoever does not know whether it was kept. Without it the next
    /// part goes behind all that are kept.
    #[must_use]
    pub fn after_part(self, number: u32) -> Self {
        self.link.with(|state| state.go_on_behind_part(self.key, number));
        self
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
        self.note(fraction, stage, "");
    }

    /// As [`HeldDelivery::progress`], with anything else worth telling.
    pub fn note(&self, fraction: f32, stage: impl Into<String>, note: impl Into<String>) {
        let progress = Progress { fraction, stage: stage.into(), note: note.into() };
        self.link.with(|state| state.report_progress(self.key, self.token.token, progress));
    }

    /// Adds an interim result, as [`Context::part`](crate::Context::part) does. It renews nothing.
    ///
    /// # Errors
    ///
    /// [`PartError`]; after `TooLarge` and `Invalid` the delivery goes on without the part.
    pub async fn part(&self, part: impl Into<Message>) -> Result<u32, PartError> {
        part::add(&self.link, (self.key, self.token.token), part.into(), WithoutRoom::Wait).await
    }

    /// As [`HeldDelivery::part`], but where there is no room it does not wait for any.
    ///
    /// # Errors
    ///
    /// As [`HeldDelivery::part`], and [`PartError::Full`].
    pub async fn try_part(&self, part: impl Into<Message>) -> Result<u32, PartError> {
        part::add(&self.link, (self.key, self.token.token), part.into(), WithoutRoom::GiveUp).await
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
    /// As [`HeldDelivery::reply`].
    pub async fn fail(&self, problem: Problem) -> Result<(), SettleError> {
        self.settle(Settlement::Fail { problem, content_type: None }, Bytes::new()).await
    }

    /// Fails it finally, with an error that travels whole beside the code and the message: its payload and content type.
    ///
    /// # Errors
    ///
    /// As [`HeldDelivery::reply`].
    pub async fn fail_with(&self, problem: Problem, error: Message) -> Result<(), SettleError> {
        let (label, payload) = error.into_parts();
        self.settle(Settlement::Fail { problem, content_type: Some(label.content_type.into()) }, payload).await
    }

    /// Fails it in a way that another attempt may mend, no earlier than `after`.
    ///
    /// # Errors
    ///
    /// As [`HeldDelivery::reply`].
    pub async fn retry(&self, problem: Problem, after: Option<Duration>) -> Result<(), SettleError> {
        self.settle(Settlement::Retry { problem, retry_after_ms: after.map(whole_millis) }, Bytes::new()).await
    }

    /// Rejects it: no other attempt, straight to the dead.
    ///
    /// # Errors
    ///
    /// As [`HeldDelivery::reply`].
    pub async fn reject(&self, problem: Problem) -> Result<(), SettleError> {
        self.settle(Settlement::Reject(problem), Bytes::new()).await
    }

    /// Gives it back, not counted as an attempt.
    ///
    /// # Errors
    ///
    /// As [`HeldDelivery::reply`].
    pub async fn release(&self) -> Result<(), SettleError> {
        self.settle(Settlement::Release, Bytes::new()).await
    }

    /// Gives it back, not counted as an attempt, and pauses the whole channel for that long, at most its
    /// `max_throttle`: what the service depends on is at its limit.
    ///
    /// # Errors
    ///
    /// As [`HeldDelivery::reply`].
    pub async fn throttle(&self, pause: Duration) -> Result<(), SettleError> {
        self.settle(Settlement::Throttle { retry_after_ms: whole_millis(pause) }, Bytes::new()).await
    }

    /// Ends it as a raw handler's result would.
    ///
    /// # Errors
    ///
    /// As [`HeldDelivery::reply`].
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

impl fmt::Debug for HeldDelivery {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "HeldDelivery({})", self.token)
    }
}

impl Drop for HeldDelivery {
    fn drop(&mut self) {
        self.link.with(|state| state.let_go_of_delivery(self.key));
    }
}

/// What to show to renew and settle a delivery that was taken by lease. Written `channel:id:delivery:start`.
///
/// It is a name, not a secret. A service may store it, and go on with its work after it was started anew.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DeliveryToken {
    pub(crate) channel: ChannelName,
    pub(crate) token: Token,
}

impl DeliveryToken {
    /// The request's ticket.
    #[must_use]
    pub fn ticket(&self) -> TicketId {
        TicketId { channel: self.channel.clone(), id: self.token.id }
    }

    /// Which delivery of the request it is: 1, 2, 3 …
    #[must_use]
    pub fn delivery(&self) -> u32 {
        self.token.delivery
    }
}

impl fmt::Display for DeliveryToken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Token { start, id, delivery } = self.token;
        write!(out, "{}:{id}:{delivery}:{start:x}", self.channel)
    }
}

impl FromStr for DeliveryToken {
    type Err = DeliveryTokenError;

    fn from_str(text: &str) -> Result<Self, DeliveryTokenError> {
        let mut fields = text.rsplitn(4, ':');
        let (Some(start), Some(delivery), Some(id), Some(channel)) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            return Err(DeliveryTokenError::Form);
        };
        let start = u64::from_str_radix(start, 16).map_err(|_| DeliveryTokenError::Form)?;
        let delivery = delivery.parse().map_err(|_| DeliveryTokenError::Form)?;
        let id = id.parse().map_err(|_| DeliveryTokenError::Form)?;
        Ok(Self { channel: channel.parse()?, token: Token { start, id, delivery } })
    }
}

/// Why a text is no token of a delivery.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeliveryTokenError {
    /// It is not written as one.
    #[error("a delivery's token is written CHANNEL:ID:DELIVERY:START, as it was given with the delivery")]
    Form,
    /// Its channel is no name.
    #[error("a delivery's token is written CHANNEL:ID:DELIVERY:START; its channel is wrong: {0}")]
    Channel(#[from] NameError),
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
    /// There is no room for a reply of this size now. The delivery goes on: settle again later. Only of a delivery that
    /// was made of a token: a [`Pulled`](crate::Pulled) one waits and settles again by itself.
    #[error("the broker has no room for a reply of this size now: settle again in {retry_after:?}")]
    MailboxBusy {
        /// When there may be room.
        retry_after: Duration,
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
            SettleFailure::MailboxBusy { retry_after } => Self::MailboxBusy { retry_after },
            SettleFailure::Invalid => Self::Invalid,
            SettleFailure::SettledBefore => Self::SettledBefore,
            SettleFailure::Closed => Self::ClientClosed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_what_it_writes() {
        let text = "patient_summary_request:0190d5a3-7b1e-7cc0-8000-3c5f1f6a2b11:3:5a5a5a5a01";
        let token: DeliveryToken = text.parse().unwrap();
        assert_eq!((token.channel.as_str(), token.delivery()), ("patient_summary_request", 3));
        assert_eq!(token.to_string(), text);
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let id = "0190d5a3-7b1e-7cc0-8000-3c5f1f6a2b11";
        for text in
            ["", ":::", &format!("a:{id}"), &format!("a:{id}:1"), &format!("a:{id}:x:1"), &format!("a:{id}:1:z")]
        {
            assert_eq!(text.parse::<DeliveryToken>(), Err(DeliveryTokenError::Form), "{text}");
        }
        let of_no_channel = format!("a b:{id}:1:1").parse::<DeliveryToken>();
        assert!(matches!(of_no_channel, Err(DeliveryTokenError::Channel(_))), "{of_no_channel:?}");
    }
}
