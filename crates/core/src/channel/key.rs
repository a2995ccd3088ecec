//! Idempotency keys: the same key is the same request, from its acceptance until its retention has passed.

use std::collections::HashMap;

use roundtrip_protocol::{RequestId, RequesterName};

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

/// The keys in use, and the first request under each.
#[derive(Debug, Default)]
pub(super) struct Keys(HashMap<(Option<RequesterName>, String), (u128, RequestId)>);

/// What is known of a key.
pub(super) enum Known {
    /// Nothing.
    New,
    /// It is the key of this request.
    Same(RequestId),
    /// It is the key of a request that asked for something else.
    Conflict,
}

impl Keys {
    pub(super) fn look_up(&self, key: &Key) -> Known {
        match self.0.get(&(key.requester.clone(), key.text.clone())) {
            None => Known::New,
            Some((fingerprint, id)) if *fingerprint == key.fingerprint => Known::Same(*id),
            Some(_) => Known::Conflict,
        }
    }

    pub(super) fn insert(&mut self, key: &Key, id: RequestId) {
        self.0.insert((key.requester.clone(), key.text.clone()), (key.fingerprint, id));
    }

    pub(super) fn remove(&mut self, key: &Key) {
        self.0.remove(&(key.requester.clone(), key.text.clone()));
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
