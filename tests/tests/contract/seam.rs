//! The seam between a client and what carries its frames: a connection of the test's own making is all it takes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use roundtrip::{Broken, Broker, Client, Connect, ConnectError, Connecting, Connection, Frame, Limits};
use tokio::time::Duration;

use crate::stage::{Double, doubled, within};

/// A carrier that takes one frame at a time and counts them.
struct Narrow<C> {
    inner: C,
    carried: Arc<AtomicUsize>,
}

impl<C: Connect> Connect for Narrow<C> {
    fn connect(&self) -> Connecting {
        let connecting = self.inner.connect();
        let carried = Arc::clone(&self.carried);
        Box::pin(async move {
            let inner = connecting.await?;
            Ok(Box::new(NarrowConnection { inner, one: VecDeque::new(), arrived: VecDeque::new(), carried })
                as Box<dyn Connection>)
        })
    }

    fn destination(&self) -> String {
        "a test".into()
    }
}

struct NarrowConnection {
    inner: Box<dyn Connection>,
    one: VecDeque<Frame>,
    arrived: VecDeque<Frame>,
    carried: Arc<AtomicUsize>,
}

impl Connection for NarrowConnection {
    fn poll_send(&mut self, context: &mut Context<'_>, frames: &mut VecDeque<Frame>) -> Poll<Result<(), Broken>> {
        loop {
            if self.one.is_empty() {
                self.one.extend(frames.pop_front());
                self.carried.fetch_add(self.one.len(), Ordering::Relaxed);
            }
            ready!(self.inner.poll_send(context, &mut self.one))?;
            if frames.is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }

    fn poll_receive(&mut self, context: &mut Context<'_>, frames: &mut VecDeque<Frame>) -> Poll<Result<(), Broken>> {
        if self.arrived.is_empty() {
            match self.inner.poll_receive(context, &mut self.arrived) {
                Poll::Ready(Ok(())) => {}
                other => return other,
            }
        }
        frames.extend(self.arrived.pop_front());
        self.carried.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }

    fn set_limits(&mut self, limits: Limits) {
        self.inner.set_limits(limits);
    }

    fn silent_for(&self) -> Duration {
        self.inner.silent_for()
    }
}

#[tokio::test]
async fn a_client_works_over_a_connection_of_the_users_own() {
    within(async {
        let broker = Broker::builder().start().unwrap();
        let carried = Arc::new(AtomicUsize::new(0));
        let client = Client::new(Narrow { inner: broker.connect(), carried: Arc::clone(&carried) });
        assert_eq!(client.destination(), "a test");
        let _service = client.service(doubled).spawn();
        let requester = client.requester("test");
        for number in 0..20 {
            assert_eq!(requester.call(Double::of(number)).await, Ok(2 * number));
        }
        assert!(carried.load(Ordering::Relaxed) > 100, "everything went through it");
    })
    .await;
}

/// Leads nowhere.
struct Nowhere;

impl Connect for Nowhere {
    fn connect(&self) -> Connecting {
        Box::pin(async { Err(Broken::Closed) })
    }

    fn destination(&self) -> String {
        "nowhere".into()
    }
}

#[tokio::test]
async fn a_way_that_leads_nowhere_is_named() {
    let error = within(async { Client::builder().connect(Nowhere).connect_timeout(Duration::ZERO).await }).await;
    let Err(error @ ConnectError::Unreachable { .. }) = error else { panic!("{error:?}") };
    assert!(error.to_string().contains("nowhere"), "{error}");
}
