//! A driver that speaks frames, over whatever carries them.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use roundtrip_broker::{Broker, BrokerBuilder};
use roundtrip_protocol::*;
use roundtrip_transport::{Broken, Connect, Connection, TcpConnect};
use uuid::Uuid;

/// Takes the next frame, which is of this type.
macro_rules! next {
    ($wire:expr, $name:ident) => {{
        let frame = $wire.next().await;
        match frame.header {
            roundtrip_protocol::Header::$name(header) => (header, frame.payload),
            other => panic!("{} was due, but {other:?}", stringify!($name)),
        }
    }};
}

/// Runs each body in process and over TCP.
macro_rules! over_both {
    ($(async fn $name:ident($way:ident) $body:block)*) => {$(
        mod $name {
            #[allow(clippy::wildcard_imports, unused_imports, reason = "the body stands in the module around")]
            use super::*;

            async fn run($way: $crate::wire::Way) $body

            #[tokio::test]
            async fn in_process() {
                run($crate::wire::Way::InProcess).await;
            }

            #[tokio::test]
            async fn over_tcp() {
                run($crate::wire::Way::Tcp).await;
            }
        }
    )*};
}

/// Stands in what services ask.
const CALL: Call = Call(7);

/// How long a frame may take that is due. It decides nothing: a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// What carries the frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    InProcess,
    Tcp,
}

impl Way {
    pub(crate) async fn start(self, builder: BrokerBuilder) -> Place {
        let broker = builder.start().unwrap();
        let address = match self {
            Self::InProcess => None,
            Self::Tcp => Some(broker.listen("127.0.0.1:0").await.unwrap()),
        };
        Place { broker, address }
    }
}

/// A running broker, and the way to it.
pub(crate) struct Place {
    pub(crate) broker: Broker,
    pub(crate) address: Option<SocketAddr>,
}

impl Place {
    pub(crate) fn connector(&self) -> Box<dyn Connect> {
        match self.address {
            None => Box::new(self.broker.connect()),
            Some(address) => Box::new(TcpConnect::new(address.to_string())),
        }
    }

    /// A connection that has said nothing yet.
    pub(crate) async fn dial(&self) -> Wire {
        Wire::over(self.connector().connect().await.unwrap())
    }

    /// A connection of a client instance of its own, with its handshake done.
    pub(crate) async fn connect(&self) -> Wire {
        self.connect_as(new_instance(), 1).await
    }

    pub(crate) async fn connect_as(&self, instance: InstanceId, connection: u64) -> Wire {
        let mut wire = self.dial().await;
        wire.send(hello(instance, connection)).await;
        next!(wire, Welcome);
        wire.connection.set_limits(Limits::with_max_payload(64 * 1024 * 1024));
        wire
    }

    /// A connection that submits to `orders` as `name`.
    pub(crate) async fn requester(&self, name: &str) -> Wire {
        let mut wire = self.connect().await;
        wire.bind(0, "orders").await;
        wire.introduce(0, name, false).await;
        wire
    }

    /// A connection that takes up to `credit` deliveries from `orders` as service 0.
    pub(crate) async fn service(&self, credit: u32) -> Wire {
        let mut wire = self.connect().await;
        wire.bind(0, "orders").await;
        wire.subscribe(0, credit, Hold::Connection).await;
        wire
    }

    pub(crate) async fn until(&self, condition: impl Fn(&ChannelFigures) -> bool) {
        let reached = self.broker.until(|channels| channels.iter().any(&condition));
        tokio::time::timeout(PATIENCE, reached).await.expect("the channels come to the expected figures");
    }

    pub(crate) async fn until_no_channels(&self) {
        let reached = self.broker.until(<[_]>::is_empty);
        tokio::time::timeout(PATIENCE, reached).await.expect("channels in which nothing is left are forgotten");
    }

    pub(crate) async fn until_connections(&self, count: usize) {
        let reached = self.broker.until(|_| self.broker.connections() == count);
        tokio::time::timeout(PATIENCE, reached).await.expect("the connections come to the expected number");
    }
}

pub(crate) struct Wire {
    pub(crate) connection: Box<dyn Connection>,
    outgoing: VecDeque<Frame>,
    incoming: VecDeque<Frame>,
}

impl Wire {
    pub(crate) fn over(connection: Box<dyn Connection>) -> Self {
        Self { connection, outgoing: VecDeque::new(), incoming: VecDeque::new() }
    }

    pub(crate) async fn send(&mut self, header: impl Into<Header>) {
        self.send_with(header, Bytes::new()).await;
    }

    pub(crate) async fn send_with(&mut self, header: impl Into<Header>, payload: impl Into<Bytes>) {
        self.outgoing.push_back(Frame::new(header, payload.into()));
        let Self { connection, outgoing, incoming } = self;
        // As a client does: it always reads on, so that a broker that waits for it to read is not waited for.
        let sent = poll_fn(|context| match connection.poll_send(context, outgoing) {
            Poll::Pending => {
                let _ = connection.poll_receive(context, incoming);
                connection.poll_send(context, outgoing)
            }
            ready => ready,
        });
        tokio::time::timeout(PATIENCE, sent).await.expect("a frame is sent").unwrap();
    }

    /// The next frame that is not a heartbeat.
    pub(crate) async fn next(&mut self) -> Frame {
        match self.receive().await {
            Ok(frame) => frame,
            Err(error) => panic!("a frame was due, but {error}"),
        }
    }

    pub(crate) async fn receive(&mut self) -> Result<Frame, Broken> {
        loop {
            if let Some(frame) = self.incoming.pop_front() {
                if matches!(frame.header, Header::Ping(_)) {
                    continue;
                }
                return Ok(frame);
            }
            let Self { connection, incoming, .. } = self;
            let received = poll_fn(|context| connection.poll_receive(context, incoming));
            tokio::time::timeout(PATIENCE, received).await.expect("a frame arrives")?;
        }
    }

    /// Everything that was on its way when this was called, by asking and waiting for the answer.
    pub(crate) async fn drain(&mut self) -> Vec<Frame> {
        self.send(Ping { nonce: 99 }).await;
        let mut frames = Vec::new();
        loop {
            let frame = self.next().await;
            if frame.header == (Header::Pong(Pong { nonce: 99 })) {
                return frames;
            }
            frames.push(frame);
        }
    }

    pub(crate) async fn nothing_more(&mut self) {
        let frames = self.drain().await;
        assert!(frames.is_empty(), "nothing was due, but {frames:?}");
    }

    /// The connection ends, with nothing more on it.
    pub(crate) async fn ends(&mut self) {
        match self.receive().await {
            Err(_) => {}
            Ok(frame) => panic!("the connection should have ended, but {frame:?}"),
        }
    }

    /// An error that ends the connection.
    pub(crate) async fn is_closed_with(&mut self, code: ErrorCode) -> Error {
        let (error, _) = next!(self, Error);
        assert_eq!((error.code, error.closes), (code, true), "{}", error.message);
        self.ends().await;
        error
    }

    pub(crate) async fn bind(&mut self, number: u32, name: &str) {
        self.send(Bind { number: ChannelNumber(number), channel: channel(name) }).await;
        let (bound, _) = next!(self, Bound);
        assert_eq!(bound, Bound { number: ChannelNumber(number), refusal: None });
    }

    pub(crate) async fn introduce(&mut self, number: u32, name: &str, unnamed: bool) {
        let requester = RequesterName::new(name).unwrap();
        self.send(Introduce { number: RequesterNumber(number), requester, unnamed }).await;
    }

    pub(crate) async fn subscribe(&mut self, service: u32, credit: u32, hold: Hold) {
        let (service, channel) = (ServiceNumber(service), ChannelNumber(0));
        self.send(Subscribe { service, channel, credit, hold, lease_ms: None }).await;
        next!(self, Subscribed);
    }

    pub(crate) async fn submit(&mut self, ticket: u32, payload: impl Into<Bytes>) -> RequestId {
        let id = new_id();
        self.submit_as(ticket, id, payload).await;
        id
    }

    pub(crate) async fn submit_as(&mut self, ticket: u32, id: RequestId, payload: impl Into<Bytes>) {
        self.send_with(submission(ticket, id), payload).await;
    }

    pub(crate) async fn settle(&mut self, token: Token, settlement: Settlement, payload: impl Into<Bytes>) -> Answer {
        let header = Settle { call: CALL, channel: ChannelNumber(0), token, settlement };
        self.ask(header, payload).await
    }

    pub(crate) async fn add_part(&mut self, token: Token, number: u32, payload: impl Into<Bytes>) -> Answer {
        let header = AddPart { call: CALL, channel: ChannelNumber(0), token, number, label: Label::default() };
        self.ask(header, payload).await
    }

    pub(crate) async fn renew(&mut self, token: Token) -> Answer {
        self.ask(Renew { call: CALL, channel: ChannelNumber(0), token }, "").await
    }

    /// Asks what a service asks. What comes before the answer stays for whoever asks for it.
    async fn ask(&mut self, header: impl Into<Header>, payload: impl Into<Bytes>) -> Answer {
        self.send_with(header, payload).await;
        let mut before = VecDeque::new();
        let answer = loop {
            let frame = self.next().await;
            match frame.header {
                Header::Answered(Answered { call: CALL, answer }) => break answer,
                Header::Delivery(_) | Header::Stop(_) => before.push_back(frame),
                other => panic!("an answer was due, but {other:?}"),
            }
        };
        before.append(&mut self.incoming);
        self.incoming = before;
        answer
    }

    pub(crate) async fn reply(&mut self, token: Token, payload: impl Into<Bytes>) -> Answer {
        self.settle(token, Settlement::Reply(Label::default()), payload).await
    }

    pub(crate) async fn cancel(&mut self, id: RequestId) -> Cancellation {
        self.send(Cancel { call: Call(9), channel: ChannelNumber(0), id }).await;
        let (cancelled, _) = next!(self, Cancelled);
        assert_eq!(cancelled.call, Call(9));
        cancelled.result
    }

    /// What an attachment tells of a request. It goes on to be followed as `ticket`.
    pub(crate) async fn attach(&mut self, ticket: u32, id: RequestId) -> State {
        self.send(Attach { ticket: TicketNumber(ticket), channel: ChannelNumber(0), id }).await;
        let (state, _) = next!(self, State);
        assert_eq!(state.ticket, TicketNumber(ticket));
        state
    }

    /// Submits what is refused.
    pub(crate) async fn refused(&mut self, submit: Submit, payload: impl Into<Bytes>) -> Refusal {
        self.send_with(submit, payload).await;
        let (refused, _) = next!(self, Refused);
        refused.refusal
    }

    pub(crate) async fn acknowledge(&mut self, id: RequestId) -> Acknowledgement {
        let (channel, requester) = (ChannelNumber(0), RequesterNumber(0));
        self.send(Acknowledge { call: Call(8), channel, id, requester, ticket: None }).await;
        let (acknowledged, _) = next!(self, Acknowledged);
        acknowledged.result
    }

    pub(crate) async fn open_mailbox(&mut self, number: u32, mode: OpenMode, window: u32) -> Opening {
        let mailbox = MailboxNumber(number);
        let reply_channel = channel("orders_reply");
        self.send(OpenMailbox { mailbox, requester: RequesterNumber(0), reply_channel, mode, window }).await;
        let (opened, _) = next!(self, MailboxOpened);
        assert_eq!(opened.mailbox, mailbox);
        opened.opening
    }
}

pub(crate) fn submission(ticket: u32, id: RequestId) -> Submit {
    Submit {
        ticket: TicketNumber(ticket),
        channel: ChannelNumber(0),
        id,
        requester: RequesterNumber(0),
        reply: ReplyTo::Own,
        accepted: true,
        priority: DEFAULT_PRIORITY,
        deadline_ms: None,
        delay_ms: 0,
        key: None,
        operation: "cook".into(),
        label: Label { content_type: "text/plain".into(), headers: Headers::default() },
    }
}

pub(crate) fn hello(instance: InstanceId, connection: u64) -> Hello {
    let software = "test".to_owned();
    Hello { lowest: 1, highest: 1, software, instance, connection }
}

pub(crate) fn channel(name: &str) -> ChannelName {
    ChannelName::new(name).unwrap()
}

pub(crate) fn new_id() -> RequestId {
    RequestId::from_bytes(Uuid::now_v7().into_bytes())
}

pub(crate) fn new_instance() -> InstanceId {
    InstanceId::from_bytes(Uuid::now_v7().into_bytes())
}

pub(crate) use {next, over_both};
