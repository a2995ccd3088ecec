//! What a channel does with requests, deliveries and outcomes.
//!
//! [`Channel::handle`] takes one command and gives effects; [`Channel::next_deadline`] says when to come back. A
//! request is in one [`Stage`] at a time:
//!
//! ```text
//! accept ─► Scheduled ─► Waiting ─► InFlight ─► Ended ─► gone
//!                           ▲          │  ▲
//!                           │          ▼  │ taken back
//!                           └── BackingOff or Lost
//! ```
//!
//! | what happens … | stands in |
//! |---|---|
//! | when a request is submitted | `accept.rs`, and under a key `key.rs` |
//! | who gets the next one, and how fast | `dispatch.rs`, `queue.rs`, `pace.rs` |
//! | when a service dies | `lease.rs` |
//! | when a service settles, and the fence before it | `settle.rs` |
//! | when a request is cancelled or expires | `stop.rs` |
//! | when a request is dead | `dead.rs` |
//! | when a request has its outcome, and when it is gone | `end.rs` |
//! | with interim results | `part.rs` |
//! | when a requester follows its request, and acknowledges | `follow.rs` |
//! | with what a durable channel keeps | `record.rs`, `keep.rs`, and when it is damaged `damage.rs` |
//! | when a channel begins again with that | `restore.rs` |
//!
//! A request stands in a slot (`requests.rs`, `slots.rs`, `index.rs`); the queue and the times (`queue.rs`, `due.rs`) know it by the
//! slot's number, everybody else by its id.

mod accept;
mod command;
mod damage;
mod dead;
mod dispatch;
mod due;
mod effect;
mod end;
mod figures;
mod follow;
mod followers;
mod index;
mod keep;
mod key;
mod lease;
mod pace;
mod part;
mod places;
mod queue;
mod record;
mod request;
mod requests;
mod restore;
mod settings;
mod settle;
mod slots;
mod stop;

use std::collections::{BTreeSet, HashMap};

use roundtrip_protocol::RequestId;

pub use command::{Command, ServiceInstance, Settling, Submission};
pub use dead::DeadLetter;
use dead::DeadLetters;
pub use dispatch::DELIVERIES_AT_ONCE;
use dispatch::Services;
use due::Due;
pub use effect::{Change, Effect, Ending, Original, Outcome, Tell, What};
pub use figures::Figures;
use follow::Followers;
pub use follow::Reading;
pub use key::Key;
use key::Keys;
use pace::Pace;
use queue::Queue;
pub use record::{Accepted, Ended, Record, Restored, RestoredParts, Tried};
use request::{Request, Stage};
use requests::Requests;
pub use settings::{NoService, Rate, Settings};
use stop::Stopping;

use crate::handles::{Handles, Peer};
use crate::planted::{self, Fault};
use crate::time::{Now, Time};

/// A channel: its requests until they are gone, and the services that take them.
#[derive(Debug)]
pub struct Channel<H: Handles> {
    settings: Settings,
    start: u64,
    requests: Requests<H>,
    queue: Queue,
    due: Due,
    services: Services<H>,
    pace: Pace,
    followed: Followers,
    keys: Keys,
    /// The last deliveries of requests that ended under them.
    stopping: HashMap<RequestId, Stopping<H>>,
    /// When their leases end.
    stopping_due: BTreeSet<(Time, RequestId)>,
    dead: DeadLetters<H>,
    /// Outcomes that may go where memory is short, by when they came.
    fetched: BTreeSet<(Time, RequestId)>,
    /// Requests without an outcome.
    open: usize,
    /// Of them, those whose delay is not over.
    scheduled: usize,
    /// Of them, those with a delivery that is in flight, or lost and not given up.
    held: usize,
    /// Outcomes in mailboxes.
    unacknowledged: usize,
    dropped_parts: u64,
    stale: u64,
    next_order: u64,
    change: Change,
}

impl<H: Handles> Channel<H> {
    /// An empty channel; `start` is the broker's start number, which stands in every token.
    #[must_use]
    pub fn new(settings: Settings, start: u64) -> Self {
        Self {
            settings,
            start,
            requests: Requests::default(),
            queue: Queue::default(),
            due: Due::default(),
            services: Services::default(),
            pace: Pace::default(),
            followed: Followers::default(),
            keys: Keys::default(),
            stopping: HashMap::new(),
            stopping_due: BTreeSet::new(),
            dead: DeadLetters::default(),
            fetched: BTreeSet::new(),
            open: 0,
            scheduled: 0,
            held: 0,
            unacknowledged: 0,
            dropped_parts: 0,
            stale: 0,
            next_order: 0,
            change: Change::default(),
        }
    }

    /// Does what is due at `now`, then the command.
    pub fn handle(&mut self, now: Now, command: Command<H>, effects: &mut Vec<Effect<H>>) {
        let mut step = Step { channel: self, now, effects };
        if planted::is(Fault::DueAfterCommand) {
            step.run(command);
            step.do_what_is_due();
        } else {
            step.do_what_is_due();
            step.run(command);
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
        let request = self.due.first().map(|(time, _)| time);
        let stopping = self.stopping_due.first().map(|(time, _)| *time);
        let letter = self.dead.due(self.settings.dead_letter_age);
        [request, stopping, letter, self.pace.opens_at].into_iter().flatten().min()
    }

    /// Says when the request's stage next needs attention; at [`Time::NEVER`] it needs none. The deadline comes first
    /// where it is earlier.
    fn set_due(&mut self, id: RequestId, due: Option<Time>) {
        let Some(slot) = self.requests.slot(&id) else { return };
        let Some(request) = self.requests.at_mut(slot) else { return };
        let deadline = if request.has_ended() { Time::NEVER } else { request.deadline };
        let due = due.unwrap_or(Time::NEVER).min(deadline);
        let before = std::mem::replace(&mut request.due, due);
        if before != due {
            if before < Time::NEVER {
                self.due.remove(before, slot);
            }
            if due < Time::NEVER {
                self.due.insert(due, slot);
            }
        }
    }

    /// Requests that count against `capacity`: those that no service works on.
    const fn queued(&self) -> usize {
        self.open - self.held
    }

    /// Deliveries that count against `max_in_flight`.
    fn places(&self) -> usize {
        self.held + self.stopping.len()
    }
}

/// One step of a channel: the channel, the moment, and where effects go.
struct Step<'a, H: Handles> {
    channel: &'a mut Channel<H>,
    now: Now,
    effects: &'a mut Vec<Effect<H>>,
}

impl<H: Handles> Step<'_, H> {
    fn run(&mut self, command: Command<H>) {
        match command {
            Command::Submit { peer, ticket, submission } => self.submit(&peer, ticket, submission),
            Command::Attach { peer, ticket, id } => self.attach(&peer, ticket, id),
            Command::Detach { peer, ticket, id } => self.detach(peer, ticket, id),
            Command::FollowParts { peer, ticket, id, delivery, after, window } => {
                self.follow_parts(peer, ticket, id, (delivery, after), window);
            }
            Command::PartsWindow { peer, ticket, id, more } => self.widen_parts(peer, ticket, id, more),
            Command::AcknowledgeParts { id, requester, delivery, through } => {
                self.acknowledge_parts(id, &requester, delivery, through);
            }
            Command::Cancel { peer, call, id } => self.cancel(&peer, call, id),
            Command::Acknowledge { peer, call, id, requester, ticket } => {
                self.acknowledge(&peer, call, id, &requester);
                if let Some(ticket) = ticket {
                    self.detach(Peer::id(&peer), ticket, id);
                }
            }
            Command::Subscribe { peer, service, credit, hold, lease } => {
                self.channel.services.subscribe(peer, service, credit, hold, lease);
            }
            Command::Credit { peer, service, credit } => self.channel.services.grant(peer, service, credit),
            Command::Unsubscribe { peer, service } => self.unsubscribe(peer, service),
            Command::Resume { peer } => self.channel.services.resume(peer),
            Command::Settle { peer, call, token, settlement } => self.settle(&peer, call, token, settlement),
            Command::Renew { peer, call, token } => self.renew(&peer, call, token),
            Command::TakeBack { peer, call, service, token } => self.take_back(&peer, call, service, token),
            Command::AddPart { peer, call, token, number, part, bytes } => {
                self.add_part(&peer, call, token, number, part, bytes);
            }
            Command::Stopped { token } => self.stopped(token),
            Command::Report { token, progress } => self.report(token, &progress),
            Command::PeerGone { peer } => self.peer_gone(peer),
            Command::RequesterGone { requester } => self.requester_gone(&requester),
            Command::MakeRoom => self.make_room(),
            Command::Redrive { peer, call, id, new_id, request, place } => {
                self.redrive(&peer, call, id, new_id, request, place);
            }
            Command::Purge { peer, call, id } => self.purge(&peer, call, id),
            Command::Damaged { id } => self.damaged(id),
            Command::StopDispatch => self.channel.pace.has_stopped = true,
            Command::Stop { answer } => self.stop(&answer),
        }
    }

    fn do_what_is_due(&mut self) {
        self.drop_surplus_letters();
        loop {
            let request = self.channel.due.first().filter(|(time, _)| *time <= self.now.time);
            let stopping = self.channel.stopping_due.first().filter(|(time, _)| *time <= self.now.time).copied();
            match (request, stopping) {
                (Some((due, slot)), stopping) if stopping.is_none_or(|(time, _)| due <= time) => {
                    let Some(Request { id, .. }) = self.channel.requests.at(slot) else { return };
                    self.request_is_due(*id);
                }
                (_, Some((_, id))) => self.end_stopping(id),
                (_, None) => return,
            }
        }
    }

    fn request_is_due(&mut self, id: RequestId) {
        match self.channel.requests.get(&id) {
            Some(request) if !request.has_ended() && request.deadline <= self.now.time => self.expire(id),
            Some(request) => match request.stage {
                Stage::Scheduled { .. } => self.come_due(id),
                Stage::InFlight(_) => self.delivery_is_due(id),
                Stage::Lost(_) => self.give_up(id),
                Stage::BackingOff => self.wait(id),
                Stage::Ended(_) => self.forget(id),
                Stage::Waiting => self.set_due(id, None),
            },
            None => {}
        }
    }

    /// The request waits for a service, at its place.
    fn wait(&mut self, id: RequestId) {
        let Some(slot) = self.channel.requests.slot(&id) else { return };
        if let Some(request) = self.channel.requests.at(slot) {
            self.channel.queue.insert(request.position, slot);
            self.enter(id, Stage::Waiting, None);
        }
    }

    fn service_count(&self) -> u32 {
        u32::try_from(self.channel.services.count()).unwrap_or(u32::MAX)
    }

    /// The request is in another stage, which waits for something until `due`.
    fn enter(&mut self, id: RequestId, stage: Stage<H>, due: Option<Time>) {
        if let Some(request) = self.channel.requests.get_mut(&id) {
            request.stage = stage;
            self.set_due(id, due);
        }
    }

    fn set_due(&mut self, id: RequestId, due: Option<Time>) {
        self.channel.set_due(id, due);
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
