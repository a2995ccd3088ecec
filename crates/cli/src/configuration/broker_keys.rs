//! The broker's own keys, at the top of the file: the names of the builder's methods.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use roundtrip::broker::{Broker, BrokerBuilder, OnUnknown};
use roundtrip_gateway::{Host, Origin};

use super::kinds::{Folder, Listed, Positive, Size};
use super::settings::settings;

settings! {
    /// What concerns the broker as a whole.
    struct BrokerKeys {
        /// Where to listen; port 0 takes a free one.
        listen: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 7420),
        /// Where to listen for HTTP too, for curl and every language. Not set: nowhere.
        http: Option<SocketAddr> = None,
        /// The names under which HTTP is reached beside localhost and the loopback addresses, such as "broker.example".
        hosts: Listed<Host> = Listed::default(),
        /// The origins of web pages that may ask over HTTP, such as "https://ward.example".
        cors_origins: Listed<Origin> = Listed::default(),
        /// How much memory the broker may take for all it holds. New requests are refused when three quarters are used.
        memory: Positive<Size> = Positive(Size::mib(1024)),
        /// The folder that durable channels are kept in, made if it is missing. With one every channel is durable that
        /// does not say otherwise. Not set: everything lives in memory, and ends with the broker.
        data: Option<Folder> = None,
        /// How much of the disk the folder may take. New requests on durable channels are refused beyond it.
        disk: Positive<Size> = Positive(Size::mib(16 * 1024)),
        /// What becomes of a channel that is not declared: "refuse", or "create" to make it with [defaults]. With a file
        /// that does not say it: "refuse"; without a file: "create".
        on_unknown: OnUnknown = OnUnknown::Create,
        /// How many channels there may be.
        max_channels: usize = 100_000,
        /// How many connections there may be.
        max_connections: usize = 20_000,
        /// How many mailboxes there may be.
        max_mailboxes: usize = 100_000,
        /// How many requests of one requester may have a place in one mailbox, answered or not.
        mailbox_capacity: usize = 10_000,
        /// How many tickets, deliveries, services and mailboxes, each, one connection may have at once.
        max_open: u32 = 65_536,
        /// The largest payload that any connection takes; whoever sends a larger one is disconnected.
        max_payload: Size = Size::mib(64),
        /// How often each end of a connection says something at least; after three heartbeats of silence it is broken.
        /// "0s": never, and silence breaks nothing.
        heartbeat: Duration = Duration::from_secs(5),
        /// How long the broker drains when it is stopped, before what is left fails.
        drain_timeout: Duration = Duration::from_secs(30),
    }
}

impl BrokerKeys {
    /// A broker that is told this.
    pub(super) fn builder(&self) -> BrokerBuilder {
        let builder = Broker::builder()
            .memory(self.memory.0.0)
            .disk(self.disk.0.0 as u64)
            .on_unknown(self.on_unknown)
            .max_channels(self.max_channels)
            .max_connections(self.max_connections)
            .max_mailboxes(self.max_mailboxes)
            .mailbox_capacity(self.mailbox_capacity)
            .max_open(self.max_open)
            .max_payload(self.max_payload.0)
            .heartbeat(self.heartbeat)
            .drain_timeout(self.drain_timeout);
        match &self.data {
            Some(Folder(folder)) => builder.data(folder),
            None => builder,
        }
    }
}
