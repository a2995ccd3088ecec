//! The end of a client: it says what is left to say, then goodbye, and every wait ends.

use std::task::{Poll, Waker};
use std::time::Duration;

use roundtrip_protocol::{Close, Header};
use tokio::time::Instant;

use super::ClientState;
use super::connection::Phase;
use super::first_connection::First;

/// How long a closing client tries to say what is left to say.
const CLOSING: Duration = Duration::from_secs(5);

impl ClientState {
    /// Says what is left to say, then goodbye.
    pub(crate) fn close(&mut self, now: Instant) {
        if self.line.is_closing() {
            return;
        }
        self.changed = true;
        if self.line.is_open() || self.has_unsaid() {
            self.line.closing = Some(now + CLOSING);
            self.say_goodbye();
        } else {
            self.end();
        }
    }

    pub(crate) fn poll_closed(&mut self, waker: &Waker) -> Poll<()> {
        if self.line.is_closed() {
            return Poll::Ready(());
        }
        self.line.wakers.register(waker);
        Poll::Pending
    }

    /// Sends the last frame, when closing and when everything before it was said.
    pub(super) fn say_goodbye(&mut self) {
        if self.line.closing.is_some() && self.line.is_open() && self.restore.is_done() {
            self.push(Header::from(Close {}));
            self.line.close_sent = true;
        }
    }

    /// Ends every wait: nothing comes any more.
    pub(super) fn end(&mut self) {
        if self.line.is_closed() {
            return;
        }
        if matches!(self.line.first, First::Trying) {
            self.line.first = First::Failed(self.line.last_failure.take());
        }
        self.line.phase = Phase::Closed;
        self.line.agreed = None;
        self.line.closing = None;
        self.changed = true;
        self.timers.clear();
        self.outgoing.clear();
        self.end_tickets();
        self.end_calls();
        self.end_services();
        self.end_deliveries();
        self.end_mailboxes();
        self.end_watching();
        self.line.wakers.wake_into(&mut self.woken);
    }
}
