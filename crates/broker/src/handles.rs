//! What the broker gives into the state machines of `roundtrip-core`.

use std::sync::Arc;

use roundtrip_core::Handles;

use crate::mailbox::Place;
use crate::message::{Answer, Part, Request};
use crate::peer::Peer;

/// The broker's handles.
#[derive(Debug)]
pub(crate) enum BrokerHandles {}

impl Handles for BrokerHandles {
    type Request = Arc<Request>;
    type Answer = Arc<Answer>;
    type Part = Arc<Part>;
    type Place = Place;
    type Peer = Peer;
}
