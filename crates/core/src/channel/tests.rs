//! The channel by sequences of commands, over handles that are plain numbers.
//!
//! A [`World`] is a channel with its clock and its connections. What it does is told in lines such as
//! `1 delivery 7/2 attempt 2`: connection 1 is told of delivery 2 of request 7. Connections whose numbers end in the
//! same digit are connections of the same client instance, one after the other; each has one service.

mod acceptance;
mod dispatch;
mod follow;
mod lease;
mod model;
mod settlement;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use roundtrip_protocol::{
    Call, Hold, InstanceId, Progress, RequestId, RequestState, RequesterName, ServiceNumber, TicketNumber, Token,
};

use super::*;
use crate::handles::PeerId;

const START: u64 = 7;
const SERVICE: ServiceNumber = ServiceNumber(1);
const LEASE: Duration = Duration::from_secs(10);
const BACKOFF: Duration = Duration::from_secs(1);
const RETENTION: Duration = Duration::from_secs(3600);

/// Longer than any backoff of the tests' settings, jitter included.
const BACKED_OFF: Duration = Duration::from_secs(7);

#[derive(Debug)]
struct Numbers;

impl Handles for Numbers {
    type Request = u32;
    type Answer = u32;
    type Place = u32;
    type Peer = TestPeer;
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
        retention: RETENTION,
    }
}

struct World {
    channel: Channel<Numbers>,
    now: Now,
    peers: BTreeMap<u64, TestPeer>,
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
        Self { channel: Channel::new(settings, START), now, peers: BTreeMap::new(), last_change: Change::default() }
    }

    fn peer(&mut self, peer: u64) -> TestPeer {
        self.peers.entry(peer).or_insert_with(|| TestPeer::new(peer)).clone()
    }

    /// Does a command; every effect names a change that was made, and none an earlier one than the effect before.
    fn effects(&mut self, command: Command<Numbers>) -> Vec<Effect<Numbers>> {
        let mut effects = Vec::new();
        self.channel.handle(self.now, command, &mut effects);
        self.note_changes(&effects);
        effects
    }

    fn note_changes(&mut self, effects: &[Effect<Numbers>]) {
        for effect in effects {
            assert!(effect.after >= self.last_change, "changes are numbered upwards");
            self.last_change = effect.after;
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

    fn submit(&mut self, peer: u64, id: u32) -> Vec<String> {
        let command = Command::Submit {
            peer: self.peer(peer),
            ticket: TicketNumber(id),
            id: request(id),
            requester: requester("consumer"),
            request: id,
            place: id,
        };
        self.ask(command)
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
        self.ask(Command::Acknowledge { peer, call: Call(0), id: request(id), requester: requester("consumer") })
    }

    fn subscribe(&mut self, peer: u64, credit: u32) -> Vec<String> {
        let peer = self.peer(peer);
        let service = service_of(peer.id.0);
        self.ask(Command::Subscribe { peer, service, credit, hold: Hold::Connection })
    }

    fn subscribe_by_lease(&mut self, peer: u64, credit: u32) -> Vec<String> {
        let peer = self.peer(peer);
        let service = service_of(peer.id.0);
        self.ask(Command::Subscribe { peer, service, credit, hold: Hold::Lease })
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

fn lines(effects: &[Effect<Numbers>]) -> Vec<String> {
    effects.iter().map(line).collect()
}

fn line(effect: &Effect<Numbers>) -> String {
    match &effect.what {
        What::Tell { peer, tell } => format!("{} {}", peer.id.0, told(tell)),
        What::Post { id, .. } => format!("post {}", number(*id)),
        What::Unpost { id, .. } => format!("unpost {}", number(*id)),
        What::Repost { id, peer, .. } => format!("repost {} to {}", number(*id), peer.0),
    }
}

fn told(tell: &Tell<Numbers>) -> String {
    match tell {
        Tell::Accepted { ticket, services } => format!("accepted {ticket} services {services}"),
        Tell::Refused { ticket, refusal } => format!("refused {ticket} {}", refusal.code),
        Tell::State { ticket, state, progress, .. } => {
            let progress = progress.as_ref().map(|progress| format!(" progress {}", progress.fraction));
            format!("state {ticket} {}{}", state_name(*state), progress.unwrap_or_default())
        }
        Tell::Outcome { ticket, outcome } => format!("outcome {ticket} {}", outcome_name(outcome)),
        Tell::Progress { ticket, progress } => format!("progress {ticket} {}", progress.fraction),
        Tell::Acknowledged { result, .. } => format!("acknowledged {result:?}"),
        Tell::Delivery { token, attempt, .. } => {
            format!("delivery {}/{} attempt {attempt}", number(token.id), token.delivery)
        }
        Tell::Answered { answer, .. } => format!("answered {answer:?}"),
        Tell::Stop { token, reason, .. } => format!("stop {}/{} {reason:?}", number(token.id), token.delivery),
    }
}

fn state_name(state: RequestState) -> String {
    match state {
        RequestState::InFlight { delivery, attempt } => format!("in flight {delivery} attempt {attempt}"),
        RequestState::Ended(kind) => format!("ended {kind}"),
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
    }
}
