//! What is asked about dead letters: list, read, redrive, purge.

use std::sync::Arc;

use roundtrip_core::{Command, Place as _};
use roundtrip_protocol::{
    DeadLetter, DeadLetters, ListDeadLetters, PurgeDeadLetter, Purged, ReadDeadLetter, Redrive, RedriveDeadLetter,
    Redriven, Refusal, RequestId,
};

use super::requester::mailbox_full;
use super::{Binding, Fault, State};
use crate::batch::Batch;
use crate::channel::{ChannelEntry, LettersList, WholeLetter};
use crate::clock::request_id;
use crate::disk::DISK_OVERHEAD;
use crate::handles::Held;
use crate::mailbox::Place;
use crate::message::{REQUEST_OVERHEAD, Request};

impl State {
    pub(super) fn list_dead_letters(&mut self, list: &ListDeadLetters, batch: &mut Batch) -> Result<(), Fault> {
        let ListDeadLetters { call, channel, after, most } = *list;
        match self.binding(channel)? {
            Binding::Channel(channel) => {
                channel.list_dead_letters(LettersList { peer: self.peer.clone(), call, after, most }, batch);
            }
            Binding::Refused(_) => self.peer.send(DeadLetters { call, letters: Vec::new(), more: false }, batch),
        }
        Ok(())
    }

    pub(super) fn read_dead_letter(&mut self, read: &ReadDeadLetter, batch: &mut Batch) -> Result<(), Fault> {
        let ReadDeadLetter { call, channel, id } = *read;
        match self.binding(channel)? {
            Binding::Channel(channel) => {
                channel.read_dead_letter(WholeLetter { peer: self.peer.clone(), call, id }, batch);
            }
            Binding::Refused(_) => self.peer.send_dead_letter(DeadLetter { call, letter: None }, None, batch),
        }
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
                let new_id = request_id(self.shared.start, self.shared.clock, batch.now, &mut batch.jitter);
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
    ) -> Result<Option<(Held<Request>, Place)>, Refusal> {
        self.check_drain(batch)?;
        let Some((request, bytes, place)) = channel.sendable_dead_letter(id) else { return Ok(None) };
        let reply_room = channel.plan.payload_limits.reply_room;
        let request = match request {
            Held::Here(request) => {
                let payload = request.payload();
                let payload = payload.as_ref().map(|payload| payload.bytes().clone()).unwrap_or_default();
                let needed = REQUEST_OVERHEAD + request.texts() + payload.len() + reply_room;
                let room = self.shared.room_for_request(needed, None)?;
                Held::Here(Request::new(request.operation.clone(), request.label.clone(), payload, room))
            }
            // The channel moves it on its disk.
            stored @ Held::Stored(..) => {
                let on_disk = DISK_OVERHEAD + (bytes + reply_room) as u64;
                self.shared.room_for_request(REQUEST_OVERHEAD, Some(on_disk))?;
                stored
            }
        };
        let place = match place.mailbox() {
            Some(mailbox) if place.has_mailbox() => mailbox.place().ok_or_else(|| mailbox_full(mailbox))?,
            _ => Place::nowhere(),
        };
        Ok(Some((request, place)))
    }
}
