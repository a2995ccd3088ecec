//! The contract, sentence by sentence, for every way to a broker: what is promised is asked for through a [`Driver`], and
//! held to the same in each. A driver of an engine that cannot do something says by which name it refuses that, and then
//! the test is that it does.
//!
//! What the Rust client promises beyond the contract is tested in `contract`.
#![allow(clippy::unwrap_used, reason = "a test ends where its expectation does")]

mod accepting;
mod attaching;
#[allow(dead_code, reason = "nothing here needs a line that is silent")]
#[path = "../contract/stage/cable.rs"]
mod cable;
mod cancelling;
mod clients;
mod dead_letters;
mod deadlines;
mod delivering;
mod driver;
mod http;
mod leases;
mod mailboxes;
mod parts;
mod refusing;
mod settling;
mod suite;

use driver::Driver;
