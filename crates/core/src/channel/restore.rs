//! How a channel begins again with what was kept of it.
//!
//! Nothing is with a service then: what was in flight, or lost, waits at its old place, and that delivery does not count.

use roundtrip_protocol::RequestId;

use super::dead::DeadLetter;
use super::part::Parts;
use super::queue::Position;
use super::record::{Ended, Restored, Tried};
use super::request::{End, Request, Stage};
use super::{Channel, Effect, Step, What};
use crate::handles::{Handles, Place};
use crate::time::{Now, Time};

impl<H: Handles> Channel<H> {
    /// Makes room for so many requests that will be restored. It only makes that faster.
    pub fn reserve(&mut self, requests: usize) {
        self.requests.reserve(requests);
    }

    /// Takes in a request that was kept, before [`Channel::begin`].
    pub fn restore(&mut self, request: Restored<H>) {
        let Restored { accepted, tried, parts, ended } = request;
        let (id, order, until) = (accepted.id, accepted.order, accepted.until);
        let mut request = Request::restored(accepted);
        if let Some(key) = request.key() {
            self.keys.insert(key, id);
        }
        let due = match (ended, tried) {
            (Some((ended, is_acknowledged)), _) => {
                Some(request.restore_end(ended, is_acknowledged) + self.settings.retention)
            }
            (None, Some(tried)) => request.restore_tried(tried),
            (None, None) => request.restore_untried(order, until),
        };
        if let Some(parts) = parts.map(Parts::restored) {
            request.restore_parts(parts);
        }
        self.open += usize::from(!request.has_ended());
        self.scheduled += usize::from(matches!(request.stage, Stage::Scheduled { .. }));
        self.unacknowledged += usize::from(request.end().is_some_and(|end| end.is_posted));
        self.next_order = self.next_order.max(request.position.order() + 1);
        let (position, is_waiting) = (request.position, matches!(request.stage, Stage::Waiting));
        let slot = self.requests.insert(request);
        if is_waiting {
            self.queue.insert(position, slot);
        }
        self.set_due(id, due);
    }

    /// Takes in a dead letter that was kept, before [`Channel::begin`]; the oldest comes first.
    pub fn restore_letter(&mut self, letter: DeadLetter<H>) {
        self.dead.insert(letter);
    }

    /// How many deliveries each request has had, if it has had any.
    pub fn deliveries(&self) -> impl Iterator<Item = (RequestId, u32)> {
        let tried = self.requests.iter().filter(|request| request.deliveries > 0);
        tried.map(|request| (request.id, request.deliveries))
    }

    /// This start of the broker has handed out deliveries of a request up to this number, which is not kept: none of
    /// these numbers is given again. Before [`Channel::begin`].
    pub fn skip_deliveries(&mut self, id: RequestId, last: u32) {
        let Some(request) = self.requests.get_mut(&id) else { return };
        if !request.has_ended() && request.deliveries < last {
            request.deliveries = last;
            request.rare_mut().is_ahead = true;
        }
    }

    /// Begins, once, with what was restored: outcomes go into their mailboxes in the order in which they came, then what
    /// is due is done.
    pub fn begin(&mut self, now: Now, effects: &mut Vec<Effect<H>>) {
        let mut step = Step { channel: self, now, effects };
        step.post_what_was_restored();
        step.do_what_is_due();
        step.dispatch();
    }
}

impl<H: Handles> Step<'_, H> {
    fn post_what_was_restored(&mut self) {
        let ended = self.channel.requests.iter().filter_map(|request| Some((request.end()?, request.id)));
        let mut posted: Vec<_> = ended.filter(|(end, _)| end.is_posted).map(|(end, id)| (end.since, id)).collect();
        posted.sort_unstable();
        for (_, id) in posted {
            if let Some(request) = self.channel.requests.get(&id) {
                let place = request.place.clone();
                self.effect(What::Post { place, id });
            }
        }
    }
}

impl<H: Handles> Request<H> {
    /// It has its outcome; says since when.
    fn restore_end(&mut self, ended: Ended<H>, is_acknowledged: bool) -> Time {
        let Ended { outcome, since, deliveries, settled_by } = ended;
        let is_posted = !is_acknowledged && self.place.has_mailbox();
        self.deliveries = deliveries;
        self.attempts = outcome.attempts;
        self.stage = Stage::Ended(Box::new(End { outcome, since, settled_by, is_acknowledged, is_posted }));
        since
    }

    /// It was tried, or its delay is over; says until when it backs off.
    fn restore_tried(&mut self, tried: Tried<H>) -> Option<Time> {
        let Tried { order, until, deliveries, attempts, releases, last } = tried;
        self.position = Position::new(self.position.priority(), order);
        self.deliveries = deliveries;
        self.attempts = attempts;
        if releases > 0 || last.is_some() {
            let rare = self.rare_mut();
            (rare.releases, rare.last_problem) = (releases, last);
        }
        self.stage = if until.is_some() { Stage::BackingOff } else { Stage::Waiting };
        until
    }

    /// It is where it was accepted; says until when it is delayed.
    fn restore_untried(&mut self, order: Option<u64>, until: Option<Time>) -> Option<Time> {
        match order {
            Some(order) => {
                self.position = Position::new(self.position.priority(), order);
                self.stage = Stage::Waiting;
                None
            }
            None => {
                let until = until.unwrap_or(self.accepted);
                self.stage = Stage::Scheduled { until };
                Some(until)
            }
        }
    }

    /// Parts of a delivery before the last one that is known of are void.
    fn restore_parts(&mut self, parts: Parts<H>) {
        if !self.has_ended() {
            self.deliveries = self.deliveries.max(parts.delivery);
        }
        if parts.delivery == self.deliveries {
            self.rare_mut().parts = Some(parts);
        }
    }
}
