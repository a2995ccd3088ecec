//! The dead letters of a channel, as people and their tools read them.

use std::sync::Arc;

use roundtrip_core::{Channel, DeadLetter, Time};
use roundtrip_protocol::{
    Call, DeadLetter as DeadLetterFrame, DeadLetterContent, DeadLetterEntry, DeadLetters, MAX_HEADER, Problem,
    RequestId, Text,
};

use super::ChannelEntry;
use super::durable::{Found, Look, Looked, Shelf};
use crate::batch::Batch;
use crate::handles::{BrokerHandles, Held};
use crate::lock::Lock;
use crate::mailbox::Place;
use crate::message::Request;
use crate::peer::{Peer, millis};
use crate::storage::{Ask, Content};

/// How much of the code and of the message of a last error is told, in bytes: it stands beside other things in headers.
const MAX_CODE: usize = 128;
const MAX_MESSAGE: usize = 1024;

/// What a letter takes in a list beside its texts, at most, in bytes.
const FIGURES: usize = 160;

/// What stands in a list beside the letters, and room to spare, in bytes.
const BESIDE: usize = 64;

/// Somebody asks for some dead letters behind `after`, at most so many and as fit into one header.
#[derive(Debug)]
pub(crate) struct LettersList {
    pub(crate) peer: Peer,
    pub(crate) call: Call,
    pub(crate) after: Option<RequestId>,
    pub(crate) most: u32,
}

/// Somebody asks for a dead letter, whole.
#[derive(Debug)]
pub(crate) struct WholeLetter {
    pub(crate) peer: Peer,
    pub(crate) call: Call,
    pub(crate) id: RequestId,
}

impl ChannelEntry {
    /// Tells some dead letters, and whether there are more.
    pub(crate) fn list_dead_letters(self: &Arc<Self>, list: LettersList, batch: &mut Batch) {
        self.look(list, batch);
    }

    /// Tells a dead letter, whole.
    pub(crate) fn read_dead_letter(self: &Arc<Self>, letter: WholeLetter, batch: &mut Batch) {
        self.look(letter, batch);
    }

    fn look(self: &Arc<Self>, mut look: impl Look + 'static, batch: &mut Batch) {
        if self.is_durable() {
            return self.look_durably(Box::new(look), batch);
        }
        self.do_what_is_due(batch);
        let state = self.state.locked();
        look.look(&state.channel, None, state.latest, batch);
    }

    /// What a new request is made of that takes a dead letter's place: its message and how many bytes that has, and its
    /// return address.
    pub(crate) fn sendable_dead_letter(&self, id: RequestId) -> Option<(Held<Request>, usize, Place)> {
        let state = self.state.locked();
        let letter = state.channel.dead_letter(id)?;
        Some((letter.request.clone(), letter.bytes, letter.place.clone()))
    }
}

impl Look for LettersList {
    fn look(
        &mut self,
        channel: &Channel<BrokerHandles>,
        mut shelf: Option<&mut Shelf>,
        now: Time,
        batch: &mut Batch,
    ) -> Looked {
        let (mut letters, mut size, mut more, mut looked) = (Vec::new(), BESIDE, false, Looked::Told);
        for letter in channel.dead_letters(self.after) {
            let operation = match operation(letter, shelf.as_deref_mut()) {
                Some(operation) => operation,
                None => {
                    looked = Looked::NotYet;
                    Text::default()
                }
            };
            let entry = entry(letter, &operation, now);
            let last = entry.last.as_ref().map_or(0, Problem::bytes);
            size += FIGURES + entry.operation.len() + entry.requester.as_str().len() + last;
            if size > MAX_HEADER || letters.len() >= self.most as usize {
                more = true;
                break;
            }
            letters.push(entry);
        }
        if looked == Looked::Told {
            self.peer.send(DeadLetters { call: self.call, letters, more }, batch);
        }
        looked
    }
}

impl Look for WholeLetter {
    fn look(
        &mut self,
        channel: &Channel<BrokerHandles>,
        shelf: Option<&mut Shelf>,
        now: Time,
        batch: &mut Batch,
    ) -> Looked {
        let Some(letter) = channel.dead_letter(self.id) else {
            self.peer.send_dead_letter(DeadLetterFrame { call: self.call, letter: None }, None, batch);
            return Looked::Told;
        };
        let request = match (&letter.request, shelf) {
            (Held::Here(request), _) => Some(Arc::clone(request)),
            (Held::Stored(row, _), Some(shelf)) => match shelf.find(Ask::Message(*row)) {
                Found::NotYet => return Looked::NotYet,
                Found::Here(Content::Message(request)) => Some(Arc::clone(request)),
                // It is told without its contents, which are damaged.
                Found::Here(_) | Found::Missing(_) => None,
            },
            (Held::Stored(..), None) => None,
        };
        let operation = request.as_ref().map_or_else(Text::default, |request| request.operation.clone());
        let content = DeadLetterContent {
            entry: entry(letter, &operation, now),
            reply_channel: letter.place.reply_channel(),
            label: request.as_ref().map(|request| request.label.clone()).unwrap_or_default(),
        };
        let payload = request.and_then(|request| request.payload());
        let frame = DeadLetterFrame { call: self.call, letter: Some(content) };
        self.peer.send_dead_letter(frame, payload.as_ref(), batch);
        Looked::Told
    }
}

/// The name of what a letter asks for; none while it is being fetched.
fn operation(letter: &DeadLetter<BrokerHandles>, shelf: Option<&mut Shelf>) -> Option<Text> {
    match (&letter.request, shelf) {
        (Held::Here(request), _) => Some(request.operation.clone()),
        (Held::Stored(row, _), Some(shelf)) => match shelf.find(Ask::Operation(*row)) {
            Found::NotYet => None,
            Found::Here(Content::Operation(operation)) => Some(operation.clone()),
            Found::Here(Content::Message(request)) => Some(request.operation.clone()),
            Found::Here(_) | Found::Missing(_) => Some(Text::default()),
        },
        (Held::Stored(..), None) => Some(Text::default()),
    }
}

fn entry(letter: &DeadLetter<BrokerHandles>, operation: &str, now: Time) -> DeadLetterEntry {
    DeadLetterEntry {
        id: letter.id,
        operation: operation.to_owned(),
        requester: letter.requester.clone(),
        reason: letter.reason,
        attempts: letter.attempts,
        deliveries: letter.deliveries,
        bytes: letter.bytes as u64,
        accepted_ms_ago: millis(now.since(letter.accepted)),
        died_ms_ago: millis(now.since(letter.died)),
        last: letter.last.as_ref().and_then(|answer| Some(cut(answer.here()?.said()))),
    }
}

fn cut(mut problem: Problem) -> Problem {
    problem.code.truncate(problem.code.floor_char_boundary(MAX_CODE));
    problem.message.truncate(problem.message.floor_char_boundary(MAX_MESSAGE));
    problem
}
