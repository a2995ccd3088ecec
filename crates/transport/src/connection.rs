//! The seam between a client and whatever carries its frames.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use roundtrip_protocol::{Frame, Limits};

/// A way to a broker: TCP, in process, or one of your own. A client asks it for a connection, and for the next one
/// when that broke.
pub trait Connect: Send + Sync + 'static {
    /// Makes a connection. The client sends [`Hello`](roundtrip_protocol::Hello) on it first.
    fn connect(&self) -> Connecting;

    /// Where it leads, for messages to people: an address, or `in process`.
    fn destination(&self) -> String;
}

/// A connection in the making.
pub type Connecting = Pin<Box<dyn Future<Output = Result<Box<dyn Connection>, Broken>> + Send>>;

/// Frames go in, frames come out, in order, bounded both ways.
///
/// One task owns it and polls both directions. Dropping it ends it at once; what was not sent by then is lost.
pub trait Connection: Send {
    /// Sends from the front of `frames` and removes what it took over. Ready when `frames` is empty and all of it is
    /// on its way; pending while there is no room. Who waits for frames after it polls for them after it: a waker that
    /// was given before may be forgotten.
    fn poll_send(&mut self, context: &mut Context<'_>, frames: &mut VecDeque<Frame>) -> Poll<Result<(), Broken>>;

    /// Appends what has arrived to `frames`: at least one frame when ready. After an error nothing more comes.
    fn poll_receive(&mut self, context: &mut Context<'_>, frames: &mut VecDeque<Frame>) -> Poll<Result<(), Broken>>;

    /// Sets the limits of what is received, once the handshake has agreed them.
    fn set_limits(&mut self, limits: Limits);

    /// How long ago bytes last arrived, in the middle of a frame too, by the clock of the connection's own runtime.
    fn silent_for(&self) -> Duration;
}

/// Why there is no connection, or no longer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Broken {
    /// The other end closed it.
    #[error("the other end closed the connection")]
    Closed,
    /// The system says why.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The other end sent what is not a frame.
    #[error("the other end broke the protocol: {0}")]
    Protocol(#[from] roundtrip_protocol::DecodeError),
    /// A frame that was to be sent is over the limits.
    #[error("a frame with {found} bytes of {part} cannot be sent, the other end takes {limit}")]
    TooLarge {
        /// `header` or `payload`.
        part: &'static str,
        /// How many bytes it has.
        found: usize,
        /// How many the other end takes.
        limit: usize,
    },
    /// There is no broker in this process any more.
    #[error("the broker in this process was stopped")]
    BrokerGone,
}
