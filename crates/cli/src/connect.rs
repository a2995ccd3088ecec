//! Connecting to the broker: at once or not at all, or, for what serves and follows, however long it takes.

use std::time::Duration;

use roundtrip::{Client, ConnectError};

use crate::arguments::BrokerAddress;
use crate::exit::{Exit, Quit};
use crate::output::tell;

/// Connects, or says at once that nobody is there.
pub(crate) async fn at_once(broker: &BrokerAddress) -> Result<Client, Quit> {
    Client::connect(&broker.address).connect_timeout(Duration::ZERO).await.map_err(quit)
}

/// Connects, and waits for a broker that is not there yet.
pub(crate) async fn patiently(broker: &BrokerAddress) -> Result<Client, Quit> {
    match Client::connect(&broker.address).connect_timeout(Duration::ZERO).await {
        Err(ConnectError::Unreachable { destination, .. }) => {
            tell(&format!(
                "waiting for a broker at {destination}: start one with `roundtrip broker --listen {destination}`"
            ));
            Client::connect(&broker.address).retry_first_connect(true).await.map_err(quit)
        }
        connected => connected.map_err(quit),
    }
}

#[allow(clippy::needless_pass_by_value, reason = "the shape that map_err takes")]
fn quit(error: ConnectError) -> Quit {
    Quit::saying(Exit::NoConnection, error.to_string())
}
