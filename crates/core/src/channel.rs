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
//! | with interim results | `part.rs` |
//! | when a requester follows its request, and acknowledges | `follow.rs` |
//! | with what a durable channel keeps | `record.rs`, `keep.rs`, and when it is damaged `damage.rs` |
//! | when a channel begins again with that | `restore.rs` |

mod accept;
mod command;
mod damage;
mod dead;
mod dispatch;
mod effect;
mod figures;
mod follow;
mod keep;
mod key;
mod lease;
mod pace;
mod part;
mod queue;
mod record;
mod request;
mod restore;
mod settings;
mod settle;
mod stop;

use std::collections::{BTreeSet, HashMap};

use roundtrip_protocol::RequestId;

pub use command::{Command, ServiceInstance, Settling, Submission};
pub use dead::DeadLetter;
use dead::DeadLetters;
pub use dispatch::DELIVERIES_AT_ONCE;
use dispatch::Services;
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
pub use settings::{NoService, Rate, Settings};
use stop::Stopping;

use crate::handles::{Handles, Peer, Place};
use crate::planted::{self, Fault};
use crate::time::{Now, Time};

/// How many fetched outcomes go at once where memory is short.
const FETCHED_AT_ONCE: usize = 64;

/// A channel: its requests until they are gone, and the services that take them.
#[derive(Debug)]
pub struct Channel<H: Handles> {
    settings: Settings,
    start: u64,
    requests: HashMap<RequestId, Request<H>>,
    queue: Queue,
    /// The one time at which each thing next needs attention, if there is one.
    due: BTreeSet<(Time, Due)>,
    services: Services<H>,
    pace: Pace,
    followed: Followers,
    keys: Keys,
    /// The last deliveries of requests that ended under them.
    stopping: HashMap<RequestId, Stopping<H>>,
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

/// What needs attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Request(RequestId),
    Stopping(RequestId),
}

impl<H: Handles> Channel<H> {
    /// An empty channel; `start` is the broker's start number, which stands in every token.
    #[must_use]
    pub fn new(settings: Settings, start: u64) -> Self {
        Self {
            settings,
            start,
            requests: HashMap::new(),
            queue: Queue::default(),
            due: BTreeSet::new(),
            services: Services::default(),
            pace: Pace::default(),
            followed: Followers::default(),
            keys: Keys::default(),
            stopping: HashMap::new(),
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
        let request = self.due.first().map(|(time, _)| *time);
        let letter = self.dead.due(self.settings.dead_letter_age);
        [request, letter, self.pace.opens_at].into_iter().flatten().min()
    }

    /// Says when the request's stage next needs attention; at [`Time::NEVER`] it needs none. The deadline comes first
    /// where it is earlier.
    fn set_due(&mut self, id: RequestId, due: Option<Time>) {
        let Some(request) = self.requests.get_mut(&id) else { return };
        let deadline = (!request.has_ended()).then_some(request.deadline);
        let due = [due, deadline].into_iter().flatten().min().filter(|due| *due < Time::NEVER);
        let before = std::mem::replace(&mut request.due, due);
        if before != due {
            if let Some(before) = before {
                self.due.remove(&(before, Due::Request(id)));
            }
            if let Some(due) = due {
                self.due.insert((due, Due::Request(id)));
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
            Command::Acknowledge { peer, call, id, requester } => self.acknowledge(&peer, call, id, &requester),
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
        while let Some(&(time, due)) = self.channel.due.first() {
            if time > self.now.time {
                return;
            }
            match due {
                Due::Request(id) => self.request_is_due(id),
                Due::Stopping(id) => self.end_stopping(id),
            }
        }
    }

    fn request_is_due(&mut self, id: RequestId) {
        match self.channel.requests.get(&id) {
            Some(request) if !request.has_ended() && request.deadline <= self.now.time => self.expire(id),
            Some(request) => match request.stage {
                Stage::Scheduled { .. } => self.come_due(id),
                Stage::InFlight(_) => self.delivery_is_due(id),
                Stage::Lost { .. } => self.give_up(id),
                Stage::BackingOff => self.requeue(id),
                Stage::Ended { .. } => self.forget(id),
                Stage::Waiting => self.set_due(id, None),
            },
            None => {}
        }
    }

    /// The request waits again, at its old place.
    fn requeue(&mut self, id: RequestId) {
        if let Some(request) = self.channel.requests.get(&id) {
            self.channel.queue.insert(request.position, id);
            self.enter(id, Stage::Waiting, None);
        }
    }

    /// The request's one outcome: nothing is delivered or settled after it. Everybody who follows is told, and the
    /// mailbox gets it.
    fn end(&mut self, id: RequestId, ending: Ending<H>) {
        let Some(request) = self.channel.requests.get(&id) else { return };
        debug_assert!(!request.has_ended(), "a request ends once");
        let (place, message) = (request.place.clone(), request.message.clone());
        let outcome = Outcome { attempts: request.attempts, ending };
        let settled_by = request.settled_now().map(|delivery| (self.channel.start, delivery));
        match &request.stage {
            Stage::Scheduled { .. } => self.channel.scheduled -= 1,
            Stage::Waiting => self.channel.queue.remove(request.position),
            Stage::InFlight(_) => self.leave_service(id),
            Stage::Lost { .. } => self.channel.held -= 1,
            Stage::BackingOff | Stage::Ended { .. } => {}
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
    fn enter_end(
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
        let stage = Stage::Ended { outcome, since, settled_by, is_acknowledged, is_posted };
        self.enter(id, stage, Some(since + self.channel.settings.retention));
    }

    /// Forgets a request that has its outcome.
    fn forget(&mut self, id: RequestId) {
        self.keep(id, Record::of_going);
        self.set_due(id, None);
        self.drop_parts(id);
        self.take_down(id);
        let Some(request) = self.channel.requests.remove(&id) else { return };
        for follower in &request.followers {
            self.channel.followed.remove(follower.peer.id(), id, follower.ticket);
        }
        if let Some(key) = request.key {
            self.channel.keys.remove(*key);
        }
        if let Stage::Ended { since, is_acknowledged, .. } = request.stage {
            self.channel.fetched.remove(&(since, id));
            if !is_acknowledged {
                self.effect(What::Unpost { place: request.place, id });
            }
        }
    }

    /// Memory is short: outcomes go that are in no mailbox and were read.
    fn make_room(&mut self) {
        for _ in 0..FETCHED_AT_ONCE {
            let Some((_, id)) = self.channel.fetched.pop_first() else { return };
            self.forget(id);
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
