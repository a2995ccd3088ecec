//! What is asked at random.

use super::known::{Known, Model, Stage};
use super::*;
use crate::handles::PeerId;

/// Something to do, in terms of what there happens to be.
#[derive(Debug, Clone)]
pub(super) enum Op {
    Submit { slot: usize, number: u32, wish: Wish, again: bool },
    Attach { slot: usize, which: Which, again: bool },
    Detach { follower: usize },
    FollowParts { follower: usize, behind: u32, other_delivery: bool, window: u32 },
    PartsWindow { follower: usize, more: u32 },
    AcknowledgeParts { which: Which, right: bool, this_delivery: bool, through: u32 },
    Cancel { slot: usize, which: Which },
    Acknowledge { slot: usize, which: Which, right: bool, along: bool },
    Subscribe { slot: usize, service: u32, credit: u32, by_lease: bool, lease: u64 },
    Credit { slot: usize, service: u32, credit: u32 },
    Unsubscribe { slot: usize, service: u32 },
    Settle { slot: usize, token: Pick, how: How },
    Renew { slot: usize, token: Pick },
    TakeBack { slot: usize, service: u32, token: Pick },
    AddPart { slot: usize, token: Pick, step: u32, bytes: usize },
    Stopped { token: Pick },
    Report { token: Pick },
    Room { slot: usize, room: bool },
    Gone { slot: usize },
    RequesterGone,
    MakeRoom,
    Redrive { slot: usize, letter: usize },
    Purge { slot: usize, letter: usize },
    Damaged { which: Which, letter: Option<usize> },
    Restart,
    Stop,
    Pass { millis: u64, heard: [bool; SLOTS], random: u64, late: bool },
}

/// What a requester wants of a request.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    unnamed: bool,
    one_way: bool,
    bytes: usize,
    priority: u8,
    deadline: Option<u64>,
    delay: Option<u64>,
    key: Option<(u8, u128)>,
    quiet: bool,
}

/// One of the requests: by a small number that stands for its id, or one of those that are known.
#[derive(Debug, Clone, Copy)]
pub(super) enum Which {
    Number(u32),
    Known(usize),
}

/// One of the tokens that were handed out, counted from the latest; rarely of another start of the broker.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pick {
    back: usize,
    other_start: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum How {
    Reply(u32),
    Fail,
    Reject,
    Release,
    Retry(Option<u64>),
    Throttle(u64),
}

/// Something to do, in terms of connections, requests and tokens.
#[derive(Debug)]
pub(super) enum Asked {
    Nothing,
    Submit { peer: TestPeer, ticket: u32, asked: Request },
    Attach { peer: TestPeer, ticket: u32, id: u32 },
    Detach { peer: PeerId, ticket: u32, id: u32 },
    FollowParts { peer: PeerId, ticket: u32, id: u32, delivery: u32, after: u32, window: u32 },
    PartsWindow { peer: PeerId, ticket: u32, id: u32, more: u32 },
    AcknowledgeParts { id: u32, requester: String, delivery: u32, through: u32 },
    Cancel { peer: TestPeer, id: u32 },
    Acknowledge { peer: TestPeer, id: u32, requester: String, ticket: Option<u32> },
    Subscribe { peer: TestPeer, service: ServiceInstance, credit: u32, hold: Hold, lease: Duration },
    Credit { peer: TestPeer, service: ServiceNumber, credit: u32 },
    Unsubscribe { peer: TestPeer, service: ServiceNumber },
    Resume { peer: TestPeer },
    Settle { peer: TestPeer, token: Token, how: How },
    Renew { peer: TestPeer, token: Token },
    TakeBack { peer: TestPeer, service: ServiceInstance, token: Token },
    AddPart { peer: TestPeer, token: Token, number: u32, bytes: usize },
    Stopped { token: Token },
    Report { token: Token },
    Gone { peer: TestPeer },
    RequesterGone { requester: String },
    MakeRoom,
    Redrive { peer: TestPeer, id: u32, new_id: u32, place: TestPlace },
    Purge { peer: TestPeer, id: u32 },
    Damaged { id: u32 },
    Stop,
}

/// A request as it is handed in.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) id: u32,
    pub(super) requester: String,
    pub(super) place: TestPlace,
    pub(super) bytes: usize,
    pub(super) priority: u8,
    pub(super) deadline: Option<Duration>,
    pub(super) delay: Duration,
    pub(super) key: Option<Key>,
    pub(super) tells_acceptance: bool,
}

fn wish() -> impl Strategy<Value = Wish> {
    let bytes = 1..30_usize;
    let priority = prop_oneof![6 => Just(4_u8), 3 => 3..6_u8, 1 => 0..11_u8];
    let deadline = prop::option::weighted(0.3, prop_oneof![1 => Just(0), 20 => 1..60_000_u64]);
    let delay = prop::option::weighted(0.2, 0..20_000_u64);
    let key = prop::option::weighted(0.2, (0..3_u8, prop_oneof![4 => Just(1_u128), 1 => Just(2_u128)]));
    let quiet = prop::bool::weighted(0.2);
    (any::<bool>(), prop::bool::weighted(0.2), bytes, priority, deadline, delay, key, quiet).prop_map(
        |(unnamed, one_way, bytes, priority, deadline, delay, key, quiet)| Wish {
            unnamed,
            one_way,
            bytes,
            priority,
            deadline,
            delay,
            key,
            quiet,
        },
    )
}

fn how() -> impl Strategy<Value = How> {
    prop_oneof![
        3 => Just(How::Reply(0)),
        1 => Just(How::Fail),
        1 => Just(How::Reject),
        2 => Just(How::Release),
        3 => prop::option::of(0..10_u64).prop_map(How::Retry),
        1 => (0..8_000_u64).prop_map(How::Throttle),
    ]
}

pub(super) fn op() -> impl Strategy<Value = Op> {
    prop_oneof![17 => of_requesters(), 24 => of_services(), 3 => of_the_broker(), 5 => passing()]
}

fn of_requesters() -> impl Strategy<Value = Op> {
    let slot = || 0..SLOTS;
    let nth = || 0..20_usize;
    let which = || prop_oneof![1 => (0..8_u32).prop_map(Which::Number), 4 => nth().prop_map(Which::Known)];
    prop_oneof![
        6 => (slot(), 0..8_u32, wish(), any::<bool>())
            .prop_map(|(slot, number, wish, again)| Op::Submit { slot, number, wish, again }),
        2 => (slot(), which(), any::<bool>()).prop_map(|(slot, which, again)| Op::Attach { slot, which, again }),
        1 => nth().prop_map(|follower| Op::Detach { follower }),
        2 => (nth(), 0..4_u32, prop::bool::weighted(0.3), 0..4_u32).prop_map(
            |(follower, behind, other_delivery, window)| Op::FollowParts { follower, behind, other_delivery, window }
        ),
        1 => (nth(), 1..3_u32).prop_map(|(follower, more)| Op::PartsWindow { follower, more }),
        2 => (which(), prop::bool::weighted(0.9), prop::bool::weighted(0.9), 0..6_u32).prop_map(
            |(which, right, this_delivery, through)| Op::AcknowledgeParts { which, right, this_delivery, through }
        ),
        2 => (slot(), which()).prop_map(|(slot, which)| Op::Cancel { slot, which }),
        2 => (slot(), which(), prop::bool::weighted(0.9), any::<bool>())
            .prop_map(|(slot, which, right, along)| Op::Acknowledge { slot, which, right, along }),
    ]
}

fn of_services() -> impl Strategy<Value = Op> {
    let slot = || 0..SLOTS;
    let service = || 1..3_u32;
    let credit = || 0..4_u32;
    let token = || {
        (prop_oneof![4 => 0..3_usize, 1 => 0..30_usize], prop::bool::weighted(0.03))
            .prop_map(|(back, other_start)| Pick { back, other_start })
    };
    prop_oneof![
        4 => (slot(), service(), credit(), any::<bool>(), 5..12_u64).prop_map(
            |(slot, service, credit, by_lease, lease)| Op::Subscribe { slot, service, credit, by_lease, lease }
        ),
        1 => (slot(), service(), credit()).prop_map(|(slot, service, credit)| Op::Credit { slot, service, credit }),
        1 => (slot(), service()).prop_map(|(slot, service)| Op::Unsubscribe { slot, service }),
        6 => (slot(), token(), how()).prop_map(|(slot, token, how)| Op::Settle { slot, token, how }),
        1 => (slot(), token()).prop_map(|(slot, token)| Op::Renew { slot, token }),
        4 => (slot(), service(), token()).prop_map(|(slot, service, token)| Op::TakeBack { slot, service, token }),
        5 => (slot(), token(), prop_oneof![1 => Just(0_u32), 8 => Just(1), 1 => Just(2)], 1..12_usize)
            .prop_map(|(slot, token, step, bytes)| Op::AddPart { slot, token, step, bytes }),
        1 => token().prop_map(|token| Op::Stopped { token }),
        1 => token().prop_map(|token| Op::Report { token }),
        1 => (slot(), prop::bool::weighted(0.7)).prop_map(|(slot, room)| Op::Room { slot, room }),
        2 => slot().prop_map(|slot| Op::Gone { slot }),
    ]
}

fn of_the_broker() -> impl Strategy<Value = Op> {
    let (slot, letter) = (|| 0..SLOTS, || 0..3_usize);
    prop_oneof![
        5 => Just(Op::RequesterGone),
        5 => Just(Op::MakeRoom),
        10 => (slot(), letter()).prop_map(|(slot, letter)| Op::Redrive { slot, letter }),
        5 => (slot(), letter()).prop_map(|(slot, letter)| Op::Purge { slot, letter }),
        3 => (prop_oneof![1 => (0..8_u32).prop_map(Which::Number), 9 => (0..20_usize).prop_map(Which::Known)],
              prop::option::weighted(0.3, letter())).prop_map(|(which, letter)| Op::Damaged { which, letter }),
        10 => Just(Op::Restart),
        1 => Just(Op::Stop),
    ]
}

fn passing() -> impl Strategy<Value = Op> {
    (0..12_000_u64, any::<[bool; SLOTS]>(), any::<u64>(), prop::bool::weighted(0.1))
        .prop_map(|(millis, heard, random, late)| Op::Pass { millis, heard, random, late })
}

impl Run {
    /// What it means now; nothing, if there is nothing of what it is about.
    pub(super) fn resolve(&mut self, op: &Op) -> Option<Asked> {
        self.asked += 1;
        self.model.now = self.world.now.time;
        let peer = |slot: &usize| self.peers[*slot].clone();
        let instance = |slot: &usize, service: &u32| instance(&self.peers[*slot], *service);
        let token = |pick: &Pick| {
            let token = self.tokens.iter().rev().nth(pick.back)?;
            Some(Token { start: if pick.other_start { 0 } else { token.start }, ..*token })
        };
        let id = |which: &Which| self.model.id(*which);
        let follower = |nth: &usize| nth_of(&self.model.followers, *nth);
        let letter = |nth: &usize| nth_of(&self.model.letters, *nth).map_or(0, |letter| letter.id);
        let requester = |id: u32, right: bool| {
            let known = self.model.requests.iter().find(|known| known.id == id);
            let name = known.map(|known| known.requester.clone()).filter(|_| right);
            name.unwrap_or_else(|| "somebody".to_owned())
        };
        Some(match op {
            Op::Submit { slot, number, wish, again } => {
                let id = self.model.id(Which::Number(*number));
                let ticket = self.ticket(&peer(slot), id, *again);
                Asked::Submit { peer: peer(slot), ticket, asked: self.request(id, wish) }
            }
            Op::Attach { slot, which, again } => {
                let id = id(which);
                Asked::Attach { peer: peer(slot), ticket: self.ticket(&peer(slot), id, *again), id }
            }
            Op::Detach { follower: nth } => {
                let follower = follower(nth)?;
                Asked::Detach { peer: follower.peer.id, ticket: follower.ticket, id: follower.id }
            }
            Op::FollowParts { follower: nth, behind, other_delivery, window } => {
                let follower = follower(nth)?;
                let (peer, ticket, id) = (follower.peer.id, follower.ticket, follower.id);
                let parts = &self.model.requests.iter().find(|known| known.id == id)?.parts;
                let delivery = if *other_delivery { parts.delivery.saturating_sub(1) } else { parts.delivery };
                let after = parts.last.saturating_sub(*behind);
                Asked::FollowParts { peer, ticket, id, delivery, after, window: *window }
            }
            Op::PartsWindow { follower: nth, more } => {
                let follower = follower(nth)?;
                let (peer, ticket, id) = (follower.peer.id, follower.ticket, follower.id);
                Asked::PartsWindow { peer, ticket, id, more: *more }
            }
            Op::AcknowledgeParts { which, right, this_delivery, through } => {
                let id = id(which);
                let parts = &self.model.requests.iter().find(|known| known.id == id)?.parts;
                let delivery = if *this_delivery { parts.delivery } else { parts.delivery + 1 };
                Asked::AcknowledgeParts { id, requester: requester(id, *right), delivery, through: *through }
            }
            Op::Cancel { slot, which } => Asked::Cancel { peer: peer(slot), id: id(which) },
            Op::Acknowledge { slot, which, right, along } => {
                let (peer, id) = (peer(slot), id(which));
                let mut followers = self.model.followers.iter().filter(|follower| follower.peer.id == peer.id);
                let ticket = followers.find(|follower| *along && follower.id == id).map(|follower| follower.ticket);
                Asked::Acknowledge { peer, id, requester: requester(id, *right), ticket }
            }
            Op::Subscribe { slot, service, credit, by_lease, lease } => {
                let hold = if *by_lease { Hold::Lease } else { Hold::Connection };
                let (service, credit, lease) = (instance(slot, service), *credit, seconds(*lease));
                Asked::Subscribe { peer: peer(slot), service, credit, hold, lease }
            }
            Op::Credit { slot, service, credit } => {
                Asked::Credit { peer: peer(slot), service: ServiceNumber(*service), credit: *credit }
            }
            Op::Unsubscribe { slot, service } => {
                Asked::Unsubscribe { peer: peer(slot), service: ServiceNumber(*service) }
            }
            Op::Settle { slot, token: pick, how } => {
                let how = if let How::Reply(_) = how { How::Reply(self.asked) } else { *how };
                Asked::Settle { peer: peer(slot), token: token(pick)?, how }
            }
            Op::Renew { slot, token: pick } => Asked::Renew { peer: peer(slot), token: token(pick)? },
            Op::TakeBack { slot, service, token: pick } => {
                Asked::TakeBack { peer: peer(slot), service: instance(slot, service), token: token(pick)? }
            }
            Op::AddPart { slot, token: pick, step, bytes } => {
                let token = token(pick)?;
                let known = self.model.requests.iter().find(|known| known.id == number(token.id));
                let number = known.map_or(0, |known| known.parts.last) + step;
                Asked::AddPart { peer: peer(slot), token, number: number.max(1), bytes: *bytes }
            }
            Op::Stopped { token: pick } => Asked::Stopped { token: token(pick)? },
            Op::Report { token: pick } => Asked::Report { token: token(pick)? },
            Op::MakeRoom => Asked::MakeRoom,
            Op::Redrive { slot, letter: nth } => {
                let place = nth_of(&self.model.letters, *nth).map(|letter| letter.place.clone());
                let place = place.unwrap_or_else(|| TestPlace::new(false));
                Asked::Redrive { peer: peer(slot), id: letter(nth), new_id: 1_000_000 + self.asked, place }
            }
            Op::Purge { slot, letter: nth } => Asked::Purge { peer: peer(slot), id: letter(nth) },
            Op::Damaged { which, letter: nth } => {
                let letter = nth.map(|nth| letter(&nth)).filter(|id| *id > 0);
                Asked::Damaged { id: letter.unwrap_or_else(|| id(which)) }
            }
            Op::Stop => Asked::Stop,
            Op::Room { .. } | Op::Gone { .. } | Op::RequesterGone | Op::Restart | Op::Pass { .. } => return None,
        })
    }

    /// The number under which a connection follows a request already, if it is to be that, or a new one.
    fn ticket(&self, peer: &TestPeer, id: u32, again: bool) -> u32 {
        let there = self
            .model
            .followers
            .iter()
            .find(|follower| again && follower.peer.id == peer.id && follower.id == id && follower.parts.is_none());
        there.map_or(self.asked, |follower| follower.ticket)
    }

    fn request(&self, id: u32, wish: &Wish) -> Request {
        let requester = if wish.unnamed { self.unnamed.clone() } else { "consumer".to_owned() };
        let place = if wish.one_way { TestPlace::new(false) } else { self.world.mailboxes[&requester].clone() };
        let key = wish.key.map(|(text, fingerprint)| Key {
            requester: (!wish.unnamed).then(|| super::requester(&requester)),
            text: text.to_string(),
            fingerprint,
        });
        // No two delays end at the same moment: which request is first then is nobody's business.
        let delay = wish.delay.map(|delay| Duration::from_millis(delay) + Duration::from_nanos(self.asked.into()));
        Request {
            id,
            requester,
            place,
            bytes: wish.bytes,
            priority: wish.priority,
            deadline: wish.deadline.map(Duration::from_millis),
            delay: delay.unwrap_or_default(),
            key,
            tells_acceptance: !wish.quiet,
        }
    }
}

fn nth_of<T>(all: &[T], nth: usize) -> Option<&T> {
    all.get(nth.checked_rem(all.len())?)
}

/// Two of the slots are connections of the same client instance at once, as before the end of one of them is known.
fn instance(peer: &TestPeer, service: u32) -> ServiceInstance {
    let instance = InstanceId::from_bytes([(peer.id.0 % SLOTS as u64 / 2) as u8; 16]);
    ServiceInstance { instance, service: ServiceNumber(service) }
}

impl Model {
    /// The id of a request. A small number stands for another one whenever the request before is gone, or is about to be.
    pub(super) fn id(&self, which: Which) -> u32 {
        match which {
            Which::Known(nth) => nth_of(&self.requests, nth).map_or(0, |known| known.id),
            Which::Number(number) => {
                (0..).map(|generation| number + 100 * generation).find(|id| !self.is_gone(*id)).unwrap()
            }
        }
    }

    fn is_gone(&self, id: u32) -> bool {
        let over = |known: &Known| match known.stage {
            Stage::Ended { at, .. } => at + self.settings.retention <= self.now,
            _ => false,
        };
        self.gone.contains(&id) || self.known(id).is_some_and(over)
    }
}

impl Asked {
    /// The connection that is heard by its asking.
    pub(super) fn heard(&self) -> Option<&TestPeer> {
        match self {
            Self::Submit { peer, .. }
            | Self::Attach { peer, .. }
            | Self::Cancel { peer, .. }
            | Self::Acknowledge { peer, .. }
            | Self::Subscribe { peer, .. }
            | Self::Credit { peer, .. }
            | Self::Unsubscribe { peer, .. }
            | Self::Settle { peer, .. }
            | Self::Renew { peer, .. }
            | Self::TakeBack { peer, .. }
            | Self::AddPart { peer, .. }
            | Self::Redrive { peer, .. }
            | Self::Purge { peer, .. } => Some(peer),
            _ => None,
        }
    }

    pub(super) fn command(&self) -> Command<Numbers> {
        let call = Call(0);
        match self {
            Self::Nothing => unreachable!("nothing is no command"),
            Self::Submit { peer, ticket, asked } => Command::Submit {
                peer: peer.clone(),
                ticket: TicketNumber(*ticket),
                submission: Submission {
                    id: request(asked.id),
                    requester: requester(&asked.requester),
                    request: asked.id,
                    bytes: asked.bytes,
                    place: asked.place.clone(),
                    priority: asked.priority,
                    deadline: asked.deadline,
                    delay: asked.delay,
                    key: asked.key.clone(),
                    tells_acceptance: asked.tells_acceptance,
                },
            },
            Self::Attach { peer, ticket, id } => {
                Command::Attach { peer: peer.clone(), ticket: TicketNumber(*ticket), id: request(*id) }
            }
            Self::Detach { peer, ticket, id } => {
                Command::Detach { peer: *peer, ticket: TicketNumber(*ticket), id: request(*id) }
            }
            Self::FollowParts { peer, ticket, id, delivery, after, window } => {
                let (peer, ticket, id) = (*peer, TicketNumber(*ticket), request(*id));
                Command::FollowParts { peer, ticket, id, delivery: *delivery, after: *after, window: *window }
            }
            Self::PartsWindow { peer, ticket, id, more } => {
                Command::PartsWindow { peer: *peer, ticket: TicketNumber(*ticket), id: request(*id), more: *more }
            }
            Self::AcknowledgeParts { id, requester: name, delivery, through } => {
                let (id, requester) = (request(*id), requester(name));
                Command::AcknowledgeParts { id, requester, delivery: *delivery, through: *through }
            }
            Self::Cancel { peer, id } => Command::Cancel { peer: peer.clone(), call, id: request(*id) },
            Self::Acknowledge { peer, id, requester: name, ticket } => {
                let (peer, id, requester) = (peer.clone(), request(*id), requester(name));
                Command::Acknowledge { peer, call, id, requester, ticket: ticket.map(TicketNumber) }
            }
            Self::Subscribe { peer, service, credit, hold, lease } => {
                let (peer, service) = (peer.clone(), *service);
                Command::Subscribe { peer, service, credit: *credit, hold: *hold, lease: *lease }
            }
            Self::Credit { peer, service, credit } => {
                Command::Credit { peer: peer.id, service: *service, credit: *credit }
            }
            Self::Unsubscribe { peer, service } => Command::Unsubscribe { peer: peer.id, service: *service },
            Self::Resume { peer } => Command::Resume { peer: peer.id },
            Self::Settle { peer, token, how } => {
                Command::Settle { peer: peer.clone(), call, token: *token, settlement: how.settlement() }
            }
            Self::Renew { peer, token } => Command::Renew { peer: peer.clone(), call, token: *token },
            Self::TakeBack { peer, service, token } => {
                Command::TakeBack { peer: peer.clone(), call, service: *service, token: *token }
            }
            Self::AddPart { peer, token, number, bytes } => {
                let (peer, token, number, bytes) = (peer.clone(), *token, *number, *bytes);
                Command::AddPart { peer, call, token, number, part: number, bytes }
            }
            Self::Stopped { token } => Command::Stopped { token: *token },
            Self::Report { token } => {
                let progress = Progress { fraction: 0.5, stage: String::new(), note: String::new() };
                Command::Report { token: *token, progress }
            }
            Self::Gone { peer } => Command::PeerGone { peer: peer.id },
            Self::RequesterGone { requester: name } => Command::RequesterGone { requester: requester(name) },
            Self::MakeRoom => Command::MakeRoom,
            Self::Redrive { peer, id, new_id, place } => {
                let (peer, id, place) = (peer.clone(), request(*id), place.clone());
                Command::Redrive { peer, call, id, new_id: request(*new_id), request: *new_id, place }
            }
            Self::Purge { peer, id } => Command::Purge { peer: peer.clone(), call, id: request(*id) },
            Self::Damaged { id } => Command::Damaged { id: request(*id) },
            Self::Stop => Command::Stop { answer: 99 },
        }
    }
}

impl How {
    fn settlement(self) -> Settling<Numbers> {
        match self {
            Self::Reply(answer) => Settling::Reply(answer),
            Self::Fail => Settling::Fail(13),
            Self::Reject => Settling::Reject(14),
            Self::Release => Settling::Release,
            Self::Retry(after) => Settling::Retry { problem: 15, retry_after: after.map(seconds) },
            Self::Throttle(after) => Settling::Throttle { retry_after: Duration::from_millis(after) },
        }
    }
}
