//! A connection's bytes: two pipes in memory that take a write as a socket would, and count as the system would be asked.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Write};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use roundtrip_broker::{Broker, simulation};
use roundtrip_transport::{Connect, Connecting, TcpConnection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How many bytes a pipe holds that nobody has read, about as many as a socket.
const CAPACITY: usize = 256 * 1024;

/// How often one side of all its connections read and wrote bytes. Asking in vain is not counted: tokio does not ask
/// the system either, until that has told it that there is something.
#[derive(Default)]
pub(crate) struct Calls {
    pub(crate) reads: AtomicUsize,
    pub(crate) writes: AtomicUsize,
}

/// The way to a broker over counted bytes.
pub(crate) struct Lines {
    pub(crate) broker: Arc<Broker>,
    pub(crate) of_broker: Arc<Calls>,
    pub(crate) of_clients: Arc<Calls>,
}

impl Lines {
    pub(crate) fn to(broker: Arc<Broker>) -> Self {
        Self { broker, of_broker: Arc::default(), of_clients: Arc::default() }
    }

    pub(crate) fn another(&self) -> Self {
        let Self { broker, of_broker, of_clients } = self;
        Self { broker: Arc::clone(broker), of_broker: Arc::clone(of_broker), of_clients: Arc::clone(of_clients) }
    }
}

impl Connect for Lines {
    fn connect(&self) -> Connecting {
        let (there, back) = (Arc::new(Pipe::new()), Arc::new(Pipe::new()));
        let end = |from: &Arc<Pipe>, to: &Arc<Pipe>, calls: &Arc<Calls>| End {
            from: Arc::clone(from),
            to: Arc::clone(to),
            calls: Arc::clone(calls),
        };
        let (reads, writes) = (end(&there, &back, &self.of_broker), end(&there, &back, &self.of_broker));
        simulation::accept(&self.broker, reads, writes);
        let connection = TcpConnection::over(end(&back, &there, &self.of_clients));
        Box::pin(async move { Ok(Box::new(connection) as _) })
    }

    fn destination(&self) -> String {
        "counted bytes".to_owned()
    }
}

struct Pipe(Mutex<Flow>);

struct Flow {
    bytes: VecDeque<u8>,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Pipe {
    fn new() -> Self {
        Self(Mutex::new(Flow { bytes: VecDeque::with_capacity(CAPACITY), reader: None, writer: None }))
    }
}

/// One end of a connection. It does not tell when the other is gone: here nobody goes.
struct End {
    from: Arc<Pipe>,
    to: Arc<Pipe>,
    calls: Arc<Calls>,
}

impl AsyncRead for End {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut flow = self.from.0.lock().unwrap();
        if flow.bytes.is_empty() {
            flow.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        let before = into.filled().len();
        let (front, back) = flow.bytes.as_slices();
        for part in [front, back] {
            into.put_slice(&part[..part.len().min(into.remaining())]);
        }
        let taken = into.filled().len() - before;
        flow.bytes.drain(..taken);
        self.calls.reads.fetch_add(1, Ordering::Relaxed);
        flow.writer.take().into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for End {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut flow = self.to.0.lock().unwrap();
        if flow.bytes.len() == CAPACITY {
            flow.writer = Some(context.waker().clone());
            return Poll::Pending;
        }
        let before = flow.bytes.len();
        for slice in slices {
            let room = CAPACITY - flow.bytes.len();
            flow.bytes.write_all(&slice[..slice.len().min(room)])?;
        }
        self.calls.writes.fetch_add(1, Ordering::Relaxed);
        flow.reader.take().into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(flow.bytes.len() - before))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
