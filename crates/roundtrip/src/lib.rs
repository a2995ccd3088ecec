//! Roundtrip: a message broker for asynchronous request-reply that runs inside your process, or as one binary.
//!
//! A requester submits a command to a named channel, gets a ticket, and goes on with its work. A service takes the
//! command, works for milliseconds or hours, and answers. The answer reaches the requester when it is ready, whatever
//! dies on the way.
//!
//! This crate has nothing of its own: feature `client` brings [`Client`] and what is made from it, feature `broker`
//! brings [`Broker`]. Both are on by default. Feature `testkit`, off by default, brings what a test of your own services
//! and requesters needs: a broker with parties that crash, stall and lose their connections on command.

#[cfg(feature = "broker")]
pub use roundtrip_broker::Broker;

/// The broker as a library, and its settings.
#[cfg(feature = "broker")]
pub mod broker {
    pub use roundtrip_broker::*;
}

#[cfg(feature = "client")]
pub use roundtrip_client::*;

#[cfg(feature = "testkit")]
pub mod testkit;

/// The examples of the README, which run as tests.
#[cfg(all(doctest, feature = "testkit"))]
#[doc = include_str!("../../../README.md")]
struct Readme;
