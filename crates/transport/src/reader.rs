//! The receiving half of a connection: reads when asked, and hands out all frames of a read at once.
//!
//! It never reads ahead of who asks: while nobody does, the other end is slowed down by the transport itself.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::BufMut;
use roundtrip_protocol::Limits;
use tokio::io::AsyncRead;
use tokio_util::codec::Decoder;
use tokio_util::io::poll_read_buf;

use crate::codec::{Admission, ArrivalFor, FrameCodec};
use crate::connection::Broken;
use crate::heard::Heard;
use crate::read_buffer::ReadBuffer;
use crate::runtime;

/// How many frames a batch has at most, so that one connection does not keep the others waiting.
pub const BATCH: usize = 256;

/// From how many missing bytes on the rest of a payload is read straight into its own memory. Below it, reading what
/// follows along with it saves more than the copy costs.
const READ_IN_PLACE: usize = 64 * 1024;

/// Reads frames from `R`, within limits, asking `A` about each payload.
pub struct Reader<R, A: Admission> {
    stream: R,
    codec: FrameCodec<A>,
    buffer: ReadBuffer,
    heard: Arc<Heard>,
}

impl<R: AsyncRead + Unpin, A: Admission> Reader<R, A> {
    /// A reader at the start of a stream.
    pub fn new(stream: R, admission: A, limits: Limits) -> Self {
        Self {
            stream,
            codec: FrameCodec::new(admission, limits),
            buffer: ReadBuffer::new(),
            heard: Arc::new(Heard::new(runtime::now())),
        }
    }

    /// Appends at least one arrival to `out`, and at most [`BATCH`]: all whole frames that a read brought. Reads
    /// nothing while there are frames from the last read.
    ///
    /// Cancel safe: dropping the future loses nothing.
    ///
    /// # Errors
    ///
    /// [`Broken::Closed`] where the other end closed between two frames; [`Broken::Io`], with `UnexpectedEof` where it
    /// closed in the middle of one; [`Broken::Protocol`]. All frames before an error are handed out first, and nothing
    /// comes after it.
    pub async fn next_batch(&mut self, out: &mut VecDeque<ArrivalFor<A>>) -> Result<(), Broken> {
        poll_fn(|context| self.poll_batch(context, &mut |arrival| out.push_back(arrival))).await
    }

    /// When bytes last arrived, in the middle of a frame too.
    #[must_use]
    pub fn heard(&self) -> &Arc<Heard> {
        &self.heard
    }

    /// Who decides about payloads.
    pub const fn admission_mut(&mut self) -> &mut A {
        self.codec.admission_mut()
    }

    /// Sets the limits of the frames that were not begun yet. Those of the last batch are decoded already.
    pub const fn set_limits(&mut self, limits: Limits) {
        self.codec.set_limits(limits);
    }

    /// How many bytes of memory it holds: the read buffer, and a payload that has not arrived whole.
    #[must_use]
    pub fn allocated(&self) -> usize {
        self.buffer.allocated() + self.codec.allocated()
    }

    /// What it reads from.
    pub const fn stream_mut(&mut self) -> &mut R {
        &mut self.stream
    }

    /// The next arrival. Reads only where no whole frame is left of what was read before.
    ///
    /// # Errors
    ///
    /// As [`next_batch`](Self::next_batch).
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<ArrivalFor<A>, Broken>> {
        loop {
            if let Some(arrival) = self.next_read()? {
                return Poll::Ready(Ok(arrival));
            }
            if ready!(self.poll_read(context))? == 0 {
                return Poll::Ready(match self.codec.decode_eof(&mut self.buffer.bytes) {
                    Ok(_) => Err(Broken::Closed),
                    Err(error) => Err(error),
                });
            }
        }
    }

    /// The next arrival of what was read already; none where more must be read.
    ///
    /// # Errors
    ///
    /// [`Broken::Protocol`], which comes again from every later call.
    pub fn next_read(&mut self) -> Result<Option<ArrivalFor<A>>, Broken> {
        self.codec.decode(&mut self.buffer.bytes)
    }

    pub(crate) fn poll_batch(
        &mut self,
        context: &mut Context<'_>,
        take: &mut impl FnMut(ArrivalFor<A>),
    ) -> Poll<Result<(), Broken>> {
        take(ready!(self.poll_next(context))?);
        for _ in 1..BATCH {
            // An error comes again with the next batch.
            let Ok(Some(arrival)) = self.next_read() else { break };
            take(arrival);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<std::io::Result<usize>> {
        let stream = Pin::new(&mut self.stream);
        let in_place = if self.buffer.bytes.is_empty() { self.codec.payload_room() } else { None };
        let read = match in_place.filter(|room| room.left() >= READ_IN_PLACE) {
            Some(room) => room.fill(|memory| poll_read_buf(stream, context, memory)),
            None => {
                self.buffer.make_room();
                let room = self.buffer.bytes.chunk_mut().len();
                let read = poll_read_buf(stream, context, &mut self.buffer.bytes);
                if let Poll::Ready(Ok(read)) = read {
                    self.buffer.took(read, room);
                }
                read
            }
        };
        match read {
            Poll::Ready(Ok(1..)) => self.heard.stamp(runtime::now()),
            Poll::Ready(_) => {}
            Poll::Pending => self.buffer.rest(),
        }
        read
    }
}

impl<R, A: Admission> fmt::Debug for Reader<R, A> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Reader").field("codec", &self.codec).field("heard", &self.heard).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
