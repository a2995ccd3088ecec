//! A connection of an event loop: what was read and not understood yet, and what waits to be written.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use bytes::{Buf, BytesMut};

use crate::poll::Poll;

/// How much is read at once.
pub(crate) const READ: usize = 256 * 1024;

/// A connection that never waits.
#[derive(Debug)]
pub(crate) struct Line {
    socket: TcpStream,
    key: usize,
    /// The beginning of a message whose end is still to come.
    rest: Vec<u8>,
    out: BytesMut,
    is_blocked: bool,
}

impl Line {
    /// Takes a socket over, and has it watched under this key.
    pub(crate) fn new(socket: TcpStream, key: usize, poll: &Poll) -> anyhow::Result<Self> {
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        poll.add(&socket, key)?;
        Ok(Self { socket, key, rest: Vec::new(), out: BytesMut::new(), is_blocked: false })
    }

    /// Where that is put which is to be written.
    pub(crate) fn out(&mut self) -> &mut BytesMut {
        &mut self.out
    }

    /// Reads once, and hands out all that was not understood yet; `understand` tells how much of it was.
    ///
    /// # Errors
    ///
    /// `understand`'s, the system's, and the end of the stream.
    pub(crate) fn read(
        &mut self,
        scratch: &mut [u8],
        understand: impl FnOnce(&[u8], &mut BytesMut) -> anyhow::Result<usize>,
    ) -> anyhow::Result<()> {
        let before = self.rest.len();
        anyhow::ensure!(before < scratch.len(), "a message came that is longer than any that was sent");
        scratch[..before].copy_from_slice(&self.rest);
        let read = match self.socket.read(&mut scratch[before..]) {
            Ok(0) => anyhow::bail!("the other end closed the connection"),
            Ok(read) => read,
            Err(error) if is_passing(&error) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let there = &scratch[..before + read];
        let understood = understand(there, &mut self.out)?;
        self.rest.clear();
        self.rest.extend_from_slice(&there[understood..]);
        Ok(())
    }

    /// Writes what waits, as far as the socket takes it. The rest follows when it takes more.
    pub(crate) fn write(&mut self, poll: &Poll) -> anyhow::Result<()> {
        while !self.out.is_empty() {
            match self.socket.write(&self.out) {
                Ok(written) => self.out.advance(written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_passing(&error) => break,
                Err(error) => return Err(error.into()),
            }
        }
        let is_blocked = !self.out.is_empty();
        if is_blocked != self.is_blocked {
            poll.watch_writing(&self.socket, self.key, is_blocked)?;
            self.is_blocked = is_blocked;
        }
        Ok(())
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
