//! The gateway as callers know it: real HTTP over real sockets, to a broker in the same process. Tests wait for answers
//! and for what the broker tells; `stage::LIMIT` is only there to end one that hangs.
#![allow(clippy::unwrap_used, reason = "a test ends where its expectation does")]

mod acknowledging;
mod bodies;
mod cancelling;
mod describing;
mod events;
mod guarding;
mod leasing;
mod mailboxes;
mod outcomes;
mod readiness;
mod refusing;
mod settling;
mod stage;
mod submitting;
mod taking;
mod waiting;
mod working;
