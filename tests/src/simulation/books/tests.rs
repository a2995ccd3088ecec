//! The checker rejects what must not happen, and lets pass what may.

use std::time::Duration;

use bytes::Bytes;
use roundtrip_broker::simulation::{Event, FaultyDisk, Way};
use roundtrip_protocol::{Acknowledgement, Answer, RequestId, RequesterName, Token};

use super::{Books, Invariant};
use crate::simulation::chance::Chance;
use crate::simulation::message;
use crate::simulation::plan::{ChannelPlan, RETENTION};

const LEASE: Duration = Duration::from_secs(2);
const BACKOFF: Duration = Duration::from_millis(200);
const BY: (u64, u32) = (1, 1);

/// A history that a test makes up, and the books that are told it.
struct History {
    books: Books,
    now: Duration,
}

impl History {
    fn begin() -> Self {
        Self::of(|_| {})
    }

    /// A history of a channel with other settings.
    fn of(set: impl FnOnce(&mut ChannelPlan)) -> Self {
        let mut plan = ChannelPlan {
            lease: LEASE,
            attempt_timeout: None,
            max_attempts: 2,
            max_in_flight: None,
            rate: None,
            backoff: BACKOFF,
            ..ChannelPlan::draw(0, ("request", "reply"), &mut Chance::new(1))
        };
        set(&mut plan);
        let mut history = Self { books: Books::new(&[plan], &FaultyDisk::default()), now: Duration::from_secs(1) };
        history.happens(&Event::Subscribe { by: BY, credit: 2, by_lease: false });
        history
    }

    fn happens(&mut self, event: &Event) {
        self.books.note(self.now, 0, event);
    }

    fn submitted(&mut self, id: RequestId, priority: u8) {
        let requester = RequesterName::new("ward").unwrap();
        let (delay, deadline) = (Duration::ZERO, None);
        self.happens(&Event::Submit { id, requester, has_mailbox: true, priority, delay, deadline, has_key: false });
    }

    fn accepted(&mut self, id: RequestId) {
        self.submitted(id, 4);
        self.happens(&Event::Accepted { duplicate_of: None });
        self.passes(Duration::from_millis(1));
    }

    fn delivered(&mut self, id: RequestId, delivery: u32, attempt: u32) {
        self.happens(&Event::Delivered { by: BY, token: token(id, delivery), attempt, lease: LEASE });
    }

    fn settled(&mut self, id: RequestId, delivery: u32, way: Way) {
        self.happens(&Event::Settle { token: token(id, delivery), way });
        if matches!(way, Way::Reply | Way::Fail | Way::Reject) {
            self.happens(&Event::Posted { id });
        }
        self.happens(&Event::Answered { answer: Answer::Settled });
    }

    fn told(&mut self, id: RequestId, payload: Bytes) {
        self.books.told_outcome(id, &roundtrip_client::simulation::replied(1, payload));
    }

    fn passes(&mut self, time: Duration) {
        self.now += time;
    }

    fn breaks(&self, invariant: Invariant) {
        let broken = self.books.broken().expect("something is broken");
        assert_eq!(broken.invariant, invariant, "{}", broken.how);
    }

    fn holds(&self) {
        assert_eq!(self.books.broken(), None);
    }
}

fn id(number: u8) -> RequestId {
    RequestId::from_bytes([number; 16])
}

fn token(id: RequestId, delivery: u32) -> Token {
    Token { start: 7, id, delivery }
}

fn reply(id: RequestId, delivery: u32) -> Bytes {
    message::of_delivery(id, delivery, 0).payload
}

#[test]
fn a_good_life_passes() {
    let mut history = History::begin();
    history.accepted(id(1));
    history.delivered(id(1), 1, 1);
    history.settled(id(1), 1, Way::Retry);
    history.passes(BACKOFF);
    history.delivered(id(1), 2, 2);
    history.settled(id(1), 2, Way::Reply);
    history.told(id(1), reply(id(1), 2));
    history.happens(&Event::Acknowledge { id: id(1) });
    history.happens(&Event::Unposted { id: id(1) });
    history.happens(&Event::Acknowledged { result: Acknowledgement::Done });
    history.books.told_unknown(id(1));
    history.holds();
}

#[test]
fn two_outcomes_are_one_too_many() {
    let mut history = History::begin();
    history.accepted(id(1));
    history.happens(&Event::Posted { id: id(1) });
    history.happens(&Event::Posted { id: id(1) });
    history.breaks(Invariant::OneOutcome);
}

#[test]
fn two_parties_cannot_see_different_outcomes() {
    let mut history = History::begin();
    history.accepted(id(1));
    history.delivered(id(1), 1, 1);
    history.settled(id(1), 1, Way::Reply);
    history.told(id(1), reply(id(1), 1));
    history.told(id(1), reply(id(1), 2));
    history.breaks(Invariant::OneOutcome);
}

#[test]
fn a_refused_request_has_no_outcome_and_no_delivery() {
    let mut history = History::begin();
    history.submitted(id(1), 4);
    history.delivered(id(1), 1, 1);
    history.breaks(Invariant::OneOutcome);
}

#[test]
fn an_outcome_does_not_go_before_it_is_acknowledged_or_retention_passed() {
    let mut history = History::begin();
    history.accepted(id(1));
    history.happens(&Event::Posted { id: id(1) });
    history.passes(RETENTION - Duration::from_millis(1));
    history.happens(&Event::Unposted { id: id(1) });
    history.breaks(Invariant::Kept);
}

#[test]
fn nothing_is_delivered_after_its_outcome() {
    let mut history = History::begin();
    history.accepted(id(1));
    history.happens(&Event::Posted { id: id(1) });
    history.delivered(id(1), 1, 1);
    history.breaks(Invariant::Fence);
}

#[test]
fn a_request_is_not_delivered_while_a_service_has_it() {
    let mut history = History::begin();
    history.accepted(id(1));
    history.delivered(id(1), 1, 1);
    history.passes(LEASE / 2);
    history.delivered(id(1), 2, 2);
    history.breaks(Invariant::Fence);
}

#[test]
fn a_lost_delivery_is_not_given_up_before_its_backoff() {
    let mut history = History::begin();
    history.accepted(id(1));
    history.delivered(id(1), 1, 1);
    history.happens(&Event::Gone { peer: BY.0 });
    history.happens(&Event::Subscribe { by: (2, 1), credit: 1, by_lease: false });
    history.passes(BACKOFF / 2);
    history.happens(&Event::Delivered { by: (2, 1), token: token(id(1), 2), attempt: 2, lease: LEASE });
    history.breaks(Invariant::Fence);
}

#[test]
fn a_stale_delivery_does_not_settle() {
    let mut history = History::begin();
    history.accepted(id(1));
    history.delivered(id(1), 1, 1);
    history.passes(LEASE);
    history.delivered(id(1), 2, 2);
    history.settled(id(1), 1, Way::Reply);
    history.breaks(Invariant::Fence);
}

#[test]
fn attempts_credit_and_places_are_limited() {
    let mut history = History::of(|plan| plan.max_attempts = 1);
    history.accepted(id(1));
    history.delivered(id(1), 1, 2);
    history.breaks(Invariant::Limits);

    let mut history = History::begin();
    for number in 1..=3 {
        history.accepted(id(number));
        history.delivered(id(number), 1, 1);
    }
    history.breaks(Invariant::Limits);

    let mut history = History::of(|plan| plan.max_in_flight = Some(1));
    for number in 1..=2 {
        history.accepted(id(number));
        history.delivered(id(number), 1, 1);
    }
    history.breaks(Invariant::Limits);
}

#[test]
fn a_rate_is_not_exceeded_and_a_pause_is_kept() {
    let mut history = History::of(|plan| plan.rate = Some((1.0, 1)));
    for number in 1..=2 {
        history.accepted(id(number));
        history.delivered(id(number), 1, 1);
    }
    history.breaks(Invariant::Limits);

    let mut history = History::begin();
    history.accepted(id(1));
    history.delivered(id(1), 1, 1);
    history.settled(id(1), 1, Way::Throttle(Duration::from_millis(400)));
    history.passes(Duration::from_millis(399));
    history.delivered(id(1), 2, 1);
    history.breaks(Invariant::Limits);
}

#[test]
fn first_deliveries_keep_their_order_and_priorities_are_strict() {
    let mut history = History::begin();
    history.accepted(id(1));
    history.accepted(id(2));
    history.delivered(id(2), 1, 1);
    history.breaks(Invariant::Order);

    let mut history = History::begin();
    history.accepted(id(1));
    history.submitted(id(2), 9);
    history.happens(&Event::Accepted { duplicate_of: None });
    history.passes(Duration::from_millis(1));
    history.delivered(id(1), 1, 1);
    history.breaks(Invariant::Order);
}

#[test]
fn one_key_is_one_request() {
    let mut history = History::begin();
    history.accepted(id(1));
    history.accepted(id(2));
    history.books.told_accepted(id(1), id(1), Some((0, "ward", 3)));
    history.holds();
    history.books.told_accepted(id(2), id(2), Some((0, "ward", 3)));
    history.breaks(Invariant::OneKey);
}

#[test]
fn parts_are_told_in_order_and_none_is_left_out() {
    let mut history = History::begin();
    history.accepted(id(1));
    let mut read = history.books.reads_parts(id(1));
    history.books.told_part(id(1), &mut read, (1, 1), Some((id(1), 1)));
    history.holds();
    history.books.told_part(id(1), &mut read, (1, 3), Some((id(1), 1)));
    history.breaks(Invariant::Parts);

    let mut history = History::begin();
    history.accepted(id(1));
    history.delivered(id(1), 1, 1);
    let read = history.books.reads_parts(id(1));
    history.books.kept_part(id(1), 1, 2);
    history.settled(id(1), 1, Way::Reply);
    history.books.told_last_part(id(1), read);
    history.breaks(Invariant::Parts);
}

#[test]
fn what_is_told_of_a_durable_channel_is_on_disk() {
    let mut history = History::of(|plan| plan.is_durable = true);
    history.accepted(id(1));
    history.breaks(Invariant::Durable);
}

#[test]
fn what_a_durable_channel_accepted_is_there_when_it_begins_again() {
    let mut history = History::begin();
    history.accepted(id(1));
    history.books.channels[0].plan.is_durable = true;
    history.happens(&Event::Begins);
    history.breaks(Invariant::Durable);
}

#[test]
fn what_was_in_memory_may_be_unknown_when_the_broker_was_killed_and_be_submitted_again() {
    let mut history = History::begin();
    history.accepted(id(1));
    history.delivered(id(1), 1, 1);
    history.books.killed();
    history.books.told_unknown(id(1));
    assert!(history.books.is_all_done());
    history.happens(&Event::Subscribe { by: BY, credit: 2, by_lease: false });
    history.accepted(id(1));
    history.delivered(id(1), 1, 1);
    history.holds();
}
