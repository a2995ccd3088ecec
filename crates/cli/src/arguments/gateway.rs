//! What there is to type after `roundtrip gateway`.

use std::net::SocketAddr;

use clap::Args;

use super::{BrokerAddress, Callers};

#[derive(Debug, Args)]
pub(crate) struct Gateway {
    /// Where to listen for HTTP; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7480")]
    pub(crate) listen: SocketAddr,
    #[command(flatten)]
    pub(crate) callers: Callers,
    /// Listen on other addresses than loopback too: there are no permissions and no encryption yet.
    #[arg(long)]
    pub(crate) insecure: bool,
    /// Print the ready line as JSON: {"event":"ready","listen":"127.0.0.1:43121"}.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) broker: BrokerAddress,
}
