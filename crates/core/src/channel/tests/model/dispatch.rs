//! Whether what was handed out could be, and whether anything more should have been.

use super::known::{Held, Model, Stage};
use super::*;

impl Model {
    /// A delivery: of the request that is first in turn, to a service with credit and room, within every limit.
    pub(super) fn delivered(&mut self, peer: PeerId, tell: &Tell<Numbers>) {
        let Tell::Delivery { service, token, attempt, lease, remaining, attempt_timeout, redrive_of, .. } = tell else {
            panic!("expected a delivery, got {tell:?}");
        };
        let id = number(token.id);
        let there = self.services.iter().find(|there| (there.peer.id, there.service.service) == (peer, *service));
        let there = there.unwrap_or_else(|| panic!("request {id} goes to nobody"));
        let holds = self.holds(peer, *service);
        assert!(holds < there.credit as usize, "{peer:?} has no credit for request {id}: it holds {holds}");
        assert!(there.peer.has_room(), "{peer:?} has no room for request {id}");
        assert!(self.in_flight_has_room(), "request {id} goes out above max_in_flight");
        assert!(self.dispatch_opens() <= self.now, "request {id} goes out before {:?}", self.dispatch_opens());
        let known = self.known(id).unwrap_or_else(|| panic!("request {id} is not known"));
        assert!(known.is_waiting(), "request {id} is delivered while it is {:?}", known.stage);
        let before = self.requests.iter().find(|other| other.is_waiting() && other.goes_before(known));
        assert!(before.is_none(), "request {id} goes before {before:?}");
        assert_eq!(*token, Token { start: self.start, id: request(id), delivery: known.deliveries + 1 });
        assert_eq!(*attempt, known.attempts + 1);
        assert_eq!(*lease, there.lease);
        assert_eq!(*remaining, known.deadline.since(self.now));
        assert_eq!(*attempt_timeout, self.settings.attempt_timeout);
        assert_eq!(redrive_of.map(number), known.redrive_of);
        let now = self.now;
        let held = Held {
            delivery: token.delivery,
            service: there.service,
            hold: there.hold,
            lease: there.lease,
            holder: Some(there.peer.clone()),
            handed_over: now,
            renewed: now,
            progress: false,
        };
        let known = self.known_mut(id);
        known.deliveries += 1;
        known.attempts += 1;
        known.stage = Stage::InFlight(held);
        self.handed_out.push(now);
        self.begin_parts(id);
    }

    pub(super) fn in_flight_has_room(&self) -> bool {
        self.settings.max_in_flight.is_none_or(|most| self.in_flight() < most)
    }

    /// When neither a pause nor the rate forbids a delivery: over any time there are no more than the burst, and what
    /// the rate allows for that time.
    pub(super) fn dispatch_opens(&self) -> Time {
        let Some(Rate { per_second, burst }) = self.settings.rate else { return self.paused_until };
        let interval = Duration::from_secs_f64(1.0 / per_second);
        let all = self.handed_out.len();
        let opens =
            self.handed_out.iter().enumerate().filter(|(nth, _)| all - nth >= burst as usize).map(|(nth, since)| {
                let with_it = (all - nth) as u32 + 1;
                *since + interval * (with_it - burst)
            });
        opens.max().unwrap_or_default().max(self.paused_until)
    }

    /// Whether a request waits and a service has credit and room for it.
    pub(super) fn someone_could_take(&self) -> bool {
        let waits = self.requests.iter().any(|known| known.is_waiting());
        let free = self.services.iter().any(|there| {
            there.peer.has_room() && self.holds(there.peer.id, there.service.service) < there.credit as usize
        });
        waits && free
    }

    pub(super) fn nobody_waits_in_vain(&self) {
        let could = self.someone_could_take() && self.in_flight_has_room() && self.dispatch_opens() <= self.now;
        assert!(!could, "a request waits, a service is free, and nothing forbids a delivery");
    }
}
