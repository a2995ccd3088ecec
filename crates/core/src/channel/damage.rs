//! What happens when what was kept of a request turns out to be damaged: it is dead, whatever it was, and never silently.

use roundtrip_protocol::{DeadReason, RequestId};

use super::effect::{Ending, Outcome};
use super::request::{End, Request, Stage};
use super::{Record, Step};
use crate::handles::Handles;

impl<H: Handles> Step<'_, H> {
    /// What was kept of a request, or of a dead letter, is damaged.
    pub(super) fn damaged(&mut self, id: RequestId) {
        self.end_stopping(id);
        match self.channel.requests.get_mut(&id) {
            Some(request) if request.has_ended() => self.replace_outcome(id),
            Some(request) => {
                // Nobody was told of the delivery that it has: without its payload it could not be handed over.
                if matches!(request.stage, Stage::InFlight(_) | Stage::Lost(_)) {
                    request.attempts -= 1;
                }
                let last = request.last_problem();
                self.end(id, Ending::Dead { reason: DeadReason::Damaged, last });
            }
            None => self.channel.dead.condemn(id),
        }
    }

    /// The request has ended: the outcome that it has is another one from here on, and everybody is told that.
    fn replace_outcome(&mut self, id: RequestId) {
        let Some(End { outcome, since, settled_by, is_acknowledged, is_posted }) =
            self.channel.requests.get(&id).and_then(Request::end)
        else {
            return;
        };
        let (attempts, since, settled_by) = (outcome.attempts, *since, *settled_by);
        let (is_acknowledged, is_posted) = (*is_acknowledged, *is_posted);
        match outcome.ending {
            Ending::Dead { reason: DeadReason::Damaged, .. } => return,
            // It is a letter already, and stays one.
            Ending::Dead { .. } => drop(self.channel.dead.remove(id)),
            _ => drop(self.exhume(id)),
        }
        let ending = Ending::Dead { reason: DeadReason::Damaged, last: None };
        let outcome = Outcome { attempts, ending };
        self.channel.fetched.remove(&(since, id));
        self.enter_end(id, outcome, settled_by, (is_acknowledged, is_posted));
        if is_acknowledged {
            self.keep(id, Record::of_acknowledgement);
        }
        self.bury(id, DeadReason::Damaged, None);
        if let Some(request) = self.channel.requests.get_mut(&id) {
            for follower in request.followers.iter_mut() {
                follower.is_told = false;
            }
        }
        self.serve(id, |_| true);
    }
}
