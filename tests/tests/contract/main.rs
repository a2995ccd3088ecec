//! What the Rust client promises of the contract, seen through its public API alone: each test runs twice, over the
//! in-process connection and over TCP. The contract itself is asked for in `conformance`. Tests wait on events;
//! `stage::LIMIT` is only there to end one that hangs.
#![allow(clippy::unwrap_used, reason = "a test ends where its expectation does")]

mod broken;
mod dispatch;
mod drain;
mod drops;
mod limits;
mod load;
mod mailbox;
mod outcome;
mod pull;
mod requester;
mod seam;
mod stage;
mod virtual_time;
