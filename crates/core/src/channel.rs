//! What a channel does with requests, deliveries and outcomes.
//!
//! [`Channel::handle`] takes one command and gives effects; [`Channel::next_deadline`] says when to come back. A
//! request is in one [`Stage`] at a time:
//!
//! ```text
//! accept ─► Waiting ─► InFlight ─► Ended ─► gone
//!              ▲          │  ▲
//!              │          ▼  │ taken back
//!              └── BackingOff or Lost
//! ```
//!
//! What happens when a service dies stands in `lease.rs`, how a delivery ends in `settle.rs`, who gets the next one
//! in `dispatch.rs`, how a requester follows its request in `follow.rs`.

mod command;
mod dead;
mod dispatch;
mod effect;
mod follow;
mod key;
mod lease;
mod request;
mod settings;
mod settle;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use roundtrip_protocol::{Refusal, RefusalCode, RequestId, RequesterName, StopReason, TicketNumber};

pub use command::{Command, ServiceInstance, Settling, Submission};
pub use dead::DeadLetter;
pub use dispatch::DELIVERIES_AT_ONCE;
use dispatch::Services;
pub use effect::{Change, Effect, Ending, Original, Outcome, Tell, What};
pub use follow::Reading;
use follow::{Follower, Followers};
pub use key::Key;
use request::{Request, Stage};
pub use settings::{NoService, Rate, Settings};

use crate::handles::{Handles, Peer};
use crate::time::{Now, Time};

/// When a refusal that passes says to try again, in milliseconds.
const RETRY_AFTER_MS: u64 = 1_000;

/// A channel: its requests until they are gone, and the services that take them.
#[derive(Debug)]
pub struct Channel<H: Handles> {
    settings: Settings,
    start: u64,
    requests: HashMap<RequestId, Request<H>>,
    /// Requests in the queue, by the order in which they were accepted.
    waiting: BTreeMap<u64, RequestId>,
    /// The one time at which each request next needs attention, if there is one.
    due: BTreeSet<(Time, RequestId)>,
    services: Services<H>,
    followed: Followers,
    /// Requests without an outcome.
    open: usize,
    in_flight: usize,
    next_order: u64,
    change: Change,
}

/// A channel's figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Requests in the queue or backing off.
    pub waiting: usize,
    /// Requests whose delay is not over.
    pub scheduled: usize,
    /// Deliveries that count against `max_in_flight`: with services, lost and not given up, or stopping.
    pub in_flight: usize,
    /// Subscriptions.
    pub services: usize,
    /// Outcomes kept.
    pub retained: usize,
    /// Of them, those that were fetched and go first where room is short.
    pub fetched: usize,
    /// Dead letters.
    pub dead: usize,
    /// Idempotency keys.
    pub keys: usize,
    /// When the oldest request in the queue was accepted.
    pub oldest: Option<Time>,
    /// Until when dispatch pauses, because a service throttled it.
    pub paused_until: Option<Time>,
    /// What deliveries that counted no more asked for, and was dropped.
    pub stale: u64,
}

impl<H: Handles> Channel<H> {
    /// An empty channel; `start` is the broker's start number, which stands in every token.
    #[must_use]
    pub fn new(settings: Settings, start: u64) -> Self {
        Self {
            settings,
            start,
            requests: HashMap::new(),
            waiting: BTreeMap::new(),
            due: BTreeSet::new(),
            services: Services::default(),
            followed: Followers::default(),
            open: 0,
            in_flight: 0,
            next_order: 0,
            change: Change::default(),
        }
    }

    /// Does what is due at `now`, then the command.
    pub fn handle(&mut self, now: Now, command: Command<H>, effects: &mut Vec<Effect<H>>) {
        let mut step = Step { channel: self, now, effects };
        step.do_what_is_due();
        match command {
            Command::Submit { peer, ticket, submission } => {
                let Submission { id, requester, request, place, .. } = submission;
                step.submit(&peer, ticket, id, requester, request, place);
            }
            Command::Attach { peer, ticket, id } => step.attach(&peer, ticket, id),
            Command::Detach { peer, ticket, id } => step.detach(peer, ticket, id),
            Command::Acknowledge { peer, call, id, requester } => step.acknowledge(&peer, call, id, &requester),
            Command::Subscribe { peer, service, credit, hold, lease: _ } => {
                step.channel.services.subscribe(peer, service, credit, hold);
            }
            Command::Credit { peer, service, credit } => step.channel.services.grant(peer, service, credit),
            Command::Unsubscribe { peer, service } => step.unsubscribe(peer, service),
            Command::Resume { peer } => step.channel.services.resume(peer),
            Command::Settle { peer, call, token, settlement } => step.settle(&peer, call, token, settlement),
            Command::Renew { peer, call, token } => step.renew(&peer, call, token),
            Command::TakeBack { peer, call, service, token } => step.take_back(&peer, call, service, token),
            Command::Report { token, progress } => step.report(token, &progress),
            Command::PeerGone { peer } => step.peer_gone(peer),
            Command::Stop { answer } => step.stop(&answer),
            _ => todo!(),
        }
        step.dispatch();
    }

    /// Does what is due at `now`.
    pub fn handle_deadline(&mut self, now: Now, effects: &mut Vec<Effect<H>>) {
        let mut step = Step { channel: self, now, effects };
        step.do_what_is_due();
        step.dispatch();
    }

    /// When something is due next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Time> {
        self.due.first().map(|(time, _)| *time)
    }

    /// The channel's figures.
    #[must_use]
    pub fn figures(&self) -> Figures {
        Figures { ..Figures::default() }
    }

    /// The dead letters, oldest first, behind `after` if that is given and there.
    pub fn dead_letters(&self, _after: Option<RequestId>) -> impl Iterator<Item = &DeadLetter<H>> {
        std::iter::empty()
    }

    /// The dead letter of this id.
    #[must_use]
    pub fn dead_letter(&self, _id: RequestId) -> Option<&DeadLetter<H>> {
        None
    }

    /// Whether it holds nothing and serves nobody: it can be forgotten.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.requests.is_empty() && self.services.is_empty()
    }
}

/// One step of a channel: the channel, the moment, and where effects go.
struct Step<'a, H: Handles> {
    channel: &'a mut Channel<H>,
    now: Now,
    effects: &'a mut Vec<Effect<H>>,
}

impl<H: Handles> Step<'_, H> {
    fn submit(
        &mut self,
        peer: &H::Peer,
        ticket: TicketNumber,
        id: RequestId,
        requester: RequesterName,
        message: H::Request,
        place: H::Place,
    ) {
        let refusal = match self.channel.requests.get(&id) {
            Some(known) if known.requester == requester => {
                return self.submit_again(peer, ticket, id);
            }
            Some(_) => Some(Refusal::new(
                RefusalCode::Invalid,
                "this request id is in use under another requester name: make a new id for each request",
            )),
            None if self.channel.open >= self.channel.settings.capacity => Some(Refusal::passing(
                RefusalCode::ChannelFull,
                format!("the channel holds its capacity of {} requests: submit later", self.channel.settings.capacity),
                RETRY_AFTER_MS,
            )),
            None => None,
        };
        if let Some(refusal) = refusal {
            return self.tell(peer, Tell::Refused { ticket, refusal });
        }
        let order = self.channel.next_order;
        self.channel.next_order += 1;
        self.channel.open += 1;
        self.channel.waiting.insert(order, id);
        self.channel.requests.insert(id, Request::new(requester, message, place, order));
        self.change();
        self.follow(peer, ticket, id);
        self.tell_accepted(peer, ticket);
    }

    /// The same request id is the same request: accepted again, and its outcome told again if it has one.
    fn submit_again(&mut self, peer: &H::Peer, ticket: TicketNumber, id: RequestId) {
        self.tell_accepted(peer, ticket);
        self.follow(peer, ticket, id);
    }

    fn tell_accepted(&mut self, peer: &H::Peer, ticket: TicketNumber) {
        let services = self.service_count();
        self.tell(peer, Tell::Accepted { ticket, services, duplicate: None });
    }

    fn service_count(&self) -> u32 {
        u32::try_from(self.channel.services.count()).unwrap_or(u32::MAX)
    }

    /// The request's one outcome: nothing is delivered or settled after it. Everybody who follows is told, and the
    /// mailbox gets it.
    fn end(&mut self, id: RequestId, ending: Ending<H>) {
        let Some(request) = self.channel.requests.get_mut(&id) else {
            return;
        };
        debug_assert!(!matches!(request.stage, Stage::Ended(_)), "a request ends once");
        let outcome = Outcome { attempts: request.attempts, ending };
        let left = std::mem::replace(&mut request.stage, Stage::Ended(outcome.clone()));
        let (place, order) = (request.place.clone(), request.order);
        let followers: Vec<Follower<H>> = request.followers.clone();
        match left {
            Stage::Waiting => {
                self.channel.waiting.remove(&order);
            }
            Stage::InFlight(delivery) => self.leave_service(id, &delivery),
            Stage::Lost(_) | Stage::BackingOff | Stage::Ended(_) => {}
        }
        self.channel.open -= 1;
        self.set_due(id, Some(self.now.time + self.channel.settings.retention));
        self.change();
        for Follower { peer, ticket } in followers {
            self.tell(&peer, Tell::Outcome { ticket, outcome: outcome.clone() });
        }
        self.effect(What::Post { place, id });
    }

    /// Forgets a request that has its outcome.
    fn forget(&mut self, id: RequestId) {
        self.set_due(id, None);
        let Some(request) = self.channel.requests.remove(&id) else {
            return;
        };
        for follower in &request.followers {
            self.channel.followed.remove(follower.peer.id(), id, follower.ticket);
        }
        self.change();
        self.effect(What::Unpost { place: request.place, id });
    }

    /// The broker stops: what is open fails, and services at work are told to stop.
    fn stop(&mut self, answer: &H::Answer) {
        let requests = &self.channel.requests;
        let mut open: Vec<(u64, RequestId)> = requests
            .iter()
            .filter(|(_, request)| !matches!(request.stage, Stage::Ended(_)))
            .map(|(id, request)| (request.order, *id))
            .collect();
        open.sort_unstable();
        for (_, id) in open {
            let told = self.stop_of(id, StopReason::BrokerStopped);
            self.end(id, Ending::Failed(answer.clone()));
            self.tell_stop(told);
        }
    }

    fn do_what_is_due(&mut self) {
        while let Some(&(time, id)) = self.channel.due.first() {
            if time > self.now.time {
                return;
            }
            match self.channel.requests.get(&id).map(|request| &request.stage) {
                Some(Stage::InFlight(_)) => self.lease_is_due(id),
                Some(Stage::Lost(_)) => self.give_up(id),
                Some(Stage::BackingOff) => self.requeue(id),
                Some(Stage::Ended(_)) => self.forget(id),
                Some(Stage::Waiting) | None => self.set_due(id, None),
            }
        }
    }

    /// The request waits again, at its old place.
    fn requeue(&mut self, id: RequestId) {
        self.set_due(id, None);
        if let Some(request) = self.channel.requests.get_mut(&id) {
            request.stage = Stage::Waiting;
            self.channel.waiting.insert(request.order, id);
            self.change();
        }
    }

    /// Says when a request next needs attention; at [`Time::NEVER`] it needs none.
    fn set_due(&mut self, id: RequestId, due: Option<Time>) {
        let due = due.filter(|due| *due < Time::NEVER);
        if let Some(request) = self.channel.requests.get_mut(&id) {
            if let Some(before) = std::mem::replace(&mut request.due, due) {
                self.channel.due.remove(&(before, id));
            }
            if let Some(due) = due {
                self.channel.due.insert((due, id));
            }
        }
    }

    /// What follows tells of a change that is made here.
    fn change(&mut self) {
        self.channel.change.0 += 1;
    }

    fn tell(&mut self, peer: &H::Peer, tell: Tell<H>) {
        self.effect(What::Tell { peer: peer.clone(), tell });
    }

    fn effect(&mut self, what: What<H>) {
        self.effects.push(Effect { after: self.channel.change, what });
    }
}

#[cfg(test)]
mod tests;
