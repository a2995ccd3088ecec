//! A requester that fills a channel: it submits requests that want no reply, and lets each go when it is accepted.

use bytes::{BufMut, BytesMut};
use roundtrip_protocol::{Detach, Header, ReplyTo, Submit, TicketNumber, encode_prefix_and_header};

use super::requester::{id, submit};
use super::{hear, put};

/// The payload of each request.
const PAYLOAD: [u8; 128] = [b'x'; 128];

pub(crate) struct Backlog {
    number: u32,
    submitted: u32,
    accepted: u32,
    submit: Submit,
}

impl Backlog {
    pub(super) fn new(number: u32) -> Self {
        Self { number, submitted: 0, accepted: 0, submit: submit(number, ReplyTo::Nowhere) }
    }

    /// Submits one request.
    pub(crate) fn submit(&mut self, out: &mut BytesMut) {
        self.submit.ticket = TicketNumber(self.submitted);
        self.submit.id = id(self.number, self.submitted);
        self.submitted += 1;
        encode_prefix_and_header(&self.submit.clone().into(), PAYLOAD.len(), out);
        out.put_slice(&PAYLOAD);
    }

    /// Takes the whole frames at the front of `input`, and says how long they are.
    pub(crate) fn hear(&mut self, input: &[u8], out: &mut BytesMut) -> anyhow::Result<usize> {
        hear(input, out, |header, _, out| match header {
            Header::Accepted(accepted) => {
                self.accepted += 1;
                put(&Detach { ticket: accepted.ticket }.into(), out);
                Ok(())
            }
            other => anyhow::bail!("the broker says {other:?}"),
        })
    }

    /// How many submissions were not answered yet.
    pub(crate) fn under_way(&self) -> u32 {
        self.submitted - self.accepted
    }
}
