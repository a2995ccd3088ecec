//! Connections over TCP: one task each, which moves bytes between the socket, the session and the outbox.
//!
//! All frames of a read are handled before anything is written, and what they lead to is written at once. While the
//! outbox is over its mark nothing is read. Each of three silences ends a connection: nothing heard for three
//! heartbeats, nothing written for 30 s although something waits, no greeting within 10 s.

mod watch;

use std::fmt::Display;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use roundtrip_protocol::{ErrorCode, Limits, VERSION};
use roundtrip_transport::{Arrival, BATCH, Broken, Reader, WriteQueue, runtime};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tracing::Instrument;

use self::watch::{Silence, Watch};
use crate::admission::{Doorkeeper, Unread};
use crate::batch::Batch;
use crate::connections::Membership;
use crate::memory::Room;
use crate::peer::{Life, Taken};
use crate::session::{Fault, Session};
use crate::shared::Shared;

/// How long the other end has to take the last frames.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How much more is read, and thrown away, so that the last frames are not lost with it.
const LAST_READ: usize = 1024 * 1024;

/// How long to wait when the system has no more sockets to give.
const NO_SOCKETS: Duration = Duration::from_millis(100);

/// Accepts connections until the broker stops.
pub(crate) async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let stopped = shared.stop_listening.clone();
    loop {
        let accepted = tokio::select! {
            biased;
            () = stopped.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, address)) => {
                let served = serve(stream, address, Arc::clone(&shared));
                shared.tasks.spawn(served);
            }
            Err(error) => {
                tracing::debug!(%error, "no connection was accepted");
                tokio::time::sleep(NO_SOCKETS).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, address: SocketAddr, shared: Arc<Shared>) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let (read, write) = stream.into_split();
    serve_streams(read, write, address, shared).await;
}

/// Serves a connection over any two streams of bytes.
pub(crate) async fn serve_streams<R, W>(read: R, write: W, address: impl Display, shared: Arc<Shared>)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let reader = Reader::new(read, Doorkeeper::new(&shared), Limits::HANDSHAKE);
    let life = Life::Heard { heard: Arc::clone(reader.heard()), clock: shared.clock };
    let heartbeat = shared.limits.heartbeat;
    let mut batch = Batch::new(&shared);
    let session = Session::open(&shared, life, u32::try_from(heartbeat.as_millis()).unwrap_or(u32::MAX), &mut batch);
    let span = tracing::debug_span!("connection", connection.id = session.id().0, peer.addr = %address);
    let buffers = shared.memory.room_at_any_rate(0);
    let membership = Membership::of(&shared, &session);
    let connection = TcpSession {
        watch: Watch::new(heartbeat),
        batch,
        session,
        reader,
        write,
        queue: WriteQueue::new(),
        is_greeted: false,
        buffers,
        _membership: membership,
    };
    async {
        tracing::debug!("connection accepted");
        let stopped = shared.stopped.clone();
        let mut connection = connection;
        // Dropped where the broker stops at once: the connection ends there.
        tokio::select! {
            biased;
            () = stopped.cancelled() => {}
            () = connection.run() => {}
        }
        drop(connection);
        tracing::debug!("connection ended");
    }
    .instrument(span)
    .await;
}

struct TcpSession<R, W> {
    session: Arc<Session>,
    reader: Reader<R, Doorkeeper>,
    write: W,
    queue: WriteQueue,
    batch: Batch,
    watch: Watch,
    is_greeted: bool,
    /// For the buffers beyond those of an idle connection.
    buffers: Room,
    /// Dropped after everything else.
    _membership: Membership,
}

/// What there is to do.
#[allow(clippy::large_enum_variant, reason = "the large variant is what nearly every turn is")]
enum Turn {
    /// A frame is there to be handled, and others may be.
    Handle(Arrival<Room, Unread>),
    /// The outbox fell under its mark.
    Resume,
    /// The stream ended, or does not carry frames.
    Broken(Broken),
    /// Time to look at the silences.
    Watch,
    /// All was written, and nothing more comes.
    Over,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> TcpSession<R, W> {
    async fn run(&mut self) {
        loop {
            let turn = poll_fn(|context| self.poll_turn(context)).await;
            self.batch.set_time();
            match turn {
                Turn::Handle(first) => {
                    let had_several = self.handle(first);
                    self.batch.pull();
                    if had_several {
                        // Others that were woken by the same events get to fill the same writes.
                        tokio::task::yield_now().await;
                    }
                    self.batch.wake();
                }
                Turn::Resume => {
                    self.session.resume(&mut self.batch);
                    self.batch.finish();
                }
                Turn::Broken(Broken::Protocol(error)) => {
                    self.session.report(Fault::from(&error), &mut self.batch);
                    self.batch.finish();
                }
                Turn::Broken(error) => {
                    tracing::debug!(%error, "connection broke");
                    return;
                }
                Turn::Watch => {
                    if !self.look_at_silences() {
                        return;
                    }
                    self.batch.finish();
                }
                Turn::Over => return self.end_politely().await,
            }
            self.count_buffers();
            if self.session.peer.is_closing() {
                return self.send_last_words().await;
            }
        }
    }

    /// Writes what waits, reads if there is room for what that leads to, and says what there is to do.
    fn poll_turn(&mut self, context: &mut Context<'_>) -> Poll<Turn> {
        if let Poll::Ready(turn) = self.poll_write(context) {
            return Poll::Ready(turn);
        }
        let has_room = self.session.peer.poll_under_mark(context).is_ready();
        self.session.peer.set_unread(!has_room);
        if has_room {
            match self.reader.poll_next(context) {
                Poll::Ready(Ok(arrival)) => return Poll::Ready(Turn::Handle(arrival)),
                Poll::Ready(Err(error)) => return Poll::Ready(Turn::Broken(error)),
                Poll::Pending => {}
            }
        }
        self.watch.poll(context).map(|()| Turn::Watch)
    }

    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<Turn> {
        loop {
            if self.queue.is_empty() {
                match self.session.peer.poll_take_bytes(context, &mut self.queue) {
                    Poll::Ready(Ok(Taken::Some { fell_under_mark: true })) => return Poll::Ready(Turn::Resume),
                    Poll::Ready(Ok(Taken::Some { fell_under_mark: false })) => {}
                    Poll::Ready(Ok(Taken::End)) => return Poll::Ready(Turn::Over),
                    Poll::Ready(Err(error)) => return Poll::Ready(Turn::Broken(error)),
                    Poll::Pending => {
                        self.queue.rest();
                        return Poll::Pending;
                    }
                }
            }
            let before = self.queue.len();
            let written = self.queue.poll_write(context, &mut self.write);
            self.watch.wrote(self.queue.len() < before, !self.queue.is_empty());
            match written {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Turn::Broken(error.into())),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Handles frames until none is left of what was read, or the outbox has no room for what they lead to. Says
    /// whether there were several.
    fn handle(&mut self, first: Arrival<Room, Unread>) -> bool {
        let mut handled = 0;
        let mut next = Some(first);
        while let Some(arrival) = next {
            handled += 1;
            match arrival {
                Arrival::Frame(incoming) => self.session.handle(incoming, &mut self.batch),
                Arrival::Unknown { type_number } => self.report_unknown(type_number),
            }
            if !self.is_greeted && self.session.is_greeted() {
                self.is_greeted = true;
                self.watch.greeted();
                self.reader.set_limits(Limits::with_max_payload(self.batch.shared.limits.max_payload));
            }
            let goes_on = handled < BATCH && self.session.peer.is_under_mark();
            // An error comes again when the next frame is asked for.
            next = if goes_on { self.reader.next_read().unwrap_or(None) } else { None };
        }
        handled > 1
    }

    fn report_unknown(&mut self, type_number: u8) {
        let fault = if self.session.is_greeted() {
            let message = format!("no frame of version {VERSION} has type {type_number:#04x}; it was skipped");
            Fault::passing(ErrorCode::UnknownFrame, message)
        } else {
            let message = format!("a connection begins with Hello, this one began with type {type_number:#04x}");
            Fault::closing(ErrorCode::HandshakeExpected, message)
        };
        self.session.report(fault.about(type_number), &mut self.batch);
    }

    /// Whether the connection goes on, if only for its last words.
    fn look_at_silences(&mut self) -> bool {
        let heard = self.reader.heard().last();
        let is_unread = !self.session.peer.is_under_mark();
        match self.watch.look(heard, is_unread) {
            None => {}
            Some(Silence::Ours { nonce }) => {
                self.session.announce(roundtrip_protocol::Ping { nonce }, &mut self.batch);
            }
            Some(Silence::Theirs) => {
                let message = "nothing was heard for three heartbeats: the connection counts as broken";
                self.session.report(Fault::closing(ErrorCode::Silent, message), &mut self.batch);
            }
            Some(Silence::NoGreeting) => {
                let message = "a connection begins with Hello, within 10 s";
                self.session.report(Fault::closing(ErrorCode::HandshakeExpected, message), &mut self.batch);
            }
            Some(Silence::NotReading) => {
                tracing::debug!(code = %ErrorCode::SlowReader, "the other end does not read");
                return false;
            }
        }
        true
    }

    fn count_buffers(&mut self) {
        const COVERED: usize = 8 * 1024;
        let allocated = self.reader.allocated() + self.queue.allocated();
        let beyond = allocated.saturating_sub(COVERED);
        if beyond != self.buffers.bytes() {
            self.buffers.resize(beyond);
        }
    }

    /// Sends what is in the outbox of a session that is over.
    async fn send_last_words(&mut self) {
        let written = async {
            while let Turn::Resume = poll_fn(|context| self.poll_write(context)).await {}
            let _ = self.write.shutdown().await;
            self.end_politely().await;
        };
        let _ = runtime::timeout(LAST_WORDS, written).await;
    }

    /// Closing a socket with unread bytes in it would take what was sent last from the other end.
    async fn end_politely(&mut self) {
        let _ = self.write.shutdown().await;
        let rest = async {
            let mut thrown_away = [0; 4096];
            let mut left = LAST_READ;
            while left > 0 {
                match self.reader.stream_mut().read(&mut thrown_away).await {
                    Ok(1..) => left = left.saturating_sub(thrown_away.len()),
                    _ => return,
                }
            }
        };
        let _ = runtime::timeout(LAST_WORDS, rest).await;
    }
}

impl<R, W> Drop for TcpSession<R, W> {
    fn drop(&mut self) {
        self.batch.set_time();
        self.session.abandon(&mut self.batch);
        self.batch.finish();
    }
}
