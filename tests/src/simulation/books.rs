//! The checker: plain books of what every channel was asked and did and of what every party saw, held against the
//! invariants of the contract as they are written.
//!
//! It keeps its own account and believes no figure of the broker's. Where it cannot know something, such as when a
//! connection was last heard, it takes the view that excuses the broker.

mod channel;
mod parts;
mod request;
mod restart;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use roundtrip_broker::ChannelFigures;
use roundtrip_broker::simulation::{Event, FaultyDisk};
use roundtrip_client::{Cancellation, Ending, Outcome};
use roundtrip_protocol::{OutcomeKind, RequestId};

use self::channel::ChannelBook;
use self::request::{RequestBook, Seen};
use super::coverage::Coverage;
use super::message;
use super::plan::ChannelPlan;
use super::trace::short;

/// What the contract promises for any interleaving and any fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invariant {
    /// An accepted request has exactly one outcome, a refused one none.
    OneOutcome,
    /// An outcome is kept until it is acknowledged.
    Kept,
    /// No delivery after an outcome, no settlement by a stale delivery.
    Fence,
    /// Attempts, places, rate, credit and pauses hold.
    Limits,
    /// First deliveries keep the order within a priority.
    Order,
    /// One key, one request.
    OneKey,
    /// Memory is bounded and returns to its idle level.
    Memory,
    /// Parts are ordered, and none is lost.
    Parts,
    /// What was told is on disk, and what is on disk is what was told.
    Durable,
    /// Everything ends.
    Progress,
}

/// What was broken, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The invariant.
    pub invariant: Invariant,
    /// What happened.
    pub how: String,
}

impl fmt::Display for Invariant {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::OneOutcome => "I1 (one outcome)",
            Self::Kept => "I2 (kept until acknowledged)",
            Self::Fence => "I3 (fence)",
            Self::Limits => "I4 (limits)",
            Self::Order => "I5 (order)",
            Self::OneKey => "I6 (one key, one request)",
            Self::Memory => "I7 (memory)",
            Self::Durable => "I8 (durable)",
            Self::Parts => "parts (13)",
            Self::Progress => "everything ends",
        })
    }
}

/// The books of one run.
#[derive(Debug)]
pub(crate) struct Books {
    pub(crate) coverage: Coverage,
    disk: FaultyDisk,
    broken: Option<Broken>,
    channels: Vec<ChannelBook>,
    requests: BTreeMap<RequestId, RequestBook>,
    /// The first request of each key of a requester name on a channel.
    keys: BTreeMap<(usize, &'static str, u8), RequestId>,
}

impl Books {
    pub(crate) fn new(plans: &[ChannelPlan], disk: &FaultyDisk) -> Self {
        Self {
            disk: disk.clone(),
            coverage: Coverage::default(),
            broken: None,
            channels: plans.iter().map(ChannelBook::new).collect(),
            requests: BTreeMap::new(),
            keys: BTreeMap::new(),
        }
    }

    pub(crate) fn broken(&self) -> Option<&Broken> {
        self.broken.as_ref()
    }

    pub(crate) fn violate(&mut self, invariant: Invariant, how: impl Into<String>) {
        self.broken.get_or_insert_with(|| Broken { invariant, how: how.into() });
    }

    /// What a channel was asked, or did.
    pub(crate) fn note(&mut self, now: Duration, channel: usize, event: &Event) {
        let claim = self.claim(channel, event);
        let Self { coverage, channels, requests, .. } = self;
        let noted = match event {
            Event::Begins => return self.begins(channel, false),
            Event::Arrives(event) => return channels[channel].arrives(event, requests),
            _ => channels[channel].note(now, channel, event, requests, coverage),
        };
        let noted = noted.and_then(|()| claim.map_or(Ok(()), |claim| self.check_claim(channel, claim)));
        if let Err((invariant, how)) = noted {
            self.violate(invariant, how);
        }
    }

    /// A party is told that its submission was accepted.
    pub(crate) fn told_accepted(
        &mut self,
        asked: RequestId,
        follows: RequestId,
        key: Option<(usize, &'static str, u8)>,
    ) {
        if !self.requests.get(&follows).is_some_and(RequestBook::was_accepted) {
            self.violate(Invariant::OneOutcome, format!("{} is accepted, and was not", short_of(follows)));
        }
        let Some(key) = key.filter(|_| !self.requests.get(&follows).is_some_and(|request| request.is_lost)) else {
            return;
        };
        let first = *self.keys.entry(key).or_insert(follows);
        if first != follows {
            let how =
                format!("one key gave {} and {} (asked as {})", short_of(first), short_of(follows), short_of(asked));
            self.violate(Invariant::OneKey, how);
        }
    }

    /// A party is told that its submission was refused.
    pub(crate) fn told_refused(&mut self, id: RequestId) {
        let Some(request) = self.requests.get_mut(&id) else { return };
        request.is_refused = true;
        let (channel, was_accepted) = (request.channel, request.was_accepted() && !request.is_gone);
        if was_accepted || self.on_disk(channel, id).is_some() {
            self.violate(Invariant::OneOutcome, format!("{} is refused, and was accepted", short_of(id)));
        }
    }

    /// A party is told an outcome.
    pub(crate) fn told_outcome(&mut self, id: RequestId, outcome: &Outcome) {
        let kind = outcome.kind();
        let Some(request) = self.requests.get_mut(&id) else {
            return self
                .violate(Invariant::OneOutcome, format!("an outcome of {}, which nobody submitted", short_of(id)));
        };
        if request.lived_before || request.is_damaged {
            return;
        }
        let most = self.channels[request.channel].plan.max_attempts;
        let seen = Seen { kind, attempts: outcome.attempts, contents: message::fingerprint(&outcome.payload) };
        let is_first = request.seen.is_none();
        let first = *request.seen.get_or_insert(seen);
        let (was_posted, settled_by) = (request.posted_at.is_some(), request.settled_by);
        let told = *request.kind_told.get_or_insert(kind);
        if is_first {
            match kind {
                OutcomeKind::Expired => self.coverage.expired += 1,
                OutcomeKind::Cancelled => self.coverage.cancelled += 1,
                OutcomeKind::Dead => self.coverage.dead += 1,
                _ => {}
            }
        }
        let name = short_of(id);
        if told != kind {
            self.violate(Invariant::OneOutcome, format!("{name} ended as {kind}, somebody was told {told}"));
        } else if first != seen {
            self.violate(Invariant::OneOutcome, format!("{name} has two outcomes: {first:?} and {seen:?}"));
        } else if !was_posted {
            self.violate(Invariant::OneOutcome, format!("{name} has an outcome that the channel does not know"));
        } else if outcome.attempts > most {
            self.violate(Invariant::Limits, format!("{name} had {} attempts of {most}", outcome.attempts));
        } else if let Ending::Replied(_) = outcome.ending {
            let Some((of, delivery)) = message::read(&outcome.payload) else {
                return self.violate(Invariant::OneOutcome, format!("the reply of {name} is no reply of a service"));
            };
            if of != id {
                self.violate(Invariant::OneOutcome, format!("{name} got the reply of {}", short_of(of)));
            } else if settled_by != Some(delivery) {
                let how = format!("{name} got the reply of delivery {delivery}, settled was {settled_by:?}");
                self.violate(Invariant::Fence, how);
            }
        }
    }

    /// A party is told that the broker does not know a ticket.
    pub(crate) fn told_unknown(&mut self, id: RequestId) {
        if let Some(request) = self.requests.get(&id)
            && request.was_accepted()
            && !request.is_gone
            && !request.lived_before
            && !request.is_damaged
        {
            self.violate(
                Invariant::Kept,
                format!("{} is unknown, and was accepted and not acknowledged", short_of(id)),
            );
        }
    }

    /// A party was told that its acknowledgement is done.
    pub(crate) fn told_acknowledged(&mut self, id: RequestId) {
        if let Some(request) = self.requests.get_mut(&id) {
            request.is_acknowledged_to_party = true;
        }
    }

    /// A party is told what became of its cancellation.
    pub(crate) fn told_cancellation(&mut self, id: RequestId, cancellation: Cancellation) {
        let kind = match cancellation {
            Cancellation::Cancelled => OutcomeKind::Cancelled,
            Cancellation::Ended(kind) => kind,
        };
        let Some(request) = self.requests.get_mut(&id).filter(|request| !request.is_damaged) else { return };
        let expected = *request.kind_told.get_or_insert(kind);
        let seen = request.seen.map_or(kind, |seen| seen.kind);
        if expected != kind || seen != kind {
            let how = format!("{} ended as {kind}, somebody was told {expected} and {seen}", short_of(id));
            self.violate(Invariant::OneOutcome, how);
        }
    }

    /// A service is told what no delivery that settles once may be told.
    pub(crate) fn told_wrongly(&mut self, id: RequestId, delivery: u32, what: &str) {
        self.violate(Invariant::Fence, format!("delivery {delivery} of {} {what}", short_of(id)));
    }

    /// What the broker shows after a step.
    pub(crate) fn check_figures(&mut self, figures: &[ChannelFigures]) {
        for figures in figures {
            let Some(book) = self.channels.iter().find(|book| book.plan.name == figures.channel.as_str()) else {
                continue;
            };
            let most = book.plan.max_in_flight.unwrap_or(usize::MAX) as u64;
            if figures.in_flight > most {
                let how = format!("{} deliveries are in flight, the most is {most}", figures.in_flight);
                return self.violate(Invariant::Limits, how);
            }
            let may_have = |request: &&RequestBook| request.channel == book.plan.number && request.may_have_place();
            let places = self.requests.values().filter(may_have).count() as u64;
            // A durable channel shows its figures when all that led to them is told.
            if figures.in_flight > places && !book.plan.is_durable {
                let how = format!("{} places are taken, by at most {places} deliveries", figures.in_flight);
                return self.violate(Invariant::Limits, how);
            }
        }
    }

    /// An accepted request, for somebody who looks for one.
    pub(crate) fn some_accepted(&self, at: u64) -> Option<(usize, RequestId)> {
        let accepted: Vec<_> = self.requests.iter().filter(|(_, request)| request.was_accepted()).collect();
        if accepted.is_empty() {
            return None;
        }
        let (id, request) = accepted[(at % accepted.len() as u64) as usize];
        Some((request.channel, *id))
    }

    /// Whether every accepted request has its outcome, and each that is in a named mailbox was acknowledged.
    pub(crate) fn is_all_done(&self) -> bool {
        self.requests.iter().filter(|(_, request)| request.was_accepted()).all(|(_, request)| {
            request.is_lost
                || request.posted_at.is_some()
                    && (request.is_gone
                        || request.is_acknowledged
                        || request.lived_before
                        || !request.is_in_named_mailbox)
        })
    }

    /// What is not done yet, for people.
    pub(crate) fn left(&self) -> Vec<String> {
        let open = self
            .requests
            .iter()
            .filter(|(_, request)| request.was_accepted() && !request.is_gone && !request.is_acknowledged);
        open.map(|(id, request)| format!("{}: {request:?}", short_of(*id))).collect()
    }
}

fn short_of(id: RequestId) -> String {
    format!("{:06x}", short(id))
}
