//! Connections: how many there are, and how long one may take to ask and to read.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::serve::Listener;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::line::{Line, Unwritten};

/// What a connection may do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// How many there may be at once. Others wait until one ends.
    pub(crate) most: usize,
    /// How long one may take until its next call has come, headers and all.
    pub(crate) idle: Duration,
    /// How long one may read nothing of what is there for it.
    pub(crate) stalled: Duration,
}

/// Serves until `stop` is ready, then until what is under way is answered. Dropped, it cuts all connections.
pub(crate) async fn serve(mut listener: TcpListener, router: Router, terms: Terms, stop: impl Future<Output = ()>) {
    let places = Arc::new(Semaphore::new(terms.most.min(Semaphore::MAX_PERMITS)));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, Listener::accept(&mut listener).await.0)
        };
        tokio::select! {
            () = &mut stop => break,
            Some(_) = connections.join_next() => {}
            (place, stream) = next => {
                let connection = graceful.watch(connection(stream, router.clone(), terms));
                connections.spawn(async move {
                    // What is wrong with a connection concerns nobody but its caller, who knows.
                    let _ = connection.await;
                    drop(place);
                });
            }
        }
    }
    drop(listener);
    graceful.shutdown().await;
    while connections.join_next().await.is_some() {}
}

/// One connection with all its calls.
fn connection(
    stream: TcpStream,
    router: Router,
    terms: Terms,
) -> http1::Connection<
    TokioIo<Line<TcpStream>>,
    impl Service<hyper::Request<Incoming>, Response = axum::response::Response, Error = Infallible, Future: Send>,
> {
    // An answer is small and waited for.
    let _ = stream.set_nodelay(true);
    let unwritten = Unwritten::default();
    let line = Line::new(stream, terms.stalled, unwritten.clone());
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(unwritten.clone());
        TowerToHyperService::new(router.clone()).call(request)
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(terms.idle)
        .serve_connection(TokioIo::new(line), service)
}
