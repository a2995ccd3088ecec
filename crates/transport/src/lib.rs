//! What a connection is, and the framing codec over TCP.
//!
//! This crate moves frames: it turns bytes into [`Frame`](roundtrip_protocol::Frame)s and back, in order and within
//! bounds. It never looks into a payload, never decides what a frame leads to, and arms no timer.
//!
//! - The seam: [`Connect`] and [`Connection`]. A client knows no more of what carries its frames.
//! - Its TCP side: [`TcpConnect`] and [`TcpConnection`].
//! - What they are made of, and a broker's connections too: [`FrameCodec`], which asks an [`Admission`] about each
//!   frame before its payload is read; [`Reader`], which hands out all frames of a read at once; [`WriteQueue`].

mod codec;
mod connection;
mod heard;
mod read_buffer;
mod reader;
pub mod runtime;
#[cfg(test)]
mod samples;
mod tcp;
mod write_queue;

pub use codec::{Admission, AdmitAll, Arrival, ArrivalFor, FrameCodec, Incoming};
pub use connection::{Broken, Connect, Connecting, Connection};
pub use heard::Heard;
pub use reader::{BATCH, Reader};
pub use tcp::{TcpConnect, TcpConnection};
pub use write_queue::WriteQueue;
