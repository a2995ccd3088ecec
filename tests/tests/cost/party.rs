//! A requester or a service that speaks frames and does as little as it can.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll};

use bytes::Bytes;
use roundtrip_protocol::*;
use roundtrip_transport::{Connect, Connection};

use crate::count::uncounted_share;

pub(crate) const CHANNEL: &str = "orders";

const NUMBER: ChannelNumber = ChannelNumber(0);

/// Whose part of the work the connection's own share is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// The broker's: in process it runs in there.
    Broker,
    /// The load's: over bytes it encodes and decodes for the load alone.
    Load,
}

pub(crate) struct Party {
    connection: Box<dyn Connection>,
    carrier: Carrier,
    incoming: VecDeque<Frame>,
    outgoing: VecDeque<Frame>,
    payload: Bytes,
    role: Role,
}

enum Role {
    Requester { number: u32, outstanding: u32, under_way: u32, submitted: u32, accepted: u32, done: u32, goal: u32 },
    Service { settled: u32, answered: u32 },
}

impl Party {
    pub(crate) async fn requester(way: &dyn Connect, carrier: Carrier, number: u32, outstanding: u32) -> Self {
        let role = Role::Requester { number, outstanding, under_way: 0, submitted: 0, accepted: 0, done: 0, goal: 0 };
        let mut party = Self::connect(way, carrier, number, role).await;
        let requester = RequesterName::new(format!("requester-{number}")).unwrap();
        party.ask(Introduce { number: RequesterNumber(0), requester, unnamed: false }, 0).await;
        party
    }

    pub(crate) async fn service(way: &dyn Connect, carrier: Carrier, number: u32) -> Self {
        let role = Role::Service { settled: 0, answered: 0 };
        let mut party = Self::connect(way, carrier, 1_000_000 + number, role).await;
        let hold = Hold::Connection;
        let subscribe = Subscribe { service: ServiceNumber(0), channel: NUMBER, credit: 4096, hold, lease_ms: None };
        party.ask(subscribe, 1).await;
        party
    }

    async fn connect(way: &dyn Connect, carrier: Carrier, number: u32, role: Role) -> Self {
        let connection = way.connect().await.unwrap();
        let (incoming, outgoing) = (VecDeque::new(), VecDeque::new());
        let payload = Bytes::from(vec![b'x'; 128]);
        let mut party = Self { connection, carrier, incoming, outgoing, payload, role };
        let instance = InstanceId::from_bytes((u128::from(number) + 1).to_be_bytes());
        party.ask(Hello { lowest: 1, highest: 1, software: "load".to_owned(), instance, connection: 1 }, 1).await;
        party.connection.set_limits(Limits::with_max_payload(1024 * 1024));
        party.ask(Bind { number: NUMBER, channel: ChannelName::new(CHANNEL).unwrap() }, 1).await;
        party
    }

    /// Sends one frame and takes so many.
    async fn ask(&mut self, header: impl Into<Header>, answers: usize) {
        self.outgoing.push_back(Frame::from(header));
        let Self { connection, outgoing, incoming, .. } = self;
        poll_fn(|context| connection.poll_send(context, outgoing)).await.unwrap();
        while incoming.len() < answers {
            poll_fn(|context| connection.poll_receive(context, incoming)).await.unwrap();
        }
        incoming.clear();
    }

    /// Has so many more requests done.
    pub(crate) fn raise_goal(&mut self, by: u32) {
        if let Role::Requester { goal, .. } = &mut self.role {
            *goal += by;
        }
    }

    /// Everything asked was answered: requests, settlements and acknowledgements.
    pub(crate) fn is_done(&self) -> bool {
        match &self.role {
            Role::Requester { accepted, done, goal, .. } => done == goal && accepted == goal,
            Role::Service { settled, answered } => settled == answered,
        }
    }

    /// Takes what is there, once, and sends what that leads to. Whether there was anything to do.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> bool {
        match self.carrier {
            Carrier::Broker => {
                let received = self.receive(context);
                uncounted_share(|| self.work());
                self.send(context) || received
            }
            Carrier::Load => uncounted_share(|| {
                let received = self.receive(context);
                self.work();
                self.send(context) || received
            }),
        }
    }

    fn receive(&mut self, context: &mut Context<'_>) -> bool {
        match self.connection.poll_receive(context, &mut self.incoming) {
            Poll::Ready(received) => received.map(|()| true).unwrap(),
            Poll::Pending => false,
        }
    }

    fn send(&mut self, context: &mut Context<'_>) -> bool {
        if self.outgoing.is_empty() {
            return false;
        }
        match self.connection.poll_send(context, &mut self.outgoing) {
            Poll::Ready(sent) => sent.map(|()| true).unwrap(),
            Poll::Pending => false,
        }
    }

    fn work(&mut self) {
        let Self { incoming, outgoing, payload, role, .. } = self;
        for Frame { header, payload: received } in incoming.drain(..) {
            match (header, &mut *role) {
                (Header::Accepted(_), Role::Requester { accepted, .. }) => *accepted += 1,
                (Header::Outcome(outcome), Role::Requester { number, .. }) => {
                    assert!(matches!(outcome.ending, Ending::Replied(_)), "{:?}", outcome.ending);
                    assert_eq!(&received, payload);
                    let (id, requester) = (id(*number, outcome.ticket.0), RequesterNumber(0));
                    outgoing.push_back(
                        Acknowledge { call: Call(0), channel: NUMBER, id, requester, ticket: Some(outcome.ticket) }
                            .into(),
                    );
                }
                (Header::Acknowledged(answer), Role::Requester { under_way, done, .. }) => {
                    assert_eq!(answer.result, Acknowledgement::Done);
                    *under_way -= 1;
                    *done += 1;
                }
                (Header::Delivery(delivery), Role::Service { settled, .. }) => {
                    let settlement = Settlement::Reply(label());
                    let header = Settle { call: Call(0), channel: NUMBER, token: delivery.token, settlement };
                    outgoing.push_back(Frame::new(header, received));
                    *settled += 1;
                }
                (Header::Answered(answered), Role::Service { answered: count, .. }) => {
                    assert_eq!(answered.answer, Answer::Settled);
                    *count += 1;
                }
                (other, _) => panic!("nobody asked for {other:?}"),
            }
        }
        if let Role::Requester { number, outstanding, under_way, submitted, goal, .. } = role {
            while *under_way < *outstanding && *submitted < *goal {
                outgoing.push_back(Frame::new(submission(*number, *submitted), payload.clone()));
                *under_way += 1;
                *submitted += 1;
            }
        }
    }
}

fn submission(requester: u32, ticket: u32) -> Submit {
    Submit {
        ticket: TicketNumber(ticket),
        channel: NUMBER,
        id: id(requester, ticket),
        requester: RequesterNumber(0),
        reply: ReplyTo::Own,
        accepted: true,
        priority: DEFAULT_PRIORITY,
        deadline_ms: None,
        delay_ms: 0,
        key: None,
        operation: "cook".into(),
        label: label(),
    }
}

fn label() -> Label {
    Label { content_type: "application/json".into(), headers: Headers::default() }
}

/// The same each time the test runs, and no two alike.
fn id(requester: u32, ticket: u32) -> RequestId {
    let number = u64::from(requester) << 32 | u64::from(ticket);
    let spread = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    RequestId::from_bytes((u128::from(number) << 64 | u128::from(spread)).to_be_bytes())
}
