//! The broker by sequences of frames, over the in-process connection and over TCP with the same test bodies.
#![allow(clippy::unwrap_used, reason = "all of it is tests")]

mod connections;
mod crowd;
mod deliveries;
mod drain;
mod limits;
mod mailboxes;
mod submissions;
mod wire;
