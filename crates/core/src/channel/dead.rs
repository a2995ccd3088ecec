//! Dead letters: requests that no service could answer, kept whole for people to look at, mend and send again.

use roundtrip_protocol::{DeadReason, RequestId, RequesterName};

use crate::handles::Handles;
use crate::time::Time;

/// A request that died, whole.
#[derive(Debug)]
pub struct DeadLetter<H: Handles> {
    /// The request's id.
    pub id: RequestId,
    /// Who asked.
    pub requester: RequesterName,
    /// The message.
    pub request: H::Request,
    /// How many bytes its payload has.
    pub bytes: usize,
    /// The return address.
    pub place: H::Place,
    /// Its priority.
    pub priority: u8,
    /// Why it is dead.
    pub reason: DeadReason,
    /// Counted attempts.
    pub attempts: u32,
    /// Deliveries, counted or not.
    pub deliveries: u32,
    /// When the request was accepted.
    pub accepted: Time,
    /// When it died.
    pub died: Time,
    /// What the last attempt failed with, if it said so.
    pub last: Option<H::Answer>,
}
