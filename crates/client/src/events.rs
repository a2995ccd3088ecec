//! What a client tells about its connection.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;

use crate::link::Link;

/// Something happened to the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionEvent {
    /// There is a connection, for the first time or again.
    Connected,
    /// The connection is gone. The client tries for another by itself.
    Disconnected,
    /// The broker stops. Submissions are refused from here on; deliveries may settle.
    Draining {
        /// For how long.
        remaining: Duration,
    },
}

/// A stream of [`ConnectionEvent`]s. It ends when the client is closed.
///
/// One that is not read keeps the latest 64.
pub struct Events {
    link: Link,
    key: u32,
}

impl Events {
    pub(crate) fn new(link: Link) -> Self {
        let key = link.with(|state| state.watch_connection());
        Self { link, key }
    }

    /// The next event; none when the client is closed.
    pub async fn next(&mut self) -> Option<ConnectionEvent> {
        std::future::poll_fn(|context| self.poll(context)).await
    }

    fn poll(&self, context: &Context<'_>) -> Poll<Option<ConnectionEvent>> {
        self.link.with(|state| state.poll_connection_event(self.key, context.waker()))
    }
}

impl Stream for Events {
    type Item = ConnectionEvent;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<ConnectionEvent>> {
        self.poll(context)
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.link.with(|state| state.unwatch_connection(self.key));
    }
}
