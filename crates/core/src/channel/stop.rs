//! How a request ends before its service is done: cancelled, expired, or with the broker. The service at work is told to
//! stop, and its delivery keeps its place until it has.

use roundtrip_protocol::{Answer, Call, Cancellation, RequestId, StopReason, Token};

use super::Step;
use super::effect::{Ending, Tell};
use super::request::{Delivery, Stage};
use crate::handles::Handles;
use crate::planted::{self, Fault};
use crate::time::Time;

/// A delivery whose request was cancelled or expired under it. It keeps its place in `max_in_flight` and its credit, so
/// that what the service works with is not overrun by the next one.
#[derive(Debug)]
pub(super) struct Stopping<H: Handles> {
    pub(super) delivery: Box<Delivery<H>>,
    pub(super) why: WhyStopped,
    /// When its lease ends, which nothing renews any more.
    until: Option<Time>,
}

/// Why a delivery is stopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WhyStopped {
    Cancelled,
    Expired,
}

impl WhyStopped {
    pub(super) const fn answer(self) -> Answer {
        match self {
            Self::Cancelled => Answer::Cancelled,
            Self::Expired => Answer::Expired,
        }
    }

    const fn reason(self) -> StopReason {
        match self {
            Self::Cancelled => StopReason::Cancelled,
            Self::Expired => StopReason::Expired,
        }
    }
}

impl<H: Handles> Step<'_, H> {
    pub(super) fn cancel(&mut self, peer: &H::Peer, call: Call, id: RequestId) {
        let result = match self.channel.requests.get(&id).map(|request| &request.stage) {
            None => Cancellation::UnknownTicket,
            Some(Stage::Ended(end)) => Cancellation::Ended(end.outcome.ending.kind()),
            Some(_) => {
                self.end_under_service(id, WhyStopped::Cancelled);
                Cancellation::Cancelled
            }
        };
        self.tell(peer, Tell::Cancelled { call, result });
    }

    /// The deadline has passed.
    pub(super) fn expire(&mut self, id: RequestId) {
        self.end_under_service(id, WhyStopped::Expired);
    }

    /// The broker stops: what is open fails, and services at work are told to stop.
    pub(super) fn stop(&mut self, answer: &H::Answer) {
        let requests = self.channel.requests.iter().filter(|request| !request.has_ended());
        let mut open: Vec<_> =
            requests.map(|request| (request.accepted, request.position.order(), request.id)).collect();
        open.sort_unstable();
        for (_, _, id) in open {
            let told = self.stop_of(id, StopReason::BrokerStopped);
            self.end(id, Ending::Failed(answer.clone()));
            self.tell_stop(told);
        }
    }

    /// What the service that holds the request is to be told when the request is taken from it.
    pub(super) fn stop_of(&self, id: RequestId, reason: StopReason) -> Option<(H::Peer, Tell<H>)> {
        let Stage::InFlight(delivery) = &self.channel.requests.get(&id)?.stage else { return None };
        let token = Token { start: self.channel.start, id, delivery: delivery.number };
        let service = delivery.service.service;
        delivery.holder.clone().map(|peer| (peer, Tell::Stop { service, token, reason }))
    }

    /// Tells it, after the change that it is told of.
    pub(super) fn tell_stop(&mut self, told: Option<(H::Peer, Tell<H>)>) {
        if let Some((peer, tell)) = told {
            self.tell(&peer, tell);
        }
    }

    /// Ends a request whatever a service does with it; the delivery that it has is stopping from here on.
    fn end_under_service(&mut self, id: RequestId, why: WhyStopped) {
        let told = self.stop_of(id, why.reason());
        let ending = match why {
            WhyStopped::Cancelled => Ending::Cancelled,
            WhyStopped::Expired => Ending::Expired,
        };
        let Some(request) = self.channel.requests.get_mut(&id) else { return };
        // Taken out of the stage first, so that the request's end does not give its place free.
        let stopping = match std::mem::replace(&mut request.stage, Stage::BackingOff) {
            Stage::InFlight(delivery) => {
                let until = delivery.due();
                Some(Stopping { delivery, why, until })
            }
            Stage::Lost(delivery) => Some(Stopping { until: Some(delivery.given_up), delivery, why }),
            other => {
                request.stage = other;
                None
            }
        };
        if let Some(stopping) = stopping {
            self.channel.held -= 1;
            self.set_stopping(id, stopping);
        }
        self.end(id, ending);
        self.tell_stop(told);
    }

    fn set_stopping(&mut self, id: RequestId, stopping: Stopping<H>) {
        if let Some(until) = stopping.until.filter(|until| *until < Time::NEVER) {
            self.channel.stopping_due.insert((until, id));
        }
        self.channel.stopping.insert(id, stopping);
    }

    /// A stopping delivery is over: its place and its credit are free.
    pub(super) fn end_stopping(&mut self, id: RequestId) {
        let Some(Stopping { delivery, until, .. }) = self.channel.stopping.remove(&id) else { return };
        if let Some(until) = until {
            self.channel.stopping_due.remove(&(until, id));
        }
        if let Some(holding) = delivery.holding() {
            self.channel.services.let_go(holding);
        }
    }

    /// The service says that it has stopped.
    pub(super) fn stopped(&mut self, token: Token) {
        let is_it = |stopping: &Stopping<H>| stopping.delivery.number == token.delivery;
        if token.start == self.channel.start
            && !planted::is(Fault::PlaceKept)
            && self.channel.stopping.get(&token.id).is_some_and(is_it)
        {
            self.end_stopping(token.id);
        }
    }
}
