//! Questions under way: each is asked again over every new connection until it is answered.

use std::task::{Poll, Waker};

use bytes::Bytes;
use roundtrip_protocol::{
    Answer, Bound, Call, ChannelFigures, ChannelName, ChannelNumber, Channels, DeadLetter, DeadLetters, Purged,
    Redriven, Refusal, RequestId, RequesterNumber, Ticket, TicketNumber, Token,
};
use tokio::time::Instant;

use super::ClientState;
use super::question::{CallAnswer, Question};
use super::wakers::Wakers;

pub(super) struct CallEntry {
    question: Question,
    on_wire: bool,
    answered: bool,
    /// Whether it was asked over a former connection too.
    repeated: bool,
    pub(super) restores: bool,
    /// For somebody who wants the answer.
    asker: Option<Box<Asker>>,
}

#[derive(Default)]
struct Asker {
    answer: Option<CallAnswer>,
    /// The parts of a long answer that came.
    listed: Vec<ChannelFigures>,
    /// Why its channel was refused just before it was asked.
    refused: Option<Refusal>,
    wakers: Wakers,
}

impl ClientState {
    /// Tells the broker that an outcome was handled; the answer is wanted.
    pub(crate) fn acknowledge(&mut self, requester: RequesterNumber, ticket: &Ticket) -> Call {
        let channel = self.names.channel(&ticket.channel);
        self.ask_to_acknowledge(requester, channel, ticket.id, None, true)
    }

    pub(super) fn ask_to_acknowledge(
        &mut self,
        requester: RequesterNumber,
        channel: ChannelNumber,
        id: RequestId,
        along: Option<TicketNumber>,
        held: bool,
    ) -> Call {
        self.names.use_requester(requester);
        let call = self.add_call(Question::Acknowledge { requester, channel, id }, held);
        if self.may_acknowledge(id) {
            self.send_question_along(call, along);
        } else {
            self.unsent_acknowledgements.push(call);
        }
        call
    }

    /// Ends a request by its ticket.
    pub(crate) fn cancel(&mut self, ticket: &Ticket) -> Call {
        let channel = self.names.channel(&ticket.channel);
        self.ask_to_cancel(channel, ticket.id, true)
    }

    pub(super) fn ask_to_cancel(&mut self, channel: ChannelNumber, id: RequestId, held: bool) -> Call {
        let call = self.add_call(Question::Cancel { channel, id }, held);
        if self.restore.is_done() {
            self.send_question(call);
        }
        call
    }

    pub(crate) fn list_channels(&mut self) -> Call {
        self.ask(Question::Channels)
    }

    pub(crate) fn list_dead_letters(&mut self, channel: &ChannelName, after: Option<RequestId>, most: u32) -> Call {
        let channel = self.names.channel(channel);
        self.ask(Question::DeadLetters { channel, after, most })
    }

    pub(crate) fn read_dead_letter(&mut self, channel: &ChannelName, id: RequestId) -> Call {
        let channel = self.names.channel(channel);
        self.ask(Question::DeadLetter { channel, id })
    }

    pub(crate) fn redrive_dead_letter(&mut self, channel: &ChannelName, id: RequestId) -> Call {
        let channel = self.names.channel(channel);
        self.ask(Question::Redrive { channel, id })
    }

    pub(crate) fn purge_dead_letter(&mut self, channel: &ChannelName, id: RequestId) -> Call {
        let channel = self.names.channel(channel);
        self.ask(Question::Purge { channel, id })
    }

    pub(crate) fn request_drain(&mut self) -> Call {
        self.ask(Question::Drain)
    }

    pub(super) fn ask_to_renew(&mut self, channel: ChannelNumber, token: Token) -> Call {
        self.ask(Question::Renew { channel, token })
    }

    /// Makes a number for a question that is sent by its delivery, on this connection only.
    pub(super) fn call_of_delivery(&mut self, question: Question) -> Call {
        let call = self.add_call(question, false);
        if let Some(entry) = self.calls.entry_mut(call.0) {
            entry.on_wire = true;
        }
        call
    }

    pub(super) fn restore_waits_for_call(&mut self, call: Call) {
        if let Some(entry) = self.calls.entry_mut(call.0) {
            self.restore.wait_for(&mut entry.restores);
        }
    }

    pub(crate) fn poll_call(&mut self, call: Call, waker: &Waker) -> Poll<Option<CallAnswer>> {
        let is_closed = self.line.is_closed();
        let Some(entry) = self.calls.entry_mut(call.0) else { return Poll::Ready(None) };
        let Some(asker) = &mut entry.asker else { return Poll::Ready(None) };
        match asker.answer.take() {
            Some(answer) => Poll::Ready(Some(answer)),
            None if is_closed => Poll::Ready(None),
            None => {
                asker.wakers.register(waker);
                Poll::Pending
            }
        }
    }

    /// Nobody wants the answer any more. What is said to the broker by it is said all the same.
    pub(crate) fn release_call(&mut self, call: Call) {
        let is_closed = self.line.is_closed();
        let Some(entry) = self.calls.entry_mut(call.0) else { return };
        entry.asker = None;
        let is_open = !entry.answered && (entry.on_wire || entry.question.is_owed());
        if !is_open || is_closed {
            self.remove_call(call);
        }
    }

    pub(super) fn handle_answered(&mut self, now: Instant, call: Call, answer: Answer) {
        let Some(question) = self.calls.entry(call.0).filter(|entry| entry.on_wire).map(|entry| entry.question) else {
            return;
        };
        self.answer_call(call, CallAnswer::Answered(answer));
        match question {
            Question::Settle { delivery, token } => self.handle_settle_answer(now, delivery, token, call, answer),
            Question::TakeBack { delivery, token } => self.handle_take_back_answer(delivery, token, answer),
            Question::AddPart { part } => self.handle_part_answer(now, part, call, answer),
            _ => {}
        }
        self.advance_restore();
    }

    pub(super) fn handle_channels(&mut self, mut channels: Channels) {
        let Some(entry) = self.calls.entry_mut(channels.call.0).filter(|entry| entry.on_wire) else { return };
        let mut listed = entry.asker.as_mut().map(|asker| std::mem::take(&mut asker.listed)).unwrap_or_default();
        listed.append(&mut channels.channels);
        if channels.more {
            entry.asker.iter_mut().for_each(|asker| asker.listed = std::mem::take(&mut listed));
        } else {
            self.answer_call(channels.call, CallAnswer::Channels(listed));
        }
    }

    pub(super) fn handle_dead_letters(&mut self, frame: DeadLetters) {
        self.answer_call(frame.call, CallAnswer::DeadLetters { letters: frame.letters, more: frame.more });
    }

    pub(super) fn handle_dead_letter(&mut self, frame: DeadLetter, payload: Bytes) {
        let letter = frame.letter.map(|letter| Box::new((letter, payload)));
        self.answer_call(frame.call, CallAnswer::DeadLetter(letter));
    }

    pub(super) fn handle_redriven(&mut self, frame: Redriven) {
        let repeated = self.was_repeated(frame.call);
        self.answer_call(frame.call, CallAnswer::Redriven { result: frame.result, repeated });
    }

    pub(super) fn handle_purged(&mut self, frame: Purged) {
        let repeated = self.was_repeated(frame.call);
        self.answer_call(frame.call, CallAnswer::Purged { was_there: frame.was_there, repeated });
    }

    /// The broker drains, whoever asked for it: the connection may end before the answer to those who did.
    pub(super) fn note_draining(&mut self) {
        for (_, entry) in self.calls.iter_mut().filter(|(_, entry)| entry.question == Question::Drain) {
            if let Some(asker) = entry.asker.as_mut().filter(|asker| asker.answer.is_none()) {
                asker.answer = Some(CallAnswer::Draining(None));
                asker.wakers.wake_into(&mut self.woken);
            }
        }
    }

    pub(super) fn handle_bound(&mut self, bound: Bound) {
        self.names.handle_bound(&bound);
        let Some(refusal) = bound.refusal else { return };
        for (_, entry) in self.calls.iter_mut() {
            if entry.on_wire && entry.question.channel() == Some(bound.number) && entry.question.is_about_dead_letters()
            {
                entry.asker.iter_mut().for_each(|asker| asker.refused = Some(refusal.clone()));
            }
        }
    }

    /// Sends what waits to be acknowledged.
    pub(super) fn send_acknowledgements(&mut self) {
        for call in std::mem::take(&mut self.unsent_acknowledgements) {
            let Some(entry) = self.calls.entry(call.0) else { continue };
            match entry.question {
                Question::Acknowledge { id, .. } if !self.may_acknowledge(id) => {
                    self.unsent_acknowledgements.push(call);
                }
                _ => self.send_question(call),
            }
        }
    }

    /// Not while a submission under the same id is unanswered.
    pub(super) fn may_acknowledge(&self, id: RequestId) -> bool {
        self.restore.is_done() && self.line.is_open() && !self.repeated.contains_key(&id)
    }

    /// Asks what depends on nothing that is told before it.
    pub(super) fn send_unsent_questions(&mut self) {
        self.send_questions(|question| !question.is_owed());
    }

    /// Asks for what was cancelled to be cancelled: when the broker knows the requests, since theirs were submitted.
    pub(super) fn send_cancellations(&mut self) {
        self.send_questions(|question| matches!(question, Question::Cancel { .. }));
    }

    pub(super) fn has_unanswered_owed(&self) -> bool {
        self.calls.iter().any(|(_, entry)| entry.question.is_owed() && !entry.answered)
    }

    pub(super) fn forget_calls_on_wire(&mut self) {
        for call in self.calls.numbers() {
            let Some(entry) = self.calls.entry_mut(call) else { continue };
            entry.restores = false;
            if let Some(asker) = &mut entry.asker {
                asker.listed.clear();
                asker.refused = None;
            }
            let was_on_wire = std::mem::take(&mut entry.on_wire);
            entry.repeated |= was_on_wire;
            match entry.question {
                question if question.is_of_delivery() => drop(self.calls.remove(call)),
                Question::Acknowledge { .. } if was_on_wire => self.unsent_acknowledgements.push(Call(call)),
                question if !question.is_owed() && entry.asker.is_none() => drop(self.calls.remove(call)),
                _ => {}
            }
        }
    }

    pub(super) fn end_calls(&mut self) {
        self.unsent_acknowledgements.clear();
        for call in self.calls.numbers() {
            match self.calls.entry_mut(call).and_then(|entry| entry.asker.as_mut()) {
                Some(asker) => asker.wakers.wake_into(&mut self.woken),
                None => self.remove_call(Call(call)),
            }
        }
    }

    /// The answer to a question came.
    pub(super) fn answer_call(&mut self, call: Call, answer: CallAnswer) {
        let Some(entry) = self.calls.entry_mut(call.0).filter(|entry| entry.on_wire) else { return };
        entry.on_wire = false;
        entry.answered = true;
        self.restore.note_answer(&mut entry.restores);
        if let Some(asker) = &mut entry.asker {
            let answer = asker.refused.take().map_or(answer, CallAnswer::Refused);
            asker.answer = Some(answer);
            asker.wakers.wake_into(&mut self.woken);
        } else {
            self.remove_call(call);
        }
    }

    fn ask(&mut self, question: Question) -> Call {
        let call = self.add_call(question, true);
        self.send_question(call);
        call
    }

    fn add_call(&mut self, question: Question, held: bool) -> Call {
        Call(self.calls.insert(CallEntry {
            question,
            on_wire: false,
            answered: false,
            repeated: false,
            restores: false,
            asker: held.then(Box::default),
        }))
    }

    fn was_repeated(&self, call: Call) -> bool {
        self.calls.entry(call.0).is_some_and(|entry| entry.repeated)
    }

    fn send_questions(&mut self, which: impl Fn(Question) -> bool) {
        let unsent = self.calls.iter().filter(|(_, entry)| {
            !entry.answered
                && entry.asker.as_ref().is_none_or(|asker| asker.answer.is_none())
                && !entry.on_wire
                && which(entry.question)
        });
        for call in unsent.map(|(call, _)| Call(call)).collect::<Vec<_>>() {
            self.send_question(call);
        }
    }

    fn send_question(&mut self, call: Call) {
        self.send_question_along(call, None);
    }

    /// Asks, and detaches from a ticket in the same frame.
    fn send_question_along(&mut self, call: Call, along: Option<TicketNumber>) {
        if !self.line.is_open() {
            return;
        }
        let Some(entry) = self.calls.entry_mut(call.0) else { return };
        let question = entry.question;
        let Some(header) = question.header(call, along) else { return };
        entry.on_wire = true;
        if let Some(channel) = question.channel() {
            self.push_bind(channel);
        }
        if let Question::Acknowledge { requester, .. } = question {
            self.push_introduce(requester);
        }
        self.push(header);
    }

    fn remove_call(&mut self, call: Call) {
        if let Some(CallEntry { question: Question::Acknowledge { requester, .. }, .. }) = self.calls.remove(call.0) {
            self.release_requester(requester);
        }
    }
}
