//! What a channel is asked and does, as a simulator is told it.

use std::time::Duration;

use roundtrip_core::{Command, Peer as _, Settling, Tell, What};
use roundtrip_protocol::{
    Acknowledgement, Answer, Hold, OutcomeKind, RefusalCode, RequestId, RequesterName, StopReason, Token,
};

use crate::handles::BrokerHandles;

/// A service on one connection: the connection's number, and the service's on it.
pub type Subscription = (u64, u32);

/// What a channel was asked, or did about it. A doing comes behind the asking that it belongs to, or behind none where
/// time led to it. Of a durable channel both come when the doing is on disk, in the order in which they were decided.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "named as the commands and effects of roundtrip-core that they are made of")]
pub enum Event {
    Submit {
        id: RequestId,
        requester: RequesterName,
        has_mailbox: bool,
        priority: u8,
        delay: Duration,
        deadline: Option<Duration>,
        has_key: bool,
    },
    Subscribe {
        by: Subscription,
        credit: u32,
        by_lease: bool,
    },
    Credit {
        by: Subscription,
        credit: u32,
    },
    Unsubscribe {
        by: Subscription,
    },
    Gone {
        peer: u64,
    },
    Settle {
        token: Token,
        way: Way,
    },
    TakeBack {
        token: Token,
        by: Subscription,
    },
    Renew {
        token: Token,
    },
    Stopped {
        token: Token,
    },
    Acknowledge {
        id: RequestId,
    },
    /// Another question.
    Asked,
    Accepted {
        duplicate_of: Option<RequestId>,
    },
    Refused {
        code: RefusalCode,
    },
    Delivered {
        by: Subscription,
        token: Token,
        attempt: u32,
        lease: Duration,
    },
    Answered {
        answer: Answer,
    },
    Stop {
        token: Token,
        reason: StopReason,
    },
    Posted {
        id: RequestId,
    },
    Unposted {
        id: RequestId,
    },
    Acknowledged {
        result: Acknowledgement,
    },
    /// Of a durable channel, at once: it is going to be asked this. What it does about it may never be told.
    Arrives(Box<Event>),
    /// Of a durable channel, at once: a delivery is decided, and nobody was told.
    Decided {
        token: Token,
        attempt: u32,
    },
    /// A delivery that was decided is not handed over: its message is not there.
    Withheld {
        token: Token,
    },
    /// An outcome is shown to somebody.
    Shown {
        id: RequestId,
        kind: OutcomeKind,
    },
    /// The channel begins with what is on disk.
    Begins,
}

/// How a delivery is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the settlements of the contract")]
pub enum Way {
    Reply,
    Fail,
    Retry,
    Reject,
    Release,
    Throttle(Duration),
}

/// What a command asks, if it is to be told.
pub(crate) fn event_of(command: &Command<BrokerHandles>) -> Option<Event> {
    Some(match command {
        Command::Submit { submission, .. } => Event::Submit {
            id: submission.id,
            requester: submission.requester.clone(),
            has_mailbox: submission.place.mailbox().is_some(),
            priority: submission.priority,
            delay: submission.delay,
            deadline: submission.deadline,
            has_key: submission.key.is_some(),
        },
        Command::Subscribe { peer, service, credit, hold, .. } => {
            let by = (peer.id().0, service.service.0);
            Event::Subscribe { by, credit: *credit, by_lease: *hold == Hold::Lease }
        }
        Command::Credit { peer, service, credit } => Event::Credit { by: (peer.0, service.0), credit: *credit },
        Command::Unsubscribe { peer, service } => Event::Unsubscribe { by: (peer.0, service.0) },
        Command::PeerGone { peer } => Event::Gone { peer: peer.0 },
        Command::Settle { token, settlement, .. } => Event::Settle { token: *token, way: way(settlement) },
        Command::TakeBack { peer, service, token, .. } => {
            Event::TakeBack { token: *token, by: (peer.id().0, service.service.0) }
        }
        Command::Stopped { token } => Event::Stopped { token: *token },
        Command::Acknowledge { id, .. } => Event::Acknowledge { id: *id },
        Command::Renew { token, .. } => Event::Renew { token: *token },
        Command::AddPart { .. } | Command::Attach { .. } => Event::Asked,
        _ => return None,
    })
}

/// What an effect does, if it is to be told.
pub(super) fn event_of_effect(what: &What<BrokerHandles>) -> Option<Event> {
    Some(match what {
        What::Post { id, .. } => Event::Posted { id: *id },
        What::Unpost { id, .. } => Event::Unposted { id: *id },
        What::Tell { peer, tell } => match tell {
            Tell::Accepted { duplicate, .. } => {
                Event::Accepted { duplicate_of: duplicate.as_ref().map(|original| original.id) }
            }
            Tell::Refused { refusal, .. } => Event::Refused { code: refusal.code },
            Tell::Delivery { service, token, attempt, lease, .. } => {
                Event::Delivered { by: (peer.id().0, service.0), token: *token, attempt: *attempt, lease: *lease }
            }
            Tell::Answered { answer, .. } => Event::Answered { answer: *answer },
            Tell::Stop { token, reason, .. } => Event::Stop { token: *token, reason: *reason },
            Tell::Acknowledged { result, .. } => Event::Acknowledged { result: *result },
            _ => return None,
        },
        _ => return None,
    })
}

fn way(settlement: &Settling<BrokerHandles>) -> Way {
    match settlement {
        Settling::Reply(_) => Way::Reply,
        Settling::Fail(_) => Way::Fail,
        Settling::Retry { .. } => Way::Retry,
        Settling::Reject(_) => Way::Reject,
        Settling::Release => Way::Release,
        Settling::Throttle { retry_after } => Way::Throttle(*retry_after),
    }
}
