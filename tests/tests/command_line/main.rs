//! The real binary, as people and scripts use it: what it prints, where, and how it exits. Every test starts its own
//! broker on a free port. Tests wait for lines and ends; `stage::LIMIT` is only there to end one that hangs.
#![allow(clippy::unwrap_used, reason = "a test ends where its expectation does")]

mod broker;
mod cancel;
mod channels;
mod configuration;
mod data;
mod dead_letters;
mod demo;
mod drain;
mod durable;
mod garbage;
mod http;
mod languages;
mod parts;
mod polls;
mod readme;
mod replies;
mod request;
mod serve;
mod stage;
mod status;
mod terms;
