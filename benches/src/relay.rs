//! A raw relay: what TCP, one thread and one copy of each payload allow. It passes frames from requesters to services in
//! turn and back, with the number of a connection and nothing else: no name, no correlation, no lease, no mailbox.
//!
//! ```text
//!  0               4                    8
//! +---------------+--------------------+-----------------+
//! | length   u32  | connection    u32  | payload         |
//! +---------------+--------------------+-----------------+
//! ```
//!
//! `length` counts everything after itself. Each connection begins with one byte that says whose it is.

use std::convert::Infallible;
use std::net::TcpListener;

use anyhow::Context;
use bytes::{BufMut, BytesMut};

use crate::line::{Line, READ};
use crate::poll::Poll;

/// How long the head of a frame is.
pub(crate) const FRAME: usize = 8;

/// Whose a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Role {
    Requester = b'r',
    Service = b's',
}

/// When the relay writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writing {
    /// Behind each read, to all connections that it touched.
    BehindEachRead,
    /// Once for all that could be read at the same time.
    Coalescing,
}

/// Appends the head of a frame.
pub(crate) fn put_head(connection: u32, payload_len: usize, to: &mut BytesMut) {
    to.put_u32_le((payload_len + FRAME - 4) as u32);
    to.put_u32_le(connection);
}

/// The connection's number of the frame at the front, and how long it is, if it is there whole.
pub(crate) fn head(input: &[u8]) -> Option<(u32, usize)> {
    let (length, rest) = input.split_first_chunk()?;
    let connection = u32::from_le_bytes(*rest.first_chunk()?);
    let length = 4 + u32::from_le_bytes(*length) as usize;
    (input.len() >= length).then_some((connection, length))
}

/// Relays until it is killed.
pub(crate) fn serve(listener: &TcpListener, writing: Writing) -> anyhow::Result<Infallible> {
    let mut poll = Poll::new()?;
    poll.add(listener, LISTENER)?;
    listener.set_nonblocking(true)?;
    let mut relay = Relay { lines: Vec::new(), roles: Vec::new(), services: Vec::new(), next: 0, touched: Vec::new() };
    let (mut scratch, mut ready) = (vec![0; READ], Vec::new());
    loop {
        poll.wait(None, &mut ready)?;
        for ready in &ready {
            if ready.key == LISTENER {
                relay.accept(listener, &poll)?;
                continue;
            }
            if ready.readable && !relay.pass(ready.key, &mut scratch) {
                relay.lines[ready.key] = None;
                continue;
            }
            if ready.writable {
                relay.touched.push(ready.key);
            }
            if writing == Writing::BehindEachRead {
                relay.write(&poll);
            }
        }
        relay.write(&poll);
    }
}

/// The key of the socket that listens.
const LISTENER: usize = usize::MAX;

struct Relay {
    lines: Vec<Option<Line>>,
    roles: Vec<Option<Role>>,
    services: Vec<usize>,
    /// Whose turn it is of the services.
    next: usize,
    touched: Vec<usize>,
}

impl Relay {
    fn accept(&mut self, listener: &TcpListener, poll: &Poll) -> anyhow::Result<()> {
        while let Ok((socket, _)) = listener.accept() {
            self.lines.push(Some(Line::new(socket, self.lines.len(), poll)?));
            self.roles.push(None);
        }
        Ok(())
    }

    /// Passes on what one read brings; whether the connection goes on.
    fn pass(&mut self, key: usize, scratch: &mut [u8]) -> bool {
        let Some(mut line) = self.lines[key].take() else { return true };
        let passed = line.read(scratch, |input, _| self.pass_frames(key, input));
        self.lines[key] = Some(line);
        passed.is_ok()
    }

    fn pass_frames(&mut self, key: usize, input: &[u8]) -> anyhow::Result<usize> {
        let mut at = 0;
        if self.roles[key].is_none() {
            let role = if input[0] == Role::Service as u8 { Role::Service } else { Role::Requester };
            self.roles[key] = Some(role);
            if role == Role::Service {
                self.services.push(key);
            }
            at = 1;
        }
        let is_service = self.roles[key] == Some(Role::Service);
        while let Some((connection, length)) = head(&input[at..]) {
            let to = if is_service { connection as usize } else { self.service()? };
            let other = self.lines.get_mut(to).and_then(Option::as_mut).context("the other end is gone")?;
            if other.out().is_empty() {
                self.touched.push(to);
            }
            put_head(key as u32, length - FRAME, other.out());
            other.out().extend_from_slice(&input[at + FRAME..at + length]);
            at += length;
        }
        Ok(at)
    }

    fn service(&mut self) -> anyhow::Result<usize> {
        self.next = (self.next + 1) % self.services.len().max(1);
        self.services.get(self.next).copied().context("there is no service")
    }

    fn write(&mut self, poll: &Poll) {
        for key in self.touched.drain(..) {
            if let Some(line) = &mut self.lines[key]
                && line.write(poll).is_err()
            {
                self.lines[key] = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_there_when_its_last_byte_is() {
        let mut bytes = BytesMut::new();
        put_head(7, 3, &mut bytes);
        bytes.extend_from_slice(b"abc");
        assert_eq!(head(&bytes[..10]), None);
        assert_eq!(head(&bytes[..6]), None);
        assert_eq!(head(&bytes), Some((7, 11)));
    }
}
