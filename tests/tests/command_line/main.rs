//! The real binary, as people and scripts use it: what it prints, where, and how it exits. Every test starts its own
//! broker on a free port. Tests wait for lines and ends; `stage::LIMIT` is only there to end one that hangs.

mod broker;
mod channels;
mod demo;
mod garbage;
mod replies;
mod request;
mod serve;
mod stage;
