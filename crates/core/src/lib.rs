//! What a channel and a mailbox do: pure state machines.
//!
//! No clock, randomness, lock, task, socket or disk: time and random bits are given, effects are handed back.

mod channel;
mod handles;
mod mailbox;
#[doc(hidden)]
pub mod planted;
mod time;

pub use channel::{
    Accepted, Change, Channel, Command, DELIVERIES_AT_ONCE, DeadLetter, Effect, Ended, Ending, Figures, Key, NoService,
    Original, Outcome, Rate, Reading, Record, Restored, RestoredParts, ServiceInstance, Settings, Settling, Submission,
    Tell, Tried, What,
};
pub use handles::{Handles, Peer, PeerId, Place};
pub use mailbox::{Mailbox, Notice, Notices, Opened, ReaderId};
pub use time::{Now, Time};
