//! The driver over HTTP: a gateway before the broker, and every call a plain one, as a program in any language makes it.

mod calls;
mod events;
mod mailbox;
mod outcome;
mod parts;
mod party;
mod seconds;
mod service;
mod taken;
mod told;

use std::net::SocketAddr;

use roundtrip::{Broker, ChannelFigures, Client};
use roundtrip_gateway::Gateway;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

use crate::clients::{broker, until};
use crate::driver::{Driver, Feature, Terms};
use crate::suite::CHANNEL;
use calls::Calls;
use party::Caller;

/// Calls of a gateway, over a loopback socket.
pub(crate) struct Http {
    broker: Broker,
    gateway: SocketAddr,
    _serving: AbortOnDropHandle<()>,
}

impl Driver for Http {
    const REFUSES: &'static [(Feature, &'static str)] = &[
        (Feature::Connections, "other_method"),
        (Feature::DeadLetters, "unknown_path"),
        (Feature::OwnTickets, "invalid"),
    ];
    type Party = Caller;

    async fn start(terms: Terms) -> Self {
        let broker = broker(Broker::builder(), terms);
        let gateway = Gateway::builder().build(Client::new(broker.connect()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = AbortOnDropHandle::new(tokio::spawn(gateway.serve(listener)));
        let calls = Calls::of(address);
        while calls.ask(calls.get("/readyz")).await.status != 200 {}
        Self { broker, gateway: address, _serving: serving }
    }

    async fn party(&self) -> Caller {
        Caller::at(self.gateway).await
    }

    async fn until(&self, channel: &str, is_reached: impl Fn(&ChannelFigures) -> bool) {
        until(&self.broker, channel, is_reached).await;
    }

    async fn ask_for(feature: Feature) -> String {
        let http = Self::start(Terms::default()).await;
        let calls = Calls::of(http.gateway);
        let channel = format!("/v1/channels/{CHANNEL}");
        let call = match feature {
            Feature::Connections => calls.get(format!("{channel}/deliveries")).header("accept", "text/event-stream"),
            Feature::DeadLetters => calls.get(format!("{channel}/dead-letters")),
            Feature::OwnTickets => {
                let ticket = format!("{CHANNEL}:0190d5a3-7b1e-7cc0-8000-3c5f1f6a2b11");
                calls.post(format!("{channel}/requests")).header("roundtrip-ticket", ticket).body("draw")
            }
            other => panic!("{other:?} is not among what this driver refuses"),
        };
        calls.ask(call).await.problem().code
    }
}
