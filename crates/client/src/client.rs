//! One client instance and its clones.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use roundtrip_protocol::{ChannelFigures, InstanceId, RequesterName, Ticket as TicketId};
use roundtrip_transport::{Connect, runtime};

use crate::cancel::{self, CancelError, Cancellation};
use crate::channels::{self, ListChannelsError};
use crate::connect::ConnectBuilder;
use crate::context::Context;
use crate::dead_letter::DeadLetters;
use crate::drain::{self, DrainError};
use crate::driver;
use crate::events::Events;
use crate::failure::{Failure, RawFailure};
use crate::handler::{Raw, Request, Typed};
use crate::held::{DeliveryToken, HeldDelivery};
use crate::id::new_uuid;
use crate::link::{Link, Shared};
use crate::message::Message;
use crate::operation::Operation;
use crate::pull::Puller;
use crate::requester::Requester;
use crate::service::Service;
use crate::state::{ClientState, FirstConnect, Settings};
use crate::status::TicketState;
use crate::wait::WaitError;

const SUBMIT_TIMEOUT: Duration = Duration::from_secs(10);

/// A client of one broker. Cheap to clone; all clones are one instance with one connection at a time.
///
/// When the last clone and everything made from it (requesters, tickets, services) is dropped, the client sends what
/// it still has to send and closes. [`Client::close`] does the same and waits.
#[derive(Clone)]
pub struct Client {
    link: Link,
    destination: Arc<str>,
}

impl Client {
    /// Connects to the broker that listens on `address`, such as `127.0.0.1:7420`. Await what it returns, within a
    /// tokio runtime.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), roundtrip_client::ConnectError> {
    /// use roundtrip_client::Client;
    ///
    /// let client = Client::connect("127.0.0.1:7420").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn connect(address: impl Into<String>) -> ConnectBuilder {
        ConnectBuilder::new(roundtrip_transport::TcpConnect::new(address.into()))
    }

    /// A client over any way to a broker: one in this process, or a transport of your own.
    ///
    /// It connects in the background and keeps trying: what is submitted meanwhile waits up to the submit timeout.
    /// Only a broker in this process that was stopped ends it. Must be called within a tokio runtime.
    pub fn new(connect: impl Connect) -> Self {
        Self::builder().build(connect)
    }

    /// Settings other than the usual ones, for [`ClientBuilder::build`] and [`ClientBuilder::connect`].
    pub fn builder() -> ClientBuilder {
        ClientBuilder { submit_timeout: SUBMIT_TIMEOUT }
    }

    /// A requester under a name of yours, which is stable across restarts. Its outcomes stay until it acknowledges
    /// them, whoever dies in between.
    ///
    /// A text that is no name makes everything that is done with the requester fail with
    /// [`NameError`](crate::NameError), so that a literal needs no `?` here.
    #[must_use]
    pub fn requester(&self, name: impl AsRef<str>) -> Requester {
        Requester::new(self.link.clone(), RequesterName::new(name), false)
    }

    /// A requester under a name that the library makes. It ends with its last clone and ticket, or with the process.
    #[must_use]
    pub fn anonymous(&self) -> Requester {
        let name = RequesterName::new(format!("unnamed-{}", new_uuid().simple()));
        Requester::new(self.link.clone(), name, true)
    }

    /// A service that answers the operation its handler takes. See [`Service`] for how to run it.
    ///
    /// ```
    /// # use roundtrip_client::{Client, Context, Failure, Operation, ServiceError};
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Serialize, Deserialize)]
    /// # struct Resize { width: u32 }
    /// # impl Operation for Resize {
    /// #     const NAME: &'static str = "resize";
    /// #     const CHANNEL: &'static str = "picture_request";
    /// #     type Reply = u32;
    /// #     type Error = String;
    /// # }
    /// async fn resize(command: Resize, job: Context) -> Result<u32, Failure<String>> {
    ///     job.progress(0.5, "halfway");
    ///     Ok(command.width)
    /// }
    /// # async fn example(client: Client) -> Result<(), ServiceError> {
    /// client.service(resize).concurrency(8).run().await
    /// # }
    /// ```
    pub fn service<Op, Handler, Answer>(&self, handler: Handler) -> Service
    where
        Op: Operation,
        Handler: Fn(Op, Context) -> Answer + Send + Sync + 'static,
        Answer: Future<Output = Result<Op::Reply, Failure<Op::Error>>> + Send + 'static,
    {
        Service::new(self.link.clone(), Op::CHANNEL, Typed::<Op, _>::new(handler))
    }

    /// A service that takes every operation of a channel as bytes.
    pub fn raw_service<Handler, Answer>(&self, channel: impl AsRef<str>, handler: Handler) -> Service
    where
        Handler: Fn(Request, Context) -> Answer + Send + Sync + 'static,
        Answer: Future<Output = Result<Message, RawFailure>> + Send + 'static,
    {
        Service::new(self.link.clone(), channel.as_ref(), Raw(handler))
    }

    /// Takes deliveries by hand, by lease alone.
    #[must_use]
    pub fn pull(&self, channel: impl AsRef<str>) -> Puller {
        Puller::new(self.link.clone(), channel.as_ref())
    }

    /// Goes on with a delivery that was taken by lease and [left](crate::Pulled::leave), by this client or another one.
    /// Asks nothing yet: whether the token still counts is told when the delivery is renewed or settled.
    #[must_use]
    pub fn held(&self, token: &DeliveryToken) -> HeldDelivery {
        HeldDelivery::by_token(self.link.clone(), token.clone())
    }

    /// Ends a request by its ticket, from anywhere: its outcome is `cancelled`, unless it had one before. A service at
    /// work on it is told.
    ///
    /// While disconnected it waits. Once it was asked it is done, even if the future is dropped.
    ///
    /// # Errors
    ///
    /// The broker does not know the ticket, or the client was closed first.
    pub async fn cancel(&self, ticket: &TicketId) -> Result<Cancellation, CancelError> {
        cancel::cancel(&self.link, ticket).await
    }

    /// Where a request is, by its ticket. To wait for its outcome: [`Requester::attach_raw`].
    ///
    /// # Errors
    ///
    /// The broker does not know the ticket, or the client was closed first. While disconnected it waits.
    pub async fn status(&self, ticket: &TicketId) -> Result<TicketState, WaitError> {
        self.anonymous().status(ticket).await
    }

    /// The dead letters of a request channel.
    ///
    /// A text that is no name makes everything that is done with them fail with [`NameError`](crate::NameError).
    #[must_use]
    pub fn dead_letters(&self, channel: impl AsRef<str>) -> DeadLetters {
        DeadLetters::new(self.link.clone(), channel.as_ref())
    }

    /// Asks the broker to stop, as after a first SIGTERM: it refuses submissions from then on, and ends when what is
    /// under way has ended or its `drain_timeout` has passed.
    ///
    /// # Errors
    ///
    /// The broker takes no such request, or the client was closed first. While disconnected it waits.
    pub async fn request_drain(&self) -> Result<(), DrainError> {
        drain::request(&self.link).await
    }

    /// The broker's channels and their figures, sorted by name.
    ///
    /// # Errors
    ///
    /// The client was closed first. While disconnected it waits.
    pub async fn channels(&self) -> Result<Vec<ChannelFigures>, ListChannelsError> {
        channels::list(&self.link).await
    }

    /// Tells when the client is connected, disconnected, and when its broker stops. Begins with
    /// [`Connected`](crate::ConnectionEvent::Connected) if it is connected now.
    #[must_use]
    pub fn events(&self) -> Events {
        Events::new(self.link.clone())
    }

    /// Where the client connects to, for messages to people.
    #[must_use]
    pub fn destination(&self) -> &str {
        &self.destination
    }

    /// Sends what is left to send, says goodbye and waits until the broker has done it all.
    ///
    /// Every clone is closed with it: running services end and give back what they hold, waits end with
    /// `ClientClosed`. Takes at most 5 s where the broker cannot be reached.
    pub async fn close(&self) {
        self.link.with_now(|state, now| state.close(now));
        self.link.wait(|state, waker| state.poll_closed(waker)).await;
    }

    pub(crate) fn start(connect: impl Connect, builder: &ClientBuilder, first_connect: FirstConnect) -> Self {
        let destination = connect.destination().into();
        let ids = (new_uuid(), new_uuid());
        let settings = Settings {
            instance: InstanceId::from_bytes(ids.0.into_bytes()),
            software: concat!("roundtrip-client ", env!("CARGO_PKG_VERSION")).into(),
            submit_timeout: builder.submit_timeout,
            first_connect,
            seed: ids.1.as_u64_pair().1,
        };
        let shared = Arc::new(Shared::new(ClientState::new(settings, runtime::now())));
        runtime::spawn(driver::drive(Arc::clone(&shared), Box::new(connect)));
        Self { link: Link::new(shared), destination }
    }

    pub(crate) fn link(&self) -> &Link {
        &self.link
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Client({})", self.destination)
    }
}

/// Settings of a [`Client`].
#[derive(Debug, Clone)]
#[must_use]
pub struct ClientBuilder {
    pub(crate) submit_timeout: Duration,
}

impl ClientBuilder {
    /// How long a submission waits for its answer before it is
    /// [`Unconfirmed`](crate::SubmitError::Unconfirmed). 10 s unless set.
    pub fn submit_timeout(mut self, timeout: Duration) -> Self {
        self.submit_timeout = timeout;
        self
    }

    /// As [`Client::new`].
    pub fn build(self, connect: impl Connect) -> Client {
        Client::start(connect, &self, FirstConnect::Forever)
    }

    /// As [`Client::connect`], over any way to a broker.
    pub fn connect(self, connect: impl Connect) -> ConnectBuilder {
        ConnectBuilder::with(connect, self)
    }
}
