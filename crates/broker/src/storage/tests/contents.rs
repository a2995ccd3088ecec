//! All that a reader gives, in a form that can be compared.

use bytes::Bytes;
use roundtrip_protocol::{ChannelName, OutcomeKind};

use crate::storage::body::Body;
use crate::storage::{Ask, ChannelRow, Content, Missing, Reader, Row, Stored, StoredEnd};

/// What is kept.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Contents {
    pub(super) channels: Vec<(ChannelRow, ChannelName)>,
    pub(super) kept: Vec<Stored>,
    pub(super) bodies: Vec<(Ask, Result<Found, Missing>)>,
}

/// A body, or an operation, byte by byte.
pub(super) type Found = (Vec<u8>, Bytes);

impl Contents {
    pub(super) fn of(reader: &mut dyn Reader) -> Self {
        let channels = reader.channels().unwrap();
        let mut kept = Vec::new();
        for (channel, _) in &channels {
            reader.load(*channel, &mut |stored| kept.push(stored)).unwrap();
        }
        let asked: Vec<Ask> = kept.iter().flat_map(asks).collect();
        let bodies = asked.iter().copied().zip(reader.read(&asked).unwrap().into_iter().map(|found| found.map(shown)));
        let bodies = bodies.collect();
        Self { channels, kept, bodies }
    }
}

/// All that can be asked about something kept.
pub(super) fn asks(stored: &Stored) -> Vec<Ask> {
    let row = row(stored);
    let mut asks = vec![Ask::Message(row), Ask::Operation(row)];
    if let Stored::Request(request) = stored {
        asks.extend(request.parts.iter().flat_map(|parts| parts.kept.iter().map(|(row, _)| Ask::Part(*row))));
        let has_answer = |ended: &StoredEnd| matches!(ended.outcome.kind(), OutcomeKind::Replied | OutcomeKind::Failed);
        asks.extend(request.ended.as_ref().filter(|ended| has_answer(ended)).map(|_| Ask::Answer(row.answer())));
    }
    asks
}

pub(super) fn row(stored: &Stored) -> Row {
    match stored {
        Stored::Request(request) => request.facts.row,
        Stored::Letter(letter) => letter.facts.row,
        Stored::Damaged { row, .. } => *row,
    }
}

pub(super) fn shown(content: Content) -> Found {
    let Body { head, payload } = match content {
        Content::Message(request) => Body::of_message(&request),
        Content::Answer(answer) => Body::of_answer(&answer),
        Content::Part(part) => Body::of_part(&part),
        Content::Operation(operation) => return (operation.as_bytes().to_vec(), Bytes::new()),
    };
    (head, payload)
}
