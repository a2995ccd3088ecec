//! The client of the [relay]: a frame is its length, the number of a connection, and a payload.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};

use bytes::BytesMut;

use super::{Doors, Entrance, Replied, Requester, Service};
use crate::payload::Mark;
use crate::relay::{self, FRAME, Role};

/// A relay at this address.
pub(crate) struct Relay(pub(crate) SocketAddr);

impl Relay {
    fn connect(&self, role: Role) -> anyhow::Result<TcpStream> {
        let mut socket = TcpStream::connect(self.0)?;
        socket.write_all(&[role as u8])?;
        Ok(socket)
    }
}

impl Doors for Relay {
    fn requester(&self, _number: usize) -> anyhow::Result<Entrance> {
        Ok(Entrance::new(self.connect(Role::Requester)?, Asking))
    }

    fn service(&self, _number: usize) -> anyhow::Result<(TcpStream, Box<dyn Service>)> {
        Ok((self.connect(Role::Service)?, Box::new(Answering)))
    }

    /// The relay does not greet.
    fn idle(&self, _number: usize) -> anyhow::Result<TcpStream> {
        self.connect(Role::Requester)
    }
}

struct Asking;

impl Requester for Asking {
    fn submit(&mut self, mark: Mark, size: usize, out: &mut BytesMut) {
        relay::put_head(0, Mark::payload_len(size), out);
        mark.put(size, out);
    }

    fn hear(&mut self, input: &[u8], _out: &mut BytesMut, reply: &mut Replied<'_>) -> anyhow::Result<usize> {
        let mut at = 0;
        while let Some((_, length)) = relay::head(&input[at..]) {
            reply(&input[at + FRAME..at + length])?;
            at += length;
        }
        Ok(at)
    }
}

struct Answering;

impl Service for Answering {
    /// A reply is the request as it came: its number is that of the connection which asked.
    fn hear(&mut self, input: &[u8], out: &mut BytesMut) -> anyhow::Result<usize> {
        let mut at = 0;
        while let Some((_, length)) = relay::head(&input[at..]) {
            out.extend_from_slice(&input[at..at + length]);
            at += length;
        }
        Ok(at)
    }
}
