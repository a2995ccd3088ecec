//! The client of this broker, by the frames of its protocol and nothing else.

mod backlog;
mod requester;
mod service;

use std::io::{Read, Write};
use std::net::TcpStream;

use anyhow::Context;
use bytes::{BufMut, BytesMut};
use roundtrip_protocol::{
    Bind, ChannelName, ChannelNumber, Header, Hello, Hold, InstanceId, Introduce, Limits, PREFIX_LEN, Pong, Prefix,
    RequesterName, RequesterNumber, ServiceNumber, Subscribe, VERSION, decode_header, encode_prefix_and_header,
};

use super::{Doors, Entrance, Service};
use crate::role;
pub(crate) use backlog::Backlog;
use requester::Asking;
pub(crate) use requester::{id, submit};
use service::Answering;

/// How many deliveries a connection takes at once.
const CREDIT: u32 = 4096;

/// The largest payload that is expected.
const LIMITS: Limits = Limits::with_max_payload(1024 * 1024);

/// The number of the only requester of a connection.
pub(crate) const REQUESTER: RequesterNumber = RequesterNumber(0);

/// A broker at this address, and how many channels the requests go to in turn. A channel and the service on it have the
/// same number. Requests are told that they were accepted, or of their outcome alone.
pub(crate) struct Roundtrip {
    address: String,
    channels: u32,
    accepted: bool,
}

impl Roundtrip {
    pub(crate) fn new(address: String) -> Self {
        Self::with_channels(address, 1)
    }

    pub(crate) fn with_channels(address: String, channels: u32) -> Self {
        Self { address, channels, accepted: true }
    }

    pub(crate) fn for_the_outcome(address: String) -> Self {
        Self { accepted: false, ..Self::new(address) }
    }

    /// A requester that follows nothing.
    pub(crate) fn backlog(&self) -> anyhow::Result<(TcpStream, Backlog)> {
        Ok((self.introduced(u32::MAX)?, Backlog::new(u32::MAX)))
    }

    /// A service, and its connection.
    pub(crate) fn answering(&self, number: usize) -> anyhow::Result<(TcpStream, Answering)> {
        let mut socket = self.bound(b's', number)?;
        let credit = (CREDIT / self.channels).max(4);
        let mut out = BytesMut::new();
        for channel in 0..self.channels {
            let (service, channel, hold) = (ServiceNumber(channel), ChannelNumber(channel), Hold::Connection);
            put(&Subscribe { service, channel, credit, hold, lease_ms: None }.into(), &mut out);
        }
        socket.write_all(&out)?;
        for _ in 0..self.channels {
            let subscribed = read_one(&mut socket)?;
            anyhow::ensure!(matches!(subscribed, Header::Subscribed(_)), "the broker answered {}", subscribed.name());
        }
        Ok((socket, Answering::default()))
    }

    /// A connection that is greeted.
    fn greeted(&self, kind: u8, number: usize) -> anyhow::Result<TcpStream> {
        let mut socket = TcpStream::connect(&self.address)?;
        let mut out = BytesMut::new();
        put(&hello(kind, number).into(), &mut out);
        socket.write_all(&out)?;
        let welcome = read_one(&mut socket)?;
        anyhow::ensure!(matches!(welcome, Header::Welcome(_)), "the broker answered {}", welcome.name());
        Ok(socket)
    }

    /// One that has bound all channels too.
    fn bound(&self, kind: u8, number: usize) -> anyhow::Result<TcpStream> {
        let mut socket = self.greeted(kind, number)?;
        let mut out = BytesMut::new();
        for number in 0..self.channels {
            let name = if number == 0 { role::CHANNEL.to_owned() } else { format!("{}-{number}", role::CHANNEL) };
            put(&Bind { number: ChannelNumber(number), channel: ChannelName::new(name)? }.into(), &mut out);
        }
        socket.write_all(&out)?;
        for _ in 0..self.channels {
            let bound = read_one(&mut socket)?;
            let is_bound = matches!(&bound, Header::Bound(bound) if bound.refusal.is_none());
            anyhow::ensure!(is_bound, "the broker answered {bound:?}");
        }
        Ok(socket)
    }

    /// And one that has introduced its requester.
    fn introduced(&self, number: u32) -> anyhow::Result<TcpStream> {
        let mut socket = self.bound(b'r', number as usize)?;
        let requester = RequesterName::new(format!("bench-{number}"))?;
        let mut out = BytesMut::new();
        put(&Introduce { number: REQUESTER, requester, unnamed: false }.into(), &mut out);
        socket.write_all(&out)?;
        Ok(socket)
    }
}

impl Doors for Roundtrip {
    fn requester(&self, number: usize) -> anyhow::Result<Entrance> {
        let number = number as u32;
        Ok(Entrance::new(self.introduced(number)?, Asking::new(number, self.channels, self.accepted)))
    }

    fn service(&self, number: usize) -> anyhow::Result<(TcpStream, Box<dyn Service>)> {
        let (socket, service) = self.answering(number)?;
        Ok((socket, Box::new(service)))
    }

    fn idle(&self, number: usize) -> anyhow::Result<TcpStream> {
        self.greeted(b'i', number)
    }
}

/// The first frame of who connects. Its instance is the number of that, which is known to nobody else: each measurement has
/// a broker of its own.
pub(crate) fn hello(kind: u8, number: usize) -> Hello {
    let mut instance = [kind; 16];
    instance[..8].copy_from_slice(&(number as u64).to_le_bytes());
    let (software, instance) = ("roundtrip-benches".to_owned(), InstanceId::from_bytes(instance));
    Hello { lowest: VERSION, highest: VERSION, software, instance, connection: 1 }
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
            Header::Ping(ping) => put(&Pong { nonce: ping.nonce }.into(), out),
            header => take(header, payload, out).context("hearing what the broker says")?,
        }
        at = payload_at + payload_len;
    }
    Ok(at)
}
