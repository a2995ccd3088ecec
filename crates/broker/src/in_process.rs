//! The connection within one process: no socket, no port, no encoding, no timer.
//!
//! Sending runs the session on the caller's own task; receiving takes frames from the outbox. A small payload is
//! copied once, so that it does not keep a larger buffer of the caller; a larger one stays where it is.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use roundtrip_protocol::{DecodeError, Frame, Limits};
use roundtrip_transport::{Admission, Broken, Connect, Connecting, Connection, Incoming};

use crate::admission::Doorkeeper;
use crate::batch::Batch;
use crate::connections::Membership;
use crate::peer::{Life, Taken};
use crate::session::{Fault, Session};
use crate::shared::Shared;

/// Up to which length a payload is copied, in bytes.
const COPIED: usize = 4 * 1024;

/// The way to a broker in the same process: see [`Broker::connect`](crate::Broker::connect).
///
/// It does not keep the broker alive. When that is gone, connections end with [`Broken::BrokerGone`].
#[derive(Clone)]
pub struct InProcess {
    shared: Arc<Shared>,
}

impl InProcess {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared) }
    }
}

impl Connect for InProcess {
    fn connect(&self) -> Connecting {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            if shared.stopped.is_cancelled() {
                return Err(Broken::BrokerGone);
            }
            Ok(Box::new(InProcessConnection::new(&shared)) as Box<dyn Connection>)
        })
    }

    fn destination(&self) -> String {
        "in process".to_owned()
    }
}

impl fmt::Debug for InProcess {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("InProcess")
    }
}

struct InProcessConnection {
    session: Arc<Session>,
    doorkeeper: Doorkeeper,
    batch: Batch,
    span: tracing::Span,
    /// Dropped after everything else.
    _membership: Membership,
}

impl InProcessConnection {
    fn new(shared: &Arc<Shared>) -> Self {
        let mut batch = Batch::new(shared);
        let session = Session::open(shared, Life::UntilGone, 0, &mut batch);
        let span = tracing::debug_span!("connection", connection.id = session.id().0, peer.addr = "in process");
        let membership = Membership::of(shared, &session);
        Self { session, doorkeeper: Doorkeeper::new(shared), batch, span, _membership: membership }
    }

    fn why_over(&self) -> Broken {
        if self.batch.shared.stopped.is_cancelled() { Broken::BrokerGone } else { Broken::Closed }
    }

    fn handle(&mut self, frame: Frame) {
        let Frame { header, payload } = frame;
        let limit = self.batch.shared.limits.max_payload;
        if payload.len() > limit {
            let error = DecodeError::PayloadTooLong { found: payload.len(), limit };
            self.session.report(Fault::from(&error).about(header.type_number()), &mut self.batch);
            return;
        }
        let payload = match self.doorkeeper.admit(&header, payload.len()) {
            Ok(room) if payload.len() <= COPIED => Ok((Bytes::copy_from_slice(&payload), room)),
            Ok(room) => Ok((payload, room)),
            Err(why) => Err(why),
        };
        self.session.handle(Incoming { header, payload }, &mut self.batch);
    }
}

impl Connection for InProcessConnection {
    fn poll_send(&mut self, context: &mut Context<'_>, frames: &mut VecDeque<Frame>) -> Poll<Result<(), Broken>> {
        if self.session.peer.is_closed() {
            return Poll::Ready(Err(self.why_over()));
        }
        let span = self.span.clone();
        let _inside = span.enter();
        // What is told to this connection meanwhile is received after this.
        self.session.peer.forget_receiver();
        self.batch.set_time();
        while !frames.is_empty() {
            if self.session.peer.poll_under_mark(context).is_pending() {
                self.batch.finish();
                return Poll::Pending;
            }
            // After the session's end they go nowhere: the reason is received.
            if let Some(frame) = frames.pop_front() {
                self.handle(frame);
            }
        }
        self.batch.finish();
        Poll::Ready(Ok(()))
    }

    fn poll_receive(&mut self, context: &mut Context<'_>, frames: &mut VecDeque<Frame>) -> Poll<Result<(), Broken>> {
        let before = frames.len();
        while frames.len() == before {
            match ready!(self.session.peer.poll_take_frames(context, frames))? {
                Taken::End => return Poll::Ready(Err(self.why_over())),
                Taken::Some { fell_under_mark: false } => {}
                Taken::Some { fell_under_mark: true } => {
                    self.batch.set_time();
                    self.session.resume(&mut self.batch);
                    self.batch.finish();
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Both ends keep to their limits without being told.
    fn set_limits(&mut self, _limits: Limits) {}

    /// Both ends live as long as the process.
    fn silent_for(&self) -> Duration {
        Duration::ZERO
    }
}

impl Drop for InProcessConnection {
    fn drop(&mut self) {
        let span = self.span.clone();
        let _inside = span.enter();
        self.batch.set_time();
        self.session.abandon(&mut self.batch);
        self.batch.finish();
    }
}
