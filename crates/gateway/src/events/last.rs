//! `Last-Event-ID`: what a caller has of a stream that broke off.

use axum::http::HeaderMap;

use crate::field;
use crate::problem::Problem;
use crate::query::whole;

/// The id of the event that is the last.
const OUTCOME: &str = "outcome";

/// An event that has an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventId {
    /// A part of a delivery; 0 is its beginning.
    Part {
        delivery: u32,
        number: u32,
    },
    Outcome,
}

/// The last event that the caller has; none if it begins.
pub(super) fn last(headers: &HeaderMap) -> Result<Option<EventId>, Problem> {
    match field::single(headers, "last-event-id")?.as_deref() {
        None | Some("") => Ok(None),
        Some(text) => EventId::parse(text).map(Some).ok_or_else(|| {
            Problem::invalid(
                "The header last-event-id must be the id of an event of this stream as it came, such as 1.3; it is \
                 another: send it as it came, or leave it out and begin anew.",
            )
        }),
    }
}

impl EventId {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text == OUTCOME {
            return Some(Self::Outcome);
        }
        let (delivery, number) = text.split_once('.')?;
        let number_of = |digits: &str| whole(digits).and_then(|number| u32::try_from(number).ok());
        let id = Self::Part { delivery: number_of(delivery)?, number: number_of(number)? };
        (id.to_string() == text).then_some(id)
    }
}

impl std::fmt::Display for EventId {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Part { delivery, number } => write!(out, "{delivery}.{number}"),
            Self::Outcome => out.write_str(OUTCOME),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_was_told() {
        for id in
            [EventId::Part { delivery: 1, number: 0 }, EventId::Part { delivery: 2, number: 17 }, EventId::Outcome]
        {
            assert_eq!(EventId::parse(&id.to_string()), Some(id));
        }
    }

    #[test]
    fn what_was_never_told_is_none() {
        for text in ["1", "1.", ".1", "1.2.3", "-1.2", "+1.2", "1.x", "4294967296.1", "Outcome", " "] {
            assert_eq!(EventId::parse(text), None, "{text}");
        }
    }
}
