//! A delivery of no broker, to test a handler by itself.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use roundtrip_protocol::{
    ChannelName, Headers, Progress, RequestId, RequesterName, StopReason, Text, Ticket as TicketId, Token,
};
use tokio::time::Instant;

use crate::context::{About, Context};
use crate::message::Message;
use crate::stop::StopSignal;

/// A delivery of no broker: it gives a handler its [`Context`], and keeps what the handler tells of its work.
///
/// Unless said otherwise it is the first attempt of a request of the requester `test` on the channel `test`, without a
/// deadline.
///
/// ```
/// # use roundtrip_client::{Context, Failure, StopReason, TestDelivery};
/// # use std::time::Duration;
/// async fn resize(width: u32, job: Context) -> Result<u32, Failure<String>> {
///     if job.remaining().is_some_and(|left| left < Duration::from_secs(1)) {
///         return Err(Failure::release());
///     }
///     job.part("half of it").await?;
///     Ok(width)
/// }
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let delivery = TestDelivery::new().remaining(Duration::from_secs(60));
/// assert!(resize(64, delivery.context()).await.is_ok());
/// assert_eq!(delivery.parts()[0].payload, "half of it");
/// delivery.stop(StopReason::Cancelled);
/// assert!(resize(64, delivery.context()).await.is_err());
/// # });
/// ```
#[must_use]
pub struct TestDelivery {
    about: About,
    stop: Arc<StopSignal>,
    record: Arc<Record>,
}

/// What a handler told of its work.
#[derive(Default)]
pub(crate) struct Record {
    said: Mutex<Said>,
}

#[derive(Default)]
struct Said {
    progress: Vec<Progress>,
    parts: Vec<Message>,
}

impl TestDelivery {
    /// A delivery that nothing was said of yet.
    pub fn new() -> Self {
        static NAMES: OnceLock<Option<(ChannelName, RequesterName)>> = OnceLock::new();
        let names = NAMES.get_or_init(|| Some((ChannelName::new("test").ok()?, RequesterName::new("test").ok()?)));
        let Some((channel, requester)) = names.clone() else { unreachable!("`test` is a name") };
        let id = RequestId::from_bytes([0; 16]);
        let about = About {
            token: Token { start: 0, id, delivery: 1 },
            ticket: TicketId { channel, id },
            attempt: 1,
            requester,
            operation: Text::default(),
            content_type: Text::default(),
            headers: Headers::default(),
            redrive_of: None,
            until: None,
        };
        Self { about, stop: Arc::default(), record: Arc::default() }
    }

    /// What [`Context::remaining`] says, counted down from now. Nothing happens when it has passed:
    /// [`TestDelivery::stop`] stops the handler.
    pub fn remaining(mut self, time: Duration) -> Self {
        self.about.until = Instant::now().checked_add(time);
        self
    }

    /// Which attempt it is, and which delivery: 1, 2, 3 …
    pub fn attempt(mut self, attempt: u32) -> Self {
        self.about.attempt = attempt;
        self.about.token.delivery = attempt;
        self
    }

    /// Who asks.
    pub fn requester(mut self, name: RequesterName) -> Self {
        self.about.requester = name;
        self
    }

    /// Adds an application header behind those there are.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.about.headers.0.push((name.into(), value.into()));
        self
    }

    /// The dead letter that the request was made of.
    pub fn redrive_of(mut self, letter: RequestId) -> Self {
        self.about.redrive_of = Some(letter);
        self
    }

    /// For the handler.
    #[must_use]
    pub fn context(&self) -> Context {
        Context::recorded(self.about.clone(), Arc::clone(&self.stop), Arc::clone(&self.record))
    }

    /// Tells the handler to stop, as the broker would. The first reason stays.
    pub fn stop(&self, reason: StopReason) {
        self.stop.stop(Some(reason));
    }

    /// All progress that was reported, in order.
    #[must_use]
    pub fn progress(&self) -> Vec<Progress> {
        self.record.said().progress.clone()
    }

    /// All parts that were added, in order. There is always room.
    #[must_use]
    pub fn parts(&self) -> Vec<Message> {
        self.record.said().parts.clone()
    }
}

impl Default for TestDelivery {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for TestDelivery {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "TestDelivery({}, attempt {})", self.about.ticket, self.about.attempt)
    }
}

impl Record {
    pub(crate) fn note_progress(&self, progress: Progress) {
        self.said().progress.push(progress);
    }

    /// Keeps a part; gives its number.
    pub(crate) fn note_part(&self, part: Message) -> u32 {
        let parts = &mut self.said().parts;
        parts.push(part);
        parts.len() as u32
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
