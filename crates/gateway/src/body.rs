//! Reading a payload from a caller that may send too much, too slowly, or half of it.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::{HeaderMap, StatusCode, header};
use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use roundtrip_client::{Message, RefusalCode};
use serde::de::DeserializeOwned;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::problem::Problem;
use crate::query::whole;
use crate::{field, meta};

/// The limits of all payloads that are here.
pub(crate) struct Bodies {
    max: usize,
    room: Arc<Semaphore>,
    timeout: Duration,
}

/// A payload that is whole, and the room that it takes until that is dropped.
pub(crate) struct Whole {
    pub(crate) payload: Bytes,
    pub(crate) room: Option<OwnedSemaphorePermit>,
}

impl Bodies {
    pub(crate) fn new(max: usize, room: usize, timeout: Duration) -> Self {
        Self { max, room: Arc::new(Semaphore::new(room.min(Semaphore::MAX_PERMITS))), timeout }
    }

    /// Reads a payload to its end. Room is taken for what has come, not for what was announced.
    pub(crate) async fn read(&self, headers: &HeaderMap, body: Body) -> Result<Whole, Problem> {
        let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()).and_then(whole);
        if announced.is_some_and(|length| length > self.max as u64) {
            return Err(self.too_large());
        }
        let mut stream = body.into_data_stream();
        let (mut read, mut room) = (Collected::default(), None);
        loop {
            let next = tokio::time::timeout(self.timeout, next(&mut stream)).await;
            let chunk = match next.map_err(|_| too_slow())? {
                None => return Ok(Whole { payload: read.whole(), room }),
                Some(chunk) => chunk.map_err(|_| cut_off())?,
            };
            if read.len() + chunk.len() > self.max {
                return Err(self.too_large());
            }
            self.take(chunk.len(), &mut room)?;
            read.add(chunk);
        }
    }

    fn take(&self, bytes: usize, room: &mut Option<OwnedSemaphorePermit>) -> Result<(), Problem> {
        let bytes = u32::try_from(bytes).map_err(|_| self.too_large())?;
        let more = Arc::clone(&self.room).try_acquire_many_owned(bytes).map_err(|_| no_room())?;
        match room {
            Some(room) => room.merge(more),
            None => *room = Some(more),
        }
        Ok(())
    }

    fn too_large(&self) -> Problem {
        Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            RefusalCode::TooLarge.as_str(),
            "The payload is too large.",
            format!("The gateway takes payloads of up to {} bytes; this one has more: send less.", self.max),
        )
        .limit(self.max as u64)
    }
}

impl Whole {
    /// The payload as a message, with what the headers of its call say about it; the room goes beside it.
    pub(crate) fn message(self, headers: &HeaderMap) -> Result<(Message, Option<OwnedSemaphorePermit>), Problem> {
        let content_type = field::single(headers, "content-type")?.unwrap_or_default();
        let message = Message { content_type, headers: meta::read(headers)?, payload: self.payload };
        Ok((message, self.room))
    }
}

/// What stands in a JSON object; none if it is no such object. A list of its members without their names is none.
pub(crate) fn object<T: DeserializeOwned>(payload: &[u8]) -> Option<T> {
    if payload.trim_ascii_start().first() == Some(&b'{') { serde_json::from_slice(payload).ok() } else { None }
}

/// The first piece is kept as it came, since most payloads have no second.
#[derive(Default)]
struct Collected {
    first: Bytes,
    all: BytesMut,
}

impl Collected {
    fn len(&self) -> usize {
        if self.all.is_empty() { self.first.len() } else { self.all.len() }
    }

    fn add(&mut self, chunk: Bytes) {
        if self.len() == 0 {
            self.first = chunk;
            return;
        }
        if self.all.is_empty() {
            self.all.extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.all.extend_from_slice(&chunk);
    }

    fn whole(self) -> Bytes {
        if self.all.is_empty() { self.first } else { self.all.freeze() }
    }
}

async fn next(stream: &mut BodyDataStream) -> Option<Result<Bytes, axum::Error>> {
    std::future::poll_fn(|context| Pin::new(&mut *stream).poll_next(context)).await
}

fn too_slow() -> Problem {
    let detail = "The payload stopped coming before its end: nothing was submitted. Send it again, whole.";
    Problem::new(StatusCode::REQUEST_TIMEOUT, "too_slow", "The payload does not come.", detail)
}

fn cut_off() -> Problem {
    Problem::invalid(
        "The payload must be as long as was announced, in the coding that was announced; it ended early or is \
                      damaged: nothing was submitted.",
    )
}

fn no_room() -> Problem {
    Problem::gateway_full(
        "The gateway has as many payloads as it has room for, since others are sending too: nothing was submitted. Try \
         again.",
    )
}
