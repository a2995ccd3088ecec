//! A body as it is kept: a payload, and before it a head that says what it is and what goes with it.
//!
//! ```text
//!  0
//! | 1 u8 | operation text | Label |                          a request's message
//! | 2 u8 | Label |                                           a reply
//! | 3 u8 | code text | message text | content_type option |  a failure
//! | 4 u8 | Label |                                           a part
//! ```
//!
//! A text is its length as u32, little-endian, and its bytes; a label is the content type, the number of headers as
//! u32, and their names and values in turn; an option is a byte 0 or 1 before what there is. Storages of any kind keep
//! bodies so; none knows what stands in them.

use bytes::Bytes;
use roundtrip_protocol::{Headers, Label, Problem};

use super::{Ask, Content, Facts, Missing};
use crate::memory::Room;
use crate::message::{Answer, Part, Request, Words};

const MESSAGE: u8 = 1;
const REPLY: u8 = 2;
const FAILURE: u8 = 3;
const PART: u8 = 4;

/// What is written of a message, an answer or a part.
pub(super) struct Body {
    pub(super) head: Vec<u8>,
    pub(super) payload: Bytes,
}

impl Body {
    /// None: the payload was let go meanwhile, because the request's end is on its way here. What would be kept is not
    /// what was accepted.
    pub(super) fn of_accepted(facts: &Facts, request: &Request) -> Option<Self> {
        Some(Self::of_message(request)).filter(|body| body.payload.len() as u64 == facts.bytes)
    }

    pub(super) fn of_message(request: &Request) -> Self {
        let mut head = Head::new(MESSAGE, request.texts());
        head.text(&request.operation);
        head.label(&request.label);
        Self { head: head.0, payload: request.payload().map_or_else(Bytes::new, |payload| payload.bytes().clone()) }
    }

    pub(super) fn of_answer(answer: &Answer) -> Self {
        let head = match answer.words() {
            Words::Reply(label) => {
                let mut head = Head::new(REPLY, label.bytes());
                head.label(label);
                head
            }
            Words::Problem { problem, content_type } => {
                let mut head = Head::new(FAILURE, problem.bytes());
                head.text(&problem.code);
                head.text(&problem.message);
                head.0.push(content_type.is_some().into());
                content_type.iter().for_each(|content_type| head.text(content_type));
                head
            }
        };
        Self { head: head.0, payload: answer.payload.clone() }
    }

    pub(super) fn of_part(part: &Part) -> Self {
        let mut head = Head::new(PART, part.label.bytes());
        head.label(&part.label);
        Self { head: head.0, payload: part.payload.clone() }
    }
}

/// What the head and the payload amount to. None: the head is no head.
pub(super) fn content(head: &[u8], payload: Bytes) -> Option<Content> {
    let mut rest = Rest(head);
    let content = match rest.byte()? {
        MESSAGE => {
            let (operation, label) = (rest.text()?, rest.label()?);
            Content::Message(Request::new(operation.into(), label, payload, Room::nothing()))
        }
        REPLY => Content::Answer(Answer::reply(rest.label()?, payload, Room::nothing())),
        FAILURE => {
            let problem = Problem::new(rest.text()?, rest.text()?);
            let content_type = match rest.byte()? {
                0 => None,
                1 => Some(rest.text()?.to_owned()),
                _ => return None,
            };
            Content::Answer(Answer::problem(problem, content_type, payload, Room::nothing()))
        }
        PART => Content::Part(Part::new(rest.label()?, payload, Room::nothing())),
        _ => return None,
    };
    rest.0.is_empty().then_some(content)
}

impl Ask {
    /// What a body amounts to, if it is of the kind that was asked for.
    pub(super) fn found(self, content: Option<Content>) -> Result<Content, Missing> {
        match (self, content) {
            (Self::Message(_), Some(content @ Content::Message(_)))
            | (Self::Answer(_), Some(content @ Content::Answer(_)))
            | (Self::Part(_), Some(content @ Content::Part(_))) => Ok(content),
            _ => Err(Missing::Damaged),
        }
    }
}

/// A head as it is written.
struct Head(Vec<u8>);

impl Head {
    /// Room for a few headers beside the texts.
    const LENGTHS: usize = 64;

    fn new(kind: u8, texts: usize) -> Self {
        let mut head = Vec::with_capacity(texts + Self::LENGTHS);
        head.push(kind);
        Self(head)
    }

    fn number(&mut self, number: usize) {
        // Texts come out of one frame, whose length is a u32.
        self.0.extend_from_slice(&u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len());
        self.0.extend_from_slice(text.as_bytes());
    }

    fn label(&mut self, label: &Label) {
        self.text(&label.content_type);
        self.number(label.headers.0.len());
        for (name, value) in &label.headers.0 {
            self.text(name);
            self.text(value);
        }
    }
}

/// What is not read of a head yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    fn number(&mut self) -> Option<usize> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        usize::try_from(u32::from_le_bytes(*number)).ok()
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = self.number()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }

    fn label(&mut self) -> Option<Label> {
        let content_type = self.text()?.into();
        let count = self.number()?;
        // Whatever the count says, the texts are there or they are not: nothing is set aside for it.
        let headers =
            (0..count).map(|_| Some((self.text()?.to_owned(), self.text()?.to_owned()))).collect::<Option<Vec<_>>>()?;
        Some(Label { content_type, headers: Headers(headers) })
    }
}
