//! What a service does with a request, typed or raw, and how its answer becomes a settlement.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;

use bytes::Bytes;
use roundtrip_protocol::{Headers, Label, Problem, Settlement, Text};

use crate::context::Context;
use crate::failure::{Failure, RawFailure};
use crate::message::{JSON, Message};
use crate::operation::Operation;

/// A request in bytes, as a raw handler or a puller gets it.
///
/// `Debug` tells only sizes.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Request {
    /// The name of what is asked for; may be empty.
    pub operation: String,
    /// The payload's media type; empty where the requester named none.
    pub content_type: String,
    /// Application headers.
    pub headers: Headers,
    /// Opaque bytes.
    pub payload: Bytes,
}

impl Request {
    pub(crate) fn new(operation: Text, label: Label, payload: Bytes) -> Self {
        Self { operation: operation.into(), content_type: label.content_type.into(), headers: label.headers, payload }
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Request({}, {:?}, {} bytes)", self.operation, self.headers, self.payload.len())
    }
}

/// How a handler ended a delivery.
#[derive(Clone, PartialEq)]
pub(crate) struct Settled {
    pub(crate) settlement: Settlement,
    pub(crate) payload: Bytes,
}

impl Settled {
    pub(crate) fn of_raw(result: Result<Message, RawFailure>) -> Self {
        let (settlement, payload) = match result {
            Ok(message) => {
                let (label, payload) = message.into_parts();
                (Settlement::Reply(label), payload)
            }
            Err(failure) => failure.into_raw_settlement(),
        };
        Self { settlement, payload }
    }

    fn problem(code: &str, message: String) -> Self {
        let problem = Problem::new(code, message);
        Self { settlement: Settlement::Fail { problem, content_type: None }, payload: Bytes::new() }
    }
}

/// What a service does with a delivery.
pub(crate) trait Handle: Send + Sync + 'static {
    fn handle(&self, payload: Bytes, context: Context) -> impl Future<Output = Settled> + Send;
}

/// A handler of one operation. Other operations, and payloads that do not decode, it fails finally.
pub(crate) struct Typed<Op, H> {
    handler: H,
    operation: PhantomData<fn(Op)>,
}

impl<Op, H> Typed<Op, H> {
    pub(crate) fn new(handler: H) -> Self {
        Self { handler, operation: PhantomData }
    }
}

impl<Op, H, Answer> Handle for Typed<Op, H>
where
    Op: Operation,
    H: Fn(Op, Context) -> Answer + Send + Sync + 'static,
    Answer: Future<Output = Result<Op::Reply, Failure<Op::Error>>> + Send + 'static,
{
    async fn handle(&self, payload: Bytes, context: Context) -> Settled {
        if !context.operation().is_empty() && context.operation() != Op::NAME {
            let message = format!("this service takes {:?} alone", Op::NAME);
            return Settled::problem("unknown_operation", message);
        }
        let Ok(operation) = serde_json::from_slice(&payload) else {
            let message = format!("the payload does not decode as {:?}", Op::NAME);
            return Settled::problem("invalid_payload", message);
        };
        drop(payload);
        match (self.handler)(operation, context).await {
            Ok(reply) => encode_reply::<Op>(&reply),
            Err(failure) => {
                tell(failure.error_type());
                let (settlement, payload) = failure.into_settlement();
                Settled { settlement, payload }
            }
        }
    }
}

/// A handler of whatever comes, in bytes.
pub(crate) struct Raw<H>(pub(crate) H);

impl<H, Answer> Handle for Raw<H>
where
    H: Fn(Request, Context) -> Answer + Send + Sync + 'static,
    Answer: Future<Output = Result<Message, RawFailure>> + Send + 'static,
{
    async fn handle(&self, payload: Bytes, context: Context) -> Settled {
        let result = (self.0)(context.request(payload), context).await;
        tell(result.as_ref().err().and_then(RawFailure::error_type));
        Settled::of_raw(result)
    }
}

fn encode_reply<Op: Operation>(reply: &Op::Reply) -> Settled {
    match serde_json::to_vec(reply) {
        Ok(json) => {
            let label = Label { content_type: JSON.into(), headers: Headers::default() };
            Settled { settlement: Settlement::Reply(label), payload: Bytes::from(json) }
        }
        Err(_) => Settled::problem("invalid_reply", format!("the reply of {:?} does not serialize to JSON", Op::NAME)),
    }
}

/// The text of an error may hold patients' data; its type does not.
fn tell(error_type: Option<&'static str>) {
    if let Some(error_type) = error_type {
        tracing::warn!(error_type, "a handler failed retryably");
    }
}
