//! What a simulator sees of a broker beyond its public face: connections over streams that it makes itself, and figures
//! that must be zero when the work is done.

use std::sync::Arc;

use roundtrip_transport::runtime;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::Broker;
use crate::tcp;

/// Serves a connection over two streams of bytes, as one that was accepted over TCP.
pub fn accept<R, W>(broker: &Broker, read: R, write: W)
where
    R: AsyncRead + Unpin + Send + 'static,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let shared = Arc::clone(broker.shared());
    let tracked = shared.tasks.clone();
    runtime::spawn(tracked.track_future(tcp::serve_streams(read, write, "simulated", shared)));
}

/// How many mailboxes there are.
#[must_use]
pub fn mailboxes(broker: &Broker) -> usize {
    broker.shared().mailboxes.count()
}
