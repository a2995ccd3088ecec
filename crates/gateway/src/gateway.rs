//! The gateway: its settings, its routes, and how it is served.

use std::fmt;
use std::future::{Future, IntoFuture, pending};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn_with_state, map_response};
use axum::serve::ListenerExt;
use roundtrip_client::{Client, Requester};
use tokio::net::TcpListener;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::body::Bodies;
use crate::document::Head;
use crate::host::Host;
use crate::problem::Problem;
use crate::readiness::Readiness;
use crate::wait::LONGEST_WAIT;
use crate::{acknowledge, cancel, document, guard, readiness, reply, status, submission};

/// A broker's face over HTTP. Cheap to clone.
///
/// ```no_run
/// # use roundtrip_client::Client;
/// # use roundtrip_gateway::Gateway;
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let client = Client::connect("127.0.0.1:7420").await?;
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:7480").await?;
/// Gateway::builder().build(client).serve(listener).await?;
/// # Ok(())
/// # }
/// ```
///
/// There are no permissions and no encryption: listen on loopback only, or where everybody who can reach it may read and
/// send everything.
#[derive(Clone)]
pub struct Gateway {
    shared: Arc<Shared>,
}

/// What every call needs.
pub(crate) struct Shared {
    pub(crate) client: Client,
    /// Submits for whoever gives no name, and follows for everybody.
    pub(crate) unnamed: Requester,
    pub(crate) hosts: Vec<Host>,
    pub(crate) longest_wait: Duration,
    pub(crate) answer_timeout: Duration,
    pub(crate) bodies: Bodies,
    pub(crate) readiness: Readiness,
}

impl Gateway {
    /// Sets up a gateway.
    pub fn builder() -> GatewayBuilder {
        GatewayBuilder {
            hosts: Vec::new(),
            longest_wait: LONGEST_WAIT,
            answer_timeout: Duration::from_secs(10),
            max_payload: 16 * 1024 * 1024,
            payload_room: 256 * 1024 * 1024,
            payload_timeout: Duration::from_secs(30),
        }
    }

    /// The routes with their guard, to be served with others. Put them at the root: the paths in their answers begin there.
    pub fn router(&self) -> Router {
        let shared = Arc::clone(&self.shared);
        let (calls, _) = routes().split_for_parts();
        calls
            .fallback(|| async { Problem::unknown_path() })
            .method_not_allowed_fallback(|| async { Problem::other_method() })
            // `Bodies` has limits of its own, which count what is there of all bodies.
            .layer(DefaultBodyLimit::disable())
            .layer(from_fn_with_state(Arc::clone(&shared), guard::admit))
            .layer(map_response(guard::confine))
            .with_state(shared)
    }

    /// Serves on a listener for as long as the future lives.
    ///
    /// # Errors
    ///
    /// None now: a connection that cannot be accepted is waited for.
    pub async fn serve(self, listener: TcpListener) -> io::Result<()> {
        self.serve_until(listener, pending()).await
    }

    /// Serves until `stop` is ready. Then nothing new is accepted, and the future ends when the calls that are under way
    /// are answered; a long poll may take its whole wait. Dropping the future leaves connections to themselves.
    ///
    /// # Errors
    ///
    /// As [`Gateway::serve`].
    pub async fn serve_until(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        // An answer is small and waited for.
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        axum::serve(listener, self.router()).with_graceful_shutdown(stop).into_future().await
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Gateway({:?})", self.shared.client)
    }
}

/// Every call that there is, with its description.
pub(crate) fn routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::with_openapi(Head::openapi())
        .routes(routes!(submission::submit))
        .routes(routes!(status::state, cancel::cancel))
        .routes(routes!(reply::reply))
        .routes(routes!(acknowledge::acknowledge))
        .routes(routes!(readiness::healthz))
        .routes(routes!(readiness::readyz))
        .routes(routes!(document::document))
}

/// Settings of a [`Gateway`].
#[derive(Debug, Clone)]
#[must_use = "nothing is served by settings alone"]
pub struct GatewayBuilder {
    hosts: Vec<Host>,
    longest_wait: Duration,
    answer_timeout: Duration,
    max_payload: usize,
    payload_room: usize,
    payload_timeout: Duration,
}

impl GatewayBuilder {
    /// A name under which callers reach the gateway, beside `localhost` and the loopback addresses, on any port. A call
    /// under another is refused: it comes from a page that made its own name point here.
    pub fn host(mut self, host: Host) -> Self {
        self.hosts.push(host);
        self
    }

    /// The longest time that a call waits for an outcome, whatever it asks for. 60 s unless set, and never more.
    pub fn longest_wait(mut self, wait: Duration) -> Self {
        self.longest_wait = wait.min(LONGEST_WAIT);
        self
    }

    /// How long the broker may take to answer before the caller is told 503. 10 s unless set.
    pub fn answer_timeout(mut self, timeout: Duration) -> Self {
        self.answer_timeout = timeout;
        self
    }

    /// The largest payload that is read, in bytes: 16 MiB unless set. Broker and channel have their own limits.
    pub fn max_payload(mut self, bytes: usize) -> Self {
        self.max_payload = bytes;
        self
    }

    /// How many bytes of payloads may be here at once, whole ones and those that are still coming: 256 MiB unless set.
    /// What comes beyond it is refused with 503. At least the [largest payload](Self::max_payload).
    pub fn payload_room(mut self, bytes: usize) -> Self {
        self.payload_room = bytes;
        self
    }

    /// How long a caller may pause within a payload before it is told 408. 30 s unless set.
    pub fn payload_timeout(mut self, timeout: Duration) -> Self {
        self.payload_timeout = timeout;
        self
    }

    /// The gateway for the broker that `client` speaks to. It may be connected later; until then `/readyz` says 503.
    pub fn build(self, client: Client) -> Gateway {
        let bodies = Bodies::new(self.max_payload, self.payload_room.max(self.max_payload), self.payload_timeout);
        let shared = Shared {
            unnamed: client.anonymous(),
            readiness: Readiness::of(&client),
            client,
            hosts: self.hosts,
            longest_wait: self.longest_wait,
            answer_timeout: self.answer_timeout,
            bodies,
        };
        Gateway { shared: Arc::new(shared) }
    }
}
