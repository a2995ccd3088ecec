//! Reading a mailbox as a follower, which takes nothing and disturbs nobody.

use roundtrip_client::{Replies, RepliesError, Reply, TicketId};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

use super::Address;
use crate::answer::within;
use crate::gateway::Shared;
use crate::problem::Problem;

/// How many calls may read at once: about half of what a broker lets a connection have open, since one call too many
/// would end the connection.
const MOST: usize = 32_768;

/// Room for those who read.
pub(crate) struct Room(Semaphore);

impl Room {
    pub(crate) fn new() -> Self {
        Self(Semaphore::new(MOST))
    }

    fn take(&self) -> Result<SemaphorePermit<'_>, Problem> {
        self.0.try_acquire().map_err(|_| {
            Problem::gateway_full(format!("{MOST} calls read mailboxes, as many as may at once: try again later."))
        })
    }
}

/// A mailbox that is read from its oldest reply on.
pub(super) struct Reading<'a> {
    shared: &'a Shared,
    replies: Replies,
    _room: SemaphorePermit<'a>,
}

impl<'a> Reading<'a> {
    /// With so many replies on their way at once.
    pub(super) async fn begin(shared: &'a Shared, address: &Address, window: u32) -> Result<Self, Problem> {
        let room = shared.reading.take()?;
        let requester = shared.client.requester(address.requester.as_str());
        let replies = requester.replies(address.reply_channel.as_str()).follow().window(window);
        let replies = within(shared.answer_timeout, replies.into_future()).await?;
        Ok(Self { shared, replies, _room: room })
    }

    /// The oldest reply, or the oldest behind a ticket if that is there; none if there is none until then.
    pub(super) async fn oldest(
        shared: &'a Shared,
        address: &Address,
        mut after: Option<&TicketId>,
        until: Instant,
    ) -> Result<Option<Reply>, Problem> {
        let mut reading = Self::begin(shared, address, 1).await?;
        let mut oldest = None;
        while let Some(reply) = reading.next_there().await? {
            if after.is_none() {
                return Ok(Some(reply));
            }
            if after == Some(&reply.ticket) {
                (after, oldest) = (None, None);
            } else {
                oldest = oldest.or(Some(reply));
            }
        }
        match oldest {
            Some(reply) => Ok(Some(reply)),
            None => reading.next_until(until).await,
        }
    }

    /// The next of those that are there.
    pub(super) async fn next_there(&mut self) -> Result<Option<Reply>, Problem> {
        let next = async { self.replies.next_there().await.transpose() };
        within::<_, RepliesError>(self.shared.answer_timeout, next).await
    }

    /// The next to come; none if none comes until then.
    pub(super) async fn next_until(&mut self, until: Instant) -> Result<Option<Reply>, Problem> {
        match timeout_at(until, self.replies.next()).await {
            Ok(Some(reply)) => Ok(Some(reply?)),
            Ok(None) => Err(Problem::no_broker()),
            Err(_) => Ok(None),
        }
    }
}
