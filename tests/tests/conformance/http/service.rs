//! What is not there over HTTP: deliveries that a connection holds.

use roundtrip::{StopReason, TicketId};

use crate::driver::{Held, Service, Settle};

/// There is none.
pub(crate) enum Never {}

impl Service for Never {
    type Held = Never;

    async fn next(&mut self) -> Never {
        match *self {}
    }
}

impl Held for Never {
    fn ticket(&self) -> &TicketId {
        match *self {}
    }

    fn attempt(&self) -> u32 {
        match *self {}
    }

    fn delivery(&self) -> u32 {
        match *self {}
    }

    async fn stopped(&self) -> StopReason {
        match *self {}
    }

    fn settle(self, _: Settle) {
        match self {}
    }
}
