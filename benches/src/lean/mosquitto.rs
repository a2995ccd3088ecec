//! The client of Mosquitto, in MQTT 3.1.1 at quality 0. The services share the topic of requests, and each requester has
//! a topic for its replies. At this quality MQTT knows neither `accepted` nor an acknowledgement, and it has no place for
//! who asked: that stands before the payload.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use anyhow::Context;
use bytes::{BufMut, BytesMut};

use super::{Doors, Entrance, Replied, Requester, Service};
use crate::payload::Mark;

const REQUESTS: &[u8] = b"request";
const SHARED: &[u8] = b"$share/services/request";

/// How long the number of the requester is.
const NUMBER: usize = size_of::<u32>();

/// The first byte of the packets that are used here.
const CONNECT: u8 = 0x10;
const CONNACK: u8 = 0x20;
const PUBLISH: u8 = 0x30;
const SUBSCRIBE: u8 = 0x82;
const SUBACK: u8 = 0x90;

/// A Mosquitto at this address.
pub(crate) struct Mosquitto(pub(crate) SocketAddr);

impl Mosquitto {
    /// A connection that is greeted.
    fn connect(&self, client: &str) -> anyhow::Result<TcpStream> {
        let mut out = BytesMut::new();
        out.put_u8(CONNECT);
        put_length(10 + 2 + client.len(), &mut out);
        put_text(b"MQTT", &mut out);
        out.put_slice(&[4, 0b10, 0, 0]); // Version 3.1.1, a clean session, no signs of life.
        put_text(client.as_bytes(), &mut out);
        let mut socket = TcpStream::connect(self.0)?;
        socket.write_all(&out)?;
        let mut answer = [0; 4];
        socket.read_exact(&mut answer)?;
        anyhow::ensure!(answer == [CONNACK, 2, 0, 0], "Mosquitto did not take a connection");
        Ok(socket)
    }

    /// One that has subscribed too.
    fn subscribe(&self, client: &str, topic: &[u8]) -> anyhow::Result<TcpStream> {
        let mut socket = self.connect(client)?;
        let mut out = BytesMut::new();
        out.put_u8(SUBSCRIBE);
        put_length(2 + 2 + topic.len() + 1, &mut out);
        out.put_u16(1);
        put_text(topic, &mut out);
        out.put_u8(0);
        socket.write_all(&out)?;
        let mut answer = [0; 5];
        socket.read_exact(&mut answer)?;
        anyhow::ensure!(answer == [SUBACK, 3, 0, 1, 0], "Mosquitto did not take a subscription");
        Ok(socket)
    }
}

impl Doors for Mosquitto {
    fn requester(&self, number: usize) -> anyhow::Result<Entrance> {
        let number = number as u32;
        let socket = self.subscribe(&format!("requester-{number}"), &replies(number))?;
        Ok(Entrance::new(socket, Asking { number }))
    }

    fn service(&self, number: usize) -> anyhow::Result<(TcpStream, Box<dyn Service>)> {
        Ok((self.subscribe(&format!("service-{number}"), SHARED)?, Box::new(Answering)))
    }

    fn idle(&self, number: usize) -> anyhow::Result<TcpStream> {
        self.connect(&format!("idle-{number}"))
    }
}

/// The topic of a requester.
fn replies(requester: u32) -> Vec<u8> {
    format!("reply/{requester}").into_bytes()
}

struct Asking {
    number: u32,
}

impl Requester for Asking {
    fn submit(&mut self, mark: Mark, size: usize, out: &mut BytesMut) {
        put_publish(REQUESTS, NUMBER + Mark::payload_len(size), out);
        out.put_u32_le(self.number);
        mark.put(size, out);
    }

    fn hear(&mut self, input: &[u8], _out: &mut BytesMut, reply: &mut Replied<'_>) -> anyhow::Result<usize> {
        hear(input, |message| {
            let (number, payload) = message.split_first_chunk().context("a message is too short")?;
            anyhow::ensure!(u32::from_le_bytes(*number) == self.number, "a reply came to another requester");
            reply(payload)
        })
    }
}

struct Answering;

impl Service for Answering {
    fn hear(&mut self, input: &[u8], out: &mut BytesMut) -> anyhow::Result<usize> {
        hear(input, |message| {
            let number = message.first_chunk().context("a message is too short")?;
            put_publish(&replies(u32::from_le_bytes(*number)), message.len(), out);
            out.put_slice(message);
            Ok(())
        })
    }
}

/// Takes the messages of the whole packets at the front of `input`, and says how long those are.
fn hear(input: &[u8], mut take: impl FnMut(&[u8]) -> anyhow::Result<()>) -> anyhow::Result<usize> {
    let mut at = 0;
    while let Some((head, length)) = length(&input[at..])? {
        let Some(packet) = input.get(at + head..at + head + length) else { break };
        anyhow::ensure!(input[at] == PUBLISH, "Mosquitto sent a packet {:#04x}", input[at]);
        let (topic, rest) = packet.split_first_chunk().context("Mosquitto sent half a packet")?;
        take(rest.get(usize::from(u16::from_be_bytes(*topic))..).context("Mosquitto sent half a topic")?)?;
        at += head + length;
    }
    Ok(at)
}

/// How long the first byte and the length of a packet are, and how long what follows them is, if they are there.
fn length(packet: &[u8]) -> anyhow::Result<Option<(usize, usize)>> {
    let mut length = 0;
    for (place, byte) in packet.iter().skip(1).take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Ok(Some((2 + place, length)));
        }
    }
    anyhow::ensure!(packet.len() < 5, "Mosquitto sent a length that has no end");
    Ok(None)
}

fn put_publish(topic: &[u8], payload_len: usize, out: &mut BytesMut) {
    out.put_u8(PUBLISH);
    put_length(2 + topic.len() + payload_len, out);
    put_text(topic, out);
}

fn put_length(mut length: usize, out: &mut BytesMut) {
    while length >= 0x80 {
        out.put_u8(0x80 | (length & 0x7f) as u8);
        length >>= 7;
    }
    out.put_u8(length as u8);
}

fn put_text(text: &[u8], out: &mut BytesMut) {
    out.put_u16(text.len() as u16);
    out.put_slice(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_taken_when_they_are_whole() {
        let mut out = BytesMut::new();
        put_publish(b"reply/7", 3, &mut out);
        out.put_slice(b"abc");
        put_publish(b"r", 300, &mut out);
        out.put_slice(&[b'x'; 299]);
        let mut messages = Vec::new();
        let length = hear(&out, |message| {
            messages.push(message.to_vec());
            Ok(())
        });
        assert_eq!((messages, length.unwrap()), (vec![b"abc".to_vec()], 14));
    }

    #[test]
    fn a_length_is_read_as_it_is_written() {
        for long in [0, 127, 128, 16_383, 16_384, 2_097_152] {
            let mut out = BytesMut::from(&[PUBLISH][..]);
            put_length(long, &mut out);
            assert_eq!(length(&out).unwrap(), Some((out.len(), long)));
            assert_eq!(length(&out[..out.len() - 1]).unwrap(), None);
        }
        assert!(length(&[PUBLISH, 0x80, 0x80, 0x80, 0x80, 0]).is_err());
    }
}
