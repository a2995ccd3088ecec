//! The gateway: its settings, its routes, and how it is served.

use std::fmt;
use std::future::{Future, pending};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn_with_state, map_response};
use roundtrip_client::{Client, Requester};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::body::Bodies;
use crate::document::Head;
use crate::host::Host;
use crate::mailbox::{Holds, Room};
use crate::origin::Origin;
use crate::problem::Problem;
use crate::readiness::{Probe, Readiness};
use crate::wait::LONGEST_WAIT;
use crate::{
    acknowledge, cancel, delivery, document, events, guard, mailbox, readiness, reply, serve, status, submission,
};

/// A broker's face over HTTP. Cheap to clone.
///
/// ```no_run
/// # use roundtrip_client::Client;
/// # use roundtrip_gateway::Gateway;
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let client = Client::connect("127.0.0.1:7420").await?;
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:7480").await?;
/// Gateway::builder().build(client).serve(listener).await;
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
    pub(crate) origins: Vec<Origin>,
    pub(crate) longest_wait: Duration,
    pub(crate) answer_timeout: Duration,
    pub(crate) bodies: Bodies,
    pub(crate) readiness: Readiness,
    pub(crate) holds: Arc<Holds>,
    pub(crate) reading: Room,
    /// Streams that would not end by themselves end with it.
    pub(crate) stopping: CancellationToken,
    connections: serve::Terms,
}

impl Gateway {
    /// Sets up a gateway.
    pub fn builder() -> GatewayBuilder {
        GatewayBuilder {
            hosts: Vec::new(),
            origins: Vec::new(),
            longest_wait: LONGEST_WAIT,
            answer_timeout: Duration::from_secs(10),
            max_payload: 16 * 1024 * 1024,
            payload_room: 256 * 1024 * 1024,
            payload_timeout: Duration::from_secs(30),
            connections: serve::Terms { most: 20_000, idle: Duration::from_secs(60), stalled: Duration::from_secs(30) },
            held_mailboxes: 10_000,
            is_recovering: Box::new(|| false),
        }
    }

    /// The routes with their guard, to be served with others. Put them at the root: the paths in their answers begin there.
    pub fn router(&self) -> Router {
        let shared = Arc::clone(&self.shared);
        let (calls, _) = routes().split_for_parts();
        let router = calls
            .fallback(|| async { Problem::unknown_path() })
            .method_not_allowed_fallback(|| async { Problem::other_method() });
        let router = match guard::cors(&shared.origins) {
            Some(cors) => router.layer(cors),
            None => router,
        };
        router
            // `Bodies` has limits of its own, which count what is there of all bodies.
            .layer(DefaultBodyLimit::disable())
            .layer(from_fn_with_state(Arc::clone(&shared), guard::admit))
            .layer(map_response(guard::confine))
            .with_state(shared)
    }

    /// Serves on a listener for as long as the future lives. A connection that cannot be accepted is waited for.
    pub async fn serve(self, listener: TcpListener) {
        self.serve_until(listener, pending()).await;
    }

    /// Serves until `stop` is ready. Then nothing new is accepted, and the future ends when the calls that are under way
    /// are answered; a long poll may take its whole wait, a stream of events ends at once. Dropping the future cuts all
    /// connections.
    pub async fn serve_until(self, listener: TcpListener, stop: impl Future<Output = ()>) {
        let stopping = self.shared.stopping.clone();
        let stop = async move {
            stop.await;
            stopping.cancel();
        };
        serve::serve(listener, self.router(), self.shared.connections, stop).await;
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
        .routes(routes!(events::events))
        .routes(routes!(acknowledge::parts::parts))
        .routes(routes!(mailbox::replies))
        .routes(routes!(mailbox::acknowledge))
        .routes(routes!(delivery::take))
        .routes(routes!(delivery::settlement::reply))
        .routes(routes!(delivery::settlement::fail))
        .routes(routes!(delivery::settlement::reject))
        .routes(routes!(delivery::settlement::release))
        .routes(routes!(delivery::settlement::throttle))
        .routes(routes!(delivery::settlement::stopped))
        .routes(routes!(delivery::lease::renew))
        .routes(routes!(delivery::progress::report))
        .routes(routes!(delivery::part::add_part))
        .routes(routes!(readiness::healthz))
        .routes(routes!(readiness::readyz))
        .routes(routes!(document::document))
}

/// Settings of a [`Gateway`].
#[must_use = "nothing is served by settings alone"]
pub struct GatewayBuilder {
    hosts: Vec<Host>,
    origins: Vec<Origin>,
    longest_wait: Duration,
    answer_timeout: Duration,
    max_payload: usize,
    payload_room: usize,
    payload_timeout: Duration,
    connections: serve::Terms,
    held_mailboxes: usize,
    is_recovering: Probe,
}

impl GatewayBuilder {
    /// A name under which callers reach the gateway, beside `localhost` and the loopback addresses, on any port. A call
    /// under another is refused: it comes from a page that made its own name point here.
    pub fn host(mut self, host: Host) -> Self {
        self.hosts.push(host);
        self
    }

    /// The origin of web pages that may ask this gateway: every answer to them permits it, and only to them. None
    /// unless set.
    pub fn cors_origin(mut self, origin: Origin) -> Self {
        self.origins.push(origin);
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

    /// How many connections may be open at once: 20,000 unless set. Others wait until one ends.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.connections.most = connections;
        self
    }

    /// How long a connection may take until its next call has come with all its headers, before it is closed. 60 s
    /// unless set.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.connections.idle = timeout;
        self
    }

    /// How long a caller may read nothing of an answer before its connection is closed. 30 s unless set.
    pub fn read_timeout(mut self, timeout: Duration) -> Self {
        self.connections.stalled = timeout;
        self
    }

    /// How many mailboxes may be held over HTTP at once: 10,000 unless set. Who opens one beyond it is told 503.
    pub fn held_mailboxes(mut self, most: usize) -> Self {
        self.held_mailboxes = most;
        self
    }

    /// Tells whether the broker still reads what its disk keeps; while it does, `/readyz` is 503. A gateway that is not
    /// told so by the program that its broker runs in does not know.
    pub fn recovering(mut self, is_recovering: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.is_recovering = Box::new(is_recovering);
        self
    }

    /// The gateway for the broker that `client` speaks to. It may be connected later; until then `/readyz` says 503.
    pub fn build(self, client: Client) -> Gateway {
        let bodies = Bodies::new(self.max_payload, self.payload_room.max(self.max_payload), self.payload_timeout);
        let shared = Shared {
            unnamed: client.anonymous(),
            readiness: Readiness::of(&client, self.is_recovering),
            client,
            hosts: self.hosts,
            origins: self.origins,
            longest_wait: self.longest_wait,
            answer_timeout: self.answer_timeout,
            bodies,
            holds: Holds::new(self.held_mailboxes),
            reading: Room::new(),
            stopping: CancellationToken::new(),
            connections: self.connections,
        };
        Gateway { shared: Arc::new(shared) }
    }
}

impl fmt::Debug for GatewayBuilder {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("GatewayBuilder")
    }
}
