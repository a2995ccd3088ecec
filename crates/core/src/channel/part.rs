//! Parts: interim results, ordered, numbered, none lost.
//!
//! They are kept until they are acknowledged, or the outcome is. Each follower who asks for them has a place of its own
//! and a window, and is told the outcome behind the last one.

use std::collections::VecDeque;

use roundtrip_protocol::{Answer, Call, RequestId, RequesterName, TicketNumber, Token};

use super::Step;
use super::effect::{Effect, Outcome, Tell, What};
use super::follow::Follower;
use super::record::{Record, RestoredParts};
use super::request::{Request, Stage};
use super::settle::Standing;
use crate::handles::{Handles, Peer, PeerId, Place};
use crate::planted::{self, Fault};

/// The unacknowledged parts of a request's latest delivery that added one.
#[derive(Debug)]
pub(super) struct Parts<H: Handles> {
    pub(super) delivery: u32,
    /// The number of the first one kept.
    first: u32,
    kept: VecDeque<(H::Part, usize)>,
    bytes: usize,
    /// The service waits until so many bytes are free.
    wanted: Option<usize>,
}

/// Where a follower is in the parts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor {
    delivery: u32,
    /// The number of the part to send next.
    next: u32,
    window: u32,
}

impl<H: Handles> Parts<H> {
    const fn new(delivery: u32) -> Self {
        Self { delivery, first: 1, kept: VecDeque::new(), bytes: 0, wanted: None }
    }

    pub(super) fn restored(parts: RestoredParts<H>) -> Self {
        let RestoredParts { delivery, first, kept } = parts;
        let bytes = kept.iter().map(|(_, bytes)| bytes).sum();
        Self { delivery, first, kept: kept.into(), bytes, wanted: None }
    }

    /// The number that the next one has.
    fn end(&self) -> u32 {
        self.first + u32::try_from(self.kept.len()).unwrap_or(u32::MAX)
    }

    /// The parts up to a number are gone.
    const fn gone(&self) -> u32 {
        self.first - 1
    }

    fn part(&self, number: u32) -> Option<&H::Part> {
        let index = number.checked_sub(self.first)?;
        self.kept.get(index as usize).map(|(part, _)| part)
    }

    fn forget_first(&mut self) {
        if let Some((_, bytes)) = self.kept.pop_front() {
            self.first += 1;
            self.bytes -= bytes;
        }
    }
}

/// The parts of the request's latest delivery: their first and the number behind their last.
fn extent<H: Handles>(request: &Request<H>) -> (u32, u32) {
    match request.parts() {
        Some(parts) if parts.delivery == request.deliveries => (parts.first, parts.end()),
        _ => (1, 1),
    }
}

impl<H: Handles> Step<'_, H> {
    pub(super) fn add_part(
        &mut self,
        peer: &H::Peer,
        call: Call,
        token: Token,
        number: u32,
        part: H::Part,
        bytes: usize,
    ) {
        let answer = self.added(token, number, part, bytes);
        self.tell(peer, Tell::Answered { call, answer });
        if answer == Answer::PartKept {
            self.serve(token.id, |_| true);
        }
    }

    fn added(&mut self, token: Token, number: u32, part: H::Part, bytes: usize) -> Answer {
        let (room, is_durable) = (self.channel.settings.parts_room, self.channel.settings.is_durable);
        let request = match self.standing(token) {
            Standing::Current(request) => request,
            Standing::Stopping(why) => return why.answer(),
            Standing::Settled | Standing::Lost(_) | Standing::Stale => {
                self.channel.stale += 1;
                return Answer::LeaseLost;
            }
        };
        let has_mailbox = request.place.has_mailbox();
        let parts = request.rare_mut().parts.get_or_insert_with(|| Parts::new(token.delivery));
        if number < parts.end() && number > 0 {
            return Answer::PartKept;
        }
        if number > parts.end() {
            return Answer::PartMissing { next: parts.end() };
        }
        if number == 0 {
            return Answer::Invalid;
        }
        if bytes > room {
            return Answer::TooLarge { max_payload: room as u64 };
        }
        let mut dropped = 0;
        while parts.bytes + bytes > room {
            if has_mailbox {
                parts.wanted = Some(bytes);
                return Answer::PartsFull;
            }
            parts.forget_first();
            dropped += 1;
        }
        parts.wanted = None;
        parts.bytes += bytes;
        let record = is_durable.then(|| part.clone());
        parts.kept.push_back((part, bytes));
        let (delivery, gone) = (parts.delivery, parts.gone());
        self.channel.dropped_parts += dropped;
        if dropped > 0 {
            self.keep(token.id, |request| Record::of_dropped_parts(request, delivery, gone));
        }
        if let Some(part) = record {
            self.keep(token.id, |request| Record::AddPart {
                request: request.message.clone(),
                delivery,
                number,
                part,
                bytes,
            });
        }
        Answer::PartKept
    }

    /// A new delivery makes the parts before void. Followers are told so: where some are kept, it is kept that they are
    /// not any more, and that there is this delivery.
    pub(super) fn keep_void_parts(&mut self, id: RequestId) {
        let parts = self.channel.requests.get(&id).and_then(Request::parts);
        let Some(parts) = parts.filter(|parts| !parts.kept.is_empty()) else { return };
        let (delivery, last) = (parts.delivery, parts.end() - 1);
        self.keep(id, Record::of_move);
        self.keep(id, |request| Record::of_dropped_parts(request, delivery, last));
    }

    /// A new delivery begins again at 1: the parts before are void.
    pub(super) fn restart_parts(&mut self, id: RequestId) {
        let Some(request) = self.channel.requests.get_mut(&id) else { return };
        if !planted::is(Fault::PartsNotReset) {
            request.drop_void_parts();
        }
        let delivery = request.deliveries;
        let mut told = Vec::new();
        for Follower { peer, ticket, cursor, .. } in request.followers.iter_mut() {
            if let Some(cursor) = cursor {
                *cursor = Cursor { delivery, next: 1, window: cursor.window };
                told.push((peer.clone(), Tell::PartsFrom { ticket: *ticket, delivery, first: 1 }));
            }
        }
        for (peer, tell) in told {
            self.tell(&peer, tell);
        }
    }

    /// A follower asks for the parts behind those that it has. It is told from where they come, and then the outcome
    /// behind the last of them, even if it was told the outcome before.
    pub(super) fn follow_parts(
        &mut self,
        peer: PeerId,
        ticket: TicketNumber,
        id: RequestId,
        has: (u32, u32),
        window: u32,
    ) {
        let Some(request) = self.channel.requests.get_mut(&id) else { return };
        let delivery = request.deliveries;
        let (first, end) = extent(request);
        let next = match has {
            (of, after) if of == delivery && of > 0 => after.saturating_add(1).clamp(first, end),
            _ => first,
        };
        let Some(follower) = request.followers.find(peer, ticket) else { return };
        follower.cursor = Some(Cursor { delivery, next, window });
        follower.is_told = false;
        let asker = follower.peer.clone();
        self.tell(&asker, Tell::PartsFrom { ticket, delivery, first: next });
        self.serve(id, |follower| follower.is(peer, ticket));
    }

    pub(super) fn widen_parts(&mut self, peer: PeerId, ticket: TicketNumber, id: RequestId, more: u32) {
        let Some(request) = self.channel.requests.get_mut(&id) else { return };
        if let Some(cursor) = request.followers.find(peer, ticket).and_then(|follower| follower.cursor.as_mut()) {
            cursor.window = cursor.window.saturating_add(more);
            self.serve(id, |follower| follower.is(peer, ticket));
        }
    }

    /// The requester has handled the parts up to a number: they go, and a service that waits for room is told.
    pub(super) fn acknowledge_parts(&mut self, id: RequestId, requester: &RequesterName, delivery: u32, through: u32) {
        let Some(request) = self.channel.requests.get_mut(&id) else { return };
        if request.place.has_mailbox() && request.requester != *requester {
            return;
        }
        let Some(parts) = request.parts_mut().filter(|parts| parts.delivery == delivery) else { return };
        let before = parts.first;
        while parts.first <= through && !parts.kept.is_empty() {
            parts.forget_first();
        }
        if parts.first > before {
            let (gone, are_all_gone) = (parts.gone(), parts.kept.is_empty());
            if are_all_gone && !request.has_ended() {
                // They were all that said that there was this delivery: its number must not be given again.
                self.keep(id, Record::of_move);
            }
            self.keep(id, |request| Record::of_dropped_parts(request, delivery, gone));
            self.tell_parts_room(id);
            // Others who follow may have been behind.
            self.serve(id, |_| true);
        }
    }

    /// The outcome is acknowledged or forgotten, and the parts with it. Who still waited for some is told the outcome.
    pub(super) fn drop_parts(&mut self, id: RequestId) {
        if let Some(parts) = self.channel.requests.get_mut(&id).and_then(Request::parts_mut) {
            while !parts.kept.is_empty() {
                parts.forget_first();
            }
            self.serve(id, |_| true);
        }
    }

    /// The requester has no mailbox any more: nothing waits there, and what waits for its acknowledgement of parts waits
    /// no longer.
    pub(super) fn requester_gone(&mut self, requester: &RequesterName) {
        let is_theirs = |request: &Request<H>| request.requester == *requester && !request.place.has_mailbox();
        let requests = self.channel.requests.iter();
        let mut theirs: Vec<_> = requests.filter(|request| is_theirs(request)).map(|request| request.id).collect();
        theirs.sort_unstable();
        for id in theirs {
            self.take_down(id);
            self.tell_parts_room(id);
        }
    }

    /// Tells a service that waits for room for its parts that there is some, if there is.
    fn tell_parts_room(&mut self, id: RequestId) {
        let (start, room) = (self.channel.start, self.channel.settings.parts_room);
        let Some(request) = self.channel.requests.get_mut(&id) else { return };
        let has_mailbox = request.place.has_mailbox();
        let Stage::InFlight(delivery) = &request.stage else { return };
        let token = Token { start, id, delivery: delivery.number };
        let (service, holder) = (delivery.service.service, delivery.holder.clone());
        let Some(parts) = request.parts_mut() else { return };
        let has_room = |bytes: usize| parts.bytes + bytes <= room || !has_mailbox;
        if parts.wanted.is_some_and(has_room) {
            parts.wanted = None;
            if let Some(peer) = holder {
                self.tell(&peer, Tell::PartsRoom { service, token });
            }
        }
    }

    /// Tells followers what they may be told now: parts within their windows, and the outcome behind the last.
    pub(super) fn serve(&mut self, id: RequestId, whom: impl Fn(&Follower<H>) -> bool) {
        let Some(request) = self.channel.requests.get_mut(&id) else { return };
        let (followers, parts, outcome) = request.followed();
        let after = self.channel.change;
        for follower in followers.iter_mut().filter(|follower| whom(follower)) {
            let peer = follower.peer.clone();
            follower.serve(parts, outcome, |tell| {
                self.effects.push(Effect { after, what: What::Tell { peer: peer.clone(), tell } });
            });
        }
    }
}

impl<H: Handles> Follower<H> {
    fn serve(&mut self, parts: Option<&Parts<H>>, outcome: Option<&Outcome<H>>, mut tell: impl FnMut(Tell<H>)) {
        let ticket = self.ticket;
        if let (Some(cursor), Some(parts)) = (&mut self.cursor, parts) {
            if cursor.next < parts.first {
                cursor.next = parts.first;
                tell(Tell::PartsFrom { ticket, delivery: cursor.delivery, first: parts.first });
            }
            while cursor.window > 0
                && let Some(part) = parts.part(cursor.next)
            {
                let part = part.clone();
                tell(Tell::Part { ticket, delivery: cursor.delivery, number: cursor.next, part });
                cursor.next += 1;
                cursor.window -= 1;
            }
            if cursor.next < parts.end() {
                return;
            }
        }
        if let Some(outcome) = outcome
            && !std::mem::replace(&mut self.is_told, true)
        {
            tell(Tell::Outcome { ticket, outcome: outcome.clone() });
        }
    }

    pub(super) fn is(&self, peer: PeerId, ticket: TicketNumber) -> bool {
        self.ticket == ticket && self.peer.id() == peer
    }
}
