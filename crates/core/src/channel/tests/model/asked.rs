//! What is asked at random.

use super::*;

const SLOT_COUNT: u32 = 8;

/// Something to do, in terms of what there happens to be.
#[derive(Debug, Clone)]
pub(super) enum Op {
    Submit { slot: usize, request: u32 },
    Attach { slot: usize, request: u32 },
    Detach { slot: usize, request: u32 },
    Acknowledge { slot: usize, request: u32, right: bool },
    Subscribe { slot: usize, service: u32, credit: u32, by_lease: bool },
    Credit { slot: usize, service: u32, credit: u32 },
    Unsubscribe { slot: usize, service: u32 },
    Settle { slot: usize, token: Pick, how: How },
    Renew { slot: usize, token: Pick },
    TakeBack { slot: usize, service: u32, token: Pick },
    Report { token: Pick },
    Room { slot: usize, room: bool },
    Gone { slot: usize },
    Pass { millis: u64, heard: [bool; SLOTS], random: u64 },
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
}

/// Something to do, in terms of connections, requests and tokens.
#[derive(Debug)]
pub(super) enum Asked {
    Nothing,
    Submit { peer: TestPeer, id: u32 },
    Attach { peer: TestPeer, id: u32 },
    Detach { peer: TestPeer, id: u32 },
    Acknowledge { peer: TestPeer, id: u32, right: bool },
    Subscribe { peer: TestPeer, service: ServiceInstance, credit: u32, hold: Hold },
    Credit { peer: TestPeer, service: ServiceNumber, credit: u32 },
    Unsubscribe { peer: TestPeer, service: ServiceNumber },
    Resume { peer: TestPeer },
    Settle { peer: TestPeer, token: Token, how: How },
    Renew { peer: TestPeer, token: Token },
    TakeBack { peer: TestPeer, service: ServiceInstance, token: Token },
    Report { token: Token },
    Gone { peer: TestPeer },
}

pub(super) fn op() -> impl Strategy<Value = Op> {
    let slot = || 0..SLOTS;
    let request = || 0..SLOT_COUNT;
    let service = || 1..3_u32;
    let credit = || 0..4_u32;
    let token = || {
        (prop_oneof![4 => 0..3_usize, 1 => 0..30_usize], prop::bool::weighted(0.03))
            .prop_map(|(back, other_start)| Pick { back, other_start })
    };
    let how = prop_oneof![
        3 => Just(How::Reply(0)),
        1 => Just(How::Fail),
        1 => Just(How::Reject),
        2 => Just(How::Release),
        3 => prop::option::of(0..10_u64).prop_map(How::Retry),
    ];
    prop_oneof![
        6 => (slot(), request()).prop_map(|(slot, request)| Op::Submit { slot, request }),
        2 => (slot(), request()).prop_map(|(slot, request)| Op::Attach { slot, request }),
        1 => (slot(), request()).prop_map(|(slot, request)| Op::Detach { slot, request }),
        2 => (slot(), request(), prop::bool::weighted(0.9))
            .prop_map(|(slot, request, right)| Op::Acknowledge { slot, request, right }),
        4 => (slot(), service(), credit(), any::<bool>())
            .prop_map(|(slot, service, credit, by_lease)| Op::Subscribe { slot, service, credit, by_lease }),
        1 => (slot(), service(), credit()).prop_map(|(slot, service, credit)| Op::Credit { slot, service, credit }),
        1 => (slot(), service()).prop_map(|(slot, service)| Op::Unsubscribe { slot, service }),
        6 => (slot(), token(), how).prop_map(|(slot, token, how)| Op::Settle { slot, token, how }),
        1 => (slot(), token()).prop_map(|(slot, token)| Op::Renew { slot, token }),
        4 => (slot(), service(), token()).prop_map(|(slot, service, token)| Op::TakeBack { slot, service, token }),
        1 => token().prop_map(|token| Op::Report { token }),
        1 => (slot(), prop::bool::weighted(0.7)).prop_map(|(slot, room)| Op::Room { slot, room }),
        2 => slot().prop_map(|slot| Op::Gone { slot }),
        5 => (0..12_000_u64, any::<[bool; SLOTS]>(), any::<u64>())
            .prop_map(|(millis, heard, random)| Op::Pass { millis, heard, random }),
    ]
}

impl Op {
    /// What it means now; nothing, if there is no token to show yet.
    pub(super) fn resolve(&self, peers: &[TestPeer], tokens: &[Token], model: &Model, answer: u32) -> Option<Asked> {
        let peer = |slot: &usize| peers[*slot].clone();
        let instance = |slot: &usize, service: &u32| instance(&peers[*slot], *service);
        let token = |pick: &Pick| {
            let token = tokens.iter().rev().nth(pick.back)?;
            Some(Token { start: if pick.other_start { START + 1 } else { START }, ..*token })
        };
        Some(match self {
            Self::Submit { slot, request } => Asked::Submit { peer: peer(slot), id: model.id(*request) },
            Self::Attach { slot, request } => Asked::Attach { peer: peer(slot), id: model.id(*request) },
            Self::Detach { slot, request } => Asked::Detach { peer: peer(slot), id: model.id(*request) },
            Self::Acknowledge { slot, request, right } => {
                Asked::Acknowledge { peer: peer(slot), id: model.id(*request), right: *right }
            }
            Self::Subscribe { slot, service, credit, by_lease } => {
                let hold = if *by_lease { Hold::Lease } else { Hold::Connection };
                Asked::Subscribe { peer: peer(slot), service: instance(slot, service), credit: *credit, hold }
            }
            Self::Credit { slot, service, credit } => {
                Asked::Credit { peer: peer(slot), service: ServiceNumber(*service), credit: *credit }
            }
            Self::Unsubscribe { slot, service } => {
                Asked::Unsubscribe { peer: peer(slot), service: ServiceNumber(*service) }
            }
            Self::Settle { slot, token: pick, how } => {
                let how = if let How::Reply(_) = how { How::Reply(answer) } else { *how };
                Asked::Settle { peer: peer(slot), token: token(pick)?, how }
            }
            Self::Renew { slot, token: pick } => Asked::Renew { peer: peer(slot), token: token(pick)? },
            Self::TakeBack { slot, service, token: pick } => {
                Asked::TakeBack { peer: peer(slot), service: instance(slot, service), token: token(pick)? }
            }
            Self::Report { token: pick } => Asked::Report { token: token(pick)? },
            Self::Room { .. } | Self::Gone { .. } | Self::Pass { .. } => return None,
        })
    }
}

/// Two of the slots are connections of the same client instance at once, as before the end of one of them is known.
fn instance(peer: &TestPeer, service: u32) -> ServiceInstance {
    let instance = InstanceId::from_bytes([(peer.id.0 % SLOTS as u64 / 2) as u8; 16]);
    ServiceInstance { instance, service: ServiceNumber(service) }
}

impl Asked {
    /// The connection that is heard by its asking.
    pub(super) fn heard(&self) -> Option<&TestPeer> {
        match self {
            Self::Submit { peer, .. }
            | Self::Attach { peer, .. }
            | Self::Detach { peer, .. }
            | Self::Acknowledge { peer, .. }
            | Self::Subscribe { peer, .. }
            | Self::Credit { peer, .. }
            | Self::Unsubscribe { peer, .. }
            | Self::Settle { peer, .. }
            | Self::Renew { peer, .. }
            | Self::TakeBack { peer, .. } => Some(peer),
            Self::Nothing | Self::Resume { .. } | Self::Report { .. } | Self::Gone { .. } => None,
        }
    }

    pub(super) fn command(&self) -> Command<Numbers> {
        let call = Call(0);
        match self {
            Self::Nothing => unreachable!("nothing is no command"),
            Self::Submit { peer, id } => Command::Submit {
                peer: peer.clone(),
                ticket: TicketNumber(*id),
                id: request(*id),
                requester: requester("consumer"),
                request: *id,
                place: *id,
            },
            Self::Attach { peer, id } => {
                Command::Attach { peer: peer.clone(), ticket: TicketNumber(*id), id: request(*id) }
            }
            Self::Detach { peer, id } => Command::Detach { peer: peer.id, ticket: TicketNumber(*id), id: request(*id) },
            Self::Acknowledge { peer, id, right } => {
                let requester = requester(if *right { "consumer" } else { "other" });
                Command::Acknowledge { peer: peer.clone(), call, id: request(*id), requester }
            }
            Self::Subscribe { peer, service, credit, hold } => {
                Command::Subscribe { peer: peer.clone(), service: *service, credit: *credit, hold: *hold }
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
            Self::Report { token } => {
                let progress = Progress { fraction: 0.5, stage: String::new(), note: String::new() };
                Command::Report { token: *token, progress }
            }
            Self::Gone { peer } => Command::PeerGone { peer: peer.id },
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
        }
    }
}
