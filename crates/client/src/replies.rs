//! Reading a mailbox: the outcomes that no live ticket of this process waits for.

use std::fmt;
use std::future::{Future, IntoFuture, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use roundtrip_protocol::{ChannelName, NameError, OpenMode, Refusal, RequestId, Ticket as TicketId};

use crate::acknowledge::{AcknowledgeError, acknowledge};
use crate::outcome::Outcome;
use crate::requester::Introduced;
use crate::state::{MailboxFailure, MailboxItem, MailboxKey};

const WINDOW: u32 = 64;

/// A mailbox that is about to be opened. Await it for its [`Replies`].
#[must_use = "nothing is opened until it is awaited"]
pub struct OpenReplies {
    requester: Result<Arc<Introduced>, NameError>,
    reply_channel: Result<ChannelName, NameError>,
    mode: OpenMode,
    window: u32,
}

impl OpenReplies {
    pub(crate) fn new(requester: Result<Arc<Introduced>, NameError>, reply_channel: &str, mode: OpenMode) -> Self {
        Self { requester, reply_channel: ChannelName::new(reply_channel), mode, window: WINDOW }
    }

    /// How to open it the first time: [`OpenMode::Take`] unless set. After a broken connection the client opens it
    /// again with [`OpenMode::IfFree`], and a follower follows again.
    pub fn mode(mut self, mode: OpenMode) -> Self {
        self.mode = mode;
        self
    }

    /// Reads what is there and what comes, and disturbs no holder.
    pub fn follow(self) -> Self {
        self.mode(OpenMode::Follow)
    }

    /// Becomes the holder if nobody else is.
    pub fn if_free(self) -> Self {
        self.mode(OpenMode::IfFree)
    }

    /// How many replies may be on their way or unread in this process at once. 64 unless set, at least 1.
    pub fn window(mut self, replies: u32) -> Self {
        self.window = replies.max(1);
        self
    }

    async fn open(self) -> Result<Replies, RepliesError> {
        let requester = self.requester?;
        let reply_channel = self.reply_channel?;
        let key =
            requester.link.with(|state| state.open_mailbox(requester.key, &reply_channel, self.mode, self.window));
        let replies = Replies { open: Some(Opened { requester, key }) };
        replies.opened().await?;
        Ok(replies)
    }
}

impl IntoFuture for OpenReplies {
    type Output = Result<Replies, RepliesError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.open())
    }
}

/// The replies in a mailbox, each until it is acknowledged. Dropping it closes the mailbox and loses nothing.
///
/// A reply that was yielded and not acknowledged is not yielded again by the same `Replies`, but by the next.
pub struct Replies {
    open: Option<Opened>,
}

struct Opened {
    requester: Arc<Introduced>,
    key: MailboxKey,
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.requester.link.with(|state| state.release_mailbox(self.key));
    }
}

impl Replies {
    /// The next reply; waits for one to come. None when the client is closed or the mailbox has ended.
    ///
    /// # Errors
    ///
    /// Another holder took the mailbox, or the broker no longer gives it: nothing comes after that.
    pub async fn next(&mut self) -> Option<Result<Reply, RepliesError>> {
        poll_fn(|context| self.poll(context, false)).await
    }

    /// As [`Replies::next`], and none also when everything has been yielded that was in the mailbox when it was
    /// opened.
    ///
    /// # Errors
    ///
    /// As [`Replies::next`].
    pub async fn next_there(&mut self) -> Option<Result<Reply, RepliesError>> {
        poll_fn(|context| self.poll(context, true)).await
    }

    async fn opened(&self) -> Result<(), RepliesError> {
        let Some(open) = &self.open else { return Err(RepliesError::ClientClosed) };
        let link = &open.requester.link;
        link.wait(|state, waker| state.poll_opened(open.key, waker)).await.map_err(RepliesError::of)
    }

    fn poll(&mut self, context: &Context<'_>, only_there: bool) -> Poll<Option<Result<Reply, RepliesError>>> {
        let Some(open) = &self.open else { return Poll::Ready(None) };
        let link = &open.requester.link;
        match link.with(|state| state.poll_reply(open.key, only_there, context.waker())) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(MailboxItem::Reply { ticket, redrive_of, operation, outcome }) => {
                let requester = Arc::clone(&open.requester);
                Poll::Ready(Some(Ok(Reply { ticket, redrive_of, operation, outcome, requester })))
            }
            Poll::Ready(MailboxItem::CaughtUp) => Poll::Ready(None),
            Poll::Ready(MailboxItem::End(failure)) => {
                self.open = None;
                match failure {
                    MailboxFailure::Closed => Poll::Ready(None),
                    other => Poll::Ready(Some(Err(RepliesError::of(other)))),
                }
            }
        }
    }
}

impl Stream for Replies {
    type Item = Result<Reply, RepliesError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll(context, false)
    }
}

/// An outcome from a mailbox. It stays there until it is acknowledged.
#[derive(Clone)]
#[non_exhaustive]
pub struct Reply {
    /// The request.
    pub ticket: TicketId,
    /// The dead letter that the request was made of, if it was.
    pub redrive_of: Option<RequestId>,
    /// The name of what was asked for; may be empty.
    pub operation: String,
    /// How it ended.
    pub outcome: Outcome,
    requester: Arc<Introduced>,
}

impl Reply {
    /// Tells the broker that the outcome was handled and may be forgotten.
    ///
    /// # Errors
    ///
    /// [`AcknowledgeError`] says what the broker answered instead.
    pub async fn acknowledge(&self) -> Result<(), AcknowledgeError> {
        acknowledge(&self.requester, &self.ticket).await
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Reply({}, {}, {:?})", self.ticket, self.operation, self.outcome)
    }
}

/// Why a mailbox cannot be read (any longer).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RepliesError {
    /// Another holder took it. What this one read and did not acknowledge is given to that one again.
    #[error("another holder took the mailbox: follow it, or attach to tickets")]
    Taken,
    /// Another connection holds it, and it should only be opened if free.
    #[error("another connection holds the mailbox: take it, or follow it")]
    Held,
    /// The broker refuses to open it.
    #[error("the broker refuses to open the mailbox: {0}")]
    Refused(Refusal),
    /// As many mailboxes are open as the broker lets a connection have.
    #[error(
        "{limit} mailboxes are open, as many as the broker lets a connection have: close some, or use another client"
    )]
    TooManyOpen {
        /// The broker's `max_open`.
        limit: u32,
    },
    /// The client was closed.
    #[error("the client was closed")]
    ClientClosed,
    /// The name of the requester or the reply channel is no name.
    #[error(transparent)]
    Name(#[from] NameError),
}

impl RepliesError {
    fn of(failure: MailboxFailure) -> Self {
        match failure {
            MailboxFailure::Taken => Self::Taken,
            MailboxFailure::Held => Self::Held,
            MailboxFailure::Refused(refusal) => Self::Refused(refusal),
            MailboxFailure::TooManyOpen { limit } => Self::TooManyOpen { limit },
            MailboxFailure::Closed => Self::ClientClosed,
        }
    }
}
