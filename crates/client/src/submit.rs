//! Submitting: what a request carries, and how it can go wrong.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use roundtrip_protocol::{
    ChannelName, DEFAULT_PRIORITY, Headers, Label, NameError, Refusal, RefusalCode, ReplyTo, Text, Ticket as TicketId,
};

use crate::message::{JSON, Message};
use crate::operation::Operation;
use crate::requester::{Introduced, new_ticket};
use crate::state::{NewSubmission, Terms, TicketFailure};
use crate::ticket::{RawTicket, Ticket};

/// A request in bytes that is about to be submitted. Await it for its [`RawTicket`].
///
/// Dropped before it is ready, the request may or may not have been accepted; the ticket can be made beforehand, see
/// [`SubmitRaw::under`].
#[must_use = "nothing is submitted until it is awaited"]
pub struct SubmitRaw {
    requester: Result<Arc<Introduced>, NameError>,
    channel: Result<ChannelName, NameError>,
    operation: Text,
    label: Label,
    payload: Result<Bytes, SubmitError>,
    terms: Terms,
    reply_channel: Result<(), NameError>,
    under: Option<TicketId>,
    timeout: Option<Duration>,
}

impl SubmitRaw {
    pub(crate) fn new(
        requester: Result<Arc<Introduced>, NameError>,
        channel: &str,
        operation: Text,
        message: Message,
    ) -> Self {
        let channel = match &requester {
            Ok(requester) => requester.channel(channel),
            Err(_) => ChannelName::new(channel),
        };
        let (label, payload) = message.into_parts();
        Self {
            requester,
            channel,
            operation,
            label,
            payload: Ok(payload),
            terms: Terms {
                reply: ReplyTo::Own,
                priority: DEFAULT_PRIORITY,
                deadline: None,
                delay: Duration::ZERO,
                key: None,
            },
            reply_channel: Ok(()),
            under: None,
            timeout: None,
        }
    }

    /// Sends the reply to another reply channel than the request channel's own.
    pub fn reply_channel(mut self, name: impl AsRef<str>) -> Self {
        self.reply_channel = ChannelName::new(name).map(|name| self.terms.reply = ReplyTo::On(name));
        self
    }

    /// How urgent it is: 0 to 9, and 9 goes first. 4 unless set. Above 9 it is refused as `invalid`.
    pub fn priority(mut self, priority: u8) -> Self {
        self.terms.priority = priority;
        self
    }

    /// How long after its acceptance the request expires, in whole milliseconds, begun ones included. The channel's
    /// `default_deadline` unless set, counted from the end of the delay. Zero is refused as `invalid`.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.terms.deadline = Some(deadline);
        self
    }

    /// How long after its acceptance the request begins to wait for a service: at once unless set. One that is not
    /// shorter than the deadline is refused as `invalid`.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.terms.delay = delay;
        self
    }

    /// The same key is the same request: submitted again under it, by anybody who shares the key's scope, it gives the
    /// [first one's ticket](RawTicket::is_duplicate). 1 to 256 bytes. With another operation, content type or payload
    /// it is refused as `key_conflict`.
    ///
    /// A key belongs to the channel and the requester's name, for an unnamed requester to the channel alone.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.terms.key = Some(key.into());
        self
    }

    /// Wants no reply in a mailbox: the outcome stays under its ticket until the channel's retention passes, and can be
    /// awaited there. Instead of a [reply channel](SubmitRaw::reply_channel).
    pub fn one_way(mut self) -> Self {
        self.terms.reply = ReplyTo::Nowhere;
        self
    }

    /// Submits under a ticket that was made before, so that it can be stored first. The same ticket is the same
    /// request: submitting under it again is safe, and never asks twice.
    pub fn under(mut self, ticket: TicketId) -> Self {
        self.under = Some(ticket);
        self
    }

    /// How long to wait for the broker's answer, instead of the client's submit timeout.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Hands the request to the client; the ticket is valid once it was accepted.
    pub(crate) fn start(self) -> Result<RawTicket, SubmitError> {
        let requester = self.requester?;
        let payload = self.payload?;
        self.reply_channel?;
        let channel = self.channel?;
        let fresh = self.under.is_none();
        let ticket = self.under.unwrap_or_else(|| new_ticket(channel.clone()));
        if ticket.channel != channel {
            return Err(SubmitError::OtherChannel { ticket, channel });
        }
        let submission = NewSubmission {
            requester: requester.key,
            ticket,
            fresh,
            terms: self.terms,
            operation: self.operation,
            label: self.label,
            payload,
            timeout: self.timeout,
        };
        Ok(RawTicket::submit(requester, submission))
    }

    async fn accepted(self) -> Result<RawTicket, SubmitError> {
        self.start()?.accepted().await
    }
}

impl IntoFuture for SubmitRaw {
    type Output = Result<RawTicket, SubmitError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.accepted())
    }
}

/// A request that is about to be submitted. Await it for its [`Ticket`].
///
/// Dropped before it is ready, the request may or may not have been accepted; the ticket can be made beforehand, see
/// [`Submit::under`].
#[must_use = "nothing is submitted until it is awaited"]
pub struct Submit<Op> {
    pub(crate) raw: SubmitRaw,
    operation: PhantomData<fn() -> Op>,
}

impl<Op: Operation> Submit<Op> {
    #[allow(clippy::needless_pass_by_value, reason = "a request is handed over, not lent")]
    pub(crate) fn new(requester: Result<Arc<Introduced>, NameError>, operation: Op) -> Self {
        let json = serde_json::to_vec(&operation).map(Bytes::from);
        let payload = json.map_err(|_| SubmitError::Unencodable { operation: Op::NAME });
        let raw = SubmitRaw::new(requester, Op::CHANNEL, Text::from_static(Op::NAME), Message::default());
        let label = Label { content_type: Text::from_static(JSON), ..Label::default() };
        Self { raw: SubmitRaw { label, payload, ..raw }, operation: PhantomData }
    }

    /// Adds an application header. The broker passes it on and does not read it.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.raw.label.headers.0.push((name.into(), value.into()));
        self
    }

    /// Sets all application headers.
    pub fn headers(mut self, headers: Headers) -> Self {
        self.raw.label.headers = headers;
        self
    }

    /// As [`SubmitRaw::reply_channel`].
    pub fn reply_channel(mut self, name: impl AsRef<str>) -> Self {
        self.raw = self.raw.reply_channel(name);
        self
    }

    /// As [`SubmitRaw::priority`].
    pub fn priority(mut self, priority: u8) -> Self {
        self.raw = self.raw.priority(priority);
        self
    }

    /// As [`SubmitRaw::deadline`].
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.raw = self.raw.deadline(deadline);
        self
    }

    /// As [`SubmitRaw::delay`].
    pub fn delay(mut self, delay: Duration) -> Self {
        self.raw = self.raw.delay(delay);
        self
    }

    /// As [`SubmitRaw::idempotency_key`].
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.raw = self.raw.idempotency_key(key);
        self
    }

    /// As [`SubmitRaw::one_way`].
    pub fn one_way(mut self) -> Self {
        self.raw = self.raw.one_way();
        self
    }

    /// As [`SubmitRaw::under`].
    pub fn under(mut self, ticket: TicketId) -> Self {
        self.raw = self.raw.under(ticket);
        self
    }

    /// As [`SubmitRaw::timeout`].
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.raw = self.raw.timeout(timeout);
        self
    }
}

impl<Op: Operation> IntoFuture for Submit<Op> {
    type Output = Result<Ticket<Op>, SubmitError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.raw.accepted().await.map(Ticket::new) })
    }
}

/// Why there is no accepted request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// The broker refused it; nothing was kept.
    #[error("the broker refused the request: {0}")]
    Refused(Refusal),
    /// No answer came in time: it may or may not have been accepted. Submitting again under the ticket is safe.
    #[error("no answer in time, so {ticket} may or may not have been accepted: submitting again under it is safe")]
    Unconfirmed {
        /// The request's ticket.
        ticket: TicketId,
    },
    /// A part of the request is over what the broker takes. It was not sent.
    #[error("the request's {part} has {found} bytes, the broker takes {limit}: send less")]
    TooLarge {
        /// `header` or `payload`.
        part: &'static str,
        /// How many bytes it has.
        found: usize,
        /// How many the broker takes.
        limit: usize,
    },
    /// The client has as many open tickets as the broker allows. It was not sent.
    #[error("the client has {limit} tickets open, as many as the broker allows: await or drop some first")]
    TooManyOpen {
        /// How many.
        limit: u32,
    },
    /// The operation does not serialize to JSON.
    #[error("the operation {operation} does not serialize to JSON")]
    Unencodable {
        /// Its name.
        operation: &'static str,
    },
    /// The ticket to submit under belongs to another channel.
    #[error("{ticket} is no ticket of the channel {channel}: make one for this channel")]
    OtherChannel {
        /// The ticket.
        ticket: TicketId,
        /// The channel of the request.
        channel: ChannelName,
    },
    /// The client was closed: it may or may not have been accepted.
    #[error("the client was closed, so {ticket} may or may not have been accepted: submitting again under it is safe")]
    ClientClosed {
        /// The request's ticket.
        ticket: TicketId,
    },
    /// The name of the requester, the channel or the reply channel is no name.
    #[error(transparent)]
    Name(#[from] NameError),
}

impl SubmitError {
    /// Why the broker refused it, if it did.
    #[must_use]
    pub fn code(&self) -> Option<RefusalCode> {
        match self {
            Self::Refused(refusal) => Some(refusal.code),
            _ => None,
        }
    }

    /// When to try again, where the broker said so.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(refusal) => refusal.retry_after_ms.map(Duration::from_millis),
            _ => None,
        }
    }

    pub(crate) fn of(failure: TicketFailure, ticket: &TicketId) -> Self {
        match failure {
            TicketFailure::Refused(refusal) => Self::Refused(refusal),
            TicketFailure::Unconfirmed => Self::Unconfirmed { ticket: ticket.clone() },
            TicketFailure::TooLarge { part, found, limit } => Self::TooLarge { part, found, limit },
            TicketFailure::TooManyOpen { limit } => Self::TooManyOpen { limit },
            TicketFailure::Closed => Self::ClientClosed { ticket: ticket.clone() },
        }
    }
}

impl<Op> fmt::Debug for Submit<Op> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Submit({})", self.raw.operation)
    }
}
