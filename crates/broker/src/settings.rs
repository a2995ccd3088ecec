//! How a channel behaves, as its owner says it.

use std::time::Duration;

use roundtrip_core::Settings;
use roundtrip_protocol::{ChannelName, NameError};

/// How a channel behaves. Every setting has a default, so that only what differs is said.
///
/// ```
/// use std::time::Duration;
/// use roundtrip_broker::ChannelSettings;
///
/// let summaries = ChannelSettings::new("patient_summary_request").lease(Duration::from_secs(10)).max_attempts(3);
/// # let _ = summaries;
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct ChannelSettings {
    name: String,
    reply_channel: Option<String>,
    core: Settings,
    pub(crate) max_payload: usize,
    pub(crate) reply_room: usize,
}

impl ChannelSettings {
    /// The default settings for a channel of this name. A name that is none is told when the broker starts.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            reply_channel: None,
            core: Settings::default(),
            max_payload: 16 * 1024 * 1024,
            reply_room: 4 * 1024,
        }
    }

    /// The default settings, for channels that are made on first use: see
    /// [`BrokerBuilder::defaults`](crate::BrokerBuilder::defaults).
    pub fn for_undeclared() -> Self {
        Self::new(String::new())
    }

    /// Where replies go, if a request does not say otherwise. By default `_request` at the end of the channel's name
    /// becomes `_reply`, and without that ending `_reply` is added.
    pub fn reply_channel(mut self, name: impl Into<String>) -> Self {
        self.reply_channel = Some(name.into());
        self
    }

    /// The most requests without an outcome: 10,000.
    pub fn capacity(mut self, requests: usize) -> Self {
        self.core.capacity = requests;
        self
    }

    /// How long a delivery may go without a sign of life before it is taken back: 30 s.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.core.lease = lease;
        self
    }

    /// How many counted deliveries a request gets before it is dead: 5. At least 1.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.core.max_attempts = attempts;
        self
    }

    /// How many times a request may be released, uncounted, before it is dead: 100.
    pub fn max_releases(mut self, releases: u32) -> Self {
        self.core.max_releases = releases;
        self
    }

    /// How long a request waits after its first counted delivery before it is delivered again: 500 ms, doubled with
    /// each further one up to `max`: 60 s. Jitter lengthens it.
    pub fn backoff(mut self, first: Duration, max: Duration) -> Self {
        self.core.backoff_first = first;
        self.core.backoff_max = max;
        self
    }

    /// How long an outcome is kept that nobody acknowledges: 1 h.
    pub fn retention(mut self, retention: Duration) -> Self {
        self.core.retention = retention;
        self
    }

    /// The largest payload of a request or a reply, in bytes: 16 MiB.
    pub fn max_payload(mut self, bytes: usize) -> Self {
        self.max_payload = bytes;
        self
    }

    /// How much memory is set aside for a request's reply when it is accepted, in bytes: 4 KiB. A larger reply takes
    /// the rest when it arrives, if there is room.
    pub fn reply_room(mut self, bytes: usize) -> Self {
        self.reply_room = bytes;
        self
    }

    pub(crate) fn declared_plan(&self) -> Result<ChannelPlan, ChannelError> {
        let wrong = |source| ChannelError::Name { name: self.name.clone(), source };
        let name = ChannelName::new(&self.name).map_err(wrong)?;
        if self.core.max_attempts == 0 {
            return Err(ChannelError::NoAttempt { name });
        }
        if self.core.lease.is_zero() {
            return Err(ChannelError::NoLease { name });
        }
        let reply = self.reply_channel.as_deref().unwrap_or(&self.name).to_owned();
        self.plan(name).map_err(|source| ChannelError::Name { name: reply, source })
    }

    pub(crate) fn plan(&self, name: ChannelName) -> Result<ChannelPlan, NameError> {
        let reply_channel = match &self.reply_channel {
            Some(reply_channel) => ChannelName::new(reply_channel)?,
            None => name.default_reply_channel()?,
        };
        let settings = self.core.clone();
        let (max_payload, reply_room) = (self.max_payload, self.reply_room);
        Ok(ChannelPlan { name, reply_channel, settings, max_payload, reply_room })
    }
}

/// What is wrong with a channel's settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// Its name, or that of its reply channel, is none.
    #[error("{name:?} is not the name of a channel: {source}")]
    Name {
        /// What was given.
        name: String,
        /// What is wrong with it.
        source: NameError,
    },
    /// It was declared twice.
    #[error("channel {name} is declared twice: declare it once")]
    Twice {
        /// The channel.
        name: ChannelName,
    },
    /// A request needs at least one attempt.
    #[error("channel {name} allows no attempt: max_attempts is at least 1")]
    NoAttempt {
        /// The channel.
        name: ChannelName,
    },
    /// A lease has a length.
    #[error("channel {name} has a lease of no length: give it some seconds")]
    NoLease {
        /// The channel.
        name: ChannelName,
    },
}

/// What happens when somebody names a channel that was not declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnUnknown {
    /// It is made, with default settings, and forgotten when it is idle and unused.
    #[default]
    Create,
    /// It is refused, naming the nearest channel that there is.
    Refuse,
}

/// Settings that were held against the rules.
#[derive(Debug, Clone)]
pub(crate) struct ChannelPlan {
    pub(crate) name: ChannelName,
    pub(crate) reply_channel: ChannelName,
    pub(crate) settings: Settings,
    pub(crate) max_payload: usize,
    pub(crate) reply_room: usize,
}
