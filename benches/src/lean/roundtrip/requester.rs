//! The requester: submits, is accepted, is told the outcome, acknowledges it and lets the ticket go.

use anyhow::Context as _;
use bytes::BytesMut;
use roundtrip_protocol::{
    Acknowledge, Acknowledgement, Call, ChannelNumber, DEFAULT_PRIORITY, Ending, Header, Label, ReplyTo, RequestId,
    Submit, TicketNumber, encode_prefix_and_header,
};

use super::{REQUESTER, hear, put};
use crate::lean::{Replied, Requester};
use crate::payload::Mark;

pub(super) struct Asking {
    /// Which requester it is, for ids that no other requester has.
    number: u32,
    channels: u32,
    /// The ticket number of the next request; never used again.
    next: u32,
    /// The tickets under way, each at its request's place.
    tickets: Vec<Option<TicketNumber>>,
    submitted: u64,
    /// How many were told, if they are.
    accepted: Option<u64>,
    acknowledged: u64,
    /// Filled anew for each request, so that its texts are made once.
    submit: Header,
    acknowledge: Header,
}

impl Asking {
    pub(super) fn new(number: u32, channels: u32, accepted: bool) -> Self {
        let submit = Submit { accepted, ..submit(number, ReplyTo::Own) };
        let (call, channel) = (Call(0), ChannelNumber(0));
        let acknowledge = Acknowledge { call, channel, id: submit.id, requester: REQUESTER, ticket: None };
        Self {
            number,
            channels,
            next: 0,
            tickets: Vec::new(),
            submitted: 0,
            accepted: accepted.then_some(0),
            acknowledged: 0,
            submit: submit.into(),
            acknowledge: acknowledge.into(),
        }
    }
}

impl Requester for Asking {
    fn submit(&mut self, mark: Mark, size: usize, out: &mut BytesMut) {
        let ticket = TicketNumber(self.next);
        self.next = self.next.wrapping_add(1);
        self.submitted += 1;
        let place = mark.slot as usize;
        if self.tickets.len() <= place {
            self.tickets.resize(place + 1, None);
        }
        self.tickets[place] = Some(ticket);
        if let Header::Submit(submit) = &mut self.submit {
            submit.ticket = ticket;
            submit.id = id(self.number, ticket.0);
            submit.channel = channel(ticket, self.channels);
        }
        encode_prefix_and_header(&self.submit, Mark::payload_len(size), out);
        mark.put(size, out);
    }

    fn hear(&mut self, input: &[u8], out: &mut BytesMut, reply: &mut Replied<'_>) -> anyhow::Result<usize> {
        let Self { number, channels, tickets, accepted, acknowledged, acknowledge, .. } = self;
        hear(input, out, |header, payload, out| {
            match header {
                Header::Accepted(answer) => {
                    anyhow::ensure!(answer.duplicate.is_none(), "a new request was taken for another");
                    *accepted.as_mut().context("an acceptance was told that nobody asked for")? += 1;
                }
                Header::Outcome(outcome) => {
                    anyhow::ensure!(matches!(outcome.ending, Ending::Replied(_)), "a request was not replied to");
                    let place = Mark::of(payload).and_then(|mark| tickets.get_mut(mark.slot as usize));
                    let is_its_own = place.is_some_and(|ticket| ticket.take() == Some(outcome.ticket));
                    anyhow::ensure!(is_its_own, "a reply came under another ticket than it belongs to");
                    if let Header::Acknowledge(acknowledge) = acknowledge {
                        acknowledge.id = id(*number, outcome.ticket.0);
                        acknowledge.channel = channel(outcome.ticket, *channels);
                        acknowledge.ticket = Some(outcome.ticket);
                    }
                    put(acknowledge, out);
                    reply(payload)?;
                }
                Header::Acknowledged(answer) => {
                    anyhow::ensure!(answer.result == Acknowledgement::Done, "an outcome was not acknowledged");
                    *acknowledged += 1;
                }
                other => anyhow::bail!("the broker says {}", other.name()),
            }
            Ok(())
        })
    }

    fn is_done(&self) -> bool {
        self.accepted.is_none_or(|accepted| accepted == self.submitted) && self.acknowledged == self.submitted
    }
}

/// The channel that the request with this ticket goes to.
fn channel(ticket: TicketNumber, channels: u32) -> ChannelNumber {
    ChannelNumber(ticket.0 % channels)
}

/// What a requester submits, but for the ticket and the id.
pub(crate) fn submit(requester: u32, reply: ReplyTo) -> Submit {
    Submit {
        ticket: TicketNumber(0),
        channel: ChannelNumber(0),
        id: id(requester, 0),
        requester: REQUESTER,
        reply,
        accepted: true,
        priority: DEFAULT_PRIORITY,
        deadline_ms: None,
        delay_ms: 0,
        key: None,
        operation: "echo".into(),
        label: Label::default(),
    }
}

/// An id with the form of a UUID of version 7, that is this request's alone. What would be chance is spread as evenly.
pub(crate) fn id(requester: u32, ticket: u32) -> RequestId {
    let number = u64::from(requester) << 32 | u64::from(ticket);
    let mut spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    spread = (spread ^ (spread >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mut bytes = (u128::from(number) << 64 | u128::from(spread ^ (spread >> 27))).to_be_bytes();
    bytes.rotate_left(2);
    bytes[6] = 0x70;
    bytes[8] = 0x80 | (bytes[8] & 0x3f);
    RequestId::from_bytes(bytes)
}
