//! Raw messages: bytes, and what is said about them.

use std::fmt;

use bytes::Bytes;
use roundtrip_protocol::{Headers, Label};

/// The media type of typed payloads.
pub(crate) const JSON: &str = "application/json";

/// A payload with its media type and headers: what a raw requester sends and a raw service answers.
///
/// `Debug` tells only sizes: payloads and header values may hold patients' data.
#[derive(Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct Message {
    /// The payload's media type, such as `application/json`; empty where none was named.
    pub content_type: String,
    /// Application headers. The broker passes them on and reads none.
    pub headers: Headers,
    /// Opaque bytes.
    pub payload: Bytes,
}

impl Message {
    /// A message without a media type and headers.
    pub fn new(payload: impl Into<Bytes>) -> Self {
        Self { payload: payload.into(), ..Self::default() }
    }

    /// Names the payload's media type.
    pub fn content_type(mut self, content_type: impl Into<String>) -> Self {
        self.content_type = content_type.into();
        self
    }

    /// Adds a header behind those there are.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.0.push((name.into(), value.into()));
        self
    }

    pub(crate) fn into_parts(self) -> (Label, Bytes) {
        (Label { content_type: self.content_type.into(), headers: self.headers }, self.payload)
    }
}

/// As [`Message::new`].
impl<B: Into<Bytes>> From<B> for Message {
    fn from(payload: B) -> Self {
        Self::new(payload)
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Message({}, {:?}, {} bytes)", self.content_type, self.headers, self.payload.len())
    }
}
