//! What happened, in order: its last lines for people, and a fingerprint of all of it.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use roundtrip_broker::simulation::Event;
use roundtrip_protocol::RequestId;

use super::chance::mix;
use super::executor::Party;
use super::faults::Fault;

/// How many of the last lines are kept.
const KEPT: usize = 60;

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Note {
    /// A party did something, or was told something.
    Party { party: Party, what: &'static str, id: Option<RequestId>, number: u64 },
    /// A channel was asked something, or did something about it.
    Broker(Event),
    /// A fault struck.
    Fault(Fault),
}

/// What happened in a run.
#[derive(Debug)]
pub(crate) struct Trace {
    lines: VecDeque<(Duration, Note)>,
    most: usize,
    fingerprint: u64,
}

impl Trace {
    /// A trace that keeps its last lines, or all of them.
    pub(crate) fn new(keeps_all: bool) -> Self {
        Self { lines: VecDeque::new(), most: if keeps_all { usize::MAX } else { KEPT }, fingerprint: 0 }
    }

    pub(crate) fn note(&mut self, at: Duration, note: Note) {
        if let Note::Party { party, what, id, number } = &note {
            self.stamp(u64::from(party.0) << 32 | what.len() as u64);
            self.stamp(number ^ id.map_or(0, short));
        }
        if self.lines.len() == self.most {
            self.lines.pop_front();
        }
        self.lines.push_back((at, note));
    }

    /// Adds a number to the fingerprint.
    pub(crate) fn stamp(&mut self, number: u64) {
        self.fingerprint = mix(self.fingerprint.rotate_left(1) ^ number);
    }

    pub(crate) const fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.iter().map(|(at, note)| format!("{:>12.6} {note}", at.as_secs_f64())).collect()
    }
}

/// The last bits of an id, which tell it from the others of a run.
pub(crate) fn short(id: RequestId) -> u64 {
    let bytes = id.as_bytes();
    u64::from(bytes[13]) << 16 | u64::from(bytes[14]) << 8 | u64::from(bytes[15])
}

impl fmt::Display for Note {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Party { party, what, id: Some(id), number } => {
                write!(out, "{party} {what} {:06x} ({number})", short(*id))
            }
            Self::Party { party, what, id: None, number } => write!(out, "{party} {what} ({number})"),
            Self::Broker(event) => write!(out, "  channel {event:?}"),
            Self::Fault(fault) => write!(out, "FAULT {fault:?}"),
        }
    }
}

impl fmt::Display for Party {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::BROKER => out.write_str("broker"),
            Self::STAGE => out.write_str("stage"),
            Self(number) => write!(out, "party {number}"),
        }
    }
}
