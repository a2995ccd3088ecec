//! Parts as `request` and `attach` print them: a line each, and what is to be known between them.

use roundtrip::{Part, PartEvent};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::exit::Quit;
use crate::output::{self, tell};
use crate::payload::{base64, one_line, shown};

#[derive(Serialize)]
struct Line<'a> {
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_base64: Option<String>,
}

/// Prints a part, or what became of those before it, and flushes it.
pub(crate) fn print(event: &PartEvent, json: bool) -> Result<(), Quit> {
    if json {
        return Line::of(event).iter().try_for_each(output::json_line);
    }
    match event {
        PartEvent::Part(part) => output::line(&one_line(&part.payload))?,
        PartEvent::Restarted { delivery } => {
            tell(&format!("delivery {delivery} has begun: the parts above are void, they begin again"));
        }
        PartEvent::Gone { first } => tell(&format!("the parts before number {first} are kept no more")),
        _ => {}
    }
    Ok(())
}

impl<'a> Line<'a> {
    /// None for what a later version of the client may tell.
    fn of(event: &'a PartEvent) -> Option<Self> {
        Some(match event {
            PartEvent::Part(Part { delivery, number, content_type, payload, .. }) => {
                let payload_shown = shown(payload);
                Self {
                    delivery: Some(*delivery),
                    number: Some(*number),
                    content_type: Some(content_type.as_str()).filter(|name| !name.is_empty()),
                    payload_base64: payload_shown.is_none().then(|| base64(payload)),
                    payload: payload_shown,
                    ..Self::named("part")
                }
            }
            PartEvent::Restarted { delivery } => Self { delivery: Some(*delivery), ..Self::named("restarted") },
            PartEvent::Gone { first } => Self { first: Some(*first), ..Self::named("gone") },
            _ => return None,
        })
    }

    fn named(event: &'static str) -> Self {
        let (delivery, number, first) = (None, None, None);
        Self { event, delivery, number, first, content_type: None, payload: None, payload_base64: None }
    }
}
