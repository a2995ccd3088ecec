//! The Roundtrip broker as a library: channels, mailboxes and the connections to them, inside your process.
//!
//! A [`Broker`] lives in a tokio runtime. [`Broker::connect`] is the way to it within the process, [`Broker::listen`]
//! adds TCP; both feed the same sessions, so that they behave the same.
//!
//! What happens to a message, file by file: `tcp` or `in_process` receives its frame, after `admission` has said
//! whether its payload may be read; `session` knows what the frame's numbers stand for; `channel` runs the state
//! machine of `roundtrip-core` under its lock and applies the effects; `peer` is the outbox of the connection that is
//! told, `mailbox` the list of outcomes for a requester that is not there. `timer` comes back when something is due,
//! `drain` ends it all.

mod admission;
mod batch;
mod broker;
mod builder;
mod changes;
mod channel;
mod clock;
mod connections;
#[cfg(feature = "durable")]
pub mod data;
#[cfg_attr(not(feature = "durable"), allow(dead_code, reason = "only storages in memory are there"))]
mod disk;
mod drain;
mod handles;
mod in_process;
mod instances;
mod lock;
mod mailbox;
mod memory;
mod message;
mod peer;
mod session;
mod settings;
mod shared;
#[cfg(feature = "simulation")]
#[doc(hidden)]
pub mod simulation;
#[cfg_attr(not(feature = "durable"), allow(dead_code, reason = "only storages in memory are there"))]
mod storage;
mod tcp;
mod timer;
mod unnamed;

pub use broker::{Broker, ListenError, Recovery};
pub use builder::{BrokerBuilder, StartError};
pub use drain::ShutdownReport;
pub use in_process::InProcess;
pub use roundtrip_core::NoService;
pub use roundtrip_protocol::{ChannelFigures, ChannelName, NameError};
pub use settings::{ChannelError, ChannelSettings, OnUnknown};
#[doc(hidden)]
pub use storage::memory::MemoryDisk;
