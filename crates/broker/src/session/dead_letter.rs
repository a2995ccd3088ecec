//! What is asked about dead letters: list, read, redrive, purge.

use std::sync::Arc;

use roundtrip_core::{Command, Place as _};
use roundtrip_protocol::{
    DeadLetter, DeadLetters, ListDeadLetters, PurgeDeadLetter, Purged, ReadDeadLetter, Redrive, RedriveDeadLetter,
    Redriven, Refusal, RefusalCode, RequestId,
};

use super::requester::{RETRY_AFTER_MS, mailbox_full};
use super::{Binding, Fault, State};
use crate::batch::Batch;
use crate::channel::ChannelEntry;
use crate::clock::request_id;
use crate::mailbox::Place;
use crate::message::{REQUEST_OVERHEAD, Request};

impl State {
    pub(super) fn list_dead_letters(&mut self, list: &ListDeadLetters, batch: &mut Batch) -> Result<(), Fault> {
        let ListDeadLetters { call, channel, after, most } = *list;
        let (letters, more) = match self.binding(channel)? {
            Binding::Channel(channel) => channel.list_dead_letters(after, most, batch),
            Binding::Refused(_) => (Vec::new(), false),
        };
        self.peer.send(DeadLetters { call, letters, more }, batch);
        Ok(())
    }

    pub(super) fn read_dead_letter(&mut self, read: &ReadDeadLetter, batch: &mut Batch) -> Result<(), Fault> {
        let ReadDeadLetter { call, channel, id } = *read;
        let letter = match self.binding(channel)? {
            Binding::Channel(channel) => channel.read_dead_letter(id, batch),
            Binding::Refused(_) => None,
        };
        let (letter, payload) = letter.map_or((None, None), |(letter, payload)| (Some(letter), payload));
        self.peer.send_dead_letter(DeadLetter { call, letter }, payload, batch);
        Ok(())
    }

    pub(super) fn purge_dead_letter(&mut self, purge: &PurgeDeadLetter, batch: &mut Batch) -> Result<(), Fault> {
        let PurgeDeadLetter { call, channel, id } = *purge;
        match self.binding(channel)? {
            Binding::Channel(channel) => {
                channel.run(Command::Purge { peer: self.peer.clone(), call, id }, batch);
            }
            Binding::Refused(_) => self.peer.send(Purged { call, was_there: false }, batch),
        }
        Ok(())
    }

    /// The new request needs room as any other: it is refused in the same words, and the letter stays.
    pub(super) fn redrive_dead_letter(&mut self, redrive: &RedriveDeadLetter, batch: &mut Batch) -> Result<(), Fault> {
        let RedriveDeadLetter { call, channel, id } = *redrive;
        let channel = match self.binding(channel)? {
            Binding::Channel(channel) => channel.clone(),
            Binding::Refused(_) => {
                self.peer.send(Redriven { call, result: Redrive::Unknown }, batch);
                return Ok(());
            }
        };
        match self.new_request(&channel, id, batch) {
            Ok(Some((request, place))) => {
                let new_id = request_id(self.shared.start, batch.now, &self.shared.jitter);
                let peer = self.peer.clone();
                channel.run(Command::Redrive { peer, call, id, new_id, request, place }, batch);
            }
            Ok(None) => self.peer.send(Redriven { call, result: Redrive::Unknown }, batch),
            Err(refusal) => self.peer.send(Redriven { call, result: Redrive::Refused(refusal) }, batch),
        }
        Ok(())
    }

    /// The message of a dead letter with room of its own, and a place in its mailbox if there still is one.
    fn new_request(
        &self,
        channel: &Arc<ChannelEntry>,
        id: RequestId,
        batch: &Batch,
    ) -> Result<Option<(Arc<Request>, Place)>, Refusal> {
        self.check_drain(batch)?;
        let Some((request, place)) = channel.sendable_dead_letter(id) else { return Ok(None) };
        let payload = request.payload();
        let payload = payload.as_ref().map(|payload| payload.bytes().clone()).unwrap_or_default();
        let needed = REQUEST_OVERHEAD + request.texts() + payload.len() + channel.plan.payload_limits.reply_room;
        let room = self.shared.room_for_request(needed).ok_or_else(|| {
            let message =
                format!("the broker has no memory for a request that needs {needed} bytes now: redrive later");
            Refusal::passing(RefusalCode::BrokerFull, message, RETRY_AFTER_MS)
        })?;
        let place = match place.mailbox() {
            Some(mailbox) if place.has_mailbox() => mailbox.place().ok_or_else(|| mailbox_full(mailbox))?,
            _ => Place::nowhere(),
        };
        Ok(Some((Request::new(request.operation.clone(), request.label.clone(), payload, room), place)))
    }
}
