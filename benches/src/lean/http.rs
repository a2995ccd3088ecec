//! The client of the gateway: HTTP/1.1, one call after the other on a connection that stays. A requester posts and has the
//! outcome in the same call; a service takes a request by one call and replies by the next.

mod answer;

use std::io::Write;
use std::net::{SocketAddr, TcpStream};

use anyhow::Context;
use bytes::{BufMut, BytesMut};

use super::roundtrip::Roundtrip;
use super::{Doors, Entrance, Replied, Requester, Service};
use crate::payload::Mark;
use crate::role;

/// For how many seconds a call may wait: longer than the load does.
const WAIT: u32 = 30;

/// A gateway at this address, or what answers its requesters in its place.
pub(crate) struct Http(pub(crate) SocketAddr);

/// The same with services that come to the broker itself.
pub(crate) struct Served(pub(crate) Http, pub(crate) Roundtrip);

impl Http {
    /// What follows the path of a call with a payload, up to the payload's length.
    fn head(&self, more: &str) -> String {
        let Self(address) = self;
        format!(" HTTP/1.1\r\nhost: {address}\r\n{more}content-type: application/octet-stream\r\ncontent-length: ")
    }
}

impl Doors for Http {
    fn requester(&self, _number: usize) -> anyhow::Result<Entrance> {
        let head = format!("POST {}{}", role::REQUESTS, self.head(&format!("prefer: wait={WAIT}\r\n")));
        Ok(Entrance::new(TcpStream::connect(self.0)?, Asking { head }))
    }

    /// It takes from the beginning on.
    fn service(&self, _number: usize) -> anyhow::Result<(TcpStream, Box<dyn Service>)> {
        let Self(address) = self;
        let take = format!("POST {}?wait={WAIT} HTTP/1.1\r\nhost: {address}\r\n\r\n", role::DELIVERIES);
        let mut socket = TcpStream::connect(address)?;
        socket.write_all(take.as_bytes())?;
        Ok((socket, Box::new(Answering { take, head: self.head(""), is_settling: false })))
    }

    /// HTTP does not greet.
    fn idle(&self, _number: usize) -> anyhow::Result<TcpStream> {
        Ok(TcpStream::connect(self.0)?)
    }
}

impl Doors for Served {
    fn requester(&self, number: usize) -> anyhow::Result<Entrance> {
        self.0.requester(number)
    }

    fn service(&self, number: usize) -> anyhow::Result<(TcpStream, Box<dyn Service>)> {
        self.1.service(number)
    }

    fn idle(&self, number: usize) -> anyhow::Result<TcpStream> {
        self.0.idle(number)
    }
}

struct Asking {
    head: String,
}

impl Requester for Asking {
    fn submit(&mut self, mark: Mark, size: usize, out: &mut BytesMut) {
        out.put_slice(self.head.as_bytes());
        put_length(Mark::payload_len(size), out);
        mark.put(size, out);
    }

    fn hear(&mut self, input: &[u8], _out: &mut BytesMut, reply: &mut Replied<'_>) -> anyhow::Result<usize> {
        answer::hear(input, |answer| {
            anyhow::ensure!(answer.status == 200, "a request was answered {answer}");
            reply(answer.body)
        })
    }
}

struct Answering {
    take: String,
    head: String,
    /// Whether it waits for the answer to a reply, and not for a request.
    is_settling: bool,
}

impl Service for Answering {
    fn hear(&mut self, input: &[u8], out: &mut BytesMut) -> anyhow::Result<usize> {
        answer::hear(input, |answer| {
            match (answer.status, self.is_settling) {
                (200, false) => {
                    let delivery =
                        answer.header("roundtrip-delivery").context("a request came without its delivery")?;
                    out.put_slice(b"POST ");
                    out.put_slice(delivery);
                    out.put_slice(b"/reply");
                    out.put_slice(self.head.as_bytes());
                    put_length(answer.body.len(), out);
                    out.put_slice(answer.body);
                    self.is_settling = true;
                }
                (204, _) => {
                    out.put_slice(self.take.as_bytes());
                    self.is_settling = false;
                }
                _ => anyhow::bail!("a service was answered {answer}"),
            }
            Ok(())
        })
    }
}

/// The end of a head.
fn put_length(length: usize, out: &mut BytesMut) {
    write!(out.writer(), "{length}\r\n\r\n").ok(); // Appending to memory does not fail.
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_replies_with_what_it_took_and_takes_again() {
        let mut service = Answering { take: "TAKE".into(), head: " HEAD ".into(), is_settling: false };
        let mut out = BytesMut::new();
        let taken = b"HTTP/1.1 200 OK\r\nroundtrip-delivery: /v1/deliveries/x:1\r\ncontent-length: 2\r\n\r\nab";
        assert_eq!(service.hear(taken, &mut out).unwrap(), taken.len());
        assert_eq!(&out.split()[..], b"POST /v1/deliveries/x:1/reply HEAD 2\r\n\r\nab");
        service.hear(b"HTTP/1.1 204 No Content\r\n\r\n", &mut out).unwrap();
        assert_eq!(&out[..], b"TAKE");
    }

    #[test]
    fn a_service_that_loses_its_delivery_says_so() {
        let mut service = Answering { take: "TAKE".into(), head: " HEAD ".into(), is_settling: true };
        let lost = b"HTTP/1.1 409 Conflict\r\ncontent-length: 4\r\n\r\nlost";
        let error = service.hear(lost, &mut BytesMut::new()).unwrap_err();
        assert_eq!(error.to_string(), "a service was answered 409: lost");
    }
}
