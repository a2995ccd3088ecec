//! The broker by sequences of frames, over the in-process connection and over TCP with the same test bodies.
#![allow(clippy::unwrap_used, reason = "all of it is tests")]

mod connections;
mod crowd;
mod dead_letters;
mod deliveries;
mod drain;
mod endings;
mod idle;
mod keys;
mod limits;
mod mailboxes;
mod parts;
mod restarts;
mod settings;
mod submissions;
mod terms;
mod wire;
