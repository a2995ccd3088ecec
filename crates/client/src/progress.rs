//! Following the progress of a request.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use roundtrip_protocol::Progress;

use crate::ticket::Followed;

/// The progress of one request: a stream of the latest, that ends with the request's outcome.
///
/// It follows the ticket by itself, so the ticket may be awaited beside it. The ticket counts as dropped once both
/// are.
pub struct ProgressUpdates {
    pub(crate) followed: Option<Arc<Followed>>,
    pub(crate) seen: u64,
}

impl ProgressUpdates {
    /// The latest progress that was not seen yet, or the next to come; none when the request has its outcome.
    pub async fn next(&mut self) -> Option<Progress> {
        poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &Context<'_>) -> Poll<Option<Progress>> {
        let Some(followed) = &self.followed else { return Poll::Ready(None) };
        let link = &followed.requester.link;
        link.with(|state| state.poll_progress(followed.key, &mut self.seen, context.waker()))
    }
}

impl Stream for ProgressUpdates {
    type Item = Progress;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Progress>> {
        self.poll(context)
    }
}
