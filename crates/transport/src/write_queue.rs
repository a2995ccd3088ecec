//! What waits to be written: frames as bytes, small payloads beside their headers, large ones as they are.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use roundtrip_protocol::{Frame, Header, MAX_HEADER, PREFIX_LEN, encode_prefix_and_header};
use tokio::io::AsyncWrite;
use tokio_util::io::poll_write_buf;

use crate::connection::Broken;

/// Payloads from this size on are not copied, in bytes. Below it, a copy costs less than another slice to write.
const UNCOPIED: usize = 4 * 1024;

/// How much memory an empty queue keeps at most, in bytes.
const KEPT: usize = 64 * 1024;

/// How much of it one keeps that is at rest, in bytes.
const KEPT_AT_REST: usize = 4 * 1024;

/// After how many times being drained the memory is fitted to what was needed.
const DRAINS_TO_FIT: u8 = 16;

/// The largest payload that the length field has room for beside the longest header, in bytes.
const LARGEST_PAYLOAD: usize = u32::MAX as usize - PREFIX_LEN - MAX_HEADER;

/// Frames on their way out, in order.
///
/// It reports its [`len`](Self::len) and refuses nothing for it: who pushes keeps it under a mark. As a [`Buf`] it is
/// the bytes that are still to be written.
#[derive(Default)]
pub struct WriteQueue {
    /// Headers and small payloads.
    copied: BytesMut,
    /// What `copied` takes of memory: its own `capacity` leaves out what was written.
    allocated: usize,
    /// How many bytes of `copied` were ever written.
    written: u64,
    /// Large payloads, each with its place among the bytes of `copied`.
    uncopied: VecDeque<Uncopied>,
    uncopied_len: usize,
    most: usize,
    drains: u8,
}

struct Uncopied {
    /// How many bytes of `copied` are written before it.
    after: u64,
    payload: Bytes,
}

impl WriteQueue {
    /// An empty queue. It holds no memory until something is pushed.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a frame.
    ///
    /// # Errors
    ///
    /// [`Broken::TooLarge`] where the header is over [`MAX_HEADER`] or the payload over what the length field can say.
    /// The queue is as before.
    pub fn push(&mut self, frame: Frame) -> Result<(), Broken> {
        let Frame { header, payload } = frame;
        self.push_parts(&header, &payload, || payload.clone())
    }

    /// Appends a frame by its header and its payload. A small payload is copied; of a large one the queue holds what
    /// `keep` returns, which are the same bytes.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    pub fn push_parts(&mut self, header: &Header, payload: &[u8], keep: impl FnOnce() -> Bytes) -> Result<(), Broken> {
        if payload.len() > LARGEST_PAYLOAD {
            return Err(Broken::TooLarge { part: "payload", found: payload.len(), limit: LARGEST_PAYLOAD });
        }
        let start = self.copied.len();
        encode_prefix_and_header(header, payload.len(), &mut self.copied);
        let header_len = self.copied.len() - start - PREFIX_LEN;
        if header_len > MAX_HEADER {
            self.copied.truncate(start);
            return Err(Broken::TooLarge { part: "header", found: header_len, limit: MAX_HEADER });
        }
        if payload.len() < UNCOPIED {
            self.copied.extend_from_slice(payload);
        } else {
            let payload = keep();
            self.uncopied_len += payload.len();
            self.uncopied.push_back(Uncopied { after: self.written + self.copied.len() as u64, payload });
        }
        self.allocated = self.allocated.max(self.copied.capacity());
        self.most = self.most.max(self.copied.len());
        Ok(())
    }

    /// How many bytes wait to be written.
    #[must_use]
    pub fn len(&self) -> usize {
        self.copied.len() + self.uncopied_len
    }

    /// Whether all is written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes of memory it holds, without the large payloads, which it shares with others.
    #[must_use]
    pub fn allocated(&self) -> usize {
        self.allocated + self.uncopied.capacity() * size_of::<Uncopied>()
    }

    /// Writes to `stream`, many frames at once. Ready when the queue is empty and the stream flushed; pending while the
    /// stream takes no more.
    ///
    /// # Errors
    ///
    /// The stream's, and `WriteZero` where it takes nothing although it is ready.
    pub fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        stream: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<io::Result<()>> {
        if self.is_empty() {
            return Pin::new(stream).poll_flush(context);
        }
        while !self.is_empty() {
            if ready!(poll_write_buf(Pin::new(&mut *stream), context, self))? == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
        }
        self.fit();
        Pin::new(stream).poll_flush(context)
    }

    /// Nothing is about to be written: an empty queue gives its memory back, since most connections are quiet.
    pub fn rest(&mut self) {
        if self.is_empty() && self.allocated() > KEPT_AT_REST {
            self.forget_memory();
        }
    }

    fn forget_memory(&mut self) {
        self.copied = BytesMut::new();
        self.allocated = 0;
        self.uncopied = VecDeque::new();
    }

    /// Gives memory back that an empty queue does not need.
    fn fit(&mut self) {
        self.drains += 1;
        let oversized = self.allocated > KEPT;
        if !oversized && self.drains < DRAINS_TO_FIT {
            return;
        }
        if oversized || self.allocated > 4 * self.most {
            self.forget_memory();
        }
        self.most = 0;
        self.drains = 0;
    }

    /// How many copied bytes come before the next uncopied payload.
    fn copied_before(&self, uncopied: &Uncopied) -> usize {
        (uncopied.after - self.written) as usize
    }
}

impl Buf for WriteQueue {
    fn remaining(&self) -> usize {
        self.len()
    }

    fn chunk(&self) -> &[u8] {
        match self.uncopied.front() {
            None => &self.copied,
            Some(next) => match self.copied_before(next) {
                0 => &next.payload,
                before => &self.copied[..before],
            },
        }
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut filled = 0;
        let mut place = |chunk: &'a [u8]| match slices.get_mut(filled) {
            _ if chunk.is_empty() => true,
            Some(slice) => {
                *slice = IoSlice::new(chunk);
                filled += 1;
                true
            }
            None => false,
        };
        let mut at = 0;
        let mut fits = true;
        for next in &self.uncopied {
            let before = self.copied_before(next);
            fits = place(&self.copied[at..before]) && place(&next.payload);
            at = before;
            if !fits {
                break;
            }
        }
        if fits {
            place(&self.copied[at..]);
        }
        filled
    }

    fn advance(&mut self, mut count: usize) {
        while count > 0 {
            let before = self.uncopied.front().map_or(self.copied.len(), |next| self.copied_before(next));
            if before > 0 {
                let step = before.min(count);
                self.copied.advance(step);
                self.written += step as u64;
                count -= step;
            } else if let Some(next) = self.uncopied.front_mut() {
                let step = next.payload.len().min(count);
                next.payload.advance(step);
                self.uncopied_len -= step;
                count -= step;
                if next.payload.is_empty() {
                    self.uncopied.pop_front();
                }
            } else {
                panic!("a queue cannot be advanced beyond its end: {count} bytes too many");
            }
        }
    }
}

impl fmt::Debug for WriteQueue {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("WriteQueue").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
