//! The client of this broker, by the frames of its protocol and nothing else.

mod requester;
mod service;

use std::io::{Read, Write};
use std::net::TcpStream;

use anyhow::Context;
use bytes::{BufMut, BytesMut};
use roundtrip_protocol::{
    Bind, ChannelName, ChannelNumber, Header, Hello, InstanceId, Introduce, Limits, PREFIX_LEN, Prefix, RequesterName,
    RequesterNumber, Subscribe, VERSION, decode_header, encode_prefix_and_header,
};

use super::{Doors, Entrance, Service};
use crate::role;
use requester::Asking;
use service::Answering;

/// How many deliveries a service takes at once.
const CREDIT: u32 = 4096;

/// The largest payload that is expected.
const LIMITS: Limits = Limits::with_max_payload(1024 * 1024);

/// The numbers of the only channel, the only requester and the only service of a connection.
const CHANNEL: ChannelNumber = ChannelNumber(0);
const REQUESTER: RequesterNumber = RequesterNumber(0);
const SERVICE: roundtrip_protocol::ServiceNumber = roundtrip_protocol::ServiceNumber(0);

/// A broker at this address.
pub(crate) struct Roundtrip(pub(crate) String);

impl Roundtrip {
    /// A connection that is greeted and has bound the channel. The instance is the number of who connects, which is
    /// known to nobody else: each measurement has a broker of its own.
    fn connect(&self, kind: u8, number: usize, more: &[Header]) -> anyhow::Result<TcpStream> {
        let mut instance = [kind; 16];
        instance[..8].copy_from_slice(&(number as u64).to_le_bytes());
        let mut socket = TcpStream::connect(&self.0)?;
        let hello = Hello {
            lowest: VERSION,
            highest: VERSION,
            software: "roundtrip-benches".to_owned(),
            instance: InstanceId::from_bytes(instance),
            connection: 1,
        };
        let mut out = BytesMut::new();
        put(&hello.into(), &mut out);
        socket.write_all(&out)?;
        let welcome = read_one(&mut socket)?;
        anyhow::ensure!(matches!(welcome, Header::Welcome(_)), "the broker answered {}", welcome.name());
        out.clear();
        put(&Bind { number: CHANNEL, channel: ChannelName::new(role::CHANNEL)? }.into(), &mut out);
        more.iter().for_each(|header| put(header, &mut out));
        socket.write_all(&out)?;
        let bound = read_one(&mut socket)?;
        let is_bound = matches!(&bound, Header::Bound(bound) if bound.refusal.is_none());
        anyhow::ensure!(is_bound, "the broker answered {bound:?}");
        Ok(socket)
    }
}

impl Doors for Roundtrip {
    fn requester(&self, number: usize) -> anyhow::Result<Entrance> {
        let requester = RequesterName::new(format!("bench-{number}"))?;
        let introduce = Introduce { number: REQUESTER, requester, unnamed: false };
        let socket = self.connect(b'r', number, &[introduce.into()])?;
        Ok(Entrance::new(socket, Asking::new(number as u32)))
    }

    fn service(&self, number: usize) -> anyhow::Result<(TcpStream, Box<dyn Service>)> {
        let hold = roundtrip_protocol::Hold::Connection;
        let subscribe = Subscribe { service: SERVICE, channel: CHANNEL, credit: CREDIT, hold, lease_ms: None };
        let mut socket = self.connect(b's', number, &[subscribe.into()])?;
        let subscribed = read_one(&mut socket)?;
        anyhow::ensure!(matches!(subscribed, Header::Subscribed(_)), "the broker answered {}", subscribed.name());
        Ok((socket, Box::new(Answering::default())))
    }
}

/// Reads the one frame that comes next, of those without a payload.
fn read_one(socket: &mut TcpStream) -> anyhow::Result<Header> {
    let mut prefix = [0; PREFIX_LEN];
    socket.read_exact(&mut prefix)?;
    let prefix = Prefix::read(prefix, LIMITS)?;
    let mut header = vec![0; prefix.header_len];
    socket.read_exact(&mut header)?;
    Ok(decode_header(prefix.type_number, &header)?)
}

fn put(header: &Header, out: &mut BytesMut) {
    encode_prefix_and_header(header, 0, out);
}

fn put_with(header: &Header, payload: &[u8], out: &mut BytesMut) {
    encode_prefix_and_header(header, payload.len(), out);
    out.put_slice(payload);
}

/// Takes the whole frames at the front of `input`, and says how long they are. `Ping` is answered here.
fn hear(
    input: &[u8],
    out: &mut BytesMut,
    mut take: impl FnMut(Header, &[u8], &mut BytesMut) -> anyhow::Result<()>,
) -> anyhow::Result<usize> {
    let mut at = 0;
    while let Some(prefix) = input[at..].first_chunk() {
        let Prefix { type_number, header_len, payload_len } = Prefix::read(*prefix, LIMITS)?;
        let payload_at = at + PREFIX_LEN + header_len;
        let Some(payload) = input.get(payload_at..payload_at + payload_len) else { break };
        match decode_header(type_number, &input[at + PREFIX_LEN..payload_at])? {
            Header::Ping(ping) => put(&roundtrip_protocol::Pong { nonce: ping.nonce }.into(), out),
            header => take(header, payload, out).context("hearing what the broker says")?,
        }
        at = payload_at + payload_len;
    }
    Ok(at)
}
