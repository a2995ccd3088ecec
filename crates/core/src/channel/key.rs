//! Idempotency keys: the same key is the same request, from its acceptance until its retention has passed.

use roundtrip_protocol::RequesterName;

/// An idempotency key and what it was first used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// What it stands beside: a given requester name; none for all requesters whose names the library made.
    pub requester: Option<RequesterName>,
    /// The key.
    pub text: String,
    /// Of operation, content type and payload: the same key with another one is refused.
    pub fingerprint: u128,
}
