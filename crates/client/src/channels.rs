//! The list of the broker's channels.

use roundtrip_protocol::ChannelFigures;

use crate::link::Link;
use crate::question::answer;
use crate::state::CallAnswer;

/// Why the list of channels did not come.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ListChannelsError {
    /// The client was closed first.
    #[error("the client was closed before the list came")]
    ClientClosed,
}

pub(crate) async fn list(link: &Link) -> Result<Vec<ChannelFigures>, ListChannelsError> {
    match answer(link, link.with(|state| state.list_channels())).await {
        Some(CallAnswer::Channels(channels)) => Ok(channels),
        _ => Err(ListChannelsError::ClientClosed),
    }
}
