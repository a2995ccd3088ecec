//! A stream of server-sent events, read as its standard says.

use reqwest::Response;
use serde_json::Value;

use super::calls::Calls;

/// The events of a request.
pub(super) struct Events {
    response: Response,
    read: Vec<u8>,
}

pub(super) struct Event {
    pub(super) name: String,
    pub(super) data: Value,
}

impl Events {
    /// The events behind one; none if the request is not known.
    pub(super) async fn behind(calls: &Calls, ticket: &str, last: Option<String>) -> Option<Self> {
        let call = calls.get(format!("/v1/requests/{ticket}/events"));
        let call = last.into_iter().fold(call, |call, id| call.header("last-event-id", id));
        let response = calls.begin(call).await;
        match response.status().as_u16() {
            200 => Some(Self { response, read: Vec::new() }),
            404 => None,
            other => panic!("the events are answered with {other}"),
        }
    }

    /// The next; none if the stream ended or broke.
    pub(super) async fn next(&mut self) -> Option<Event> {
        loop {
            let block = self.block().await?;
            let field = |field: &str| block.lines().find_map(|line| line.strip_prefix(field));
            if let (Some(name), Some(data)) = (field("event: "), field("data: ")) {
                return Some(Event { name: name.to_owned(), data: serde_json::from_str(data).unwrap() });
            }
        }
    }

    /// What stands before the next empty line.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.read.windows(2).position(|bytes| bytes == b"\n\n") {
                let rest = self.read.split_off(end + 2);
                let block = std::mem::replace(&mut self.read, rest);
                return Some(String::from_utf8(block).unwrap());
            }
            let chunk = self.response.chunk().await.ok()??;
            self.read.extend_from_slice(&chunk);
        }
    }
}
