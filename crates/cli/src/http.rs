//! The gateway inside `roundtrip broker`, and listening for HTTP.
//!
//! It has a thread of its own: what callers send over HTTP shall not hold up the broker's one.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use roundtrip::{Client, Connect};
use roundtrip_gateway::{Gateway, GatewayBuilder};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::arguments::Callers;
use crate::exit::{Exit, Quit};

/// How long calls may take to be answered when the broker is gone: they only have to be told so.
const FAREWELL: Duration = Duration::from_secs(2);

/// A gateway on a thread of its own.
pub(crate) struct Face {
    address: SocketAddr,
    stopping: CancellationToken,
    /// Ready when the thread has ended.
    ended: oneshot::Receiver<()>,
}

impl Face {
    /// Begins to listen and to serve.
    pub(crate) fn start(
        listen: SocketAddr,
        callers: Callers,
        broker: impl Connect,
        is_recovering: Arc<AtomicBool>,
    ) -> Result<Self, Quit> {
        let socket = bind(listen)?;
        let address = address(&socket)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| cannot_serve(&error))?;
        let stopping = CancellationToken::new();
        let stopped = stopping.clone().cancelled_owned();
        let (ending, ended) = oneshot::channel();
        let serve = async move {
            let Ok(listener) = tokio::net::TcpListener::from_std(socket) else { return };
            // It ends when it is told to, and in no other way.
            let gateway = builder(callers).recovering(move || is_recovering.load(Ordering::Relaxed));
            gateway.build(Client::new(broker)).serve_until(listener, stopped).await;
        };
        let thread = move || {
            runtime.block_on(serve);
            drop(ending);
        };
        thread::Builder::new().name("http".into()).spawn(thread).map_err(|error| cannot_serve(&error))?;
        Ok(Self { address, stopping, ended })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no new calls, and waits until those under way are answered, but not long.
    pub(crate) async fn stop(self) {
        self.stopping.cancel();
        tokio::time::timeout(FAREWELL, self.ended).await.ok();
    }
}

/// A gateway that these may ask.
pub(crate) fn builder(callers: Callers) -> GatewayBuilder {
    let Callers { hosts, origins } = callers;
    let builder = hosts.into_iter().fold(Gateway::builder(), GatewayBuilder::host);
    origins.into_iter().fold(builder, GatewayBuilder::cors_origin)
}

/// Listens there for HTTP.
pub(crate) fn bind(listen: SocketAddr) -> Result<TcpListener, Quit> {
    let bound = TcpListener::bind(listen).and_then(|listener| listener.set_nonblocking(true).map(|()| listener));
    bound.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => Quit::saying(
            Exit::NoConnection,
            format!("{listen} is in use: stop what listens there, or choose another port for HTTP"),
        ),
        _ => Quit::saying(
            Exit::NoConnection,
            format!(
                "cannot listen on {listen} for HTTP: {error}; give an address of this machine, such as 127.0.0.1:7480"
            ),
        ),
    })
}

/// Where it listens: with port 0 asked for, the one that was free.
pub(crate) fn address(listener: &TcpListener) -> Result<SocketAddr, Quit> {
    listener.local_addr().map_err(|error| cannot_serve(&error))
}

/// For the runtime of whoever calls this.
pub(crate) fn listener(listener: TcpListener) -> Result<tokio::net::TcpListener, Quit> {
    tokio::net::TcpListener::from_std(listener).map_err(|error| cannot_serve(&error))
}

pub(crate) fn cannot_serve(error: &io::Error) -> Quit {
    Quit::saying(Exit::OtherOutcome, format!("cannot serve HTTP: {error}"))
}
