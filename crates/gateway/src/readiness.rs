//! `/healthz` and `/readyz`: whether the gateway is there, and whether requests can be sent through it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_core::Stream;
use roundtrip_client::{Client, ConnectionEvent, Events};

use crate::gateway::Shared;
use crate::problem::{Details, Problem};

/// What the client last said of its connection. Read when somebody asks, so that no task has to.
pub(crate) struct Readiness {
    watch: Mutex<Watch>,
    is_recovering: Probe,
}

/// Whether the broker still reads what it kept.
pub(crate) type Probe = Box<dyn Fn() -> bool + Send + Sync>;

struct Watch {
    events: Events,
    state: Connection,
}

#[derive(Clone, Copy)]
enum Connection {
    None,
    Open,
    Draining,
}

impl Readiness {
    pub(crate) fn of(client: &Client, is_recovering: Probe) -> Self {
        Self { watch: Mutex::new(Watch { events: client.events(), state: Connection::None }), is_recovering }
    }

    /// Whether there is a broker to ask.
    pub(crate) fn is_connected(&self) -> bool {
        !matches!(self.now(), Connection::None)
    }

    fn now(&self) -> Connection {
        let mut watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        let mut nobody = Context::from_waker(Waker::noop());
        while let Poll::Ready(event) = Pin::new(&mut watch.events).poll_next(&mut nobody) {
            watch.state = match event {
                Some(ConnectionEvent::Connected) => Connection::Open,
                Some(ConnectionEvent::Draining { .. }) => Connection::Draining,
                Some(ConnectionEvent::Disconnected) => Connection::None,
                Some(_) => continue,
                None => return Connection::None,
            };
        }
        watch.state
    }
}

/// Whether the gateway is there
#[utoipa::path(get, path = "/healthz", responses(
    (status = 200, description = "It is.", body = str, content_type = "text/plain", example = "ok\n"),
))]
pub(crate) async fn healthz() -> Response {
    told("ok\n")
}

/// Whether requests can be sent
#[utoipa::path(get, path = "/readyz", responses(
    (status = 200, description = "They can.", body = str, content_type = "text/plain", example = "ready\n"),
    (status = 503, description = "`no_broker`, `draining`, `recovering`", body = Details),
))]
pub(crate) async fn readyz(State(shared): State<Arc<Shared>>) -> Response {
    let problem = match shared.readiness.now() {
        Connection::Open if (shared.readiness.is_recovering)() => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "recovering",
            "The broker still reads what its disk keeps.",
            "Channels that are there already take requests; what is asked of another waits until it is there.",
        )
        .retry_after(Duration::from_secs(1)),
        Connection::Open => return told("ready\n"),
        Connection::None => Problem::no_broker(),
        Connection::Draining => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "draining",
            "The broker is stopping.",
            "It takes no new requests; those it has can be read and waited for until it is gone.",
        )
        .retry_after(Duration::from_secs(1)),
    };
    problem.into_response()
}

fn told(text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"))], text).into_response()
}
