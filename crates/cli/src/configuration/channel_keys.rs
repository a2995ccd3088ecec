//! The keys of a channel, in `[defaults]` and in a `[[channel]]`: the names of the builder's methods.

use std::time::Duration;

use roundtrip::ChannelName;
use roundtrip::broker::{ChannelSettings, NoService};

use super::kinds::{Backoff, Positive, Rate, Size};
use super::settings::settings;

settings! {
    /// How a channel behaves.
    struct ChannelKeys {
        /// Where replies go if a request does not say otherwise. Not set: `_request` at the end of the channel's name
        /// becomes `_reply`, and without that ending `_reply` is added.
        reply_channel: Option<ChannelName> = None,
        /// Whether what is accepted survives the broker, on the disk: for that it needs a folder, see data. Not set: if
        /// there is one.
        durable: Option<bool> = None,
        /// How many requests may wait: in the queue, for the end of their delay, or for their next attempt.
        capacity: usize = 10_000,
        /// How long a delivery may go without a sign of life before it is taken back.
        lease: Positive<Duration> = Positive(Duration::from_secs(30)),
        /// The longest lease that a service may ask for.
        max_lease: Positive<Duration> = Positive(Duration::from_secs(3600)),
        /// How long one delivery may take, however alive its service is. Not set: until the request's deadline.
        attempt_timeout: Option<Positive<Duration>> = None,
        /// How many counted deliveries a request gets before it is dead.
        max_attempts: Positive<u32> = Positive(5),
        /// How many times a request may be released, uncounted, before it is dead.
        max_releases: u32 = 100,
        /// The longest pause of the channel that a service's throttle makes.
        max_throttle: Duration = Duration::from_secs(300),
        /// How many deliveries may be in flight at once, over all services. Not set: as many as they take.
        max_in_flight: Option<Positive<usize>> = None,
        /// How many deliveries a second, over all services, and how many at once after a pause. Not set: any number.
        rate: Option<Rate> = None,
        /// What becomes of a request while there is no service: "wait" or "refuse".
        no_service: NoService = NoService::Wait,
        /// The operations that are taken. Not set: all.
        operations: Option<Vec<String>> = None,
        /// The media types of payloads that are taken. Not set: all.
        content_types: Option<Vec<String>> = None,
        /// How long a request waits after its first attempt, doubled with each further one up to max.
        backoff: Backoff = Backoff { first: Duration::from_millis(500), max: Duration::from_secs(60) },
        /// The deadline of a request that names none.
        default_deadline: Positive<Duration> = Positive(Duration::from_secs(24 * 3600)),
        /// How long an outcome is kept that nobody acknowledges, and an idempotency key after its outcome.
        retention: Duration = Duration::from_secs(3600),
        /// How many idempotency keys are kept.
        max_keys: usize = 10_000,
        /// The largest payload of a request, a part or a reply.
        max_payload: Size = Size::mib(16),
        /// How much memory is set aside for a request's reply when it is accepted.
        reply_room: Size = Size::kib(4),
        /// How many bytes of parts of one request are kept that nobody has acknowledged.
        parts_room: Size = Size::mib(1),
        /// How many dead letters are kept; the oldest goes first.
        max_dead_letters: usize = 1_000,
        /// How many bytes of dead letters are kept.
        max_dead_letter_bytes: Size = Size::mib(64),
        /// How long a dead letter is kept.
        dead_letter_age: Duration = Duration::from_secs(7 * 24 * 3600),
    }
}

impl ChannelKeys {
    /// A channel of this name that behaves so.
    pub(super) fn settings(&self, name: impl Into<String>) -> ChannelSettings {
        let mut settings = ChannelSettings::new(name)
            .capacity(self.capacity)
            .lease(self.lease.0)
            .max_lease(self.max_lease.0)
            .max_attempts(self.max_attempts.0)
            .max_releases(self.max_releases)
            .max_throttle(self.max_throttle)
            .no_service(self.no_service)
            .backoff(self.backoff.first, self.backoff.max)
            .default_deadline(self.default_deadline.0)
            .retention(self.retention)
            .max_keys(self.max_keys)
            .max_payload(self.max_payload.0)
            .reply_room(self.reply_room.0)
            .parts_room(self.parts_room.0)
            .max_dead_letters(self.max_dead_letters)
            .max_dead_letter_bytes(self.max_dead_letter_bytes.0)
            .dead_letter_age(self.dead_letter_age);
        if let Some(reply_channel) = &self.reply_channel {
            settings = settings.reply_channel(reply_channel.as_str());
        }
        if let Some(is_durable) = self.durable {
            settings = settings.durable(is_durable);
        }
        if let Some(Positive(timeout)) = self.attempt_timeout {
            settings = settings.attempt_timeout(timeout);
        }
        if let Some(Positive(most)) = self.max_in_flight {
            settings = settings.max_in_flight(most);
        }
        if let Some(Rate { per_second, burst }) = self.rate {
            settings = settings.rate(per_second, burst);
        }
        if let Some(operations) = &self.operations {
            settings = settings.operations(operations);
        }
        if let Some(content_types) = &self.content_types {
            settings = settings.content_types(content_types);
        }
        settings
    }
}
