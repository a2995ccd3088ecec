//! The broker as its owner sees it.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use roundtrip_protocol::ChannelFigures;
use tokio::net::TcpListener;

use crate::batch::Batch;
use crate::builder::BrokerBuilder;
use crate::drain::{self, ShutdownReport};
use crate::in_process::InProcess;
use crate::shared::Shared;
use crate::tcp;

/// A running broker.
///
/// Dropping it stops listening and ends every connection and task at once; [`shutdown`](Self::shutdown) drains first.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use roundtrip_broker::Broker;
///
/// let broker = Broker::builder().start()?;
/// let address = broker.listen("127.0.0.1:0").await?;
/// println!("listening on {address}");
/// broker.shutdown().await;
/// # Ok(())
/// # }
/// ```
pub struct Broker {
    shared: Arc<Shared>,
}

/// How far a broker is with reading its durable channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovery {
    /// How many durable channels there are.
    pub channels: usize,
    /// How many of them are ready.
    pub ready: usize,
    /// How many requests and dead letters were read so far.
    pub requests: usize,
}

/// Why a broker does not listen on an address.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// The address does not name a place on this machine.
    #[error("the address cannot be listened on: {0}; give one of this machine, such as 127.0.0.1:7420")]
    Address(#[source] io::Error),
    /// Something else listens there.
    #[error("{address} is in use: stop what listens there, or choose another port")]
    InUse {
        /// The address.
        address: SocketAddr,
    },
}

impl Broker {
    /// Sets up a broker.
    pub fn builder() -> BrokerBuilder {
        BrokerBuilder::new()
    }

    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    #[cfg(feature = "simulation")]
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The way to this broker from within the process: no socket, no port, no encoding.
    #[must_use]
    pub fn connect(&self) -> InProcess {
        InProcess::new(&self.shared)
    }

    /// Listens for TCP connections until the broker stops, and returns the address: with port 0, the system's choice.
    /// May be called for several addresses. A host name is looked up here and blocks while it is; numbers do not.
    ///
    /// # Errors
    ///
    /// The address is not one of this machine, or something else listens there.
    pub async fn listen(&self, address: impl ToSocketAddrs) -> Result<SocketAddr, ListenError> {
        let mut last = io::Error::new(io::ErrorKind::InvalidInput, "it has no numbers");
        let mut in_use = None;
        for address in address.to_socket_addrs().map_err(ListenError::Address)? {
            match TcpListener::bind(address).await {
                Ok(listener) => {
                    let local = listener.local_addr().map_err(ListenError::Address)?;
                    let accepting = tcp::accept(listener, Arc::clone(&self.shared));
                    self.shared.tasks.spawn(accepting);
                    tracing::debug!(%local, "listening");
                    return Ok(local);
                }
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => in_use = Some(address),
                Err(error) => last = error,
            }
        }
        Err(match in_use {
            Some(address) => ListenError::InUse { address },
            None => ListenError::Address(last),
        })
    }

    /// The channels and their figures, by name.
    #[must_use]
    pub fn channels(&self) -> Vec<ChannelFigures> {
        self.shared.channels.figures(self.shared.clock.now())
    }

    /// Waits until `condition` holds of the channels and their figures, looking again after every change of those and
    /// of the number of connections.
    pub async fn until(&self, mut condition: impl FnMut(&[ChannelFigures]) -> bool) {
        self.shared.changes.until(|| condition(&self.channels()).then_some(())).await;
    }

    /// How far the broker is with reading its durable channels from disk; none when it has them all. What is asked of
    /// a channel that is not there yet waits until it is.
    #[must_use]
    pub fn recovery(&self) -> Option<Recovery> {
        let mut recovery = Recovery { channels: 0, ready: 0, requests: 0 };
        self.shared.channels.look(|channel| {
            let (is_loading, requests) = channel.recovery();
            recovery.channels += usize::from(channel.is_durable());
            recovery.ready += usize::from(channel.is_durable() && !is_loading);
            recovery.requests += requests;
        });
        (recovery.ready < recovery.channels).then_some(recovery)
    }

    /// Waits until the broker has read its durable channels from disk.
    pub async fn recovered(&self) {
        self.shared.changes.until(|| self.recovery().is_none().then_some(())).await;
    }

    /// Waits until a client asks the broker to drain. That is refused unless
    /// [`remote_drain`](BrokerBuilder::remote_drain) allows it; whoever waits here then calls
    /// [`shutdown`](Self::shutdown).
    pub async fn drain_requested(&self) {
        self.shared.drain_requested.cancelled().await;
    }

    /// How much memory the broker counts for what it holds, in bytes.
    #[must_use]
    pub fn memory_in_use(&self) -> usize {
        self.shared.memory.used()
    }

    /// How many connections there are, in process and over TCP.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections.count()
    }

    /// How many connections did not begin as the protocol says, since the broker started.
    #[must_use]
    pub fn garbage(&self) -> u64 {
        self.shared.garbage.load(Ordering::Relaxed)
    }

    /// Ends every connection at once, as if its line had been cut: for tests of what happens then.
    pub fn cut_connections(&self) {
        let mut batch = Batch::new(&self.shared);
        for session in self.shared.connections.all() {
            session.abandon(&mut batch);
        }
        batch.finish();
    }

    /// Stops: refuses new requests, lets those that it has come to their end for the drain timeout, fails the rest
    /// with code `broker_stopped`, and tells what became of them. It ends early when nothing is left to do.
    ///
    /// Dropping the future stops at once.
    pub async fn shutdown(self) -> ShutdownReport {
        drain::run(&self.shared).await
    }

    /// Stops at once: every connection and task ends, and what was not acknowledged is lost. The same as dropping it.
    pub fn stop_now(self) {
        drop(self);
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.shared.stop();
    }
}

impl fmt::Debug for Broker {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Broker")
            .field("connections", &self.connections())
            .field("memory_in_use", &self.memory_in_use())
            .finish_non_exhaustive()
    }
}
