//! What the tests play on: a broker, ways to it, and operations to ask for.

mod cable;
mod operation;
mod witness;

use std::net::SocketAddr;
use std::time::Duration;

use roundtrip::broker::{BrokerBuilder, ChannelSettings};
use roundtrip::{Broker, ChannelFigures, Client};

pub(crate) use cable::Cable;
pub(crate) use operation::{Double, NotDoubled, doubled};
pub(crate) use witness::Witness;

/// How long a test may take that should take well under a second. Never what a test waits for.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// How a client reaches the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// In this process, without a socket.
    InProcess,
    /// Over a loopback socket.
    Tcp,
}

/// A broker with one way to it.
pub(crate) struct Stage {
    pub(crate) broker: Broker,
    address: Option<SocketAddr>,
}

impl Stage {
    /// A broker whose channels try again almost at once.
    pub(crate) async fn open(way: Way) -> Self {
        Self::with_channels(way, quick()).await
    }

    /// A broker with these settings for every channel.
    pub(crate) async fn with_channels(way: Way, settings: ChannelSettings) -> Self {
        Self::with(way, Broker::builder().defaults(settings)).await
    }

    /// A broker with settings of the test's own.
    pub(crate) async fn with(way: Way, builder: BrokerBuilder) -> Self {
        let broker = builder.start().expect("a runtime and good settings are there");
        let address = match way {
            Way::InProcess => None,
            Way::Tcp => Some(broker.listen("127.0.0.1:0").await.expect("loopback has a free port")),
        };
        Self { broker, address }
    }

    /// A client instance with a connection of its own.
    pub(crate) async fn client(&self) -> Client {
        match self.address {
            None => Client::new(self.broker.connect()),
            Some(address) => Client::connect(address.to_string()).await.expect("the broker listens"),
        }
    }

    /// A way to the broker that a test can cut.
    pub(crate) async fn cable(&self) -> Cable {
        match self.address {
            None => Cable::in_process(self.broker.connect()),
            Some(address) => Cable::over_tcp(address).await,
        }
    }

    /// Waits until the figures of a channel are as they should be.
    pub(crate) async fn until(&self, channel: &str, satisfied: impl Fn(&ChannelFigures) -> bool) {
        let one = |figures: &&ChannelFigures| figures.channel.as_str() == channel;
        self.broker.until(|channels| channels.iter().find(one).is_some_and(&satisfied)).await;
    }

    /// Waits until nothing is left of any request on any channel.
    pub(crate) async fn until_nothing_is_kept(&self) {
        let nothing = |figures: &ChannelFigures| figures.waiting + figures.in_flight + figures.retained == 0;
        self.broker.until(|channels| channels.iter().all(nothing)).await;
    }

    /// Where the broker listens, if it does.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.address
    }
}

/// Settings with a backoff that a test does not notice.
pub(crate) fn quick() -> ChannelSettings {
    ChannelSettings::for_undeclared().backoff(Duration::from_millis(1), Duration::from_millis(4))
}

/// Settings with a backoff that outlasts the test: what is lost can only be taken back.
pub(crate) fn patient() -> ChannelSettings {
    ChannelSettings::for_undeclared().backoff(LIMIT * 10, LIMIT * 10)
}

/// Ends a test that hangs.
pub(crate) async fn within<T>(test: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, test).await.expect("the test hangs: what it waits for does not come")
}

/// Makes two tests of each function: in process, and over TCP.
macro_rules! both_ways {
    ($($test:ident,)*) => {
        mod in_process {
            $(#[tokio::test]
            async fn $test() {
                crate::stage::within(super::$test(crate::stage::Way::InProcess)).await;
            })*
        }
        mod over_tcp {
            $(#[tokio::test]
            async fn $test() {
                crate::stage::within(super::$test(crate::stage::Way::Tcp)).await;
            })*
        }
    };
}
pub(crate) use both_ways;
