//! What happens when a request has its outcome, whatever gave it, and when it is gone.

use roundtrip_protocol::RequestId;

use super::Step;
use super::effect::{Ending, Outcome, What};
use super::record::{Ended, Record};
use super::request::{End, Stage};
use crate::handles::{Handles, Peer, Place};
use crate::planted::{self, Fault};

/// How many fetched outcomes go at once where memory is short.
const FETCHED_AT_ONCE: usize = 64;

impl<H: Handles> Step<'_, H> {
    /// The request's one outcome: nothing is delivered or settled after it. Everybody who follows is told, and the
    /// mailbox gets it.
    pub(super) fn end(&mut self, id: RequestId, ending: Ending<H>) {
        let Some(request) = self.channel.requests.get(&id) else { return };
        debug_assert!(!request.has_ended(), "a request ends once");
        let (place, message) = (request.place.clone(), request.message.clone());
        let outcome = Outcome { attempts: request.attempts, ending };
        let settled_by = match &request.stage {
            Stage::InFlight(delivery) if delivery.is_settled => Some((self.channel.start, delivery.number)),
            _ => None,
        };
        match &request.stage {
            Stage::Scheduled { .. } => self.channel.scheduled -= 1,
            Stage::Waiting => self.channel.queue.remove(request.position),
            Stage::InFlight(_) => self.leave_service(id),
            Stage::Lost(_) => self.channel.held -= 1,
            Stage::BackingOff | Stage::Ended(_) => {}
        }
        let died = match &outcome.ending {
            Ending::Dead { reason, last } => Some((*reason, last.clone())),
            _ => None,
        };
        if died.is_some() {
            // A letter of an earlier request with this id, which is gone.
            self.exhume(id);
        }
        self.channel.open -= 1;
        let is_posted = place.has_mailbox();
        self.channel.unacknowledged += usize::from(is_posted);
        self.enter_end(id, outcome, settled_by, (false, is_posted));
        match died {
            Some((reason, last)) => self.bury(id, reason, last),
            None => self.effect(What::Spend { request: message }),
        }
        self.serve(id, |_| true);
        if planted::is(Fault::PostedTwice) {
            self.effect(What::Post { place: place.clone(), id });
        }
        self.effect(What::Post { place, id });
    }

    /// The request has this outcome from now on; whether that is acknowledged, and in a mailbox, stands beside it.
    pub(super) fn enter_end(
        &mut self,
        id: RequestId,
        outcome: Outcome<H>,
        settled_by: Option<(u64, u32)>,
        (is_acknowledged, is_posted): (bool, bool),
    ) {
        let since = self.now.time;
        self.keep(id, |request| Record::End {
            request: request.message.clone(),
            ended: Ended { outcome: outcome.clone(), since, deliveries: request.deliveries, settled_by },
        });
        let end = End { outcome, since, settled_by, is_acknowledged, is_posted };
        self.enter(id, Stage::Ended(Box::new(end)), Some(since + self.channel.settings.retention));
    }

    /// Forgets a request that has its outcome.
    pub(super) fn forget(&mut self, id: RequestId) {
        self.keep(id, Record::of_going);
        self.set_due(id, None);
        self.drop_parts(id);
        self.take_down(id);
        let Some(request) = self.channel.requests.remove(&id) else { return };
        for follower in request.followers.iter() {
            self.channel.followed.remove(follower.peer.id(), follower.place);
        }
        if let Some(key) = request.key() {
            self.channel.keys.remove(key);
        }
        if let Some(&End { since, is_acknowledged, .. }) = request.end() {
            self.channel.fetched.remove(&(since, id));
            if !is_acknowledged {
                self.effect(What::Unpost { place: request.place, id });
            }
        }
    }

    /// Memory is short: outcomes go that are in no mailbox and were read.
    pub(super) fn make_room(&mut self) {
        for _ in 0..FETCHED_AT_ONCE {
            let Some((_, id)) = self.channel.fetched.pop_first() else { return };
            self.forget(id);
        }
    }
}
