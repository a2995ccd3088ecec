//! How a requester, or anyone with the ticket, follows a request and reads its outcome.

use std::collections::{BTreeMap, BTreeSet};

use roundtrip_protocol::{
    Acknowledgement, Call, Refusal, RefusalCode, RequestId, RequestState, RequesterName, TicketNumber,
};

use super::effect::{Ending, Outcome, Tell, What};
use super::request::{Request, Stage};
use super::{Channel, Step};
use crate::handles::{Handles, Peer, PeerId};

/// A connection that is told of a request under one of its ticket numbers.
#[derive(Debug)]
pub(super) struct Follower<H: Handles> {
    pub(super) peer: H::Peer,
    pub(super) ticket: TicketNumber,
}

impl<H: Handles> Clone for Follower<H> {
    fn clone(&self) -> Self {
        Self { peer: self.peer.clone(), ticket: self.ticket }
    }
}

/// Which requests each connection follows, so that a connection that is gone is not looked for in every request.
#[derive(Debug, Default)]
pub(super) struct Followers(pub(super) BTreeMap<PeerId, BTreeSet<(RequestId, TicketNumber)>>);

impl Followers {
    fn insert(&mut self, peer: PeerId, id: RequestId, ticket: TicketNumber) -> bool {
        self.0.entry(peer).or_default().insert((id, ticket))
    }

    pub(super) fn remove(&mut self, peer: PeerId, id: RequestId, ticket: TicketNumber) -> bool {
        let Some(followed) = self.0.get_mut(&peer) else {
            return false;
        };
        let was_there = followed.remove(&(id, ticket));
        if followed.is_empty() {
            self.0.remove(&peer);
        }
        was_there
    }
}

/// What a reader of a mailbox finds under an entry.
#[derive(Debug)]
pub enum Reading<'a, H: Handles> {
    /// The outcome, and the request that it ends.
    Outcome {
        /// The outcome.
        outcome: &'a Outcome<H>,
        /// The request's message.
        request: &'a H::Request,
        /// The dead letter that the request was made of.
        redrive_of: Option<RequestId>,
    },
    /// The reader's connection follows the request itself, and is told there: skip it.
    Followed,
    /// It is gone.
    Gone,
}

impl<H: Handles> Channel<H> {
    /// The outcome of a request, for a connection that reads the mailbox it is in.
    #[must_use]
    pub fn outcome(&self, id: RequestId, reader: PeerId) -> Reading<'_, H> {
        match self.requests.get(&id) {
            Some(request) if request.followers.iter().any(|follower| follower.peer.id() == reader) => Reading::Followed,
            Some(Request { stage: Stage::Ended(outcome), message, .. }) => {
                Reading::Outcome { outcome, request: message, redrive_of: None }
            }
            _ => Reading::Gone,
        }
    }
}

impl<H: Handles> Step<'_, H> {
    /// Reads the state and begins to follow, with nothing between.
    pub(super) fn attach(&mut self, peer: &H::Peer, ticket: TicketNumber, id: RequestId) {
        let services = self.service_count();
        let Some(request) = self.channel.requests.get(&id) else {
            let message = "the broker does not know this ticket: it was never accepted here, or its outcome was \
                           acknowledged, or kept for the channel's retention and forgotten";
            let refusal = Refusal::new(RefusalCode::UnknownTicket, message);
            return self.tell(peer, Tell::Refused { ticket, refusal });
        };
        let (state, progress) = match &request.stage {
            Stage::Waiting => (RequestState::Waiting, None),
            Stage::InFlight(delivery) => {
                let state = RequestState::InFlight { delivery: delivery.number, attempt: request.attempts };
                (state, delivery.progress.clone())
            }
            Stage::Lost(_) | Stage::BackingOff => (RequestState::BackingOff, None),
            Stage::Ended(outcome) => (RequestState::Ended(outcome.ending.kind()), None),
        };
        self.tell(
            peer,
            Tell::State { ticket, state, ahead: 0, services, attempts: 0, remaining: None, redrive_of: None, progress },
        );
        self.follow(peer, ticket, id);
    }

    /// Follows from here on; the outcome is told at once if there is one.
    pub(super) fn follow(&mut self, peer: &H::Peer, ticket: TicketNumber, id: RequestId) {
        let Some(request) = self.channel.requests.get_mut(&id) else {
            return;
        };
        if self.channel.followed.insert(peer.id(), id, ticket) {
            request.followers.push(Follower { peer: peer.clone(), ticket });
        }
        if let Stage::Ended(outcome) = &request.stage {
            let outcome = outcome.clone();
            self.tell(peer, Tell::Outcome { ticket, outcome });
        }
    }

    /// Stops following. An outcome that was not acknowledged is for the connection's mailbox to tell again.
    pub(super) fn detach(&mut self, peer: PeerId, ticket: TicketNumber, id: RequestId) {
        if !self.channel.followed.remove(peer, id, ticket) {
            return;
        }
        let Some(request) = self.channel.requests.get_mut(&id) else {
            return;
        };
        request.followers.retain(|follower| (follower.peer.id(), follower.ticket) != (peer, ticket));
        let still_follows = request.followers.iter().any(|follower| follower.peer.id() == peer);
        if matches!(request.stage, Stage::Ended(_)) && !still_follows {
            let place = request.place.clone();
            self.effect(What::Repost { place, id, peer });
        }
    }

    pub(super) fn unfollow_all(&mut self, peer: PeerId) {
        for (id, _) in self.channel.followed.0.remove(&peer).unwrap_or_default() {
            if let Some(request) = self.channel.requests.get_mut(&id) {
                request.followers.retain(|follower| follower.peer.id() != peer);
            }
        }
    }

    /// The requester has handled the outcome: the request is gone.
    pub(super) fn acknowledge(&mut self, peer: &H::Peer, call: Call, id: RequestId, requester: &RequesterName) {
        let result = match self.channel.requests.get(&id) {
            None => Acknowledgement::Done,
            Some(request) if request.requester != *requester => Acknowledgement::Forbidden,
            Some(Request { stage: Stage::Ended(_), .. }) => {
                self.forget(id);
                Acknowledgement::Done
            }
            Some(_) => Acknowledgement::NoOutcomeYet,
        };
        self.tell(peer, Tell::Acknowledged { call, result });
    }
}

impl<H: Handles> Ending<H> {
    /// Which of the outcomes it is.
    #[must_use]
    pub const fn kind(&self) -> roundtrip_protocol::OutcomeKind {
        match self {
            Self::Replied(_) => roundtrip_protocol::OutcomeKind::Replied,
            Self::Failed(_) => roundtrip_protocol::OutcomeKind::Failed,
            Self::Dead { .. } => roundtrip_protocol::OutcomeKind::Dead,
            Self::Expired => roundtrip_protocol::OutcomeKind::Expired,
            Self::Cancelled => roundtrip_protocol::OutcomeKind::Cancelled,
        }
    }
}
