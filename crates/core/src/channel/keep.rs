//! The changes of a durable channel as records. A change is told before everything that reveals it.

use roundtrip_protocol::RequestId;

use super::record::{Accepted, Record, Tried};
use super::request::{Request, Stage};
use super::{Step, What};
use crate::handles::Handles;

impl<H: Handles> Step<'_, H> {
    /// Tells a change to a request, which was made, where the channel is durable. What follows waits until it is kept.
    pub(super) fn keep(&mut self, id: RequestId, record: impl FnOnce(&Request<H>) -> Record<H>) {
        if self.channel.settings.is_durable
            && let Some(request) = self.channel.requests.get(&id)
        {
            let record = record(request);
            self.push(record);
        }
    }

    /// Tells that a dead letter is gone.
    pub(super) fn keep_exhumed(&mut self, letter: &H::Request) {
        if self.channel.settings.is_durable {
            self.push(Record::Exhume { request: letter.clone() });
        }
    }

    fn push(&mut self, record: Record<H>) {
        self.channel.change.0 += 1;
        self.effect(What::Keep(record));
    }
}

impl<H: Handles> Record<H> {
    pub(super) fn of_acceptance(request: &Request<H>) -> Self {
        let until = match request.stage {
            Stage::Scheduled { until } => Some(until),
            _ => None,
        };
        Self::Accept(Box::new(Accepted {
            id: request.id,
            requester: request.requester.clone(),
            request: request.message.clone(),
            bytes: request.bytes,
            place: request.place.clone(),
            priority: request.position.priority(),
            key: request.key().cloned(),
            redrive_of: request.redrive_of(),
            accepted: request.accepted,
            deadline: request.deadline,
            order: until.is_none().then_some(request.position.order()),
            until,
        }))
    }

    /// Of a request without an outcome. A delivery that it has does not count yet, and may be the last that is known of.
    pub(super) fn of_move(request: &Request<H>) -> Self {
        let (is_held, until) = match request.stage {
            Stage::InFlight(_) | Stage::Lost(_) => (true, None),
            Stage::BackingOff => (false, Some(request.due)),
            _ => (false, None),
        };
        let tried = Tried {
            order: request.position.order(),
            until,
            deliveries: request.deliveries,
            attempts: request.attempts - u32::from(is_held),
            releases: request.releases(),
            last: request.last_problem(),
        };
        Self::Move { request: request.message.clone(), tried }
    }

    pub(super) fn of_dropped_parts(request: &Request<H>, delivery: u32, through: u32) -> Self {
        Self::DropParts { request: request.message.clone(), delivery, through }
    }

    pub(super) fn of_acknowledgement(request: &Request<H>) -> Self {
        Self::Acknowledge { request: request.message.clone() }
    }

    pub(super) fn of_going(request: &Request<H>) -> Self {
        Self::Forget { request: request.message.clone() }
    }
}
