//! The client through its public face, over a connection of the tests' own making: the other end is a script.
//!
//! This also proves the seam: nothing here knows a broker, a socket or a port.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a helper of a test fails like the test")]

mod adding;
mod cancelling;
mod connecting;
mod dead_letters;
mod dropping;
mod following;
mod problems;
mod pulling;
mod reading;
mod requesting;
mod script;
mod serving;
mod stopping;
mod submitting;
