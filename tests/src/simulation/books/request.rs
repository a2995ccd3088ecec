//! What is known of one request.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use roundtrip_broker::simulation::Subscription;
use roundtrip_protocol::{OutcomeKind, Token};

/// A request.
#[derive(Debug, Clone)]
pub(super) struct RequestBook {
    pub(super) channel: usize,
    pub(super) priority: u8,
    /// When it was accepted, and from when on it waits.
    pub(super) accepted: Option<(Duration, Duration)>,
    pub(super) deadline: Duration,
    pub(super) has_key: bool,
    pub(super) deliveries: u32,
    pub(super) current: Current,
    /// The deliveries that settled, with the broker's start numbers.
    pub(super) settled: BTreeSet<(u64, u32)>,
    /// The delivery whose settlement was the outcome.
    pub(super) settled_by: Option<u32>,
    pub(super) posted_at: Option<Duration>,
    pub(super) is_in_named_mailbox: bool,
    /// The channel took an acknowledgement of it.
    pub(super) is_acknowledged: bool,
    /// Nobody can read it any more.
    pub(super) is_gone: bool,
    pub(super) is_acknowledged_to_party: bool,
    pub(super) seen: Option<Seen>,
    /// How it ended, as whoever cancelled it or saw the outcome was told first.
    pub(super) kind_told: Option<OutcomeKind>,
    pub(super) is_one_way: bool,
    /// Its id stood for another request, whose outcome was acknowledged from the mailbox while a task of its requester
    /// had no answer yet and submitted again. What is told of that one may still be under way, and a mailbox that gave
    /// its outcome does not give this one's.
    pub(super) lived_before: bool,
    /// The last part that a service was told is kept, by delivery.
    pub(super) parts_kept: BTreeMap<u32, u32>,
    pub(super) parts_readers: u32,
    /// The broker's start number in the latest delivery's token.
    pub(super) start: u64,
    /// Its channel was in memory, and the broker was killed.
    pub(super) is_lost: bool,
    /// Something of it is damaged on disk.
    pub(super) is_damaged: bool,
    /// Its requester was told that it is refused, and did not ask again.
    pub(super) is_refused: bool,
    /// Somebody acknowledges it, and was not told yet that it is done.
    pub(super) is_being_acknowledged: bool,
    /// It is gone, or about to be, and its id is submitted once more.
    pub(super) is_asked_again: bool,
    /// It was recovered with its outcome, which goes into its mailbox once more.
    pub(super) is_posted_again: bool,
    /// The highest figures that the channel decided, told or not.
    pub(super) deliveries_decided: u32,
    pub(super) attempts_decided: u32,
    /// How many numbers of deliveries are not on disk because the channel began again after they were handed out.
    pub(super) skipped: u32,
}

/// The latest delivery of a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Current {
    /// There is none that counts, and none before a time.
    None { not_before: Duration },
    /// A service has it.
    Held { by: Subscription, since: Duration, lease: Duration, attempt: u32 },
    /// It was lost, and nobody may have the request before a time.
    Lost { attempt: u32, not_before: Duration },
    /// Its request ended under it.
    Stopping { by: Subscription, until: Duration },
    /// Its request ended under it, and it may be over.
    Unsure,
}

/// An outcome as a party saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) kind: OutcomeKind,
    pub(super) attempts: u32,
    pub(super) contents: u64,
}

impl RequestBook {
    pub(super) fn submitted(channel: usize, priority: u8, has_key: bool) -> Self {
        Self {
            channel,
            priority,
            accepted: None,
            deadline: Duration::MAX,
            has_key,
            deliveries: 0,
            current: Current::None { not_before: Duration::ZERO },
            settled: BTreeSet::new(),
            settled_by: None,
            posted_at: None,
            is_in_named_mailbox: false,
            is_acknowledged: false,
            is_gone: false,
            is_acknowledged_to_party: false,
            seen: None,
            kind_told: None,
            is_one_way: false,
            lived_before: false,
            parts_kept: BTreeMap::new(),
            parts_readers: 0,
            start: 0,
            is_lost: false,
            is_damaged: false,
            is_refused: false,
            is_being_acknowledged: false,
            is_asked_again: false,
            is_posted_again: false,
            deliveries_decided: 0,
            attempts_decided: 0,
            skipped: 0,
        }
    }

    pub(super) const fn with_mailbox(mut self, has_one: bool, is_named: bool) -> Self {
        self.is_in_named_mailbox = has_one && is_named;
        self.is_one_way = !has_one;
        self
    }

    pub(super) const fn was_accepted(&self) -> bool {
        self.accepted.is_some()
    }

    /// Whether a token is that of the latest delivery.
    pub(super) fn has_current(&self, token: Token) -> bool {
        self.deliveries == token.delivery && self.start == token.start
    }

    /// Whether its outcome may be gone without anybody having been told.
    pub(super) const fn may_be_gone(&self) -> bool {
        self.is_gone || self.is_being_acknowledged || self.posted_at.is_some() && self.may_go_for_room()
    }

    /// Whether its outcome, once fetched, may go for room.
    pub(super) const fn may_go_for_room(&self) -> bool {
        !self.is_in_named_mailbox && !self.has_key
    }

    /// Whether it surely has a place in `max_in_flight` at a time.
    pub(super) fn surely_has_place(&self, now: Duration) -> bool {
        match self.current {
            Current::None { .. } | Current::Unsure => false,
            Current::Held { since, lease, .. } => now < since + lease,
            Current::Lost { not_before, .. } => now < not_before,
            Current::Stopping { until, .. } => now < until,
        }
    }

    /// Whether it may have a place in `max_in_flight`.
    pub(super) const fn may_have_place(&self) -> bool {
        !matches!(self.current, Current::None { .. })
    }

    /// Whether it surely takes credit of a subscription at a time.
    pub(super) fn surely_uses(&self, subscription: Subscription, now: Duration) -> bool {
        match self.current {
            Current::Held { by, since, lease, .. } => by == subscription && now < since + lease,
            Current::Stopping { by, until } => by == subscription && now < until,
            Current::None { .. } | Current::Lost { .. } | Current::Unsure => false,
        }
    }
}
