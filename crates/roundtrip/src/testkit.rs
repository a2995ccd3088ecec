//! What a test of one's own services and requesters needs: a broker that starts at once, and parties that crash, stall
//! and lose their connections on command.
//!
//! There is no port and no thread of its own, and while nothing happens no timer: under
//! `#[tokio::test(start_paused = true)]` backoff, leases and deadlines of hours pass at once.
//!
//! ```
//! use roundtrip::testkit::TestBroker;
//! # use roundtrip::{Context, Failure, Operation};
//! # use serde::{Deserialize, Serialize};
//! # #[derive(Serialize, Deserialize)]
//! # struct Resize { width: u32 }
//! # impl Operation for Resize {
//! #     const NAME: &'static str = "resize";
//! #     const CHANNEL: &'static str = "picture_request";
//! #     type Reply = u32;
//! #     type Error = String;
//! # }
//! # async fn resize(command: Resize, _: Context) -> Result<u32, Failure<String>> { Ok(command.width) }
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() {
//! // #[tokio::test(start_paused = true)]
//! let broker = TestBroker::start();
//! let first = broker.client().service(resize).spawn();
//! broker.services("picture_request", 1).await;
//! first.stall(); // it takes work, and shows no sign of life
//! let ticket = broker.client().requester("shop").submit(Resize { width: 64 }).await.unwrap();
//! broker.in_flight("picture_request", 1).await;
//! let second = broker.client().service(resize).spawn();
//! assert_eq!(ticket.await, Ok(64)); // when the lease of the first had ended
//! broker.assert_idle().await;
//! # drop((first, second));
//! # }
//! ```

mod client;
mod idle;
mod line;
mod service;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::broker::{BrokerBuilder, MemoryDisk};
use crate::{Broker, ChannelFigures};

use self::line::Line;

pub use self::client::TestClient;
pub use self::service::{TestService, TestServiceHandle};

/// A broker for one test, in this process and without a port.
///
/// What a [`Broker`] can do beside this, [`TestBroker::broker`] can.
pub struct TestBroker {
    broker: Broker,
    /// Of every client that was made.
    lines: Mutex<Vec<Arc<Line>>>,
    memory_at_start: usize,
}

impl TestBroker {
    /// A broker with default settings. Channels are made on first use.
    ///
    /// # Panics
    ///
    /// There is no tokio runtime on this thread.
    #[must_use]
    pub fn start() -> Self {
        Self::with(|builder| builder)
    }

    /// A broker with settings of the test's own.
    ///
    /// ```
    /// # use roundtrip::testkit::TestBroker;
    /// # use roundtrip::broker::ChannelSettings;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let settings = ChannelSettings::new("picture_request").max_attempts(2);
    /// let broker = TestBroker::with(|builder| builder.channel(settings));
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// There is no tokio runtime on this thread, or the settings contradict themselves.
    #[must_use]
    pub fn with(settings: impl FnOnce(BrokerBuilder) -> BrokerBuilder) -> Self {
        // Durable channels need no folder here: what they keep lives as long as the broker, and is kept at once.
        let builder = Broker::builder().data_in_memory(&MemoryDisk::default());
        let broker = match settings(builder).start() {
            Ok(broker) => broker,
            Err(error) => panic!("the broker of this test does not start: {error}"),
        };
        let memory_at_start = broker.memory_in_use();
        Self { broker, lines: Mutex::default(), memory_at_start }
    }

    /// A client with a connection of its own, as that of a process of its own.
    #[must_use]
    pub fn client(&self) -> TestClient {
        let line = Line::to(self.broker.connect());
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&line));
        TestClient::over(line)
    }

    /// Waits until the channel has so many services. One that has only been spawned is none yet.
    pub async fn services(&self, channel: &str, services: u32) {
        self.until(channel, |figures| figures.services == services).await;
    }

    /// Waits until so many requests wait on the channel, those that back off among them.
    pub async fn waiting(&self, channel: &str, requests: u64) {
        self.until(channel, |figures| figures.waiting == requests).await;
    }

    /// Waits until so many requests of the channel are in flight: with services, or lost and not given up yet.
    pub async fn in_flight(&self, channel: &str, requests: u64) {
        self.until(channel, |figures| figures.in_flight == requests).await;
    }

    /// Waits until the figures of a channel are as they should be. Those of a channel that is not there are all zero.
    pub async fn until(&self, channel: &str, is_reached: impl Fn(&ChannelFigures) -> bool) {
        let Ok(name) = channel.parse() else { panic!("{channel:?} is not the name of a channel") };
        let nothing = ChannelFigures {
            channel: name,
            waiting: 0,
            scheduled: 0,
            in_flight: 0,
            services: 0,
            retained: 0,
            dead: 0,
            oldest_ms: 0,
            paused_ms: 0,
            stale: 0,
        };
        let condition = |channels: &[ChannelFigures]| {
            is_reached(channels.iter().find(|figures| figures.channel == nothing.channel).unwrap_or(&nothing))
        };
        self.broker.until(condition).await;
    }

    /// Breaks every connection now, as if each line had been cut. The clients connect again by themselves.
    pub fn cut_connections(&self) {
        self.broker.cut_connections();
    }

    /// Ends the test: waits until nothing is left of any request, then says goodbye for every client, and waits until
    /// the broker's memory is where it was at the start.
    ///
    /// It waits 5 s for the requests, and 70 s for the memory where a client crashed: the broker keeps the mailbox of an
    /// unnamed requester for 60 s. Under a paused clock neither takes time. A connection in this test that did not go
    /// through [`TestBroker::client`] is to be closed before.
    ///
    /// # Panics
    ///
    /// Something is left; the text says what.
    pub async fn assert_idle(self) {
        if let Err(left) = self.idle().await {
            panic!("the broker is not idle: {left}");
        }
    }

    /// The broker itself.
    #[must_use]
    pub fn broker(&self) -> &Broker {
        &self.broker
    }

    fn hang_up(&self) {
        let lines = std::mem::take(&mut *self.lines.lock().unwrap_or_else(PoisonError::into_inner));
        lines.iter().for_each(|line| line.say_goodbye());
    }
}

impl fmt::Debug for TestBroker {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Test{:?}", self.broker)
    }
}
