//! How a channel behaves, as its owner says it.

use std::time::Duration;

use roundtrip_core::{NoService, Rate, Settings};
use roundtrip_protocol::{ChannelName, NameError, Refusal, RefusalCode};

/// How a channel behaves. Every setting has a default, so that only what differs is said.
///
/// ```
/// use std::time::Duration;
/// use roundtrip_broker::ChannelSettings;
///
/// let summaries = ChannelSettings::new("patient_summary_request")
///     .max_in_flight(8) // over all services
///     .rate(20.0, 40) // deliveries a second, and how many at once
///     .default_deadline(Duration::from_secs(600));
/// # let _ = summaries;
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct ChannelSettings {
    name: String,
    reply_channel: Option<String>,
    durable: Option<bool>,
    core: Settings,
    max_lease: Duration,
    operations: Option<Vec<String>>,
    content_types: Option<Vec<String>>,
    payload_limits: PayloadLimits,
}

impl ChannelSettings {
    /// The default settings for a channel of this name. A name that is none is told when the broker starts.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            reply_channel: None,
            durable: None,
            core: Settings::default(),
            max_lease: Duration::from_secs(3600),
            operations: None,
            content_types: None,
            payload_limits: PayloadLimits {
                max_payload: 16 * 1024 * 1024,
                reply_room: 4 * 1024,
                parts_room: Settings::default().parts_room,
                is_durable: false,
            },
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

    /// Whether what the channel accepts survives the broker. Unless it is said here, a channel is durable if the broker
    /// has a folder for that: see [`BrokerBuilder::data`](crate::BrokerBuilder::data).
    pub fn durable(mut self, is_durable: bool) -> Self {
        self.durable = Some(is_durable);
        self
    }

    /// The most requests that wait, in the queue, for their delay or for their backoff: 10,000.
    pub fn capacity(mut self, requests: usize) -> Self {
        self.core.capacity = requests;
        self
    }

    /// How long a delivery may go without a sign of life before it is taken back: 30 s.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.core.lease = lease;
        self
    }

    /// The longest lease that a service gets that wishes for one: 1 h. The channel's own may be longer.
    pub fn max_lease(mut self, lease: Duration) -> Self {
        self.max_lease = lease;
        self
    }

    /// How long a delivery may take, however alive its service is: no limit. Then it is lost and counts as an attempt.
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.core.attempt_timeout = Some(timeout);
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

    /// The longest pause that a service's `throttle` makes: 5 min.
    pub fn max_throttle(mut self, pause: Duration) -> Self {
        self.core.max_throttle = pause;
        self
    }

    /// How many deliveries there are at once over all services: no limit. At least 1.
    pub fn max_in_flight(mut self, deliveries: usize) -> Self {
        self.core.max_in_flight = Some(deliveries);
        self
    }

    /// How many deliveries are handed out a second over all services, and how many at once after a pause: no limit. The
    /// first is over 0, the second at least 1.
    pub fn rate(mut self, per_second: f64, burst: u32) -> Self {
        self.core.rate = Some(Rate { per_second, burst });
        self
    }

    /// What becomes of a submission when the channel has no service: it waits for one.
    pub fn no_service(mut self, policy: NoService) -> Self {
        self.core.no_service = policy;
        self
    }

    /// The operations that the channel takes; a request for another one is refused. All.
    pub fn operations(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.operations = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// The media types of the payloads that the channel takes; a request with another one is refused. All.
    pub fn content_types(mut self, types: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.content_types = Some(types.into_iter().map(Into::into).collect());
        self
    }

    /// How long a request waits after its first counted delivery before it is delivered again: 500 ms, doubled with
    /// each further one up to `max`: 60 s. Jitter lengthens it.
    pub fn backoff(mut self, first: Duration, max: Duration) -> Self {
        self.core.backoff_first = first;
        self.core.backoff_max = max;
        self
    }

    /// How long after the end of its delay a request expires that names no deadline: 24 h.
    pub fn default_deadline(mut self, deadline: Duration) -> Self {
        self.core.default_deadline = deadline;
        self
    }

    /// How long an outcome is kept that nobody acknowledges, and how long an idempotency key is known after its
    /// outcome: 1 h.
    pub fn retention(mut self, retention: Duration) -> Self {
        self.core.retention = retention;
        self
    }

    /// The most idempotency keys that are known at once: 10,000.
    pub fn max_keys(mut self, keys: usize) -> Self {
        self.core.max_keys = keys;
        self
    }

    /// The largest payload of a request or a reply, in bytes: 16 MiB.
    pub fn max_payload(mut self, bytes: usize) -> Self {
        self.payload_limits.max_payload = bytes;
        self
    }

    /// How much memory is set aside for a request's reply when it is accepted, in bytes: 4 KiB. A larger reply takes
    /// the rest when it arrives, if there is room.
    pub fn reply_room(mut self, bytes: usize) -> Self {
        self.payload_limits.reply_room = bytes;
        self
    }

    /// How many bytes the unacknowledged parts of a request may have together, labels included: 1 MiB.
    pub fn parts_room(mut self, bytes: usize) -> Self {
        self.payload_limits.parts_room = bytes;
        self.core.parts_room = bytes;
        self
    }

    /// The most dead letters: 1,000. Beyond it the oldest goes.
    pub fn max_dead_letters(mut self, letters: usize) -> Self {
        self.core.max_dead_letters = letters;
        self
    }

    /// How many bytes the payloads of dead letters may have together: 64 MiB. Beyond it the oldest goes.
    pub fn max_dead_letter_bytes(mut self, bytes: usize) -> Self {
        self.core.max_dead_letter_bytes = bytes;
        self
    }

    /// How long a dead letter is kept: 7 days.
    pub fn dead_letter_age(mut self, age: Duration) -> Self {
        self.core.dead_letter_age = age;
        self
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether the channel is durable, where it is if it does not say so itself.
    pub(crate) fn is_durable(&self, otherwise: bool) -> bool {
        self.durable.unwrap_or(otherwise)
    }

    /// Says whether the channel is durable where it does not say so itself.
    pub(crate) fn set_default_durable(&mut self, is_durable: bool) {
        let is_durable = self.is_durable(is_durable);
        self.core.is_durable = is_durable;
        self.payload_limits.is_durable = is_durable;
    }

    pub(crate) const fn payload_limits(&self) -> PayloadLimits {
        self.payload_limits
    }

    pub(crate) fn declared_plan(&self) -> Result<ChannelPlan, ChannelError> {
        let wrong = |source| ChannelError::Name { name: self.name.clone(), source };
        let name = ChannelName::new(&self.name).map_err(wrong)?;
        self.check(&self.name)?;
        let reply = self.reply_channel.as_deref().unwrap_or(&self.name).to_owned();
        self.plan(name).map_err(|source| ChannelError::Name { name: reply, source })
    }

    /// Holds the settings against the rules, for channels of one name or of any.
    pub(crate) fn check(&self, channel: &str) -> Result<(), ChannelError> {
        let Settings { max_attempts, max_in_flight, rate, lease, attempt_timeout, default_deadline, .. } = self.core;
        let (first, longest) = (self.core.backoff_first, self.core.backoff_max);
        let names_some = |list: &Option<Vec<String>>| list.as_ref().is_none_or(|names| !names.is_empty());
        let rules: [(&'static str, bool, &'static str, String); 11] = [
            ("max_attempts", max_attempts >= 1, "at least 1", max_attempts.to_string()),
            ("max_in_flight", max_in_flight != Some(0), "at least 1", "0".to_owned()),
            (
                "rate",
                rate.is_none_or(|rate| rate.per_second > 0.0 && rate.per_second.is_finite()),
                "more than 0 a second",
                rate.map_or_else(String::new, |rate| rate.per_second.to_string()),
            ),
            ("rate", rate.is_none_or(|rate| rate.burst >= 1), "a burst of at least 1", "0".to_owned()),
            ("lease", !lease.is_zero(), "more than 0", "0".to_owned()),
            ("max_lease", !self.max_lease.is_zero(), "more than 0", "0".to_owned()),
            ("attempt_timeout", attempt_timeout != Some(Duration::ZERO), "more than 0", "0".to_owned()),
            ("default_deadline", !default_deadline.is_zero(), "more than 0", "0".to_owned()),
            ("backoff", first <= longest, "a first step up to the longest", format!("{first:?} up to {longest:?}")),
            ("operations", names_some(&self.operations), "at least one name", "none".to_owned()),
            ("content_types", names_some(&self.content_types), "at least one media type", "none".to_owned()),
        ];
        match rules.into_iter().find(|(_, holds, ..)| !holds) {
            None => Ok(()),
            Some((setting, _, expected, found)) => {
                Err(ChannelError::Setting { channel: channel.to_owned(), setting, expected, found })
            }
        }
    }

    pub(crate) fn plan(&self, name: ChannelName) -> Result<ChannelPlan, NameError> {
        let reply_channel = match &self.reply_channel {
            Some(reply_channel) => ChannelName::new(reply_channel)?,
            None => name.default_reply_channel()?,
        };
        Ok(ChannelPlan {
            name,
            reply_channel,
            settings: self.core.clone(),
            max_lease: self.max_lease,
            operations: self.operations.clone(),
            content_types: self.content_types.clone(),
            payload_limits: self.payload_limits,
        })
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
    /// A setting makes no sense.
    #[error("{setting} of {} is {expected}, not {found}", of_channel(channel))]
    Setting {
        /// The channel; empty for the defaults of all.
        channel: String,
        /// The setting.
        setting: &'static str,
        /// What was expected.
        expected: &'static str,
        /// What came.
        found: String,
    },
}

fn of_channel(name: &str) -> String {
    if name.is_empty() { "the defaults for channels".to_owned() } else { format!("channel {name}") }
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

/// What is asked about payloads before they are read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PayloadLimits {
    pub(crate) max_payload: usize,
    pub(crate) reply_room: usize,
    pub(crate) parts_room: usize,
    pub(crate) is_durable: bool,
}

/// Settings that were held against the rules.
#[derive(Debug, Clone)]
pub(crate) struct ChannelPlan {
    pub(crate) name: ChannelName,
    pub(crate) reply_channel: ChannelName,
    pub(crate) settings: Settings,
    pub(crate) payload_limits: PayloadLimits,
    max_lease: Duration,
    operations: Option<Vec<String>>,
    content_types: Option<Vec<String>>,
}

impl ChannelPlan {
    pub(crate) const fn set_durable(&mut self, is_durable: bool) {
        self.settings.is_durable = is_durable;
        self.payload_limits.is_durable = is_durable;
    }

    /// The lease of a service that wishes for this one.
    pub(crate) fn lease(&self, wish: Option<Duration>) -> Duration {
        wish.map_or(self.settings.lease, |wish| wish.min(self.max_lease.max(self.settings.lease)))
    }

    /// Whether the channel takes such requests.
    pub(crate) fn check_kind(&self, operation: &str, content_type: &str) -> Result<(), Refusal> {
        let is_taken =
            |list: &Option<Vec<String>>, found| list.as_ref().is_none_or(|list| list.iter().any(|it| it == found));
        if !is_taken(&self.operations, operation) {
            let list = in_words(self.operations.as_deref());
            let message = format!("channel {} takes these operations: {list}", self.name);
            return Err(Refusal::new(RefusalCode::UnknownOperation, message));
        }
        if !is_taken(&self.content_types, content_type) {
            let list = in_words(self.content_types.as_deref());
            let message = format!("channel {} takes payloads of these content types: {list}", self.name);
            return Err(Refusal::new(RefusalCode::UnknownContentType, message));
        }
        Ok(())
    }
}

/// A list as a refusal tells it, which is not without end.
fn in_words(list: Option<&[String]>) -> String {
    const MOST: usize = 1024;
    let mut words = list.unwrap_or_default().join(", ");
    if words.len() > MOST {
        words.truncate(words.floor_char_boundary(MOST));
        words.push('…');
    }
    words
}
