//! A way to the broker that a test can cut: over TCP through a small proxy, in process through a connection that
//! breaks.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use roundtrip::{Broken, Client, Connect, Connecting, Connection, Frame, Limits};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Duration;

/// What all connections through a cable go through.
pub(crate) struct Cable {
    end: End,
    plug: Arc<watch::Sender<Plug>>,
}

enum End {
    InProcess(Arc<dyn Connect>),
    Tcp { address: SocketAddr, proxy: AbortHandle },
}

#[derive(Debug, Clone, Copy)]
struct Plug {
    cuts: u64,
    freezes: u64,
    plugged: bool,
}

impl Cable {
    pub(super) fn in_process(connect: impl Connect) -> Self {
        Self { end: End::InProcess(Arc::new(connect)), plug: Self::plugged() }
    }

    pub(super) async fn over_tcp(broker: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let plug = Self::plugged();
        let proxy = tokio::spawn(forward(listener, broker, plug.subscribe())).abort_handle();
        Self { end: End::Tcp { address, proxy }, plug }
    }

    /// A client instance at the end of the cable.
    pub(crate) async fn client(&self) -> Client {
        match &self.end {
            End::InProcess(connect) => {
                Client::new(Cuttable { connect: Arc::clone(connect), plug: Arc::clone(&self.plug) })
            }
            End::Tcp { address, .. } => Client::connect(address.to_string()).await.expect("the proxy listens"),
        }
    }

    /// Where callers that make connections themselves find it. Over TCP alone.
    #[allow(dead_code, reason = "only the conformance suite has such callers")]
    pub(crate) fn address(&self) -> SocketAddr {
        match &self.end {
            End::InProcess(_) => panic!("in process there is no address"),
            End::Tcp { address, .. } => *address,
        }
    }

    /// Breaks every connection through the cable. The next one goes through again.
    pub(crate) fn cut(&self) {
        self.plug.send_modify(|plug| plug.cuts += 1);
    }

    /// Breaks every connection, and lets none through until [`Cable::plug`].
    pub(crate) fn unplug(&self) {
        self.plug.send_modify(|plug| *plug = Plug { cuts: plug.cuts + 1, plugged: false, ..*plug });
    }

    /// Carries no further byte of the connections that there are, closes none of them, and lets no other through until
    /// [`Cable::plug`]. Over TCP alone: in process nothing can be silent.
    pub(crate) fn freeze(&self) {
        self.plug.send_modify(|plug| *plug = Plug { freezes: plug.freezes + 1, plugged: false, ..*plug });
    }

    /// Lets connections through again.
    pub(crate) fn plug(&self) {
        self.plug.send_modify(|plug| plug.plugged = true);
    }

    fn plugged() -> Arc<watch::Sender<Plug>> {
        Arc::new(watch::Sender::new(Plug { cuts: 0, freezes: 0, plugged: true }))
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        if let End::Tcp { proxy, .. } = &self.end {
            proxy.abort();
        }
    }
}

/// Resolves when the cable is cut for the next time.
async fn next_cut(plug: watch::Receiver<Plug>) {
    next(plug, |plug| plug.cuts).await;
}

/// Resolves when this figure changes for the next time.
async fn next(mut plug: watch::Receiver<Plug>, figure: impl Fn(&Plug) -> u64) {
    let before = figure(&plug.borrow_and_update());
    let changed = plug.wait_for(|plug| figure(plug) != before).await.is_ok();
    if !changed {
        std::future::pending::<()>().await; // The cable is gone, the connections through it may end by themselves.
    }
}

async fn forward(listener: TcpListener, broker: SocketAddr, plug: watch::Receiver<Plug>) {
    while let Ok((mut near, _)) = listener.accept().await {
        if !plug.borrow().plugged {
            continue; // Closes it.
        }
        let (cut, frozen) = (next_cut(plug.clone()), next(plug.clone(), |plug| plug.freezes));
        tokio::spawn(async move {
            let carried = async {
                let Ok(mut far) = TcpStream::connect(broker).await else { return };
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                    () = frozen => std::future::pending().await,
                }
            };
            tokio::select! {
                () = carried => {}
                () = cut => {}
            }
        });
    }
}

/// Connections of the test's own making: the broker's, until the cable is cut.
struct Cuttable {
    connect: Arc<dyn Connect>,
    plug: Arc<watch::Sender<Plug>>,
}

impl Connect for Cuttable {
    fn connect(&self) -> Connecting {
        let cut = Box::pin(next_cut(self.plug.subscribe()));
        let plugged = self.plug.borrow().plugged;
        let connecting = self.connect.connect();
        Box::pin(async move {
            if !plugged {
                return Err(Broken::Closed);
            }
            let connection = connecting.await?;
            Ok(Box::new(CuttableConnection { whole: Some((connection, cut)) }) as Box<dyn Connection>)
        })
    }

    fn destination(&self) -> String {
        self.connect.destination()
    }
}

type Cut = Pin<Box<dyn Future<Output = ()> + Send>>;

struct CuttableConnection {
    whole: Option<(Box<dyn Connection>, Cut)>,
}

impl CuttableConnection {
    fn connection(&mut self, context: &mut Context<'_>) -> Result<&mut Box<dyn Connection>, Broken> {
        if let Some((_, cut)) = &mut self.whole
            && cut.as_mut().poll(context).is_ready()
        {
            self.whole = None;
        }
        self.whole.as_mut().map(|(connection, _)| connection).ok_or(Broken::Closed)
    }
}

impl Connection for CuttableConnection {
    fn poll_send(&mut self, context: &mut Context<'_>, frames: &mut VecDeque<Frame>) -> Poll<Result<(), Broken>> {
        self.connection(context)?.poll_send(context, frames)
    }

    fn poll_receive(&mut self, context: &mut Context<'_>, frames: &mut VecDeque<Frame>) -> Poll<Result<(), Broken>> {
        self.connection(context)?.poll_receive(context, frames)
    }

    fn set_limits(&mut self, limits: Limits) {
        if let Some((connection, _)) = &mut self.whole {
            connection.set_limits(limits);
        }
    }

    fn silent_for(&self) -> Duration {
        self.whole.as_ref().map_or(Duration::ZERO, |(connection, _)| connection.silent_for())
    }
}
