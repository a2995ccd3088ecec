//! What a connection is, and the framing codec over TCP.

mod connection;

pub use connection::{Broken, Connect, Connecting, Connection};
