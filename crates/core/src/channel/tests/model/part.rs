//! What the model says of parts, and of when a follower is told the outcome.

use super::known::{FollowingParts, Model, Stage};
use super::*;

impl Model {
    /// Keeps a part of the delivery in flight, or says why not.
    pub(super) fn add_part(&mut self, id: u32, number: u32, bytes: usize) -> String {
        let room = self.settings.parts_room;
        let known = self.known_mut(id);
        let mut dropped = 0;
        let bounded = known.place.has_mailbox();
        let parts = &mut known.parts;
        if number <= parts.last {
            return "PartKept".to_owned();
        }
        if number > parts.last + 1 {
            return format!("PartMissing {{ next: {} }}", parts.last + 1);
        }
        if bytes > room {
            return format!("TooLarge {{ max_payload: {room} }}");
        }
        while parts.bytes() + bytes > room {
            if bounded {
                parts.refused = Some(bytes);
                return "PartsFull".to_owned();
            }
            parts.kept.remove(0);
            dropped += 1;
        }
        parts.kept.push((number, bytes));
        parts.last = number;
        parts.refused = None;
        self.dropped_parts += dropped;
        self.send_parts(id);
        "PartKept".to_owned()
    }

    /// Forgets parts that were handled. A service that had no room is told once that it has some.
    pub(super) fn acknowledge_parts(&mut self, id: u32, requester: &str, delivery: u32, through: u32) {
        let Some(nth) = self.find(id) else { return };
        let known = &mut self.requests[nth];
        let may = known.requester == requester || !known.place.has_mailbox();
        if !may || known.parts.delivery != delivery {
            return;
        }
        let before = known.parts.kept.len();
        known.parts.kept.retain(|(number, _)| *number > through);
        if known.parts.kept.len() < before {
            self.tell_room(nth);
        }
        self.send_parts(id);
    }

    /// Who takes the delivery back over another connection adds its part again unasked.
    pub(super) fn tell_room(&mut self, nth: usize) {
        let known = &mut self.requests[nth];
        let Stage::InFlight(held) = &known.stage else { return };
        let Some(bytes) = known.parts.refused else { return };
        if known.place.has_mailbox() && known.parts.bytes() + bytes > self.settings.parts_room {
            return;
        }
        known.parts.refused = None;
        if let Some(holder) = &held.holder {
            self.expected.push(format!("{} parts room {}/{}", holder.id.0, known.id, held.delivery));
        }
    }

    /// The parts of the delivery before are void, and who follows them is told.
    pub(super) fn begin_parts(&mut self, id: u32) {
        let known = self.known_mut(id);
        let parts = super::known::Parts { delivery: known.deliveries, ..Default::default() };
        known.voided_parts = !std::mem::replace(&mut known.parts, parts).kept.is_empty();
        let delivery = known.deliveries;
        for follower in self.followers.iter_mut().filter(|follower| follower.id == id) {
            if let Some(parts) = &mut follower.parts {
                parts.next = 1;
                self.expected.push(format!("{} parts from {} {delivery}/1", follower.peer.id.0, follower.ticket));
            }
        }
    }

    pub(super) fn follow_parts(
        &mut self,
        peer: PeerId,
        ticket: u32,
        id: u32,
        (delivery, after, window): (u32, u32, u32),
    ) {
        let Some(nth) = self
            .followers
            .iter()
            .position(|follower| (follower.peer.id, follower.ticket, follower.id) == (peer, ticket, id))
        else {
            return;
        };
        let parts = &self.requests[self.find(id).expect("what is followed is known")].parts;
        let first = if delivery == parts.delivery { parts.first().max(after + 1) } else { parts.first() };
        self.expected.push(format!("{} parts from {ticket} {}/{first}", peer.0, parts.delivery));
        self.followers[nth].parts = Some(FollowingParts { next: first, window });
        self.followers[nth].told_outcome = false;
        self.send_parts(id);
    }

    /// Every part that is there for a follower with a window is sent; the outcome comes behind the last.
    pub(super) fn send_parts(&mut self, id: u32) {
        let parts = &self.requests[self.find(id).expect("a request that is known")].parts;
        for follower in self.followers.iter_mut().filter(|follower| follower.id == id) {
            let Some(following) = &mut follower.parts else { continue };
            let (peer, ticket) = (follower.peer.id.0, follower.ticket);
            if parts.first() > following.next {
                following.next = parts.first();
                self.expected.push(format!("{peer} parts from {ticket} {}/{}", parts.delivery, parts.first()));
            }
            for (number, _) in &parts.kept {
                if *number < following.next || following.window == 0 {
                    continue;
                }
                self.expected.push(format!("{peer} part {ticket} {}/{number}", parts.delivery));
                following.next = number + 1;
                following.window -= 1;
            }
        }
        self.tell_outcome(id);
    }

    /// Tells the outcome, if there is one, to everybody who was not told it and was sent all parts.
    pub(super) fn tell_outcome(&mut self, id: u32) {
        let known = &self.requests[self.find(id).expect("a request that is known")];
        let Stage::Ended { outcome, .. } = &known.stage else { return };
        for follower in self.followers.iter_mut().filter(|follower| follower.id == id && !follower.told_outcome) {
            let next = follower.parts.as_ref().map_or(u32::MAX, |parts| parts.next);
            if known.parts.kept.iter().all(|(number, _)| *number < next) {
                follower.told_outcome = true;
                self.expected.push(format!("{} outcome {} {outcome}", follower.peer.id.0, follower.ticket));
            }
        }
    }

    /// Parts are kept until the outcome is acknowledged, or forgotten.
    pub(super) fn drop_parts(&mut self, id: u32) {
        self.known_mut(id).parts.kept.clear();
        self.send_parts(id);
    }
}
