//! How a request is accepted or refused.

use std::time::Duration;

use roundtrip_protocol::{MAX_PRIORITY, Refusal, RefusalCode, RequestId, TicketNumber};

use super::effect::{Original, Tell};
use super::key::Known;
use super::queue::Position;
use super::record::Record;
use super::request::{Request, Stage};
use super::settings::NoService;
use super::{Step, Submission};
use crate::handles::Handles;
use crate::planted::{self, Fault};

/// When a refusal that passes says to try again, in milliseconds.
const RETRY_AFTER_MS: u64 = 1_000;

impl<H: Handles> Step<'_, H> {
    pub(super) fn submit(&mut self, peer: &H::Peer, ticket: TicketNumber, submission: Submission<H>) {
        let id = submission.id;
        match self.known(&submission) {
            Ok(None) => {}
            Ok(Some(known)) => return self.accept_again(peer, ticket, id, known),
            Err(refusal) => return self.tell(peer, Tell::Refused { ticket, refusal }),
        }
        if planted::is(Fault::AcceptedTooSoon) {
            self.tell(peer, Tell::Accepted { ticket, services: 0, duplicate: None });
        }
        if let Err(refusal) = self.check_room(submission.key.is_some()) {
            return self.tell(peer, Tell::Refused { ticket, refusal });
        }
        let default_deadline = self.channel.settings.default_deadline;
        let deadline = submission.deadline.unwrap_or_else(|| submission.delay.saturating_add(default_deadline));
        let (delay, tells_acceptance) = (submission.delay, submission.tells_acceptance);
        if let Some(key) = &submission.key {
            self.channel.keys.insert(key, id);
        }
        self.accept(Request::new(submission, self.now.time, self.now.time + deadline), delay);
        self.follow(peer, ticket, id);
        if tells_acceptance {
            let services = self.service_count();
            self.tell(peer, Tell::Accepted { ticket, services, duplicate: None });
        }
    }

    /// The request that a submission stands for, if it was accepted before: under its id, or under its key.
    fn known(&self, submission: &Submission<H>) -> Result<Option<RequestId>, Refusal> {
        if let Some(known) = self.channel.requests.get(&submission.id) {
            if known.requester == submission.requester {
                return Ok(Some(submission.id));
            }
            let message = "this request id is in use under another requester name: make a new id for each request";
            return Err(Refusal::new(RefusalCode::Invalid, message));
        }
        check_limits(submission.priority, submission.deadline, submission.delay)?;
        match submission.key.as_ref().map_or(Known::New, |key| self.channel.keys.look_up(key)) {
            Known::New => Ok(None),
            Known::Same(first) => Ok(Some(first)),
            Known::Conflict => {
                let message = "this idempotency key belongs to a request with another operation, content type or \
                               payload: use a new key for each thing asked for";
                Err(Refusal::new(RefusalCode::KeyConflict, message))
            }
        }
    }

    /// Whether the channel has room for one more request.
    pub(super) fn check_room(&self, with_key: bool) -> Result<(), Refusal> {
        let settings = &self.channel.settings;
        let full = |message| Err(Refusal::passing(RefusalCode::ChannelFull, message, RETRY_AFTER_MS));
        if with_key && self.channel.keys.len() >= settings.max_keys {
            return full(format!(
                "the channel has its max_keys of {} idempotency keys: submit later",
                settings.max_keys
            ));
        }
        if self.channel.queued() >= settings.capacity {
            let capacity = settings.capacity;
            return full(format!("the channel holds its capacity of {capacity} waiting requests: submit later"));
        }
        if settings.no_service == NoService::Refuse && self.channel.services.count() == 0 {
            let message = "the channel has no service now, and refuses until it has one: start one, or submit later";
            return Err(Refusal::passing(RefusalCode::NoService, message, RETRY_AFTER_MS));
        }
        Ok(())
    }

    /// Keeps a new request.
    pub(super) fn accept(&mut self, request: Request<H>, delay: Duration) {
        let id = request.id;
        self.end_stopping(id);
        self.channel.requests.insert(request);
        self.channel.open += 1;
        if delay.is_zero() {
            self.join_queue(id);
        } else {
            let until = self.now.time + delay;
            self.channel.scheduled += 1;
            self.enter(id, Stage::Scheduled { until }, Some(until));
        }
        self.keep(id, Record::of_acceptance);
    }

    /// The delay is over.
    pub(super) fn come_due(&mut self, id: RequestId) {
        self.channel.scheduled -= 1;
        self.join_queue(id);
        self.keep(id, Record::of_move);
    }

    /// The request waits for the first time: behind all others of its priority.
    fn join_queue(&mut self, id: RequestId) {
        let order = self.channel.next_order;
        self.channel.next_order += 1;
        if let Some(request) = self.channel.requests.get_mut(&id) {
            let priority = if planted::is(Fault::PriorityIgnored) { 4 } else { request.position.priority() };
            request.position = Position::new(priority, order);
        }
        self.wait(id);
    }

    /// A known request is accepted again, and its outcome told again if it has one.
    fn accept_again(&mut self, peer: &H::Peer, ticket: TicketNumber, asked: RequestId, known: RequestId) {
        let original = |request: &Request<H>| Original {
            id: known,
            requester: request.requester.clone(),
            place: request.place.clone(),
        };
        let duplicate = (asked != known).then(|| self.channel.requests.get(&known).map(original)).flatten();
        let services = self.service_count();
        self.tell(peer, Tell::Accepted { ticket, services, duplicate });
        self.follow(peer, ticket, known);
    }
}

fn check_limits(priority: u8, deadline: Option<Duration>, delay: Duration) -> Result<(), Refusal> {
    let invalid = |message| Err(Refusal::new(RefusalCode::Invalid, message));
    if priority > MAX_PRIORITY {
        return invalid(format!("a priority is a number from 0 to {MAX_PRIORITY}, not {priority}"));
    }
    match deadline {
        Some(Duration::ZERO) => invalid("a deadline is at least 1 ms after the acceptance, not 0".to_owned()),
        Some(deadline) if delay >= deadline => {
            let (delay, deadline) = (delay.as_millis(), deadline.as_millis());
            invalid(format!("a delay is shorter than the deadline: {delay} ms is not shorter than {deadline} ms"))
        }
        _ => Ok(()),
    }
}
