//! How a delivery ends, and the fence before it: only the current delivery may settle, report or renew.

use std::time::Duration;

use roundtrip_protocol::{Answer, Call, DeadReason, Progress, RequestId, Token};

use super::effect::{Ending, Tell};
use super::record::Record;
use super::request::{Request, Stage};
use super::stop::WhyStopped;
use super::{Settling, Step};
use crate::handles::Handles;
use crate::planted::{self, Fault};

/// Where the delivery of a token stands.
pub(super) enum Standing<'a, H: Handles> {
    /// With a service: this is the request's current delivery.
    Current(&'a mut Request<H>),
    /// Lost, and not given up yet: it may be taken back.
    Lost(&'a mut Request<H>),
    /// Its request ended under it, and it has not stopped yet.
    Stopping(WhyStopped),
    /// Settled, now or earlier.
    Settled,
    /// Of another delivery, request or start of the broker that counts no more.
    Stale,
}

impl<H: Handles> Step<'_, H> {
    pub(super) fn settle(&mut self, peer: &H::Peer, call: Call, token: Token, settlement: Settling<H>) {
        let answer = match self.standing(token) {
            Standing::Settled => Answer::Settled,
            Standing::Current(request) => {
                if let Stage::InFlight(delivery) = &mut request.stage {
                    delivery.is_settled = true;
                }
                self.settle_current(token.id, settlement);
                self.remember_settled(token);
                Answer::Settled
            }
            Standing::Stopping(why) => {
                // Who settles does not work on it any more.
                self.end_stopping(token.id);
                self.channel.stale += 1;
                why.answer()
            }
            Standing::Lost(_) | Standing::Stale => {
                self.channel.stale += 1;
                Answer::LeaseLost
            }
        };
        self.tell(peer, Tell::Answered { call, answer });
    }

    /// Where the delivery of a token stands.
    pub(super) fn standing(&mut self, token: Token) -> Standing<'_, H> {
        if token.start != self.channel.start {
            return self.standing_of_another_start(token);
        }
        if let Some(stopping) = self.channel.stopping.get(&token.id)
            && stopping.delivery.number == token.delivery
        {
            return Standing::Stopping(stopping.why);
        }
        let Some(request) = self.channel.requests.get_mut(&token.id) else { return Standing::Stale };
        match &request.stage {
            Stage::InFlight(_) if planted::is(Fault::MissingFence) => Standing::Current(request),
            Stage::InFlight(delivery) if delivery.number == token.delivery => Standing::Current(request),
            Stage::Lost(delivery) if delivery.number == token.delivery => Standing::Lost(request),
            _ if request.was_settled(token.delivery) || request.was_ended_by(token.start, token.delivery) => {
                Standing::Settled
            }
            _ => Standing::Stale,
        }
    }

    /// All that is known of a delivery of another start of the broker is whether it gave the request its outcome.
    fn standing_of_another_start(&self, token: Token) -> Standing<'_, H> {
        match self.channel.requests.get(&token.id) {
            Some(request) if request.was_ended_by(token.start, token.delivery) => Standing::Settled,
            _ => Standing::Stale,
        }
    }

    fn settle_current(&mut self, id: RequestId, settlement: Settling<H>) {
        match settlement {
            Settling::Reply(answer) => self.end(id, Ending::Replied(answer)),
            Settling::Fail(answer) => self.end(id, Ending::Failed(answer)),
            Settling::Reject(answer) => {
                self.end(id, Ending::Dead { reason: DeadReason::Rejected, last: Some(answer) });
            }
            Settling::Retry { problem, retry_after } => self.retry(id, problem, retry_after),
            Settling::Release => self.release(id),
            Settling::Throttle { retry_after } => self.throttle(id, retry_after),
        }
    }

    /// It was settled for another attempt; one that was ended knows by what.
    fn remember_settled(&mut self, token: Token) {
        if let Some(request) = self.channel.requests.get_mut(&token.id).filter(|request| !request.has_ended()) {
            request.rare_mut().settled.push(token.delivery);
        }
    }

    fn retry(&mut self, id: RequestId, problem: H::Answer, retry_after: Option<Duration>) {
        let Some(request) = self.channel.requests.get_mut(&id) else {
            return;
        };
        if request.attempts >= self.channel.settings.max_attempts {
            let reason = DeadReason::AttemptsExhausted;
            return self.end(id, Ending::Dead { reason, last: Some(problem) });
        }
        request.rare_mut().last_problem = Some(problem);
        let (attempts, order) = (request.attempts, request.position.order());
        let wait = self.backoff(attempts, order).max(retry_after.unwrap_or_default());
        self.back_off(id, wait);
    }

    fn release(&mut self, id: RequestId) {
        let Some(request) = self.channel.requests.get_mut(&id) else {
            return;
        };
        request.attempts -= 1;
        request.rare_mut().releases += 1;
        if request.releases() > self.channel.settings.max_releases {
            let last = request.last_problem();
            return self.end(id, Ending::Dead { reason: DeadReason::ReleasesExhausted, last });
        }
        let order = request.position.order();
        let wait = self.backoff(1, order);
        self.back_off(id, wait);
    }

    /// Given back at once, at its old place; nothing is handed out for a while.
    fn throttle(&mut self, id: RequestId, retry_after: Duration) {
        self.pause(retry_after);
        self.leave_service(id);
        self.give_back(id);
    }

    /// Settled for another attempt: the service has let go of it, and it waits again later.
    fn back_off(&mut self, id: RequestId, wait: Duration) {
        self.leave_service(id);
        self.enter(id, Stage::BackingOff, Some(self.now.time + wait));
        self.keep(id, Record::of_move);
    }

    /// The latest progress, told to everybody who follows. A stale one is dropped.
    pub(super) fn report(&mut self, token: Token, progress: &Progress) {
        let Standing::Current(request) = self.standing(token) else {
            self.channel.stale += 1;
            return;
        };
        let Stage::InFlight(delivery) = &mut request.stage else { return };
        delivery.progress = Some(progress.clone());
        let followers = request.followers.iter().map(|follower| (follower.peer.clone(), follower.ticket));
        for (peer, ticket) in followers.collect::<Vec<_>>() {
            self.tell(&peer, Tell::Progress { ticket, progress: progress.clone() });
        }
    }
}
