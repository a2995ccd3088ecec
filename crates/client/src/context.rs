//! What a handler knows of the delivery it works on, and what it can say meanwhile.

use std::fmt;
use std::sync::{Arc, OnceLock};

use roundtrip_protocol::{ChannelName, Headers, Progress, RequestId, RequesterName, Ticket as TicketId, Token};
use tokio_util::sync::CancellationToken;

use crate::link::Shared;
use crate::state::{DeliveryKey, Handed};

/// The delivery that a handler works on. Cheap to clone; what is reported after its end goes nowhere.
#[derive(Clone)]
pub struct Context {
    job: Arc<Job>,
}

struct Job {
    reports: Option<(Arc<Shared>, DeliveryKey)>,
    token: Token,
    ticket: TicketId,
    attempt: u32,
    requester: RequesterName,
    operation: String,
    content_type: String,
    headers: Headers,
    cancelled: CancellationToken,
}

impl Context {
    pub(crate) fn new(shared: Arc<Shared>, handed: &Handed, cancelled: CancellationToken) -> Self {
        let job = Job {
            reports: Some((shared, handed.key)),
            token: handed.token,
            ticket: TicketId { channel: handed.channel.clone(), id: handed.token.id },
            attempt: handed.attempt,
            requester: handed.requester.clone(),
            operation: handed.request.operation.clone(),
            content_type: handed.request.content_type.clone(),
            headers: handed.request.headers.clone(),
            cancelled,
        };
        Self { job: Arc::new(job) }
    }

    /// A context of no broker, to call a handler in a test: the first attempt of a request of the requester `test` on
    /// the channel `test`. What is reported goes nowhere.
    #[must_use]
    pub fn for_test() -> Self {
        static NAMES: OnceLock<Option<(ChannelName, RequesterName)>> = OnceLock::new();
        let names = NAMES.get_or_init(|| Some((ChannelName::new("test").ok()?, RequesterName::new("test").ok()?)));
        let Some((channel, requester)) = names.clone() else { unreachable!("`test` is a name") };
        let id = RequestId::from_bytes([0; 16]);
        let job = Job {
            reports: None,
            token: Token { start: 0, id, delivery: 1 },
            ticket: TicketId { channel, id },
            attempt: 1,
            requester,
            operation: String::new(),
            content_type: String::new(),
            headers: Headers::default(),
            cancelled: CancellationToken::new(),
        };
        Self { job: Arc::new(job) }
    }

    /// Tells whoever follows the request how far the work is: `fraction` from 0 to 1, and what is being worked on.
    /// Latest wins; it waits for nothing.
    pub fn progress(&self, fraction: f32, stage: impl Into<String>) {
        self.note(fraction, stage, "");
    }

    /// As [`Context::progress`], with anything else worth telling.
    pub fn note(&self, fraction: f32, stage: impl Into<String>, note: impl Into<String>) {
        if let Some((shared, key)) = &self.job.reports {
            let progress = Progress { fraction, stage: stage.into(), note: note.into() };
            shared.with(|state, _| state.report_progress(*key, self.job.token, progress));
        }
    }

    /// Which attempt this is: 1, 2, 3 … up to the channel's `max_attempts`.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.job.attempt
    }

    /// Which delivery of the request this is: 1, 2, 3 …, counted as an attempt or not.
    #[must_use]
    pub fn delivery(&self) -> u32 {
        self.job.token.delivery
    }

    /// The request's ticket.
    #[must_use]
    pub fn ticket(&self) -> &TicketId {
        &self.job.ticket
    }

    /// Who asks.
    #[must_use]
    pub fn requester(&self) -> &RequesterName {
        &self.job.requester
    }

    /// The name of what is asked for; may be empty.
    #[must_use]
    pub fn operation(&self) -> &str {
        &self.job.operation
    }

    /// The payload's media type; empty where the requester named none.
    #[must_use]
    pub fn content_type(&self) -> &str {
        &self.job.content_type
    }

    /// Application headers of the request.
    #[must_use]
    pub fn headers(&self) -> &Headers {
        &self.job.headers
    }

    /// Fires when the work is no longer wanted from this handler: its lease was lost, the broker stops, or its service
    /// was dropped. What the handler returns after that goes nowhere.
    #[must_use]
    pub fn cancelled(&self) -> &CancellationToken {
        &self.job.cancelled
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Context({}, attempt {}, delivery {})", self.job.ticket, self.attempt(), self.delivery())
    }
}
