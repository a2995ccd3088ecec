//! The first connection of a client: how long it is tried for, and what is said when it fails.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use roundtrip_transport::{Broken, Connect, Connecting, runtime};

use crate::client::{Client, ClientBuilder};
use crate::state::{ConnectFailure, FirstConnect};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A client that is about to connect. Await it.
#[must_use = "nothing connects until it is awaited"]
pub struct ConnectBuilder {
    connect: Arc<dyn Connect>,
    client: ClientBuilder,
    connect_timeout: Duration,
    retry_first_connect: bool,
}

impl ConnectBuilder {
    pub(crate) fn new(connect: impl Connect) -> Self {
        Self::with(connect, Client::builder())
    }

    pub(crate) fn with(connect: impl Connect, client: ClientBuilder) -> Self {
        Self { connect: Arc::new(connect), client, connect_timeout: CONNECT_TIMEOUT, retry_first_connect: false }
    }

    /// How long the first connection is tried for, again and again. 5 s unless set. Zero: once, and fails at once
    /// where nobody listens.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Whether to go on trying until somebody answers, however long that takes.
    pub fn retry_first_connect(mut self, retry: bool) -> Self {
        self.retry_first_connect = retry;
        self
    }

    /// As [`ClientBuilder::submit_timeout`].
    pub fn submit_timeout(mut self, timeout: Duration) -> Self {
        self.client = self.client.submit_timeout(timeout);
        self
    }

    async fn establish(self) -> Result<Client, ConnectError> {
        let first = if self.retry_first_connect {
            FirstConnect::Forever
        } else if self.connect_timeout.is_zero() {
            FirstConnect::Once { until: runtime::now() + CONNECT_TIMEOUT }
        } else {
            FirstConnect::Until(runtime::now() + self.connect_timeout)
        };
        let client = Client::start(Shareable(self.connect), &self.client, first);
        let connected = client.link().wait(|state, waker| state.poll_first_connection(waker)).await;
        match connected {
            Ok(()) => Ok(client),
            Err(failure) => Err(ConnectError::of(client.destination(), failure)),
        }
    }
}

impl IntoFuture for ConnectBuilder {
    type Output = Result<Client, ConnectError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.establish())
    }
}

struct Shareable(Arc<dyn Connect>);

impl Connect for Shareable {
    fn connect(&self) -> Connecting {
        self.0.connect()
    }

    fn destination(&self) -> String {
        self.0.destination()
    }
}

/// Why there is no first connection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// Nobody could be reached.
    #[error(
        "no broker answers at {destination} ({why}): start one with `roundtrip broker --listen {destination}`, \
         or name the address of one that runs"
    )]
    Unreachable {
        /// The address.
        destination: String,
        /// What the last try ended with.
        #[source]
        why: Broken,
    },
    /// Somebody answers there, and does not open the conversation in time.
    #[error(
        "what answers at {destination} is no Roundtrip broker, or is too busy: it said nothing in time. \
         `roundtrip broker --listen ADDRESS` starts a broker at another address"
    )]
    Silent {
        /// The address.
        destination: String,
    },
    /// The broker answers and turns the client away.
    #[error("the broker at {destination} turned the client away: {message}")]
    TurnedAway {
        /// The address.
        destination: String,
        /// In the broker's words.
        message: String,
    },
}

impl ConnectError {
    fn of(destination: &str, failure: ConnectFailure) -> Self {
        let destination = destination.to_owned();
        match failure {
            ConnectFailure::Unreachable(why) => Self::Unreachable { destination, why },
            ConnectFailure::Silent => Self::Silent { destination },
            ConnectFailure::TurnedAway(message) => Self::TurnedAway { destination, message },
        }
    }
}
