//! What a handler knows of the delivery it works on, and what it can say meanwhile.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use roundtrip_protocol::{
    Headers, Label, Progress, RequestId, RequesterName, StopReason, Text, Ticket as TicketId, Token,
};
use serde::Serialize;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::handler::Request;
use crate::link::Shared;
use crate::message::{JSON, Message};
use crate::part::{self, PartError, WithoutRoom};
use crate::state::{DeliveryKey, Handed};
use crate::stop::StopSignal;
use crate::test_delivery::{Record, TestDelivery};

/// The delivery that a handler works on. Cheap to clone; what is reported after its end goes nowhere.
#[derive(Clone)]
pub struct Context {
    job: Arc<Job>,
}

struct Job {
    about: About,
    stop: Arc<StopSignal>,
    end: End,
}

/// What the broker said of the delivery.
#[derive(Clone)]
pub(crate) struct About {
    pub(crate) token: Token,
    pub(crate) ticket: TicketId,
    pub(crate) attempt: u32,
    pub(crate) requester: RequesterName,
    pub(crate) operation: Text,
    pub(crate) content_type: Text,
    pub(crate) headers: Headers,
    pub(crate) redrive_of: Option<RequestId>,
    /// When the request's deadline or the channel's `attempt_timeout` passes.
    pub(crate) until: Option<Instant>,
}

/// Where goes what the handler says.
enum End {
    Broker { shared: Arc<Shared>, key: DeliveryKey },
    Test(Arc<Record>),
}

impl Context {
    /// What a handler gets: this, and the payload.
    pub(crate) fn new(shared: Arc<Shared>, handed: Handed, stop: Arc<StopSignal>) -> (Self, Bytes) {
        let about = About {
            token: handed.token,
            ticket: TicketId { channel: handed.channel, id: handed.token.id },
            attempt: handed.attempt,
            requester: handed.requester,
            operation: handed.operation,
            content_type: handed.label.content_type,
            headers: handed.label.headers,
            redrive_of: handed.redrive_of,
            until: handed.until,
        };
        (Self { job: Arc::new(Job { about, stop, end: End::Broker { shared, key: handed.key } }) }, handed.payload)
    }

    /// What is asked for, with the payload that it came with.
    pub(crate) fn request(&self, payload: Bytes) -> Request {
        let About { operation, content_type, headers, .. } = &self.job.about;
        let label = Label { content_type: content_type.clone(), headers: headers.clone() };
        Request::new(operation.clone(), label, payload)
    }

    /// A context of no broker, to call a handler in a test: the first attempt of a request of the requester `test` on
    /// the channel `test`. What is reported goes nowhere; a [`TestDelivery`] keeps it, and can be told more.
    #[must_use]
    pub fn for_test() -> Self {
        TestDelivery::new().context()
    }

    pub(crate) fn recorded(about: About, stop: Arc<StopSignal>, record: Arc<Record>) -> Self {
        Self { job: Arc::new(Job { about, stop, end: End::Test(record) }) }
    }

    /// Tells whoever follows the request how far the work is: `fraction` from 0 to 1, and what is being worked on.
    /// Latest wins; it waits for nothing. A stage over 256 bytes is cut.
    pub fn progress(&self, fraction: f32, stage: impl Into<String>) {
        self.note(fraction, stage, "");
    }

    /// As [`Context::progress`], with anything else worth telling, of which 1,024 bytes are kept.
    pub fn note(&self, fraction: f32, stage: impl Into<String>, note: impl Into<String>) {
        let progress = Progress { fraction, stage: stage.into(), note: note.into() };
        match &self.job.end {
            End::Broker { shared, key } => {
                shared.with(|state| state.report_progress(*key, self.job.about.token, progress));
            }
            End::Test(record) => record.note_progress(progress),
        }
    }

    /// Adds an interim result: bytes, or a [`Message`] with a media type and headers. Gives its number within the
    /// delivery, 1, 2, 3 …, when the broker keeps it. Unlike progress no part is lost: the requester gets each of them,
    /// in order, before the outcome. A next delivery of the request makes them void and begins again at 1.
    ///
    /// While the requester has not acknowledged earlier parts and they fill the channel's `parts_room`, it waits, as it
    /// does while disconnected; lease and deadline go on. Several at once are added in the order in which they are
    /// first polled. The reply is sent when all of them are kept.
    ///
    /// Dropped while it waits, the part is not added; dropped while its answer is under way, it may be.
    ///
    /// # Errors
    ///
    /// [`PartError`]; after `TooLarge` and `Invalid` the delivery goes on without the part.
    pub async fn part(&self, part: impl Into<Message>) -> Result<u32, PartError> {
        self.add_part(part.into(), WithoutRoom::Wait).await
    }

    /// As [`Context::part`], for a value that is sent as JSON.
    ///
    /// # Errors
    ///
    /// As [`Context::part`].
    pub async fn part_json<T: Serialize + ?Sized>(&self, part: &T) -> Result<u32, PartError> {
        let json = serde_json::to_vec(part).map_err(|_| PartError::NotJson);
        self.part(Message::new(json?).content_type(JSON)).await
    }

    /// As [`Context::part`], but where there is no room it does not wait for any.
    ///
    /// # Errors
    ///
    /// As [`Context::part`], and [`PartError::Full`].
    pub async fn try_part(&self, part: impl Into<Message>) -> Result<u32, PartError> {
        self.add_part(part.into(), WithoutRoom::GiveUp).await
    }

    async fn add_part(&self, part: Message, without_room: WithoutRoom) -> Result<u32, PartError> {
        match &self.job.end {
            End::Broker { shared, key } => part::add(shared, (*key, self.job.about.token), part, without_room).await,
            End::Test(record) => match self.stop_reason() {
                Some(reason) => Err(PartError::Stopped(reason)),
                None => Ok(record.note_part(part)),
            },
        }
    }

    /// Which attempt this is: 1, 2, 3 … up to the channel's `max_attempts`.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.job.about.attempt
    }

    /// Which delivery of the request this is: 1, 2, 3 …, counted as an attempt or not.
    #[must_use]
    pub fn delivery(&self) -> u32 {
        self.job.about.token.delivery
    }

    /// The request's ticket.
    #[must_use]
    pub fn ticket(&self) -> &TicketId {
        &self.job.about.ticket
    }

    /// Who asks.
    #[must_use]
    pub fn requester(&self) -> &RequesterName {
        &self.job.about.requester
    }

    /// The name of what is asked for; may be empty.
    #[must_use]
    pub fn operation(&self) -> &str {
        &self.job.about.operation
    }

    /// The payload's media type; empty where the requester named none.
    #[must_use]
    pub fn content_type(&self) -> &str {
        &self.job.about.content_type
    }

    /// Application headers of the request.
    #[must_use]
    pub fn headers(&self) -> &Headers {
        &self.job.about.headers
    }

    /// The dead letter that the request was made of, if it was.
    #[must_use]
    pub fn redrive_of(&self) -> Option<RequestId> {
        self.job.about.redrive_of
    }

    /// How much time is left for the work: until the request's deadline or the end of the channel's `attempt_timeout`,
    /// whichever is first. Zero when it has passed. None if nothing limits it: [`Context::for_test`], or a deadline
    /// beyond what the clock can say.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        self.job.about.until.map(|until| until.saturating_duration_since(Instant::now()))
    }

    /// Fires when the work is no longer wanted from this handler: [`Context::stop_reason`] says why, or the service was
    /// dropped. What the handler returns after that goes nowhere; where the request was cancelled or has expired, the
    /// broker gives the handler's place to another request only when it has returned.
    ///
    /// A handler that ignores it is not killed. Long work goes into a `select!` with it, or asks now and then.
    #[must_use]
    pub fn cancelled(&self) -> &CancellationToken {
        self.job.stop.token()
    }

    /// Why the work is no longer wanted. None while it is, and when the service was dropped.
    #[must_use]
    pub fn stop_reason(&self) -> Option<StopReason> {
        self.job.stop.reason()
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Context({}, attempt {}, delivery {})", self.ticket(), self.attempt(), self.delivery())
    }
}
