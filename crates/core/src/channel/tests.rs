//! The channel by sequences of commands, over handles that are plain numbers.
//!
//! A [`World`] is a channel with its clock and its connections. What it does is told in lines such as
//! `1 delivery 7/2 attempt 2`: connection 1 is told of delivery 2 of request 7. Connections whose numbers end in the
//! same digit are connections of the same client instance, one after the other; each has one service.

mod acceptance;
mod cancel;
mod damage;
mod dead;
mod deadline;
mod delay;
mod dispatch;
mod draining;
mod durable;
mod follow;
mod key;
mod lease;
mod ledger;
mod model;
mod no_service;
mod one_way;
mod pace;
mod part;
mod priority;
mod restart;
mod room;
mod settlement;
mod size;
mod stopping;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use roundtrip_protocol::{
    Call, DeadReason, Hold, InstanceId, Progress, Redrive, RefusalCode, RequestId, RequestState, RequesterName,
    ServiceNumber, TicketNumber, Token,
};

use super::*;
use crate::handles::{Peer, PeerId, Place};

const START: u64 = 7;
const SERVICE: ServiceNumber = ServiceNumber(1);
const LEASE: Duration = Duration::from_secs(10);
const BACKOFF: Duration = Duration::from_secs(1);
const RETENTION: Duration = Duration::from_secs(3600);
const DEADLINE: Duration = Duration::from_secs(24 * 3600);

/// Longer than any backoff of the tests' settings, jitter included.
const BACKED_OFF: Duration = Duration::from_secs(7);

#[derive(Debug)]
struct Numbers;

impl Handles for Numbers {
    type Request = u32;
    type Answer = u32;
    type Part = u32;
    type Place = TestPlace;
    type Peer = TestPeer;
}

/// A place in a requester's mailbox, which may go with the requester.
#[derive(Debug)]
struct TestPlace {
    mailbox: Rc<Cell<bool>>,
    /// It is no copy of another one.
    is_original: bool,
}

impl TestPlace {
    fn new(has_mailbox: bool) -> Self {
        Self { mailbox: Rc::new(Cell::new(has_mailbox)), is_original: true }
    }
}

impl Clone for TestPlace {
    fn clone(&self) -> Self {
        Self { mailbox: self.mailbox.clone(), is_original: false }
    }
}

impl Place for TestPlace {
    fn has_mailbox(&self) -> bool {
        self.mailbox.get()
    }
}

#[derive(Debug, Clone)]
struct TestPeer {
    id: PeerId,
    last_heard: Rc<Cell<Time>>,
    room: Rc<Cell<bool>>,
}

impl TestPeer {
    fn new(id: u64) -> Self {
        Self { id: PeerId(id), last_heard: Rc::new(Cell::new(Time::NEVER)), room: Rc::new(Cell::new(true)) }
    }
}

impl Peer for TestPeer {
    fn id(&self) -> PeerId {
        self.id
    }

    fn last_heard(&self) -> Time {
        self.last_heard.get()
    }

    fn has_room(&self) -> bool {
        self.room.get()
    }
}

fn settings() -> Settings {
    Settings {
        capacity: 100,
        lease: LEASE,
        max_attempts: 3,
        max_releases: 2,
        backoff_first: BACKOFF,
        backoff_max: 4 * BACKOFF,
        default_deadline: DEADLINE,
        retention: RETENTION,
        parts_room: 10,
        ..Settings::default()
    }
}

struct World {
    channel: Channel<Numbers>,
    now: Now,
    peers: BTreeMap<u64, TestPeer>,
    /// Whether each requester has its mailbox.
    mailboxes: BTreeMap<String, TestPlace>,
    last_change: Change,
}

impl World {
    fn new() -> Self {
        Self::with(|_| ())
    }

    fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = settings();
        change(&mut settings);
        let now = Now { time: Time::after_start(Duration::from_secs(1000)), random: 0 };
        Self {
            channel: Channel::new(settings, START),
            now,
            peers: BTreeMap::new(),
            mailboxes: BTreeMap::new(),
            last_change: Change::default(),
        }
    }

    /// Of a channel that tells what it keeps.
    fn durable() -> Self {
        Self::with(|settings| settings.is_durable = true)
    }

    /// Of such a channel, request 1 with the service of connection 1.
    fn durable_in_flight() -> Self {
        let mut world = Self::durable();
        world.submit(9, 1);
        assert_eq!(world.subscribe(1, 1), ["1 delivery 1/1 attempt 1"], "a delivery is nothing that is kept");
        world
    }

    /// Request 1 with the service of connection 1, followed by connection 9.
    fn in_flight() -> World {
        let mut world = Self::new();
        world.submit(9, 1);
        assert_eq!(world.subscribe(1, 1), ["1 delivery 1/1 attempt 1"]);
        world
    }

    /// Its place in the mailbox of a requester.
    fn place(&mut self, requester: &str) -> TestPlace {
        self.mailboxes.entry(requester.to_owned()).or_insert_with(|| TestPlace::new(true)).clone()
    }

    fn peer(&mut self, peer: u64) -> TestPeer {
        self.peers.entry(peer).or_insert_with(|| TestPeer::new(peer)).clone()
    }

    /// Does a command.
    fn effects(&mut self, command: Command<Numbers>) -> Vec<Effect<Numbers>> {
        let mut effects = Vec::new();
        self.channel.handle(self.now, command, &mut effects);
        self.note_changes(&effects);
        effects
    }

    fn note_changes(&mut self, effects: &[Effect<Numbers>]) {
        for effect in effects {
            self.last_change.0 += u64::from(matches!(effect.what, What::Keep(_)));
            assert_eq!(effect.after, self.last_change, "every effect names the latest record");
        }
    }

    fn ask(&mut self, command: Command<Numbers>) -> Vec<String> {
        lines(&self.effects(command))
    }

    /// Lets time pass, and does what becomes due when it does.
    fn pass(&mut self, length: Duration) -> Vec<String> {
        let until = self.now.time + length;
        let mut effects = Vec::new();
        while let Some(due) = self.channel.next_deadline().filter(|due| *due <= until) {
            self.now.time = due.max(self.now.time);
            self.channel.handle_deadline(self.now, &mut effects);
        }
        self.now.time = until;
        self.note_changes(&effects);
        lines(&effects)
    }

    fn submission(&mut self, id: u32) -> Submission<Numbers> {
        Submission::new(request(id), requester("consumer"), id, self.place("consumer"))
    }

    fn submit(&mut self, peer: u64, id: u32) -> Vec<String> {
        self.submit_with(peer, id, |_| ())
    }

    fn submit_with(&mut self, peer: u64, id: u32, wish: impl FnOnce(&mut Submission<Numbers>)) -> Vec<String> {
        lines(&self.submit_for_effects(peer, id, wish))
    }

    fn submit_for_effects(
        &mut self,
        peer: u64,
        id: u32,
        wish: impl FnOnce(&mut Submission<Numbers>),
    ) -> Vec<Effect<Numbers>> {
        let (peer, mut submission) = (self.peer(peer), self.submission(id));
        wish(&mut submission);
        self.effects(Command::Submit { peer, ticket: TicketNumber(id), submission })
    }

    /// Of no requester's mailbox.
    fn submit_one_way(&mut self, peer: u64, id: u32) -> Vec<String> {
        self.submit_with(peer, id, |submission| submission.place = TestPlace::new(false))
    }

    fn attach(&mut self, peer: u64, id: u32) -> Vec<String> {
        let peer = self.peer(peer);
        self.ask(Command::Attach { peer, ticket: TicketNumber(id), id: request(id) })
    }

    fn detach(&mut self, peer: u64, id: u32) -> Vec<String> {
        self.ask(Command::Detach { peer: PeerId(peer), ticket: TicketNumber(id), id: request(id) })
    }

    fn acknowledge(&mut self, peer: u64, id: u32) -> Vec<String> {
        let peer = self.peer(peer);
        let requester = requester("consumer");
        self.ask(Command::Acknowledge { peer, call: Call(0), id: request(id), requester, ticket: None })
    }

    fn acknowledge_and_detach(&mut self, peer: u64, id: u32) -> Vec<String> {
        let (peer, requester) = (self.peer(peer), requester("consumer"));
        let ticket = Some(TicketNumber(id));
        self.ask(Command::Acknowledge { peer, call: Call(0), id: request(id), requester, ticket })
    }

    fn cancel(&mut self, peer: u64, id: u32) -> Vec<String> {
        let peer = self.peer(peer);
        self.ask(Command::Cancel { peer, call: Call(0), id: request(id) })
    }

    fn follow_parts(&mut self, peer: u64, id: u32, (delivery, after): (u32, u32), window: u32) -> Vec<String> {
        let (ticket, id) = (TicketNumber(id), request(id));
        self.ask(Command::FollowParts { peer: PeerId(peer), ticket, id, delivery, after, window })
    }

    fn parts_window(&mut self, peer: u64, id: u32, more: u32) -> Vec<String> {
        self.ask(Command::PartsWindow { peer: PeerId(peer), ticket: TicketNumber(id), id: request(id), more })
    }

    fn acknowledge_parts(&mut self, id: u32, delivery: u32, through: u32) -> Vec<String> {
        self.ask(Command::AcknowledgeParts { id: request(id), requester: requester("consumer"), delivery, through })
    }

    fn add_part(&mut self, peer: u64, token: Token, number: u32, bytes: usize) -> Vec<String> {
        let peer = self.peer(peer);
        self.ask(Command::AddPart { peer, call: Call(0), token, number, part: number, bytes })
    }

    fn subscribe(&mut self, peer: u64, credit: u32) -> Vec<String> {
        let peer = self.peer(peer);
        let service = service_of(peer.id.0);
        self.ask(Command::Subscribe { peer, service, credit, hold: Hold::Connection, lease: LEASE })
    }

    fn subscribe_by_lease(&mut self, peer: u64, credit: u32) -> Vec<String> {
        let peer = self.peer(peer);
        let service = service_of(peer.id.0);
        self.ask(Command::Subscribe { peer, service, credit, hold: Hold::Lease, lease: LEASE })
    }

    fn credit(&mut self, peer: u64, credit: u32) -> Vec<String> {
        self.ask(Command::Credit { peer: PeerId(peer), service: SERVICE, credit })
    }

    fn unsubscribe(&mut self, peer: u64) -> Vec<String> {
        self.ask(Command::Unsubscribe { peer: PeerId(peer), service: SERVICE })
    }

    fn resume(&mut self, peer: u64) -> Vec<String> {
        self.ask(Command::Resume { peer: PeerId(peer) })
    }

    fn settle(&mut self, peer: u64, token: Token, settlement: Settling<Numbers>) -> Vec<String> {
        let peer = self.peer(peer);
        self.ask(Command::Settle { peer, call: Call(0), token, settlement })
    }

    fn reply(&mut self, peer: u64, token: Token) -> Vec<String> {
        self.settle(peer, token, Settling::Reply(42))
    }

    fn retry(&mut self, peer: u64, token: Token, retry_after: Option<Duration>) -> Vec<String> {
        self.settle(peer, token, Settling::Retry { problem: 13, retry_after })
    }

    fn release(&mut self, peer: u64, token: Token) -> Vec<String> {
        self.settle(peer, token, Settling::Release)
    }

    fn throttle(&mut self, peer: u64, token: Token, retry_after: Duration) -> Vec<String> {
        self.settle(peer, token, Settling::Throttle { retry_after })
    }

    fn stopped(&mut self, token: Token) -> Vec<String> {
        self.ask(Command::Stopped { token })
    }

    fn renew(&mut self, peer: u64, token: Token) -> Vec<String> {
        let peer = self.peer(peer);
        self.ask(Command::Renew { peer, call: Call(0), token })
    }

    fn take_back(&mut self, peer: u64, token: Token) -> Vec<String> {
        let peer = self.peer(peer);
        let service = service_of(peer.id.0);
        self.ask(Command::TakeBack { peer, call: Call(0), service, token })
    }

    fn report(&mut self, token: Token, fraction: f32) -> Vec<String> {
        let progress = Progress { fraction, stage: "merging".into(), note: String::new() };
        self.ask(Command::Report { token, progress })
    }

    fn gone(&mut self, peer: u64) -> Vec<String> {
        self.ask(Command::PeerGone { peer: PeerId(peer) })
    }

    /// An unnamed requester is gone, and its mailbox with it.
    fn requester_gone(&mut self, name: &str) -> Vec<String> {
        self.place(name).mailbox.set(false);
        self.ask(Command::RequesterGone { requester: requester(name) })
    }

    fn redrive(&mut self, peer: u64, id: u32, new_id: u32) -> Vec<String> {
        let (peer, place) = (self.peer(peer), self.place("consumer"));
        let (id, new_id, request) = (request(id), request(new_id), new_id);
        self.ask(Command::Redrive { peer, call: Call(0), id, new_id, request, place })
    }

    /// What was kept of a request, or of a letter, is damaged.
    fn damaged(&mut self, id: u32) -> Vec<String> {
        self.ask(Command::Damaged { id: request(id) })
    }

    fn purge(&mut self, peer: u64, id: u32) -> Vec<String> {
        let peer = self.peer(peer);
        self.ask(Command::Purge { peer, call: Call(0), id: request(id) })
    }

    /// From here on the connection lives by what is heard from it, which was something just now.
    fn heard(&mut self, peer: u64) {
        let time = self.now.time;
        self.peer(peer).last_heard.set(time);
    }

    fn room(&mut self, peer: u64, room: bool) {
        self.peer(peer).room.set(room);
    }
}

fn request(id: u32) -> RequestId {
    RequestId::from_bytes(u128::from(id).to_be_bytes())
}

fn number(id: RequestId) -> u32 {
    u128::from_be_bytes(*id.as_bytes()) as u32
}

fn requester(name: &str) -> RequesterName {
    RequesterName::new(name).unwrap()
}

fn token(id: u32, delivery: u32) -> Token {
    Token { start: START, id: request(id), delivery }
}

fn service_of(peer: u64) -> ServiceInstance {
    ServiceInstance { instance: InstanceId::from_bytes([(peer % 10) as u8; 16]), service: SERVICE }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// What is done that somebody notices: payloads that are needed no more are none of it.
fn lines(effects: &[Effect<Numbers>]) -> Vec<String> {
    let noticed = effects.iter().filter(|effect| is_noticed(effect) && !matches!(effect.what, What::Spend { .. }));
    noticed.map(line).collect()
}

/// An outcome is put into no mailbox where there is none.
fn is_noticed(effect: &Effect<Numbers>) -> bool {
    match &effect.what {
        What::Post { place, .. } | What::Unpost { place, .. } | What::Repost { place, .. } => place.has_mailbox(),
        What::Tell { .. } | What::Spend { .. } | What::Keep(_) => true,
    }
}

fn line(effect: &Effect<Numbers>) -> String {
    match &effect.what {
        What::Tell { peer, tell } => format!("{} {}", peer.id.0, told(tell)),
        What::Post { id, .. } => format!("post {}", number(*id)),
        What::Unpost { id, .. } => format!("unpost {}", number(*id)),
        What::Spend { request } => format!("spend {request}"),
        What::Keep(record) => format!("keep {}", kept(record)),
        What::Repost { id, peer, .. } => format!("repost {} to {}", number(*id), peer.0),
    }
}

fn kept(record: &Record<Numbers>) -> String {
    match record {
        Record::Accept(accepted) => {
            let Accepted { request, order, until, .. } = &**accepted;
            let order = order.map(|order| format!(" order {order}")).unwrap_or_default();
            let until = until.map(|until| format!(" until {:?}", until.since_start())).unwrap_or_default();
            format!("accept {request}{order}{until}")
        }
        Record::Move { request, tried } => {
            let Tried { order, until, deliveries, attempts, releases, last } = tried;
            let until = until.map(|until| format!(" until {:?}", until.since_start())).unwrap_or_default();
            let last = last.map(|last| format!(" last {last}")).unwrap_or_default();
            format!("move {request} order {order}{until} deliveries {deliveries}/{attempts}/{releases}{last}")
        }
        Record::End { request, ended: Ended { outcome, deliveries, settled_by, .. } } => {
            let by = settled_by.map(|(start, delivery)| format!(" by {start}/{delivery}")).unwrap_or_default();
            format!("end {request} {} deliveries {deliveries}{by}", outcome_name(outcome))
        }
        Record::Acknowledge { request } => format!("acknowledge {request}"),
        Record::Forget { request } => format!("forget {request}"),
        Record::AddPart { request, delivery, number, part, bytes } => {
            format!("add part {request} {delivery}/{number} {part} of {bytes}")
        }
        Record::DropParts { request, delivery, through } => format!("drop parts {request} {delivery}/{through}"),
        Record::Exhume { request } => format!("exhume {request}"),
    }
}

fn told(tell: &Tell<Numbers>) -> String {
    match tell {
        Tell::Accepted { ticket, services, duplicate } => {
            let duplicate = duplicate.as_ref().map(|first| format!(" duplicate of {}", number(first.id)));
            format!("accepted {ticket} services {services}{}", duplicate.unwrap_or_default())
        }
        Tell::Refused { ticket, refusal } => format!("refused {ticket} {}", refusal.code),
        Tell::State { ticket, state, progress, .. } => {
            let progress = progress.as_ref().map(|progress| format!(" progress {}", progress.fraction));
            format!("state {ticket} {}{}", state_name(*state), progress.unwrap_or_default())
        }
        Tell::Outcome { ticket, outcome } => format!("outcome {ticket} {}", outcome_name(outcome)),
        Tell::Progress { ticket, progress } => format!("progress {ticket} {}", progress.fraction),
        Tell::Part { ticket, delivery, number, .. } => format!("part {ticket} {delivery}/{number}"),
        Tell::PartsFrom { ticket, delivery, first } => format!("parts from {ticket} {delivery}/{first}"),
        Tell::Cancelled { result, .. } => format!("cancelled {result:?}"),
        Tell::Acknowledged { result, .. } => format!("acknowledged {result:?}"),
        Tell::Delivery { token, attempt, .. } => format!("delivery {} attempt {attempt}", shown(token)),
        Tell::Answered { answer, .. } => format!("answered {answer:?}"),
        Tell::PartsRoom { token, .. } => format!("parts room {}", shown(token)),
        Tell::Redriven { result: Redrive::Accepted(id), .. } => format!("redriven as {}", number(*id)),
        Tell::Redriven { result: Redrive::Refused(refusal), .. } => format!("redriven refused {}", refusal.code),
        Tell::Redriven { result, .. } => format!("redriven {result:?}"),
        Tell::Purged { was_there, .. } => format!("purged {was_there}"),
        Tell::Stop { token, reason, .. } => format!("stop {} {reason:?}", shown(token)),
    }
}

fn shown(token: &Token) -> String {
    format!("{}/{}", number(token.id), token.delivery)
}

fn state_name(state: RequestState) -> String {
    match state {
        RequestState::InFlight { delivery, attempt } => format!("in flight {delivery} attempt {attempt}"),
        RequestState::Ended(kind) => format!("ended {kind}"),
        RequestState::Scheduled { .. } => "scheduled".to_owned(),
        other => format!("{other:?}"),
    }
}

fn outcome_name(outcome: &Outcome<Numbers>) -> String {
    let attempts = outcome.attempts;
    match &outcome.ending {
        Ending::Replied(answer) => format!("replied {answer} after {attempts}"),
        Ending::Failed(answer) => format!("failed {answer} after {attempts}"),
        Ending::Dead { reason, last } => {
            let last = last.map(|last| format!(" last {last}")).unwrap_or_default();
            format!("dead {}{last} after {attempts}", reason.as_str())
        }
        Ending::Expired => format!("expired after {attempts}"),
        Ending::Cancelled => format!("cancelled after {attempts}"),
    }
}
