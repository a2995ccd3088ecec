//! Connections: bytes that take their time, and do not always arrive.
//!
//! A [`Line`] carries bytes both ways. It can be cut, after so many bytes too; it can go silent, so that neither end
//! learns that the other is gone; it can stand still for a while, or be slow.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use roundtrip_transport::runtime::{self, Sleep};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::chance::Chance;

/// How many bytes a direction holds that nobody has read.
const CAPACITY: usize = 64 * 1024;

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    ToBroker,
    ToClient,
}

/// A connection's way, while both ends may be there.
#[derive(Clone)]
pub(crate) struct Line(Arc<Mutex<Guarded>>);

struct Guarded {
    to_broker: Pipe,
    to_client: Pipe,
    chance: Chance,
    latency: Duration,
    is_cut: bool,
    /// Nothing arrives any more, and nobody is told.
    is_silent: bool,
}

struct Pipe {
    bytes: VecDeque<Chunk>,
    held: usize,
    last: Instant,
    still_until: Instant,
    /// So many bytes more, and the line is cut.
    cut_after: Option<usize>,
    /// Nothing more is written.
    is_finished: bool,
    /// Nobody reads any more.
    is_unread: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

struct Chunk {
    at: Instant,
    bytes: Vec<u8>,
    read: usize,
}

impl Pipe {
    fn new(now: Instant) -> Self {
        Self {
            bytes: VecDeque::new(),
            held: 0,
            last: now,
            still_until: now,
            cut_after: None,
            is_finished: false,
            is_unread: false,
            reader: None,
            writer: None,
        }
    }

    fn wake(&mut self) {
        self.reader.take().into_iter().chain(self.writer.take()).for_each(Waker::wake);
    }
}

impl Guarded {
    fn pipe(&mut self, way: Way) -> &mut Pipe {
        match way {
            Way::ToBroker => &mut self.to_broker,
            Way::ToClient => &mut self.to_client,
        }
    }

    fn cut(&mut self) {
        self.is_cut = true;
        self.to_broker.wake();
        self.to_client.wake();
    }
}

impl Line {
    pub(crate) fn new(chance: Chance, latency: Duration) -> Self {
        let now = runtime::now();
        Self(Arc::new(Mutex::new(Guarded {
            to_broker: Pipe::new(now),
            to_client: Pipe::new(now),
            chance,
            latency,
            is_cut: false,
            is_silent: false,
        })))
    }

    /// Both ends are told at once; what was under way is lost.
    pub(crate) fn cut(&self) {
        self.lock().cut();
    }

    /// As [`Line::cut`], when so many bytes more were written one way.
    pub(crate) fn cut_after(&self, way: Way, bytes: usize) {
        self.lock().pipe(way).cut_after = Some(bytes);
    }

    /// Nothing arrives any more, and nobody is told.
    pub(crate) fn silence(&self) {
        self.lock().is_silent = true;
    }

    /// Nothing arrives one way for a while.
    pub(crate) fn stand_still(&self, way: Way, length: Duration) {
        let until = runtime::now() + length;
        let mut line = self.lock();
        let pipe = line.pipe(way);
        pipe.still_until = pipe.still_until.max(until);
    }

    /// From now on everything takes so long.
    pub(crate) fn slow_down(&self, latency: Duration) {
        self.lock().latency = latency;
    }

    pub(crate) fn is_over(&self) -> bool {
        let line = self.lock();
        line.is_cut || (line.to_broker.is_unread && line.to_client.is_unread)
    }

    /// The end that reads what goes one way.
    pub(crate) fn read_end(&self, way: Way) -> ReadEnd {
        ReadEnd { line: self.clone(), way, sleep: None }
    }

    /// The end that writes what goes one way.
    pub(crate) fn write_end(&self, way: Way) -> WriteEnd {
        WriteEnd { line: self.clone(), way }
    }

    fn lock(&self) -> MutexGuard<'_, Guarded> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where bytes come out.
pub(crate) struct ReadEnd {
    line: Line,
    way: Way,
    sleep: Option<Pin<Box<Sleep>>>,
}

/// Where bytes go in.
pub(crate) struct WriteEnd {
    line: Line,
    way: Way,
}

impl AsyncRead for ReadEnd {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let (line, way) = (self.line.clone(), self.way);
        let mut line = line.lock();
        let now = runtime::now();
        let (is_cut, is_silent) = (line.is_cut, line.is_silent);
        let most = line.chance.between(1, CAPACITY as u64) as usize;
        let pipe = line.pipe(way);
        pipe.reader = Some(context.waker().clone());
        if is_cut {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if is_silent {
            return Poll::Pending;
        }
        let arrives = pipe.bytes.front().map(|chunk| chunk.at.max(pipe.still_until));
        match arrives {
            None if pipe.is_finished => return Poll::Ready(Ok(())),
            None => return Poll::Pending,
            Some(at) if at > now => {
                let mut sleep = Box::pin(runtime::sleep_until(at));
                let _ = sleep.as_mut().poll(context);
                self.sleep = Some(sleep);
                return Poll::Pending;
            }
            Some(_) => {}
        }
        let mut left = most.min(into.remaining());
        while left > 0
            && let Some(chunk) = pipe.bytes.front_mut().filter(|chunk| chunk.at <= now)
        {
            let taken = left.min(chunk.bytes.len() - chunk.read);
            into.put_slice(&chunk.bytes[chunk.read..chunk.read + taken]);
            chunk.read += taken;
            left -= taken;
            pipe.held -= taken;
            if chunk.read == chunk.bytes.len() {
                pipe.bytes.pop_front();
            }
        }
        pipe.writer.take().into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for WriteEnd {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut line = self.line.lock();
        let now = runtime::now();
        let (is_cut, latency) = (line.is_cut, line.latency);
        let jitter = line.chance.below(latency.as_micros() as u64 + 1);
        let pipe = line.pipe(self.way);
        if is_cut || pipe.is_unread {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let room = CAPACITY - pipe.held;
        if room == 0 {
            pipe.writer = Some(context.waker().clone());
            return Poll::Pending;
        }
        let mut taken = room.min(bytes.len());
        let is_last = pipe.cut_after.is_some_and(|left| left <= taken);
        if let Some(left) = &mut pipe.cut_after {
            taken = taken.min(*left);
            *left -= taken;
        }
        pipe.last = pipe.last.max(now + latency + Duration::from_micros(jitter));
        pipe.held += taken;
        if taken > 0 {
            pipe.bytes.push_back(Chunk { at: pipe.last, bytes: bytes[..taken].to_vec(), read: 0 });
        }
        pipe.reader.take().into_iter().for_each(Waker::wake);
        if is_last {
            // What was written arrives, and nothing after it.
            pipe.is_finished = true;
            pipe.is_unread = true;
        }
        if taken == 0 { Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())) } else { Poll::Ready(Ok(taken)) }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut line = self.line.lock();
        let pipe = line.pipe(self.way);
        pipe.is_finished = true;
        pipe.reader.take().into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(()))
    }
}

impl Drop for ReadEnd {
    fn drop(&mut self) {
        let mut line = self.line.lock();
        let pipe = line.pipe(self.way);
        pipe.is_unread = true;
        pipe.writer.take().into_iter().for_each(Waker::wake);
    }
}

impl Drop for WriteEnd {
    fn drop(&mut self) {
        let mut line = self.line.lock();
        let pipe = line.pipe(self.way);
        pipe.is_finished = true;
        pipe.reader.take().into_iter().for_each(Waker::wake);
    }
}

/// A client's end of a line: both ways in one.
pub(crate) struct ClientEnd {
    read: ReadEnd,
    write: WriteEnd,
}

impl ClientEnd {
    pub(crate) fn of(line: &Line) -> Self {
        Self { read: line.read_end(Way::ToClient), write: line.write_end(Way::ToBroker) }
    }
}

impl AsyncRead for ClientEnd {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.read).poll_read(context, into)
    }
}

impl AsyncWrite for ClientEnd {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.write).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.write).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.write).poll_shutdown(context)
    }
}
