//! The line to a caller: what was handed over on it and is not written yet, and whether the caller still reads.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use roundtrip_client::Pulled;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// The deliveries that are on their way to a caller. Once they are written to its line they are the caller's; of a line
/// that breaks before, they are given back.
#[derive(Clone, Default)]
pub(crate) struct Unwritten(Arc<Mutex<Vec<Pulled>>>);

impl Unwritten {
    /// The answer that is about to be written hands this delivery over.
    pub(crate) fn add(&self, pulled: Pulled) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(pulled);
    }

    fn take(&self) -> Vec<Pulled> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A connection's bytes.
pub(crate) struct Line<S> {
    stream: S,
    stalled: Duration,
    /// Ends the line if nothing more could be written by then.
    limit: Option<Pin<Box<Sleep>>>,
    unwritten: Unwritten,
}

impl<S> Line<S> {
    pub(crate) fn new(stream: S, stalled: Duration, unwritten: Unwritten) -> Self {
        Self { stream, stalled, limit: None, unwritten }
    }

    /// Lets a write wait, but not for ever.
    fn limited<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.limit = None;
            return written;
        }
        let limit = self.limit.get_or_insert_with(|| Box::pin(sleep(self.stalled)));
        ready!(limit.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Line<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Line<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.limited(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.limited(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// The server flushes when it has written all that it had.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = ready!(Pin::new(&mut self.stream).poll_flush(context));
        if flushed.is_ok() {
            self.unwritten.take().into_iter().for_each(|pulled| drop(pulled.leave()));
        }
        Poll::Ready(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<S> Drop for Line<S> {
    fn drop(&mut self) {
        drop(self.unwritten.take());
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_reads_nothing_loses_its_line() {
        let (stream, _caller) = duplex(8);
        let mut line = Line::new(stream, Duration::from_secs(30), Unwritten::default());
        line.write_all(b"fits").await.unwrap();
        let began = tokio::time::Instant::now();
        let error = line.write_all(&[0; 9]).await.unwrap_err();
        assert_eq!((error.kind(), began.elapsed()), (io::ErrorKind::TimedOut, Duration::from_secs(30)));
    }
}
