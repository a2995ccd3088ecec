//! What a simulator sees of a broker beyond its public face: connections over streams that it makes itself, what each
//! channel is asked and does about it, and figures that must be zero when the work is done.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use roundtrip_core::{Command, Peer as _, Settling, Tell, What};
use roundtrip_protocol::{
    Acknowledgement, Answer, ChannelName, Hold, RefusalCode, RequestId, RequesterName, StopReason, Token,
};
use roundtrip_transport::runtime;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::Broker;
use crate::channel::ChannelEntry;
use crate::handles::BrokerHandles;
use crate::tcp;

/// Serves a connection over two streams of bytes, as one that was accepted over TCP.
pub fn accept<R, W>(broker: &Broker, read: R, write: W)
where
    R: AsyncRead + Unpin + Send + 'static,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let shared = Arc::clone(broker.shared());
    let tracked = shared.tasks.clone();
    runtime::spawn(tracked.track_future(tcp::serve_streams(read, write, "simulated", shared)));
}

/// How many mailboxes there are.
#[must_use]
pub fn mailboxes(broker: &Broker) -> usize {
    broker.shared().mailboxes.count()
}

/// A service on one connection: the connection's number, and the service's on it.
pub type Subscription = (u64, u32);

/// What a channel was asked, or did about it. A doing comes behind the asking that it belongs to, or behind none where
/// time led to it.
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

type Watcher = Box<dyn FnMut(&ChannelName, Event)>;

thread_local! {
    static WATCHER: RefCell<Option<Watcher>> = const { RefCell::new(None) };
}

/// Has `watcher` told of what every channel on this thread is asked and does. It is called under a channel's lock.
pub fn watch(watcher: Option<Watcher>) {
    WATCHER.with(|slot| *slot.borrow_mut() = watcher);
}

pub(crate) fn watch_command(channel: &ChannelEntry, command: &Command<BrokerHandles>) {
    let event = match command {
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
        _ => return,
    };
    tell(channel, event);
}

pub(crate) fn watch_effect(channel: &ChannelEntry, what: &What<BrokerHandles>) {
    let event = match what {
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
            _ => return,
        },
        _ => return,
    };
    tell(channel, event);
}

fn tell(channel: &ChannelEntry, event: Event) {
    WATCHER.with(|slot| {
        if let Some(watcher) = slot.borrow_mut().as_mut() {
            watcher(channel.name(), event);
        }
    });
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
