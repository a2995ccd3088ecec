//! The dead letters of a channel: looking at them, making requests of them again, forgetting them.

use std::fmt;

use bytes::Bytes;
use roundtrip_protocol::{
    Call, ChannelName, DeadLetterContent, DeadLetterEntry, Headers, NameError, Redrive, Refusal, RequestId,
    Ticket as TicketId,
};

use crate::link::Link;
use crate::question::answer;
use crate::state::{CallAnswer, ClientState};

/// How many letters are asked for at once when all are listed.
const PAGE: u32 = 500;

/// The dead letters of one channel, from [`Client::dead_letters`](crate::Client::dead_letters). Cheap to clone.
///
/// Every question waits while the client is disconnected, and is asked again over the next connection.
///
/// ```
/// # use roundtrip_client::{Client, DeadLetterError, DeadReason};
/// # async fn example(client: Client) -> Result<(), DeadLetterError> {
/// let dead = client.dead_letters("patient_summary_request");
/// for letter in dead.list().await? {
///     if letter.reason == DeadReason::AttemptsExhausted {
///         let ticket = dead.redrive(letter.id).await?;
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct DeadLetters {
    link: Link,
    channel: Result<ChannelName, NameError>,
}

/// Some of the dead letters of a channel, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadLetterPage {
    /// The letters.
    pub letters: Vec<DeadLetterEntry>,
    /// Whether there are more behind the last one.
    pub more: bool,
}

/// A dead letter, whole.
///
/// `Debug` leaves out what its message says: it may hold patients' data.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadLetter {
    /// What a list says of it.
    pub entry: DeadLetterEntry,
    /// Where its reply went; none if into no mailbox.
    pub reply_channel: Option<ChannelName>,
    /// The request's media type.
    pub content_type: String,
    /// The request's headers.
    pub headers: Headers,
    /// The request's payload.
    pub payload: Bytes,
}

impl DeadLetters {
    pub(crate) fn new(link: Link, channel: &str) -> Self {
        Self { link, channel: ChannelName::new(channel) }
    }

    /// All of them, oldest first.
    ///
    /// # Errors
    ///
    /// The broker refuses the channel, or the client was closed.
    pub async fn list(&self) -> Result<Vec<DeadLetterEntry>, DeadLetterError> {
        let mut all: Vec<DeadLetterEntry> = Vec::new();
        loop {
            let mut page = self.page(all.last().map(|letter| letter.id), PAGE).await?;
            let is_last = !page.more || page.letters.is_empty();
            all.append(&mut page.letters);
            if is_last {
                return Ok(all);
            }
        }
    }

    /// Some of them, oldest first: behind the letter `after`, and at most `most`; the answer may hold fewer though there
    /// are more.
    ///
    /// # Errors
    ///
    /// The broker refuses the channel, or the client was closed.
    pub async fn page(&self, after: Option<RequestId>, most: u32) -> Result<DeadLetterPage, DeadLetterError> {
        match self.ask(|state, channel| state.list_dead_letters(channel, after, most)).await? {
            CallAnswer::DeadLetters { letters, more } => Ok(DeadLetterPage { letters, more }),
            _ => Err(DeadLetterError::ClientClosed),
        }
    }

    /// One of them, whole.
    ///
    /// # Errors
    ///
    /// There is none of this id, the broker refuses the channel, or the client was closed.
    pub async fn read(&self, id: RequestId) -> Result<DeadLetter, DeadLetterError> {
        match self.ask(|state, channel| state.read_dead_letter(channel, id)).await? {
            CallAnswer::DeadLetter(Some(letter)) => Ok(DeadLetter::of(*letter)),
            CallAnswer::DeadLetter(None) => Err(DeadLetterError::UnknownLetter),
            _ => Err(DeadLetterError::ClientClosed),
        }
    }

    /// Makes a new request of one of them, which goes; gives the new request's ticket.
    ///
    /// # Errors
    ///
    /// There is none of this id; the broker has no room for the request, so that the letter stays; the connection broke
    /// and the letter is gone now; or the client was closed.
    pub async fn redrive(&self, id: RequestId) -> Result<TicketId, DeadLetterError> {
        match self.ask(|state, channel| state.redrive_dead_letter(channel, id)).await? {
            CallAnswer::Redriven { result: Redrive::Accepted(id), .. } => {
                Ok(TicketId { channel: self.channel.clone()?, id })
            }
            CallAnswer::Redriven { result: Redrive::Refused(refusal), .. } => Err(DeadLetterError::Refused(refusal)),
            CallAnswer::Redriven { repeated: true, .. } => Err(DeadLetterError::Unconfirmed),
            CallAnswer::Redriven { .. } => Err(DeadLetterError::UnknownLetter),
            _ => Err(DeadLetterError::ClientClosed),
        }
    }

    /// Makes new requests of all that are there now, oldest first; gives the new requests' tickets.
    ///
    /// # Errors
    ///
    /// As [`DeadLetters::redrive`], where it stops: those before are redriven, the others stay. Letters that go
    /// meanwhile are no error.
    pub async fn redrive_all(&self) -> Result<Vec<TicketId>, DeadLetterError> {
        let mut tickets = Vec::new();
        for letter in self.list().await? {
            match self.redrive(letter.id).await {
                Ok(ticket) => tickets.push(ticket),
                Err(DeadLetterError::UnknownLetter | DeadLetterError::Unconfirmed) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(tickets)
    }

    /// Forgets one of them.
    ///
    /// # Errors
    ///
    /// There is none of this id, the broker refuses the channel, or the client was closed.
    pub async fn purge(&self, id: RequestId) -> Result<(), DeadLetterError> {
        match self.ask(|state, channel| state.purge_dead_letter(channel, id)).await? {
            CallAnswer::Purged { was_there: false, repeated: false } => Err(DeadLetterError::UnknownLetter),
            CallAnswer::Purged { .. } => Ok(()),
            _ => Err(DeadLetterError::ClientClosed),
        }
    }

    /// Forgets all that are there now; tells how many.
    ///
    /// # Errors
    ///
    /// As [`DeadLetters::purge`], where it stops. Letters that go meanwhile are no error.
    pub async fn purge_all(&self) -> Result<usize, DeadLetterError> {
        let mut purged = 0;
        for letter in self.list().await? {
            match self.purge(letter.id).await {
                Ok(()) => purged += 1,
                Err(DeadLetterError::UnknownLetter) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(purged)
    }

    async fn ask(
        &self,
        question: impl FnOnce(&mut ClientState, &ChannelName) -> Call,
    ) -> Result<CallAnswer, DeadLetterError> {
        let channel = self.channel.as_ref().map_err(Clone::clone)?;
        match answer(&self.link, self.link.with(|state| question(state, channel))).await {
            Some(CallAnswer::Refused(refusal)) => Err(DeadLetterError::Refused(refusal)),
            Some(answer) => Ok(answer),
            None => Err(DeadLetterError::ClientClosed),
        }
    }
}

impl fmt::Debug for DeadLetters {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "DeadLetters({:?})", self.channel)
    }
}

impl DeadLetter {
    fn of((content, payload): (DeadLetterContent, Bytes)) -> Self {
        let DeadLetterContent { entry, reply_channel, label } = content;
        Self { entry, reply_channel, content_type: label.content_type.into(), headers: label.headers, payload }
    }
}

impl fmt::Debug for DeadLetter {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "DeadLetter({:?}, {}, {} bytes)", self.entry.id, self.entry.reason.as_str(), self.payload.len())
    }
}

/// Why a question about dead letters has no good answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeadLetterError {
    /// The channel has no dead letter of this id.
    #[error("the channel has no dead letter of this id: list them to see what there is")]
    UnknownLetter,
    /// The broker refuses the channel, or has no room for another request; the letter stays.
    #[error("the broker refuses: {0}")]
    Refused(Refusal),
    /// The connection broke before the answer, and the letter is gone now: this redrive took it, or another.
    #[error("the connection broke before the answer, and the letter is gone now: it was redriven by this or another")]
    Unconfirmed,
    /// The client was closed first.
    #[error("the client was closed before the broker answered")]
    ClientClosed,
    /// The channel's name is no name.
    #[error(transparent)]
    Name(#[from] NameError),
}
