//! The client's way to a broker over TCP.
//!
//! It never reconnects and never times out: the client decides when to try, for how long, and when silence is too long.

use std::collections::VecDeque;
use std::io;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use roundtrip_protocol::{Error, ErrorCode, Frame, Limits, VERSION};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::codec::{AdmitAll, Arrival};
use crate::connection::{Broken, Connect, Connecting, Connection};
use crate::reader::Reader;
use crate::runtime;
use crate::write_queue::WriteQueue;

/// How many bytes are encoded before they are written, so that a long list of frames is not all in memory twice.
const ENCODED_AT_ONCE: usize = 256 * 1024;

/// Up to how many waiting bytes an unknown frame is answered: who sends many and reads nothing is told less.
const ANSWERED_UP_TO: usize = 64 * 1024;

/// Connects to a broker over TCP.
#[derive(Debug, Clone)]
pub struct TcpConnect {
    address: String,
}

impl TcpConnect {
    /// A way to `address`: a host name or IP address, a colon and a port, such as `127.0.0.1:7420`.
    pub fn new(address: impl Into<String>) -> Self {
        Self { address: address.into() }
    }
}

impl Connect for TcpConnect {
    /// Resolves the name anew each time and tries all its addresses in turn.
    fn connect(&self) -> Connecting {
        let address = self.address.clone();
        Box::pin(async move {
            let stream = TcpStream::connect(address).await?;
            Ok(Box::new(TcpConnection::new(stream)?) as Box<dyn Connection>)
        })
    }

    fn destination(&self) -> String {
        self.address.clone()
    }
}

/// A client's connection over TCP.
///
/// A frame type that it does not know is skipped and answered with [`ErrorCode::UnknownFrame`]; the client does not see
/// it.
#[derive(Debug)]
pub struct TcpConnection<S = TcpStream> {
    reader: Reader<S, AdmitAll>,
    queue: WriteQueue,
    /// Whether the queue holds answers that no send may come along to write.
    answering: bool,
}

impl TcpConnection {
    /// A connection over an open stream. It takes what is within [`Limits::HANDSHAKE`] until it is told otherwise.
    ///
    /// # Errors
    ///
    /// The system's: the stream is already broken.
    pub fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self::over(stream))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> TcpConnection<S> {
    /// A connection over any stream of bytes: as over TCP.
    pub fn over(stream: S) -> Self {
        let reader = Reader::new(stream, AdmitAll, Limits::HANDSHAKE);
        Self { reader, queue: WriteQueue::new(), answering: false }
    }

    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.queue.poll_write(context, self.reader.stream_mut())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Connection for TcpConnection<S> {
    fn poll_send(&mut self, context: &mut Context<'_>, frames: &mut VecDeque<Frame>) -> Poll<Result<(), Broken>> {
        loop {
            while self.queue.len() < ENCODED_AT_ONCE
                && let Some(frame) = frames.pop_front()
            {
                self.queue.push(frame)?;
            }
            ready!(self.poll_write(context))?;
            if frames.is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }

    fn poll_receive(&mut self, context: &mut Context<'_>, frames: &mut VecDeque<Frame>) -> Poll<Result<(), Broken>> {
        let there_before = frames.len();
        loop {
            let Self { reader, queue, answering } = self;
            let batch = reader.poll_batch(context, &mut |arrival| match arrival {
                Arrival::Frame(incoming) => frames.push_back(incoming.into_frame()),
                Arrival::Unknown { type_number } if queue.len() < ANSWERED_UP_TO => {
                    *answering |= queue.push(unknown_frame(type_number)).is_ok();
                }
                Arrival::Unknown { .. } => {}
            });
            // An error here is no end to reading, and comes again from the next send.
            if self.answering && self.poll_write(context).is_ready() {
                self.answering = false;
            }
            ready!(batch)?;
            if frames.len() > there_before {
                return Poll::Ready(Ok(()));
            }
        }
    }

    fn set_limits(&mut self, limits: Limits) {
        self.reader.set_limits(limits);
    }

    fn silent_for(&self) -> Duration {
        runtime::now().saturating_duration_since(self.reader.heard().last())
    }
}

fn unknown_frame(type_number: u8) -> Frame {
    Frame::from(Error {
        code: ErrorCode::UnknownFrame,
        message: format!("no frame of version {VERSION} has type {type_number:#04x}; it was skipped"),
        frame: type_number,
        closes: false,
    })
}

#[cfg(test)]
mod tests;
