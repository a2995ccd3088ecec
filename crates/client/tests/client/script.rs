//! A way to a broker whose other end is the test: it reads what the client sends and answers what it likes.

use std::collections::VecDeque;
use std::task::{Context, Poll};

use bytes::Bytes;
use roundtrip_client::{Broken, Client, Connect, Connecting, Connection, Operation, RequesterName};
use roundtrip_protocol::*;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Duration, Instant};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Resize {
    pub(crate) width: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum ResizeError {
    UnknownPicture,
}

impl Operation for Resize {
    const NAME: &'static str = "resize";
    const CHANNEL: &'static str = "picture_request";
    type Reply = String;
    type Error = ResizeError;
}

/// Makes a connection for each peer that the test waits for.
struct Scripted {
    peers: UnboundedSender<Peer>,
}

impl Connect for Scripted {
    fn connect(&self) -> Connecting {
        let (to_peer, from_client) = unbounded_channel();
        let (to_client, from_peer) = unbounded_channel();
        let sent = self.peers.send(Peer { from_client, to_client: Some(to_client) });
        let line: Result<Box<dyn Connection>, Broken> = match sent {
            Ok(()) => Ok(Box::new(Line { to_peer, from_peer, heard: Instant::now() })),
            Err(_) => Err(Broken::Closed),
        };
        Box::pin(std::future::ready(line))
    }

    fn destination(&self) -> String {
        "the script".into()
    }
}

struct Line {
    to_peer: UnboundedSender<Frame>,
    from_peer: UnboundedReceiver<Frame>,
    heard: Instant,
}

impl Connection for Line {
    fn poll_send(&mut self, _: &mut Context<'_>, frames: &mut VecDeque<Frame>) -> Poll<Result<(), Broken>> {
        for frame in frames.drain(..) {
            if self.to_peer.send(frame).is_err() {
                return Poll::Ready(Err(Broken::Closed));
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_receive(&mut self, context: &mut Context<'_>, frames: &mut VecDeque<Frame>) -> Poll<Result<(), Broken>> {
        match self.from_peer.poll_recv(context) {
            Poll::Ready(Some(frame)) => {
                self.heard = Instant::now();
                frames.push_back(frame);
                Poll::Ready(Ok(()))
            }
            Poll::Ready(None) => Poll::Ready(Err(Broken::Closed)),
            Poll::Pending => Poll::Pending,
        }
    }

    fn set_limits(&mut self, _: Limits) {}

    fn silent_for(&self) -> Duration {
        self.heard.elapsed()
    }
}

/// The client's broker, as far as the test plays it.
pub(crate) struct Script {
    peers: UnboundedReceiver<Peer>,
}

/// The other end of one connection.
pub(crate) struct Peer {
    from_client: UnboundedReceiver<Frame>,
    to_client: Option<UnboundedSender<Frame>>,
}

pub(crate) fn client() -> (Client, Script) {
    let (connect, script) = way();
    (Client::new(connect), script)
}

pub(crate) fn way() -> (impl Connect, Script) {
    let (sender, peers) = unbounded_channel();
    (Scripted { peers: sender }, Script { peers })
}

impl Script {
    /// The next connection, with its handshake done.
    pub(crate) async fn welcome(&mut self) -> Peer {
        self.welcome_with(1000).await
    }

    /// As [`Script::welcome`], by a broker that lets a connection have so many tickets.
    pub(crate) async fn welcome_with(&mut self, max_open: u32) -> Peer {
        let mut peer = self.connection().await;
        assert!(matches!(peer.next().await.header, Header::Hello(_)), "the client speaks first");
        peer.say(Welcome {
            version: VERSION,
            software: "a script".into(),
            start: 1,
            max_header: 65_536,
            max_payload: 1 << 20,
            max_open,
            heartbeat_ms: 0,
        });
        peer
    }

    /// The next connection, before anything was said.
    pub(crate) async fn connection(&mut self) -> Peer {
        self.peers.recv().await.expect("the client connects")
    }
}

impl Peer {
    /// The next frame but those that only name something.
    pub(crate) async fn next(&mut self) -> Frame {
        loop {
            let frame = self.from_client.recv().await.expect("the client is there");
            match &frame.header {
                Header::Bind(_) | Header::Introduce(_) | Header::Goodbye(_) | Header::Ping(_) => {}
                _ => return frame,
            }
        }
    }

    /// The next frame, by its name and its header.
    pub(crate) async fn header(&mut self) -> Header {
        self.next().await.header
    }

    pub(crate) async fn submit(&mut self) -> (Submit, Bytes) {
        match self.next().await {
            Frame { header: Header::Submit(submit), payload } => (submit, payload),
            other => panic!("expected Submit, got {}", other.header.name()),
        }
    }

    pub(crate) async fn settle(&mut self) -> (Settle, Bytes) {
        match self.next().await {
            Frame { header: Header::Settle(settle), payload } => (settle, payload),
            other => panic!("expected Settle, got {}", other.header.name()),
        }
    }

    pub(crate) async fn acknowledge(&mut self) -> Acknowledge {
        match self.header().await {
            Header::Acknowledge(acknowledge) => acknowledge,
            other => panic!("expected Acknowledge, got {}", other.name()),
        }
    }

    /// Takes an attachment, and tells it that the request waits.
    pub(crate) async fn attach(&mut self) -> Attach {
        match self.header().await {
            Header::Attach(attach) => {
                self.say(state_of(attach.ticket, RequestState::Waiting));
                attach
            }
            other => panic!("expected Attach, got {}", other.name()),
        }
    }

    pub(crate) async fn subscribe(&mut self) -> Subscribe {
        match self.header().await {
            Header::Subscribe(subscribe) => {
                self.say(Subscribed { service: subscribe.service, lease_ms: 30_000 });
                subscribe
            }
            other => panic!("expected Subscribe, got {}", other.name()),
        }
    }

    pub(crate) fn say(&self, header: impl Into<Header>) {
        self.say_with(header, Bytes::new());
    }

    pub(crate) fn say_with(&self, header: impl Into<Header>, payload: impl Into<Bytes>) {
        let to_client = self.to_client.as_ref().expect("the connection is not cut");
        to_client.send(Frame::new(header.into(), payload.into())).expect("the client is there");
    }

    /// Accepts a submission and gives it its outcome at once.
    pub(crate) fn reply_to(&self, submit: &Submit, json: &'static str) {
        self.say(Accepted { ticket: submit.ticket, services: 1, duplicate: None });
        self.say_with(replied(submit.ticket), json);
    }

    pub(crate) fn deliver(&self, subscribe: &Subscribe, id: u8, operation: &str, json: &'static str) -> Token {
        let token = Token { start: 1, id: RequestId::from_bytes([id; 16]), delivery: 1 };
        let delivery = Delivery {
            service: subscribe.service,
            token,
            attempt: 1,
            lease_ms: 30_000,
            remaining_ms: 60_000,
            attempt_ms: None,
            redrive_of: None,
            requester: RequesterName::new("letters").unwrap(),
            operation: operation.into(),
            label: Label::default(),
        };
        self.say_with(delivery, json);
        token
    }

    pub(crate) fn answer(&self, call: Call, answer: Answer) {
        self.say(Answered { call, answer });
    }

    /// Cuts the connection from this end.
    pub(crate) fn cut(self) {}

    /// Waits until the client has let go of the connection; tells the names of the frames that came before.
    pub(crate) async fn ended(&mut self) -> Vec<&'static str> {
        let mut names = Vec::new();
        while let Some(frame) = self.from_client.recv().await {
            if matches!(frame.header, Header::Close(_)) {
                self.say(Close {});
            }
            names.push(frame.header.name());
        }
        names
    }
}

pub(crate) fn state_of(ticket: TicketNumber, state: RequestState) -> State {
    State { ticket, state, ahead: 0, services: 1, attempts: 0, remaining_ms: None, redrive_of: None, progress: None }
}

pub(crate) fn ticket_id(id: u8) -> Ticket {
    Ticket { channel: ChannelName::new("picture_request").unwrap(), id: RequestId::from_bytes([id; 16]) }
}

pub(crate) fn replied(ticket: TicketNumber) -> Outcome {
    Outcome { ticket, attempts: 1, ending: Ending::Replied(Label::default()) }
}

pub(crate) fn failed(ticket: TicketNumber, code: &str, content_type: Option<&str>) -> Outcome {
    let problem = Problem::new(code, "about Mr Smith");
    let ending = Ending::Failed { problem, content_type: content_type.map(Into::into) };
    Outcome { ticket, attempts: 1, ending }
}
