//! Parts: read as events, and acknowledged by their id.

use bytes::Bytes;
use serde_json::Value;

use super::calls::Calls;
use super::events::{Event, Events};
use crate::driver::{Part, PartEvent, PartsReader};

/// Reads the parts of a request, over as many streams as it takes.
pub(crate) struct Reading {
    pub(super) calls: Calls,
    pub(super) requester: String,
    pub(super) ticket: String,
    /// The last that was read.
    pub(super) behind: (u32, u32),
    /// Whether that was read here, and is handled when the next is asked for.
    pub(super) owes: bool,
    pub(super) events: Option<Events>,
}

impl PartsReader for Reading {
    async fn next(&mut self) -> Option<PartEvent> {
        if std::mem::take(&mut self.owes) {
            self.acknowledge().await;
        }
        loop {
            if self.events.is_none() {
                let last = (self.behind != (0, 0)).then(|| self.last());
                self.events = Some(Events::behind(&self.calls, &self.ticket, last).await?);
            }
            match self.events.as_mut()?.next().await {
                Some(event) if event.name == "outcome" => return None,
                Some(event) => {
                    if let Some(event) = self.read(&event) {
                        return Some(event);
                    }
                }
                None => self.events = None,
            }
        }
    }
}

impl Reading {
    fn read(&mut self, event: &Event) -> Option<PartEvent> {
        let number = |member: &str| number(&event.data[member]);
        match &*event.name {
            "part" => {
                let (delivery, number) = (number("delivery"), number("number"));
                (self.behind, self.owes) = ((delivery, number), true);
                let payload = event.data["text"].as_str().expect("the suite's parts are text");
                Some(PartEvent::Part(Part { delivery, number, payload: Bytes::from(payload.to_owned()) }))
            }
            "restarted" => {
                self.behind = (number("delivery"), 0);
                Some(PartEvent::Restarted { delivery: number("delivery") })
            }
            "gone" => Some(PartEvent::Gone { first: number("first") }),
            _ => None,
        }
    }

    /// It counts if the request is this requester's, and only while it is known.
    async fn acknowledge(&self) {
        let path = format!("/v1/requests/{}/parts/{}/acknowledge", self.ticket, self.last());
        let answer = self.calls.ask(self.calls.post(path).header("roundtrip-requester", &self.requester)).await;
        assert!(matches!(answer.status, 204 | 404), "{answer:?}");
    }

    fn last(&self) -> String {
        format!("{}.{}", self.behind.0, self.behind.1)
    }
}

fn number(value: &Value) -> u32 {
    value.as_u64().and_then(|number| number.try_into().ok()).unwrap_or_else(|| panic!("{value} is no number of a part"))
}
