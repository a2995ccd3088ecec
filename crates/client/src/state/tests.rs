//! The state machine by sequences of frames: no socket, no task, and a clock that the tests turn.

mod acknowledging;
mod adding;
mod asking;
mod cancelling;
mod connecting;
mod delivering;
mod duplicating;
mod following;
mod holding;
mod reading;
mod reconnecting;
mod stopping;
mod submitting;
mod working;

use std::collections::VecDeque;
use std::task::{Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use roundtrip_protocol::*;
use roundtrip_transport::Broken;
use tokio::time::Instant;

use super::*;

/// A state with the frames that it has sent and a clock.
struct Scene {
    state: ClientState,
    now: Instant,
    sent: VecDeque<Frame>,
}

const HEARTBEAT: Duration = Duration::from_secs(10);

impl Scene {
    /// A client that has not connected yet.
    fn new(first_connect: FirstConnect) -> Self {
        let now = Instant::now();
        let settings = Settings {
            instance: InstanceId::from_bytes([7; 16]),
            software: "test".into(),
            submit_timeout: Duration::from_secs(10),
            first_connect,
            seed: 1,
        };
        Self { state: ClientState::new(settings, now), now, sent: VecDeque::new() }
    }

    /// A client that is welcome at its broker, over a connection without heartbeats.
    fn connected() -> Self {
        let mut scene = Self::new(FirstConnect::Forever);
        scene.connect();
        scene
    }

    fn connect(&mut self) {
        self.connect_with(0);
    }

    fn connect_with(&mut self, heartbeat_ms: u32) {
        if let Some(at) = self.state.next_deadline() {
            self.now = self.now.max(at);
        }
        assert_eq!(self.state.next_step(self.now), Some(Step::Connect));
        self.state.handle_connected(self.now);
        assert!(matches!(self.next_sent(), Header::Hello(_)), "the client speaks first");
        self.hear(Welcome {
            version: 1,
            software: "broker".into(),
            start: 1,
            max_header: 65_536,
            max_payload: 100,
            max_open: 4,
            heartbeat_ms,
        });
    }

    fn break_connection(&mut self) {
        self.state.handle_broken(self.now, Some(Broken::Closed));
        self.sent.clear();
    }

    fn hear(&mut self, frame: impl Into<Header>) {
        self.hear_with(frame, "");
    }

    fn hear_with(&mut self, frame: impl Into<Header>, payload: &'static str) {
        self.state.handle_frame(self.now, Frame::new(frame.into(), Bytes::from_static(payload.as_bytes())));
    }

    /// Lets time pass until something is due, and does it.
    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.state.handle_deadline(self.now);
    }

    fn frames(&mut self) -> Vec<Frame> {
        self.state.poll_frames(self.now, &mut self.sent);
        self.sent.drain(..).collect()
    }

    fn next_sent(&mut self) -> Header {
        self.state.poll_frames(self.now, &mut self.sent);
        self.sent.pop_front().expect("a frame was sent").header
    }

    /// The names of the frames that were sent, in order.
    fn names(&mut self) -> Vec<&'static str> {
        self.frames().iter().map(|frame| frame.header.name()).collect()
    }

    fn requester(&mut self) -> RequesterNumber {
        self.state.introduce(&RequesterName::new("letters").unwrap(), false)
    }

    fn unnamed(&mut self) -> RequesterNumber {
        self.state.introduce(&RequesterName::new("unnamed-1").unwrap(), true)
    }

    fn submit(&mut self, requester: RequesterNumber, id: u8) -> TicketNumber {
        self.submit_as(requester, id, true, "{}")
    }

    fn submit_as(&mut self, requester: RequesterNumber, id: u8, fresh: bool, payload: &'static str) -> TicketNumber {
        self.submit_on(requester, id, fresh, payload, terms())
    }

    fn submit_on(
        &mut self,
        requester: RequesterNumber,
        id: u8,
        fresh: bool,
        payload: &'static str,
        terms: Terms,
    ) -> TicketNumber {
        let submission = NewSubmission {
            requester,
            ticket: ticket(id),
            fresh,
            terms,
            operation: "resize".into(),
            label: Label::default(),
            payload: Bytes::from_static(payload.as_bytes()),
            timeout: None,
        };
        self.state.submit(self.now, submission)
    }

    fn accepted(&mut self, ticket: TicketNumber) -> Poll<Result<(), TicketFailure>> {
        self.state.poll_accepted(ticket, Waker::noop())
    }

    fn outcome(&mut self, ticket: TicketNumber) -> Poll<Result<crate::Outcome, TicketFailure>> {
        self.state.poll_outcome(ticket, Waker::noop())
    }

    /// A request that was accepted, all frames read.
    fn open_ticket(&mut self, requester: RequesterNumber, id: u8) -> TicketNumber {
        let ticket = self.submit(requester, id);
        self.hear(Accepted { ticket, services: 1, duplicate: None });
        self.frames();
        ticket
    }

    /// A service with a delivery of the request `id`, all frames read.
    fn service_at_work(&mut self, hold: Hold, lease_ms: u64) -> (ServiceNumber, DeliveryKey) {
        let service = self.state.open_service(&channel(), 8, hold, None);
        self.hear(Subscribed { service, lease_ms });
        self.hear(delivery(service, lease_ms));
        self.frames();
        match self.service_event(service) {
            Poll::Ready(ServiceEvent::Delivery(handed)) => (service, handed.key),
            other => panic!("expected a delivery, got {other:?}"),
        }
    }

    fn service_event(&mut self, service: ServiceNumber) -> Poll<ServiceEvent> {
        self.state.poll_service(service, Waker::noop())
    }

    fn reply(&mut self, mailbox: MailboxNumber) -> Poll<MailboxItem> {
        self.state.poll_reply(mailbox, false, Waker::noop())
    }

    fn settle(&mut self, key: DeliveryKey) {
        self.state.settle(key, Settlement::Reply(Label::default()), Bytes::from_static(b"done"));
    }
}

fn terms() -> Terms {
    Terms { reply: ReplyTo::Own, priority: DEFAULT_PRIORITY, deadline: None, delay: Duration::ZERO, key: None }
}

fn channel() -> ChannelName {
    ChannelName::new("picture_request").unwrap()
}

fn reply_channel() -> ChannelName {
    ChannelName::new("picture_reply").unwrap()
}

fn id(id: u8) -> RequestId {
    RequestId::from_bytes([id; 16])
}

fn ticket(number: u8) -> Ticket {
    Ticket { channel: channel(), id: id(number) }
}

fn token() -> Token {
    Token { start: 1, id: id(1), delivery: 1 }
}

fn delivery(service: ServiceNumber, lease_ms: u64) -> Delivery {
    Delivery {
        service,
        token: token(),
        attempt: 1,
        lease_ms,
        remaining_ms: 60_000,
        attempt_ms: None,
        redrive_of: None,
        requester: RequesterName::new("letters").unwrap(),
        operation: "resize".into(),
        label: Label::default(),
    }
}

fn state_of(ticket: TicketNumber, state: RequestState) -> State {
    State { ticket, state, ahead: 0, services: 1, attempts: 0, remaining_ms: None, redrive_of: None, progress: None }
}

fn replied(ticket: TicketNumber) -> Outcome {
    Outcome { ticket, attempts: 1, ending: Ending::Replied(Label::default()) }
}

fn reply_in(mailbox: MailboxNumber, number: u8) -> Reply {
    Reply {
        mailbox,
        channel: channel(),
        id: id(number),
        redrive_of: None,
        operation: "resize".into(),
        attempts: 1,
        ending: Ending::Replied(Label::default()),
    }
}

fn call_of(header: &Header) -> Call {
    match header {
        Header::Settle(settle) => settle.call,
        Header::TakeBack(take_back) => take_back.call,
        Header::Renew(renew) => renew.call,
        Header::AddPart(part) => part.call,
        Header::Acknowledge(acknowledge) => acknowledge.call,
        Header::ListChannels(list) => list.call,
        Header::Cancel(cancel) => cancel.call,
        Header::ListDeadLetters(list) => list.call,
        Header::RedriveDeadLetter(redrive) => redrive.call,
        Header::PurgeDeadLetter(purge) => purge.call,
        other => panic!("{} is no question", other.name()),
    }
}
