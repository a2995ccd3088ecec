//! The pull interface: deliveries by lease alone, that the caller renews and settles by hand, from any task.

use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use roundtrip_protocol::{
    ChannelName, Hold, NameError, Refusal, RequestId, RequesterName, ServiceNumber, Ticket as TicketId,
};
use tokio::time::Instant;

use roundtrip_transport::runtime;

use crate::handler::Request;
use crate::held::{DeliveryToken, HeldDelivery};
use crate::link::Link;
use crate::state::{Handed, ServiceEvent};

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

/// A request that was taken by hand. It is the caller's until its lease ends: [renew](HeldDelivery::renew) in time. It is
/// renewed and settled as a [`HeldDelivery`].
///
/// Dropped without being settled, it is released: given back, not counted.
pub struct Pulled {
    held: HeldDelivery,
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
        let ticket = TicketId { channel: handed.channel, id: handed.token.id };
        Self {
            held: HeldDelivery::pulled(
                link,
                handed.key,
                DeliveryToken { channel: ticket.channel.clone(), token: handed.token },
            ),
            ticket,
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
        self.held.token.token.delivery
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

    /// Leaves the delivery to its lease and gives its token: whoever shows that goes on with it, in another process too
    /// ([`Client::held`](crate::Client::held)). Nothing is given back.
    #[must_use = "without its token nobody settles the delivery any more"]
    pub fn leave(self) -> DeliveryToken {
        self.held.leave();
        self.held.token()
    }
}

impl Deref for Pulled {
    type Target = HeldDelivery;

    fn deref(&self) -> &HeldDelivery {
        &self.held
    }
}

impl fmt::Debug for Pulled {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Pulled({}, attempt {}, {:?})", self.ticket, self.attempt, self.request)
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
