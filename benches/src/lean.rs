//! Lean clients: as little as a client of each server can do, so that servers are compared with servers.
//!
//! All of them have the same [`Load`]: one thread that asks which sockets can be read, takes all that they bring, and
//! writes what follows from it in one write for each connection. What differs is the protocol, which is a [`Requester`]
//! and a [`Service`] of each server. They start no task and look nothing up for a request: its payload tells its place.

pub(crate) mod http;
mod load;
pub(crate) mod mosquitto;
pub(crate) mod nats;
pub(crate) mod redis;
pub(crate) mod relay;
pub(crate) mod roundtrip;

use std::net::TcpStream;

use bytes::BytesMut;

use crate::payload::Mark;

pub(crate) use load::Load;

/// One who submits requests on a connection and is told their outcomes.
pub(crate) trait Requester {
    /// Submits a request with the payload of this mark.
    fn submit(&mut self, mark: Mark, size: usize, out: &mut BytesMut);

    /// Takes the whole messages at the front of `input`, and says how long they are. Hands out the payload of each
    /// reply, and acknowledges it.
    fn hear(&mut self, input: &[u8], out: &mut BytesMut, reply: &mut Replied<'_>) -> anyhow::Result<usize>;

    /// Whether all was answered that it said, acknowledgements too.
    fn is_done(&self) -> bool {
        true
    }
}

/// What happens with the payload of a reply.
pub(crate) type Replied<'a> = dyn FnMut(&[u8]) -> anyhow::Result<()> + 'a;

/// One who answers every request with what it carries.
pub(crate) trait Service {
    /// Takes the whole messages at the front of `input`, answers them, and says how long they are.
    fn hear(&mut self, input: &[u8], out: &mut BytesMut) -> anyhow::Result<usize>;
}

/// Who uses a connection that is open and greeted.
pub(crate) enum Party {
    Requester(Box<dyn Requester>),
    Service(Box<dyn Service>),
}

/// How a requester comes in.
pub(crate) struct Entrance {
    pub(crate) socket: TcpStream,
    pub(crate) requester: Box<dyn Requester>,
    /// Where it submits, if that is another connection, and who hears what comes back there.
    pub(crate) submitting: Option<(TcpStream, Box<dyn Service>)>,
}

/// How everybody comes to a connection: a server's protocol, with the server's address.
pub(crate) trait Doors {
    /// The requester of this number.
    fn requester(&self, number: usize) -> anyhow::Result<Entrance>;

    /// The service of this number.
    fn service(&self, number: usize) -> anyhow::Result<(TcpStream, Box<dyn Service>)>;

    /// A connection that is greeted and has nothing to say.
    fn idle(&self, number: usize) -> anyhow::Result<TcpStream>;
}

impl Entrance {
    /// By one connection for all.
    pub(crate) fn new(socket: TcpStream, requester: impl Requester + 'static) -> Self {
        Self { socket, requester: Box::new(requester), submitting: None }
    }
}
