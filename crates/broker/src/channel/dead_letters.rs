//! The dead letters of a channel, as people and their tools read them.

use std::sync::Arc;

use roundtrip_core::{Channel, DeadLetter, Time};
use roundtrip_protocol::{DeadLetterContent, DeadLetterEntry, MAX_HEADER, Problem, RequestId};

use super::ChannelEntry;
use crate::batch::Batch;
use crate::handles::BrokerHandles;
use crate::lock::Lock;
use crate::mailbox::Place;
use crate::message::{Payload, Request};
use crate::peer::item_millis;

/// How much of the code and of the message of a last error is told, in bytes: it stands beside other things in headers.
const MAX_CODE: usize = 128;
const MAX_MESSAGE: usize = 1024;

/// What a letter takes in a list beside its texts, at most, in bytes.
const FIGURES: usize = 160;

/// What stands in a list beside the letters, and room to spare, in bytes.
const BESIDE: usize = 64;

impl ChannelEntry {
    /// Some dead letters behind `after`, at most so many and as fit into one header; and whether there are more.
    pub(crate) fn list_dead_letters(
        self: &Arc<Self>,
        after: Option<RequestId>,
        most: u32,
        batch: &mut Batch,
    ) -> (Vec<DeadLetterEntry>, bool) {
        self.step(batch, Channel::handle_deadline);
        let state = self.state.locked();
        let now = state.latest;
        let (mut listed, mut size) = (Vec::new(), BESIDE);
        for letter in state.channel.dead_letters(after) {
            let entry = entry(letter, now);
            let last = entry.last.as_ref().map_or(0, Problem::bytes);
            size += FIGURES + entry.operation.len() + entry.requester.as_str().len() + last;
            if size > MAX_HEADER || listed.len() >= most as usize {
                return (listed, true);
            }
            listed.push(entry);
        }
        (listed, false)
    }

    /// A dead letter, whole.
    pub(crate) fn read_dead_letter(
        self: &Arc<Self>,
        id: RequestId,
        batch: &mut Batch,
    ) -> Option<(DeadLetterContent, Option<Arc<Payload>>)> {
        self.step(batch, Channel::handle_deadline);
        let state = self.state.locked();
        let letter = state.channel.dead_letter(id)?;
        let content = DeadLetterContent {
            entry: entry(letter, state.latest),
            reply_channel: letter.place.reply_channel(),
            label: letter.request.label.clone(),
        };
        Some((content, letter.request.payload()))
    }

    /// What a new request is made of that takes a dead letter's place: its message, and its return address.
    pub(crate) fn sendable_dead_letter(&self, id: RequestId) -> Option<(Arc<Request>, Place)> {
        let state = self.state.locked();
        let letter = state.channel.dead_letter(id)?;
        Some((Arc::clone(&letter.request), letter.place.clone()))
    }
}

fn entry(letter: &DeadLetter<BrokerHandles>, now: Time) -> DeadLetterEntry {
    DeadLetterEntry {
        id: letter.id,
        operation: letter.request.operation.clone(),
        requester: letter.requester.clone(),
        reason: letter.reason,
        attempts: letter.attempts,
        deliveries: letter.deliveries,
        bytes: letter.bytes as u64,
        accepted_ms_ago: item_millis(now.since(letter.accepted)),
        died_ms_ago: item_millis(now.since(letter.died)),
        last: letter.last.as_ref().map(|answer| cut(answer.said())),
    }
}

fn cut(mut problem: Problem) -> Problem {
    problem.code.truncate(problem.code.floor_char_boundary(MAX_CODE));
    problem.message.truncate(problem.message.floor_char_boundary(MAX_MESSAGE));
    problem
}
