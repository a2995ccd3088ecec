//! Questions by number: acknowledgements, renewals, settlements, deliveries to take back, the list of channels.

use std::task::{Poll, Waker};

use roundtrip_protocol::{
    Acknowledge, Acknowledgement, Answer, Call, ChannelFigures, ChannelNumber, Channels, Header, ListChannels, Renew,
    RequestId, RequesterNumber, Ticket, Token,
};
use tokio::time::Instant;

use super::ClientState;
use super::delivery::{DeliveryKey, PartKey};
use super::wakers::Wakers;

/// What the broker said to a question.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum CallAnswer {
    Acknowledged(Acknowledgement),
    Answered(Answer),
    Channels(Vec<ChannelFigures>),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Question {
    Acknowledge {
        requester: RequesterNumber,
        channel: ChannelNumber,
        id: RequestId,
    },
    Renew {
        channel: ChannelNumber,
        token: Token,
    },
    /// Belongs to its delivery, which asks again over the next connection.
    Settle {
        delivery: DeliveryKey,
        token: Token,
    },
    /// Belongs to its delivery, which asks again over the next connection.
    TakeBack {
        delivery: DeliveryKey,
        token: Token,
    },
    /// Belongs to its part, which is added again over the next connection.
    AddPart {
        part: PartKey,
    },
    Channels,
}

pub(super) struct CallEntry {
    question: Question,
    /// Whether somebody wants the answer.
    held: bool,
    on_wire: bool,
    pub(super) restores: bool,
    answer: Option<CallAnswer>,
    listed: Vec<ChannelFigures>,
    wakers: Wakers,
}

impl ClientState {
    /// Tells the broker that an outcome was handled; the answer is wanted.
    pub(crate) fn acknowledge(&mut self, requester: RequesterNumber, ticket: &Ticket) -> Call {
        let channel = self.names.channel(&ticket.channel);
        self.ask_to_acknowledge(requester, channel, ticket.id, true)
    }

    pub(super) fn ask_to_acknowledge(
        &mut self,
        requester: RequesterNumber,
        channel: ChannelNumber,
        id: RequestId,
        held: bool,
    ) -> Call {
        self.names.use_requester(requester);
        let call = self.add_call(Question::Acknowledge { requester, channel, id }, held);
        self.unsent_acknowledgements.push(call);
        self.send_acknowledgements();
        call
    }

    pub(crate) fn list_channels(&mut self) -> Call {
        let call = self.add_call(Question::Channels, true);
        self.send_question(call);
        call
    }

    pub(super) fn ask_to_renew(&mut self, channel: ChannelNumber, token: Token) -> Call {
        let call = self.add_call(Question::Renew { channel, token }, true);
        self.send_question(call);
        call
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
        match entry.answer.take() {
            Some(answer) => Poll::Ready(Some(answer)),
            None if is_closed => Poll::Ready(None),
            None => {
                entry.wakers.register(waker);
                Poll::Pending
            }
        }
    }

    /// Nobody wants the answer any more. What is said to the broker by it is said all the same.
    pub(crate) fn release_call(&mut self, call: Call) {
        let is_closed = self.line.is_closed();
        let Some(entry) = self.calls.entry_mut(call.0) else { return };
        entry.held = false;
        let will_be_answered = entry.on_wire || self.unsent_acknowledgements.contains(&call);
        if !will_be_answered || is_closed {
            self.remove_call(call);
        }
    }

    pub(super) fn handle_acknowledged(&mut self, call: Call, result: Acknowledgement) {
        self.answer_call(call, CallAnswer::Acknowledged(result));
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
            Question::Acknowledge { .. } | Question::Renew { .. } | Question::Channels => {}
        }
        self.advance_restore();
    }

    pub(super) fn handle_channels(&mut self, mut channels: Channels) {
        let Some(entry) = self.calls.entry_mut(channels.call.0).filter(|entry| entry.on_wire) else { return };
        entry.listed.append(&mut channels.channels);
        if !channels.more {
            let listed = std::mem::take(&mut entry.listed);
            self.answer_call(channels.call, CallAnswer::Channels(listed));
        }
    }

    /// Sends what waits to be acknowledged, but for requests whose own submission is unanswered.
    pub(super) fn send_acknowledgements(&mut self) {
        if !self.restore.is_done() || self.unsent_acknowledgements.is_empty() {
            return;
        }
        for call in std::mem::take(&mut self.unsent_acknowledgements) {
            let Some(entry) = self.calls.entry(call.0) else { continue };
            match entry.question {
                Question::Acknowledge { id, .. } if self.repeated.contains_key(&id) => {
                    self.unsent_acknowledgements.push(call);
                }
                _ => self.send_question(call),
            }
        }
    }

    pub(super) fn send_unsent_questions(&mut self) {
        let questions = self.calls.iter().filter(|(_, entry)| {
            entry.answer.is_none() && matches!(entry.question, Question::Renew { .. } | Question::Channels)
        });
        for call in questions.map(|(call, _)| Call(call)).collect::<Vec<_>>() {
            self.send_question(call);
        }
    }

    pub(super) fn has_unanswered_acknowledgements(&self) -> bool {
        self.calls
            .iter()
            .any(|(_, entry)| matches!(entry.question, Question::Acknowledge { .. }) && entry.answer.is_none())
    }

    pub(super) fn forget_calls_on_wire(&mut self) {
        for call in self.calls.numbers() {
            let Some(entry) = self.calls.entry_mut(call) else { continue };
            entry.restores = false;
            entry.listed.clear();
            let was_on_wire = std::mem::take(&mut entry.on_wire);
            match entry.question {
                Question::Settle { .. } | Question::TakeBack { .. } | Question::AddPart { .. } => {
                    drop(self.calls.remove(call));
                }
                Question::Acknowledge { .. } if was_on_wire => self.unsent_acknowledgements.push(Call(call)),
                Question::Renew { .. } | Question::Channels if !entry.held => drop(self.calls.remove(call)),
                _ => {}
            }
        }
    }

    pub(super) fn end_calls(&mut self) {
        self.unsent_acknowledgements.clear();
        for call in self.calls.numbers() {
            match self.calls.entry_mut(call) {
                Some(entry) if entry.held => entry.wakers.wake_into(&mut self.woken),
                _ => self.remove_call(Call(call)),
            }
        }
    }

    fn add_call(&mut self, question: Question, held: bool) -> Call {
        Call(self.calls.insert(CallEntry {
            question,
            held,
            on_wire: false,
            restores: false,
            answer: None,
            listed: Vec::new(),
            wakers: Wakers::default(),
        }))
    }

    fn send_question(&mut self, call: Call) {
        if !self.line.is_open() {
            return;
        }
        let Some(entry) = self.calls.entry_mut(call.0) else { return };
        entry.on_wire = true;
        match entry.question {
            Question::Acknowledge { requester, channel, id } => {
                self.push_bind(channel);
                self.push_introduce(requester);
                self.push(Header::from(Acknowledge { call, channel, id, requester }));
            }
            Question::Renew { channel, token } => {
                self.push_bind(channel);
                self.push(Header::from(Renew { call, channel, token }));
            }
            Question::Channels => self.push(Header::from(ListChannels { call })),
            Question::Settle { .. } | Question::TakeBack { .. } | Question::AddPart { .. } => {}
        }
    }

    fn answer_call(&mut self, call: Call, answer: CallAnswer) {
        let Some(entry) = self.calls.entry_mut(call.0).filter(|entry| entry.on_wire) else { return };
        entry.on_wire = false;
        self.restore.note_answer(&mut entry.restores);
        if entry.held {
            entry.answer = Some(answer);
            entry.wakers.wake_into(&mut self.woken);
        } else {
            self.remove_call(call);
        }
    }

    fn remove_call(&mut self, call: Call) {
        if let Some(CallEntry { question: Question::Acknowledge { requester, .. }, .. }) = self.calls.remove(call.0) {
            self.release_requester(requester);
        }
    }
}
