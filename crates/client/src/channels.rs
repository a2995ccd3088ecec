//! The list of the broker's channels.

use roundtrip_protocol::ChannelFigures;

use crate::link::Link;
use crate::state::{CallAnswer, CallKey};

/// Why the list of channels did not come.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ListChannelsError {
    /// The client was closed first.
    #[error("the client was closed before the list came")]
    ClientClosed,
}

pub(crate) async fn list(link: &Link) -> Result<Vec<ChannelFigures>, ListChannelsError> {
    match answer(link, link.with(|state, _| state.list_channels())).await {
        Some(CallAnswer::Channels(channels)) => Ok(channels),
        _ => Err(ListChannelsError::ClientClosed),
    }
}

/// Waits for the answer to a call; none if the client was closed first. Dropped, it forgets the call.
pub(crate) async fn answer(link: &Link, key: CallKey) -> Option<CallAnswer> {
    let asked = Asked { link, key };
    asked.link.wait(|state, waker| state.poll_call(asked.key, waker)).await
}

struct Asked<'a> {
    link: &'a Link,
    key: CallKey,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.link.with(|state, _| state.release_call(self.key));
    }
}
