//! The gateway as callers know it: real HTTP over real sockets, to a broker in the same process. Tests wait for answers
//! and for what the broker tells; `stage::LIMIT` is only there to end one that hangs.
#![allow(clippy::unwrap_used, reason = "a test ends where its expectation does")]

mod acknowledging;
mod bodies;
mod cancelling;
mod describing;
mod guarding;
mod outcomes;
mod readiness;
mod refusing;
mod stage;
mod submitting;
mod waiting;
