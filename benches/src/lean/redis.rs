//! The client of Redis, by lists. A request is pushed to the list of requests, which the services take from; a reply is
//! pushed to its requester's own list. Redis answers a push, which is its `accepted`; it knows no acknowledgement.
//!
//! A value is the number of the requester and a payload. Whoever waits for values of a list can say nothing else on that
//! connection, so a requester has a second one to submit on.

mod resp;

use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;

use anyhow::Context;
use bytes::{BufMut, BytesMut};

use super::{Doors, Entrance, Replied, Requester, Service};
use crate::payload::Mark;
use resp::{Answer, put_command};

const REQUESTS: &[u8] = b"requests";

/// How long the number of the requester is.
const NUMBER: usize = size_of::<u32>();

/// A Redis server at this address, where payloads have this size.
pub(crate) struct Redis(pub(crate) SocketAddr, pub(crate) usize);

impl Redis {
    /// How many values are taken at once: as many as one read can bring.
    fn most(&self) -> String {
        (128 * 1024 / (self.1 + 64)).clamp(1, 1024).to_string()
    }

    /// A connection that waits for values of this list, and how it says that it does.
    fn connect(&self, list: &[u8]) -> anyhow::Result<(TcpStream, BytesMut)> {
        let mut take = BytesMut::new();
        put_command(&[b"BLMPOP", b"0", b"1", list, b"LEFT", b"COUNT", self.most().as_bytes()], &mut take);
        let mut socket = TcpStream::connect(self.0)?;
        socket.write_all(&take)?;
        Ok((socket, take))
    }
}

impl Doors for Redis {
    fn requester(&self, number: usize) -> anyhow::Result<Entrance> {
        let number = number as u32;
        let (socket, take) = self.connect(&replies(number))?;
        let under_way = Rc::new(Cell::new(0));
        let asking = Asking { number, take, under_way: Rc::clone(&under_way) };
        let submitting = (TcpStream::connect(self.0)?, Box::new(Accepted { under_way }) as Box<dyn Service>);
        Ok(Entrance { submitting: Some(submitting), ..Entrance::new(socket, asking) })
    }

    fn service(&self, _number: usize) -> anyhow::Result<(TcpStream, Box<dyn Service>)> {
        let (socket, take) = self.connect(REQUESTS)?;
        Ok((socket, Box::new(Answering { take })))
    }

    fn idle(&self, _number: usize) -> anyhow::Result<TcpStream> {
        let mut socket = TcpStream::connect(self.0)?;
        socket.write_all(b"PING\r\n")?;
        let mut answer = [0; 7];
        socket.read_exact(&mut answer)?;
        anyhow::ensure!(&answer == b"+PONG\r\n", "Redis did not answer a ping");
        Ok(socket)
    }
}

/// The name of a requester's list.
fn replies(requester: u32) -> Vec<u8> {
    format!("replies:{requester}").into_bytes()
}

struct Asking {
    number: u32,
    /// Asks for the next replies.
    take: BytesMut,
    /// How many pushes were not answered yet.
    under_way: Rc<Cell<u64>>,
}

impl Requester for Asking {
    fn submit(&mut self, mark: Mark, size: usize, out: &mut BytesMut) {
        self.under_way.set(self.under_way.get() + 1);
        resp::put_head(&[b"RPUSH", REQUESTS], NUMBER + Mark::payload_len(size), out);
        out.put_u32_le(self.number);
        mark.put(size, out);
        out.put_slice(b"\r\n");
    }

    fn hear(&mut self, input: &[u8], out: &mut BytesMut, reply: &mut Replied<'_>) -> anyhow::Result<usize> {
        resp::hear(input, |answer| {
            for value in answer.popped()? {
                let (number, payload) = split(value)?;
                anyhow::ensure!(number == self.number, "a reply is in the list of another requester");
                reply(payload)?;
            }
            out.put_slice(&self.take);
            Ok(())
        })
    }

    fn is_done(&self) -> bool {
        self.under_way.get() == 0
    }
}

/// Hears that requests were pushed.
struct Accepted {
    under_way: Rc<Cell<u64>>,
}

impl Service for Accepted {
    fn hear(&mut self, input: &[u8], _out: &mut BytesMut) -> anyhow::Result<usize> {
        resp::hear(input, |answer| {
            anyhow::ensure!(matches!(answer, Answer::Number(_)), "Redis did not push a request");
            self.under_way.set(self.under_way.get().checked_sub(1).context("Redis answered more than it was asked")?);
            Ok(())
        })
    }
}

struct Answering {
    /// Asks for the next requests.
    take: BytesMut,
}

impl Service for Answering {
    /// Answers of pushes and requests come in turn, since everything is said on one connection.
    fn hear(&mut self, input: &[u8], out: &mut BytesMut) -> anyhow::Result<usize> {
        resp::hear(input, |answer| {
            if let Answer::Number(_) = answer {
                return Ok(());
            }
            for value in answer.popped()? {
                let (requester, _) = split(value)?;
                put_command(&[b"RPUSH", &replies(requester), value], out);
            }
            out.put_slice(&self.take);
            Ok(())
        })
    }
}

/// The number of the requester, and the payload.
fn split(value: &[u8]) -> anyhow::Result<(u32, &[u8])> {
    let (number, payload) = value.split_first_chunk().context("a value is too short")?;
    Ok((u32::from_le_bytes(*number), payload))
}
