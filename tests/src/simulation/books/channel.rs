//! What is known of one channel, and what each thing that it does has to be held against.

use std::collections::BTreeMap;
use std::time::Duration;

use roundtrip_broker::simulation::{Event, Subscription, Way};
use roundtrip_protocol::{Acknowledgement, Answer, RequestId, StopReason, Token};

use super::request::{Current, RequestBook};
use super::{Coverage, Invariant, short_of};
use crate::simulation::plan::{ChannelPlan, RETENTION};

/// How the names begin that the library makes.
pub(super) const UNNAMED: &str = "unnamed-";

/// A channel.
#[derive(Debug)]
pub(super) struct ChannelBook {
    pub(super) plan: ChannelPlan,
    pub(super) asked: Asked,
    subscriptions: BTreeMap<Subscription, Subscribed>,
    /// When the token bucket is full, if nothing is handed out meanwhile.
    full_at: Duration,
    paused_until: Duration,
    /// When a connection was gone last. What was due before it is told after it.
    gone_at: Option<Duration>,
    /// Requests that were never delivered, by priority and by when they began to wait.
    pub(super) untouched: BTreeMap<(u8, Duration, RequestId), ()>,
}

#[derive(Debug)]
struct Subscribed {
    credit: u32,
    by_lease: bool,
}

/// What the channel was asked last.
#[derive(Debug, Clone, Copy)]
pub(super) enum Asked {
    Nothing,
    Submit { id: RequestId, delay: Duration, deadline: Option<Duration> },
    Settle { token: Token, way: Way },
    TakeBack { token: Token, by: Subscription },
    Renew { token: Token },
    Acknowledge { id: RequestId },
}

pub(super) type Noted = Result<(), (Invariant, String)>;
pub(super) type Requests = BTreeMap<RequestId, RequestBook>;

impl ChannelBook {
    pub(super) fn new(plan: &ChannelPlan) -> Self {
        Self {
            plan: plan.clone(),
            asked: Asked::Nothing,
            subscriptions: BTreeMap::new(),
            full_at: Duration::ZERO,
            paused_until: Duration::ZERO,
            gone_at: None,
            untouched: BTreeMap::new(),
        }
    }

    /// The broker was killed, or the channel begins again: nobody is subscribed, and nothing is in flight. What waited
    /// on disk waits as before.
    pub(super) fn forget(&mut self) {
        let untouched = if self.plan.is_durable { std::mem::take(&mut self.untouched) } else { BTreeMap::new() };
        *self = Self { untouched, ..Self::new(&self.plan) };
    }

    pub(super) fn note(
        &mut self,
        now: Duration,
        channel: usize,
        event: &Event,
        requests: &mut Requests,
        coverage: &mut Coverage,
    ) -> Noted {
        match *event {
            Event::Submit { id, ref requester, has_mailbox, priority, delay, deadline, has_key } => {
                self.asked = Asked::Submit { id, delay, deadline };
                let is_named = !requester.as_str().starts_with(UNNAMED);
                let fresh = RequestBook::submitted(channel, priority, has_key).with_mailbox(has_mailbox, is_named);
                let known = requests.entry(id).or_insert_with(|| fresh.clone());
                if known.is_gone || known.is_lost {
                    *known = RequestBook { lived_before: true, ..fresh };
                }
                Ok(())
            }
            Event::Subscribe { by, credit, by_lease } => {
                self.subscriptions.insert(by, Subscribed { credit, by_lease });
                Ok(())
            }
            Event::Credit { by, credit } => {
                self.subscriptions.entry(by).and_modify(|subscribed| subscribed.credit = credit);
                Ok(())
            }
            Event::Unsubscribe { by } => {
                self.part(requests, by, |_| Current::None { not_before: now });
                Ok(())
            }
            Event::Gone { peer } => {
                let services: Vec<_> = self.subscriptions.range((peer, 0)..=(peer, u32::MAX)).map(|it| *it.0).collect();
                self.gone_at = Some(now);
                let backoff = self.plan.backoff;
                for by in services {
                    self.part(requests, by, |attempt| lost(now, backoff, attempt));
                }
                Ok(())
            }
            Event::Settle { token, way } => {
                self.asked = Asked::Settle { token, way };
                Ok(())
            }
            Event::TakeBack { token, by } => {
                self.asked = Asked::TakeBack { token, by };
                Ok(())
            }
            Event::Acknowledge { id } => {
                self.asked = Asked::Acknowledge { id };
                Ok(())
            }
            Event::Renew { token } => {
                self.asked = Asked::Renew { token };
                Ok(())
            }
            Event::Asked => {
                self.asked = Asked::Nothing;
                Ok(())
            }
            Event::Stopped { token } => {
                if let Some(request) = current_of(requests, token)
                    && request.posted_at.is_some()
                {
                    request.current = Current::None { not_before: now };
                }
                Ok(())
            }
            Event::Accepted { duplicate_of } => self.accepted(now, duplicate_of, requests, coverage),
            Event::Refused { .. } => self.refused(requests),
            Event::Delivered { by, token, attempt, lease } => {
                if token.delivery > 1 {
                    coverage.redelivered += 1;
                }
                self.delivered(now, by, token, attempt, lease, requests)
            }
            Event::Answered { answer } => self.answered(now, answer, requests, coverage),
            Event::Decided { token, attempt } => {
                if let Some(request) = requests.get_mut(&token.id) {
                    request.deliveries_decided = request.deliveries_decided.max(token.delivery);
                    request.attempts_decided = request.attempts_decided.max(attempt);
                }
                Ok(())
            }
            Event::Withheld { token } => {
                if let Some(request) = requests.get_mut(&token.id) {
                    (request.deliveries, request.start) = (token.delivery, token.start);
                    request.current = Current::Unsure;
                    self.untouched.retain(|(_, _, id), ()| *id != token.id);
                }
                Ok(())
            }
            Event::Stop { token, reason } => {
                self.stop(now, token, reason, requests);
                Ok(())
            }
            Event::Posted { id } => self.posted(now, id, requests),
            Event::Unposted { id } => self.unposted(now, id, requests),
            Event::Acknowledged { result } => {
                if let (Asked::Acknowledge { id }, Acknowledgement::Done) = (self.asked, result)
                    && let Some(request) = requests.get_mut(&id)
                    && request.posted_at.is_some()
                {
                    request.is_gone |= !request.has_key;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn accepted(
        &mut self,
        now: Duration,
        duplicate_of: Option<RequestId>,
        requests: &mut Requests,
        coverage: &mut Coverage,
    ) -> Noted {
        let Asked::Submit { id, delay, deadline } = self.asked else { return Ok(()) };
        if let Some(first) = duplicate_of {
            coverage.duplicates += 1;
            if !requests.get(&first).is_some_and(RequestBook::was_accepted) {
                return Err((Invariant::OneKey, format!("a key led to {}, which is unknown", short_of(first))));
            }
            return Ok(());
        }
        let Some(request) = requests.get_mut(&id).filter(|request| !request.was_accepted()) else { return Ok(()) };
        request.accepted = Some((now, now + delay));
        request.deadline = now + deadline.unwrap_or(delay + self.plan.default_deadline);
        self.untouched.insert((request.priority, now + delay, id), ());
        Ok(())
    }

    fn refused(&self, requests: &Requests) -> Noted {
        match self.asked {
            Asked::Submit { id, .. } if requests.get(&id).is_some_and(RequestBook::was_accepted) => {
                Err((Invariant::OneOutcome, format!("{} is refused, and was accepted", short_of(id))))
            }
            _ => Ok(()),
        }
    }

    fn delivered(
        &mut self,
        now: Duration,
        by: Subscription,
        token: Token,
        attempt: u32,
        lease: Duration,
        requests: &mut Requests,
    ) -> Noted {
        let id = token.id;
        let name = short_of(id);
        let fail = |invariant, how: String| Err((invariant, format!("delivery {} of {name}: {how}", token.delivery)));
        let places = requests.values().filter(|request| self.is_mine(request) && request.surely_has_place(now)).count();
        let used = requests.values().filter(|request| request.surely_uses(by, now)).count();
        let Some(request) = requests.get_mut(&id) else {
            return fail(Invariant::OneOutcome, "nobody submitted it".into());
        };
        let Some((accepted, waits_from)) = request.accepted else {
            return fail(Invariant::OneOutcome, "it was not accepted".into());
        };
        if request.posted_at.is_some() {
            return fail(Invariant::Fence, "it has its outcome".into());
        }
        if token.delivery != request.deliveries + 1 {
            return fail(Invariant::Fence, format!("the last was number {}", request.deliveries));
        }
        let not_before = match request.current {
            Current::None { not_before } | Current::Lost { not_before, .. } => not_before,
            Current::Held { since, lease, .. } => since + lease,
            Current::Stopping { until, .. } => until,
            Current::Unsure => Duration::ZERO,
        };
        if now < not_before {
            return fail(Invariant::Fence, format!("{:?} is not over", request.current));
        }
        if attempt > self.plan.max_attempts {
            return fail(Invariant::Limits, format!("attempt {attempt} of {}", self.plan.max_attempts));
        }
        if now < waits_from {
            return fail(Invariant::Order, "its delay is not over".into());
        }
        if now >= request.deadline {
            return fail(Invariant::Limits, format!("its deadline is over, it was accepted at {accepted:?}"));
        }
        if now < self.paused_until {
            return fail(Invariant::Limits, "the channel is paused".into());
        }
        if self.plan.max_in_flight.is_some_and(|most| places >= most) {
            return fail(Invariant::Limits, format!("{places} places of max_in_flight are taken"));
        }
        match self.subscriptions.get(&by) {
            None => return fail(Invariant::Limits, format!("to {by:?}, which is not subscribed")),
            Some(Subscribed { credit, .. }) if used >= *credit as usize => {
                return fail(Invariant::Limits, format!("to {by:?}, which holds {used} and has a credit of {credit}"));
            }
            Some(_) => {}
        }
        let place = (request.priority, waits_from, id);
        if self.untouched.remove(&place).is_some() {
            let from = (request.priority, Duration::ZERO, RequestId::from_bytes([0; 16]));
            if let Some(((_, _, earlier), ())) =
                self.untouched.range(from..place).find(|((_, from, _), ())| *from < waits_from)
            {
                return fail(Invariant::Order, format!("{} has waited for longer", short_of(*earlier)));
            }
        }
        let above = (request.priority + 1, Duration::ZERO, RequestId::from_bytes([0; 16]));
        if let Some(((priority, _, higher), ())) = self.untouched.range(above..).find(|((_, from, _), ())| *from < now)
        {
            return fail(Invariant::Order, format!("{} waits with priority {priority}", short_of(*higher)));
        }
        (request.deliveries, request.start) = (token.delivery, token.start);
        // Renewal ends at `attempt_timeout`.
        let lease = self.plan.attempt_timeout.map_or(lease, |timeout| lease.min(timeout));
        request.current = Current::Held { by, since: now, lease, attempt };
        self.take_token(now).map_err(|how| (Invariant::Limits, format!("delivery of {name}: {how}")))
    }

    /// One more delivery is in the bucket's figure.
    fn take_token(&mut self, now: Duration) -> Result<(), String> {
        /// What rounding may make of an interval.
        const ROUNDING: Duration = Duration::from_micros(1);
        let Some((per_second, burst)) = self.plan.rate else { return Ok(()) };
        let interval = Duration::from_secs_f64(per_second.recip());
        if self.full_at > now + interval * (burst - 1) + ROUNDING {
            return Err(format!("the rate is {per_second} a second with a burst of {burst}"));
        }
        self.full_at = self.full_at.max(now) + interval;
        Ok(())
    }

    fn answered(&mut self, now: Duration, answer: Answer, requests: &mut Requests, coverage: &mut Coverage) -> Noted {
        match std::mem::replace(&mut self.asked, Asked::Nothing) {
            Asked::Settle { token, way } => {
                let Some(request) = requests.get_mut(&token.id) else { return Ok(()) };
                let is_current = request.has_current(token);
                match answer {
                    Answer::Settled => self.settled(now, token, way, request, coverage),
                    Answer::LeaseLost => {
                        coverage.stale += 1;
                        match request.current {
                            Current::Held { since, lease, .. } if is_current && now < since + lease => {
                                let how = format!(
                                    "delivery {} of {} cannot settle, and is current",
                                    token.delivery,
                                    short_of(token.id)
                                );
                                Err((Invariant::Fence, how))
                            }
                            _ => Ok(()),
                        }
                    }
                    Answer::Cancelled | Answer::Expired => {
                        coverage.stale += 1;
                        // Who settles does not work on it any more.
                        if is_current {
                            request.current = Current::None { not_before: now };
                        }
                        Ok(())
                    }
                    _ => Ok(()),
                }
            }
            Asked::Renew { token } if answer == Answer::Renewed => {
                let timeout = self.plan.attempt_timeout;
                if let Some(Current::Held { since, .. }) = current_of(requests, token).map(|it| &mut it.current)
                    && timeout.is_none()
                {
                    *since = now;
                }
                Ok(())
            }
            Asked::TakeBack { token, by } if answer == Answer::TakenBack => {
                let Some(request) = requests.get_mut(&token.id).filter(|request| request.has_current(token)) else {
                    let how = format!(
                        "delivery {} of {} is taken back, and is not the last",
                        token.delivery,
                        short_of(token.id)
                    );
                    return Err((Invariant::Fence, how));
                };
                let (was_lost, attempt) = match request.current {
                    Current::Lost { attempt, .. } => (true, attempt),
                    Current::Held { attempt, .. } => (false, attempt),
                    Current::None { .. } | Current::Stopping { .. } | Current::Unsure => {
                        let how =
                            format!("delivery {} of {} is taken back, and is over", token.delivery, short_of(token.id));
                        return Err((Invariant::Fence, how));
                    }
                };
                coverage.taken_back += u64::from(was_lost);
                // Its attempt began earlier: when it times out is not known from here.
                let lease = self.plan.attempt_timeout.map_or(self.plan.lease, |_| Duration::ZERO);
                request.current = Current::Held { by, since: now, lease, attempt };
                self.subscriptions.entry(by).or_insert(Subscribed { credit: 0, by_lease: false });
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn settled(
        &mut self,
        now: Duration,
        token: Token,
        way: Way,
        request: &mut RequestBook,
        coverage: &mut Coverage,
    ) -> Noted {
        if request.settled.contains(&(token.start, token.delivery)) {
            return Ok(());
        }
        let Current::Held { attempt, .. } = request.current else {
            let how = format!("delivery {} of {} settled in {:?}", token.delivery, short_of(token.id), request.current);
            return Err((Invariant::Fence, how));
        };
        if !request.has_current(token) {
            let (stale, current) = (token.delivery, request.deliveries);
            return Err((
                Invariant::Fence,
                format!("delivery {stale} of {} settled, current is {current}", short_of(token.id)),
            ));
        }
        if now >= request.deadline {
            let how = format!("delivery {} of {} settled after its deadline", token.delivery, short_of(token.id));
            return Err((Invariant::Limits, how));
        }
        request.settled.insert((token.start, token.delivery));
        let backoff = self.plan.backoff;
        let not_before = match way {
            Way::Retry => now + doubled(backoff, attempt),
            Way::Release => now + backoff,
            Way::Throttle(length) => {
                coverage.throttled += 1;
                self.paused_until = self.paused_until.max(now + length.min(self.plan.max_throttle));
                now
            }
            Way::Reply | Way::Fail | Way::Reject => {
                request.settled_by = Some(token.delivery);
                now
            }
        };
        let must_end = matches!(way, Way::Reply | Way::Fail | Way::Reject);
        request.current = Current::None { not_before };
        if must_end && request.posted_at.is_none() {
            return Err((Invariant::OneOutcome, format!("{} is settled finally, and goes on", short_of(token.id))));
        }
        Ok(())
    }

    fn stop(&mut self, now: Duration, token: Token, reason: StopReason, requests: &mut Requests) {
        let backoff = self.plan.backoff;
        let Some(request) = current_of(requests, token) else { return };
        let Current::Held { by, since, lease, attempt } = request.current else { return };
        request.current = match reason {
            StopReason::Cancelled | StopReason::Expired => Current::Stopping { by, until: since + lease },
            StopReason::LeaseLost | StopReason::AttemptTimeout => lost(now, backoff, attempt),
            _ => Current::None { not_before: now },
        };
    }

    fn posted(&mut self, now: Duration, id: RequestId, requests: &mut Requests) -> Noted {
        let name = short_of(id);
        let Some(request) = requests.get_mut(&id) else {
            return Err((Invariant::OneOutcome, format!("{name} has an outcome, and nobody submitted it")));
        };
        let Some((_, waits_from)) = request.accepted else {
            return Err((Invariant::OneOutcome, format!("{name} has an outcome, and was not accepted")));
        };
        if std::mem::take(&mut request.is_posted_again) || request.is_damaged && request.posted_at.is_some() {
            return Ok(());
        }
        if request.posted_at.is_some() {
            return Err((Invariant::OneOutcome, format!("{name} has a second outcome")));
        }
        request.posted_at = Some(now);
        let is_settled = matches!(self.asked, Asked::Settle { token, .. } if token.id == id);
        if request.is_damaged && !is_settled {
            // It may be dead for that, and then its place is free at once.
            request.current = Current::Unsure;
        } else if let (Current::Held { by, since, lease, .. }, false) = (request.current, is_settled) {
            // Nobody is told to stop where nobody is known to hold it.
            request.current = Current::Stopping { by, until: since + lease };
        } else if let (Current::Lost { .. }, true) = (request.current, self.gone_at == Some(now)) {
            // Perhaps it was stopping first, and then its connection was gone.
            request.current = Current::Unsure;
        }
        self.untouched.remove(&(request.priority, waits_from, id));
        Ok(())
    }

    fn unposted(&mut self, now: Duration, id: RequestId, requests: &mut Requests) -> Noted {
        let Some(request) = requests.get_mut(&id) else { return Ok(()) };
        let is_asked = matches!(self.asked, Asked::Acknowledge { id: asked } if asked == id);
        let posted = request.posted_at;
        request.is_acknowledged |= is_asked;
        request.is_gone |= !(is_asked && request.has_key);
        // One in no mailbox and under no key may go earlier, for room.
        let may_go = request.may_go_for_room();
        if !is_asked && !may_go && posted.is_none_or(|posted| now < posted + RETENTION) {
            let how = format!("{} is gone, not acknowledged, posted at {posted:?}", short_of(id));
            return Err((Invariant::Kept, how));
        }
        Ok(())
    }

    /// A subscription is over: what it held is given back or lost, what it stopped is over.
    fn part(&mut self, requests: &mut Requests, by: Subscription, of_held: impl Fn(u32) -> Current) {
        let by_lease = self.subscriptions.remove(&by).is_some_and(|subscribed| subscribed.by_lease);
        if by_lease {
            return;
        }
        for request in requests.values_mut() {
            match request.current {
                Current::Held { by: holder, attempt, .. } if holder == by => request.current = of_held(attempt),
                Current::Stopping { by: holder, .. } if holder == by => {
                    request.current = Current::None { not_before: Duration::ZERO };
                }
                _ => {}
            }
        }
    }

    fn is_mine(&self, request: &RequestBook) -> bool {
        request.channel == self.plan.number
    }
}

/// The request whose current delivery shows this token.
fn current_of(requests: &mut Requests, token: Token) -> Option<&mut RequestBook> {
    requests.get_mut(&token.id).filter(|request| request.has_current(token))
}

fn lost(now: Duration, backoff: Duration, attempt: u32) -> Current {
    Current::Lost { attempt, not_before: now + doubled(backoff, attempt) }
}

/// The least that is waited after so many attempts; the plan's longest backoff is four times its first.
fn doubled(backoff: Duration, attempt: u32) -> Duration {
    backoff.saturating_mul(1 << attempt.saturating_sub(1).min(2))
}
