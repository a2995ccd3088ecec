//! A named party that submits requests and owns a mailbox.

use std::fmt;
use std::sync::{Arc, OnceLock};

use roundtrip_protocol::{ChannelName, NameError, OpenMode, RequestId, RequesterName, Text, Ticket as TicketId};

use crate::call::Call;
use crate::id::new_uuid;
use crate::link::Link;
use crate::message::Message;
use crate::operation::Operation;
use crate::replies::OpenReplies;
use crate::state::RequesterKey;
use crate::status::{self, TicketState};
use crate::submit::{Submit, SubmitRaw};
use crate::ticket::{RawTicket, Ticket};
use crate::wait::WaitError;

/// Submits requests and gets their outcomes. Cheap to clone.
///
/// The same name may be used by several requesters, in this client or in others: they are one requester.
#[derive(Clone)]
pub struct Requester {
    introduced: Result<Arc<Introduced>, NameError>,
}

/// A requester's place in the client's state; its last clone gives the place back.
pub(crate) struct Introduced {
    pub(crate) link: Link,
    pub(crate) key: RequesterKey,
    pub(crate) unnamed: bool,
    name: RequesterName,
    /// The first channel that it submitted to, so that its name need not be looked at each time.
    channel: OnceLock<ChannelName>,
}

impl Introduced {
    pub(crate) fn channel(&self, name: &str) -> Result<ChannelName, NameError> {
        match self.channel.get() {
            Some(channel) if channel.as_str() == name => Ok(channel.clone()),
            Some(_) => ChannelName::new(name),
            None => ChannelName::new(name).inspect(|channel| drop(self.channel.set(channel.clone()))),
        }
    }
}

impl Drop for Introduced {
    fn drop(&mut self) {
        self.link.with(|state| state.release_requester(self.key));
    }
}

impl Requester {
    pub(crate) fn new(link: Link, name: Result<RequesterName, NameError>, unnamed: bool) -> Self {
        let introduced = name.map(|name| {
            let key = link.with(|state| state.introduce(&name, unnamed));
            Arc::new(Introduced { link, key, unnamed, name, channel: OnceLock::new() })
        });
        Self { introduced }
    }

    /// The requester's name.
    ///
    /// # Errors
    ///
    /// The text it was made from is no name.
    pub fn name(&self) -> Result<&RequesterName, NameError> {
        self.introduced.as_ref().map(|introduced| &introduced.name).map_err(Clone::clone)
    }

    /// Submits a request. Await it for the ticket; dropped before that, it may or may not have been accepted.
    ///
    /// ```
    /// # use roundtrip_client::{Operation, Requester, SubmitError};
    /// # use std::time::Duration;
    /// # async fn example<Op: Operation>(letters: Requester, resize: Op) -> Result<(), SubmitError> {
    /// let ticket = letters.submit(resize).deadline(Duration::from_secs(600)).idempotency_key("smith-2026").await?;
    /// println!("ask for it again: {}", ticket.id());
    /// # Ok(())
    /// # }
    /// ```
    pub fn submit<Op: Operation>(&self, operation: Op) -> Submit<Op> {
        Submit::new(self.introduced.clone(), operation)
    }

    /// Submits a request and waits for its outcome: both in one, and faster, since only the outcome is awaited.
    pub fn call<Op: Operation>(&self, operation: Op) -> Call<Op> {
        Call::new(self.submit(operation))
    }

    /// Submits bytes to a channel.
    pub fn submit_raw(&self, channel: impl AsRef<str>, operation: impl Into<String>, message: Message) -> SubmitRaw {
        SubmitRaw::new(self.introduced.clone(), channel.as_ref(), Text::from(operation.into()), message)
    }

    /// A ticket to store before the submission, and to submit [`under`](Submit::under).
    ///
    /// # Errors
    ///
    /// The operation's channel is no name.
    pub fn new_ticket<Op: Operation>(&self) -> Result<TicketId, NameError> {
        Ok(new_ticket(ChannelName::new(Op::CHANNEL)?))
    }

    /// As [`Requester::new_ticket`], for a channel.
    #[must_use]
    pub fn new_raw_ticket(&self, channel: ChannelName) -> TicketId {
        new_ticket(channel)
    }

    /// The ticket of a request that was submitted before, by this process or another. That the broker does not know it
    /// is told when the ticket is awaited.
    #[must_use]
    pub fn attach<Op: Operation>(&self, id: TicketId) -> Ticket<Op> {
        Ticket::new(self.attach_raw(id))
    }

    /// As [`Requester::attach`], for an outcome in bytes.
    #[must_use]
    pub fn attach_raw(&self, id: TicketId) -> RawTicket {
        match &self.introduced {
            Ok(requester) => RawTicket::attach(Arc::clone(requester), id),
            Err(error) => RawTicket::failed(id, WaitError::Name(error.clone())),
        }
    }

    /// Where a request is.
    pub(crate) async fn status(&self, ticket: &TicketId) -> Result<TicketState, WaitError> {
        status::ask(self.introduced.as_ref().map_err(Clone::clone)?, ticket).await
    }

    /// Reads the requester's mailbox on a reply channel. Await what it returns.
    ///
    /// It yields the outcomes that no live ticket of this process waits for, until they are acknowledged.
    pub fn replies(&self, reply_channel: impl AsRef<str>) -> OpenReplies {
        OpenReplies::new(self.introduced.clone(), reply_channel.as_ref(), OpenMode::Take)
    }
}

impl fmt::Debug for Requester {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Requester({:?})", self.name())
    }
}

pub(crate) fn new_ticket(channel: ChannelName) -> TicketId {
    TicketId { channel, id: RequestId::from_bytes(new_uuid().into_bytes()) }
}
