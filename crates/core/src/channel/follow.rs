//! How a requester, or anyone with the ticket, follows a request and reads its outcome.

use std::collections::BTreeMap;

use roundtrip_protocol::{
    Acknowledgement, Call, Refusal, RefusalCode, RequestId, RequestState, RequesterName, TicketNumber,
};

use super::effect::{Ending, Outcome, Tell, What};
use super::part::Cursor;
use super::places::Places;
use super::record::Record;
use super::request::{End, Request, Stage};
use super::slots::Slot;
use super::{Channel, Step};
use crate::handles::{Handles, Peer, PeerId, Place};
use crate::planted::{self, Fault};
use crate::time::Time;

/// A connection that is told of a request under one of its ticket numbers.
#[derive(Debug)]
pub(super) struct Follower<H: Handles> {
    pub(super) peer: H::Peer,
    pub(super) ticket: TicketNumber,
    /// Its place among all that its connection follows.
    pub(super) place: Slot,
    /// Where it is in the parts, if it asked for them.
    pub(super) cursor: Option<Cursor>,
    /// Whether it was told the outcome.
    pub(super) is_told: bool,
}

/// Which requests each connection follows, so that a connection that is gone is not looked for in every request.
#[derive(Debug, Default)]
pub(super) struct Followers(BTreeMap<PeerId, Places<RequestId>>);

impl Followers {
    fn insert(&mut self, peer: PeerId, id: RequestId) -> Slot {
        self.0.entry(peer).or_default().insert(id)
    }

    pub(super) fn remove(&mut self, peer: PeerId, place: Slot) {
        let Some(followed) = self.0.get_mut(&peer) else { return };
        followed.remove(place);
        if followed.is_empty() {
            self.0.remove(&peer);
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn remove_all(&mut self, peer: PeerId) -> Places<RequestId> {
        self.0.remove(&peer).unwrap_or_default()
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
    /// Every connection that the channel knows, once: those with a service, and those that follow.
    #[must_use]
    pub fn peers(&self) -> Vec<H::Peer> {
        let followers = self.followed.0.iter().filter_map(|(peer, followed)| {
            let id = followed.iter().next()?;
            self.requests
                .get(id)?
                .followers
                .iter()
                .map(|follower| &follower.peer)
                .find(|follower| follower.id() == *peer)
        });
        let peers = self.services.peers().chain(followers).map(|peer| (peer.id(), peer));
        peers.collect::<BTreeMap<_, _>>().into_values().cloned().collect()
    }

    /// The message of a request that is known.
    #[must_use]
    pub fn message(&self, id: RequestId) -> Option<&H::Request> {
        self.requests.get(&id).map(|request| &request.message)
    }

    /// Whether a request is known and has no outcome.
    #[must_use]
    pub fn is_open(&self, id: RequestId) -> bool {
        self.requests.get(&id).is_some_and(|request| !request.has_ended())
    }

    /// The outcome of a request, for a connection that reads the mailbox it is in.
    #[must_use]
    pub fn outcome(&self, id: RequestId, reader: PeerId) -> Reading<'_, H> {
        match self.requests.get(&id) {
            Some(request) if request.followers.has(reader) => Reading::Followed,
            Some(request) => request.end().map_or(Reading::Gone, |end| Reading::Outcome {
                outcome: &end.outcome,
                request: &request.message,
                redrive_of: request.redrive_of(),
            }),
            None => Reading::Gone,
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
        let now = self.now.time;
        let tell = Tell::State {
            ticket,
            state: request.state(now),
            ahead: match request.stage {
                Stage::Waiting => self.channel.queue.ahead(request.position),
                _ => 0,
            },
            services,
            attempts: request.attempts,
            remaining: (!request.has_ended()).then(|| request.deadline.since(now)),
            redrive_of: request.redrive_of(),
            progress: match &request.stage {
                Stage::InFlight(delivery) => delivery.progress.clone(),
                _ => None,
            },
        };
        self.tell(peer, tell);
        self.follow(peer, ticket, id);
    }

    /// Follows from here on; the outcome is told at once if there is one.
    pub(super) fn follow(&mut self, peer: &H::Peer, ticket: TicketNumber, id: RequestId) {
        let Some(request) = self.channel.requests.get_mut(&id) else {
            return;
        };
        match request.followers.find(peer.id(), ticket) {
            Some(follower) => follower.is_told = false,
            None => {
                let place = self.channel.followed.insert(peer.id(), id);
                request.followers.push(Follower { peer: peer.clone(), ticket, place, cursor: None, is_told: false });
            }
        }
        self.serve(id, |follower| follower.is(peer.id(), ticket));
    }

    /// Stops following. An outcome that was not acknowledged is for the connection's mailbox to tell again.
    pub(super) fn detach(&mut self, peer: PeerId, ticket: TicketNumber, id: RequestId) {
        let Some(request) = self.channel.requests.get_mut(&id) else {
            return;
        };
        let Some(Follower { place, is_told: was_told, .. }) = request.followers.remove(peer, ticket) else { return };
        self.channel.followed.remove(peer, place);
        let Some(&End { since, is_acknowledged, .. }) = request.end() else { return };
        let still_follows = request.followers.has(peer);
        let place = request.place.clone();
        if was_told && !place.has_mailbox() && request.key().is_none() {
            self.channel.fetched.insert((since, id));
        }
        if !still_follows && !is_acknowledged {
            self.effect(What::Repost { place, id, peer });
        }
    }

    pub(super) fn unfollow_all(&mut self, peer: PeerId) {
        for id in self.channel.followed.remove_all(peer).iter() {
            if let Some(request) = self.channel.requests.get_mut(id) {
                request.followers.remove_all(peer);
            }
        }
    }

    /// The requester has handled the outcome: the request is gone.
    pub(super) fn acknowledge(&mut self, peer: &H::Peer, call: Call, id: RequestId, requester: &RequesterName) {
        let result = match self.channel.requests.get(&id) {
            None => Acknowledgement::Done,
            Some(request) if request.place.has_mailbox() && request.requester != *requester => {
                Acknowledgement::Forbidden
            }
            Some(request) if !request.has_ended() => Acknowledgement::NoOutcomeYet,
            Some(request) if request.key().is_some() => {
                self.keep_for_its_key(id);
                Acknowledgement::Done
            }
            Some(_) => {
                self.forget(id);
                Acknowledgement::Done
            }
        };
        self.tell(peer, Tell::Acknowledged { call, result });
    }

    /// An acknowledged outcome leaves its mailbox, and can be read by ticket for as long as its key is known.
    fn keep_for_its_key(&mut self, id: RequestId) {
        if planted::is(Fault::KeyForgottenEarly) {
            return self.forget(id);
        }
        let Some(request) = self.channel.requests.get_mut(&id) else { return };
        if request.end_mut().is_some_and(|end| !std::mem::replace(&mut end.is_acknowledged, true)) {
            // The place that was set aside is given back, and a copy stays to name the mailbox.
            let copy = request.place.clone();
            let place = std::mem::replace(&mut request.place, copy);
            self.keep(id, Record::of_acknowledgement);
            self.drop_parts(id);
            self.take_down(id);
            self.effect(What::Unpost { place, id });
        }
    }

    /// The outcome waits in no mailbox any more.
    pub(super) fn take_down(&mut self, id: RequestId) {
        let end = self.channel.requests.get_mut(&id).and_then(Request::end_mut);
        if end.is_some_and(|end| std::mem::replace(&mut end.is_posted, false)) {
            self.channel.unacknowledged -= 1;
        }
    }
}

impl<H: Handles> Request<H> {
    fn state(&self, now: Time) -> RequestState {
        match &self.stage {
            Stage::Scheduled { until } => {
                RequestState::Scheduled { in_ms: u64::try_from(until.since(now).as_millis()).unwrap_or(u64::MAX) }
            }
            Stage::Waiting => RequestState::Waiting,
            Stage::InFlight(delivery) => RequestState::InFlight { delivery: delivery.number, attempt: self.attempts },
            Stage::Lost(_) | Stage::BackingOff => RequestState::BackingOff,
            Stage::Ended(end) => RequestState::Ended(end.outcome.ending.kind()),
        }
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
