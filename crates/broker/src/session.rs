//! A session: who is at the other end of a connection, and what its numbers stand for. A state machine: frames and
//! time in, frames into outboxes out. It has no socket, no task and no clock.
//!
//! Frames are handled in order. A frame that contradicts the protocol costs the connection that sent it, and nobody
//! else.

mod dead_letter;
mod fault;
mod greeting;
mod listing;
mod mailbox;
mod part;
mod requester;
mod service;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use roundtrip_core::planted::{self, Fault as Planted};
use roundtrip_core::{Command, Peer as _, PeerId};
use roundtrip_protocol::{
    Bind, Bound, ChannelNumber, Close, DrainAnswered, ErrorCode, Header, InstanceId, Ping, Pong, Refusal, RefusalCode,
    RequestDrain, RequesterName, RequesterNumber, ServiceNumber,
};
use roundtrip_transport::Incoming;

pub(crate) use self::fault::Fault;
pub(crate) use self::service::PROGRESS_LIMIT;
use crate::admission::Unread;
use crate::batch::Batch;
use crate::channel::ChannelEntry;
use crate::lock::Lock;
use crate::mailbox::MailboxHandle;
use crate::memory::Room;
use crate::peer::{Life, Peer};
use crate::shared::Shared;

/// What a session takes of memory, its buffers when they are idle included, in bytes.
pub(crate) const SESSION_OVERHEAD: usize = 12 * 1024;

/// One connection's session.
pub(crate) struct Session {
    pub(crate) peer: Peer,
    state: Mutex<State>,
    _room: Room,
}

struct State {
    shared: Arc<Shared>,
    peer: Peer,
    stage: Stage,
    heartbeat_ms: u32,
    channels: BTreeMap<ChannelNumber, Binding>,
    requesters: BTreeMap<RequesterNumber, Requester>,
    /// Where the replies of a requester to requests on a channel go, so that no name is looked up for each.
    addresses: BTreeMap<(RequesterNumber, ChannelNumber), MailboxHandle>,
    services: BTreeMap<ServiceNumber, Subscription>,
    /// For what the maps hold.
    room: Room,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing was heard yet.
    Greeting,
    /// It said who it is.
    Open { instance: InstanceId, number: u64 },
    /// It is over.
    Ended,
}

/// What a channel number stands for.
#[derive(Clone)]
enum Binding {
    Channel(Arc<ChannelEntry>),
    Refused(Refusal),
}

struct Requester {
    name: RequesterName,
    is_unnamed: bool,
}

struct Subscription {
    channel: Arc<ChannelEntry>,
    /// None when the service took deliveries back and has not subscribed yet.
    credit: Option<u32>,
}

/// How a session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Parting {
    /// The other end said so: what its services hold goes back uncounted, and unnamed requesters end.
    Goodbye,
    /// The connection is gone.
    Broken,
}

impl Session {
    /// The session of a new connection. Where the broker has no place for it, it is told so and over.
    pub(crate) fn open(shared: &Arc<Shared>, life: Life, heartbeat_ms: u32, batch: &mut Batch) -> Arc<Self> {
        let id = shared.connections.next_id();
        let room = shared.memory.room_for_submission(SESSION_OVERHEAD);
        let is_full = room.is_none() || shared.connections.count() >= shared.limits.connections;
        let peer = Peer::new(id, life, shared.memory.room_at_any_rate(0), shared.limits.open);
        let state = State {
            shared: Arc::clone(shared),
            peer: peer.clone(),
            stage: Stage::Greeting,
            heartbeat_ms,
            channels: BTreeMap::new(),
            requesters: BTreeMap::new(),
            addresses: BTreeMap::new(),
            services: BTreeMap::new(),
            room: shared.memory.room_at_any_rate(0),
        };
        let session = Arc::new(Self { peer, state: Mutex::new(state), _room: room.unwrap_or_else(Room::nothing) });
        if is_full {
            let message = "the broker has no place for another connection now: try again later";
            session.report(Fault::closing(ErrorCode::BrokerFull, message), batch);
        } else {
            shared.connections.insert(&session);
        }
        session
    }

    pub(crate) fn id(&self) -> PeerId {
        self.peer.id()
    }

    /// Handles a frame. What it leads to is in outboxes when this returns, or in the batch.
    pub(crate) fn handle(self: &Arc<Self>, incoming: Incoming<Room, Unread>, batch: &mut Batch) {
        let mut state = self.state.locked();
        if state.stage == Stage::Ended {
            return;
        }
        let frame = incoming.header.type_number();
        if let Err(fault) = state.handle(self, incoming, batch) {
            state.report(fault.about(frame), batch);
        }
        state.count_room();
    }

    /// Tells the other end what is wrong with what it sent; ends the session if that was said.
    pub(crate) fn report(&self, fault: Fault, batch: &mut Batch) {
        let mut state = self.state.locked();
        if state.stage != Stage::Ended {
            state.report(fault, batch);
        }
    }

    /// The outbox fell under its mark: what was withheld is offered again.
    pub(crate) fn resume(&self, batch: &mut Batch) {
        let state = self.state.locked();
        let peer = state.peer.id();
        for subscription in state.services.values().filter(|subscription| subscription.credit.is_some()) {
            subscription.channel.run(Command::Resume { peer }, batch);
        }
        let mailboxes: Vec<MailboxHandle> =
            state.peer.open(|open| open.mailboxes().map(|(_, mailbox)| mailbox.clone()).collect());
        for mailbox in mailboxes {
            mailbox.resume(batch);
        }
    }

    /// The connection is gone. Calling it again does nothing.
    pub(crate) fn abandon(&self, batch: &mut Batch) {
        let mut state = self.state.locked();
        state.part(Parting::Broken, batch);
        // Last words are left for whoever still reads them.
        if !state.peer.is_closing() {
            state.peer.close_at_once(batch);
        }
    }

    /// Whether it said who it is.
    pub(crate) fn is_greeted(&self) -> bool {
        self.state.locked().stage != Stage::Greeting
    }

    /// Whether it takes deliveries.
    pub(crate) fn serves(&self) -> bool {
        !self.state.locked().services.is_empty()
    }

    /// Puts a frame before the other end, if it said who it is.
    pub(crate) fn announce(&self, header: impl Into<Header>, batch: &mut Batch) {
        let state = self.state.locked();
        if matches!(state.stage, Stage::Open { .. }) {
            state.peer.send(header.into(), batch);
        }
    }
}

impl State {
    fn handle(
        &mut self,
        session: &Arc<Session>,
        incoming: Incoming<Room, Unread>,
        batch: &mut Batch,
    ) -> Result<(), Fault> {
        let Incoming { header, payload } = incoming;
        match (self.stage, header) {
            (Stage::Greeting, Header::Hello(hello)) => self.greet(session, &hello, batch),
            (Stage::Greeting, header) => Err(Fault::closing(
                ErrorCode::HandshakeExpected,
                format!("a connection begins with Hello, this one began with {}", header.name()),
            )),
            (_, Header::Submit(submit)) => self.submit(submit, payload, batch),
            (_, Header::Settle(settle)) => self.settle(settle, payload, batch),
            (_, Header::AddPart(add)) => self.add_part(add, payload, batch),
            (_, header) if matches!(payload, Err(Unread::Unwanted)) => {
                let message = format!("{} has no payload, this one had one: send none", header.name());
                Err(Fault::closing(ErrorCode::MalformedFrame, message))
            }
            (_, header) => self.handle_words(header, batch),
        }
    }

    /// Frames without a payload.
    fn handle_words(&mut self, header: Header, batch: &mut Batch) -> Result<(), Fault> {
        match header {
            Header::Attach(attach) => self.attach(&attach, batch),
            Header::Detach(detach) => self.detach(&detach, batch),
            Header::Acknowledge(acknowledge) => self.acknowledge(&acknowledge, batch),
            Header::Renew(renew) => self.renew(&renew, batch),
            Header::ProgressReport(report) => self.report_progress(report, batch),
            Header::Credit(credit) => self.credit(&credit, batch),
            Header::Window(window) => self.widen(&window, batch),
            Header::Bind(bind) => self.bind(bind, batch),
            Header::Introduce(introduce) => self.introduce(introduce),
            Header::Goodbye(goodbye) => self.say_goodbye(&goodbye, batch),
            Header::Subscribe(subscribe) => self.subscribe(&subscribe, batch),
            Header::Unsubscribe(unsubscribe) => self.unsubscribe(&unsubscribe, batch),
            Header::TakeBack(take_back) => self.take_back(&take_back, batch),
            Header::OpenMailbox(open) => self.open_mailbox(open, batch),
            Header::CloseMailbox(close) => self.close_mailbox(&close, batch),
            Header::Cancel(cancel) => self.cancel(&cancel, batch),
            Header::Stopped(stopped) => self.stopped(&stopped, batch),
            Header::FollowParts(follow) => self.follow_parts(&follow, batch),
            Header::PartsWindow(widen) => self.widen_parts(&widen, batch),
            Header::AcknowledgeParts(acknowledge) => self.acknowledge_parts(&acknowledge, batch),
            Header::ListChannels(list) => self.list_channels(&list, batch),
            Header::ListDeadLetters(list) => self.list_dead_letters(&list, batch),
            Header::ReadDeadLetter(read) => self.read_dead_letter(&read, batch),
            Header::RedriveDeadLetter(redrive) => self.redrive_dead_letter(&redrive, batch),
            Header::PurgeDeadLetter(purge) => self.purge_dead_letter(&purge, batch),
            Header::RequestDrain(request) => self.request_drain(&request, batch),
            Header::Ping(Ping { nonce }) => {
                self.peer.send(Pong { nonce }, batch);
                Ok(())
            }
            Header::Pong(_) => Ok(()),
            Header::Close(Close {}) => {
                self.part(Parting::Goodbye, batch);
                // Behind everything that leaving led to.
                batch.pull();
                self.peer.send(Close {}, batch);
                self.peer.close(batch);
                Ok(())
            }
            Header::Error(error) => {
                tracing::debug!(code = %error.code, frame = error.frame, "the other end reports an error");
                if error.closes {
                    self.part(Parting::Broken, batch);
                    self.peer.close(batch);
                }
                Ok(())
            }
            other => Err(Fault::passing(
                ErrorCode::UnexpectedFrame,
                format!("{} is not for a broker to take, or not now; it was skipped", other.name()),
            )),
        }
    }

    fn report(&mut self, fault: Fault, batch: &mut Batch) {
        tracing::debug!(code = %fault.code, closes = fault.closes, "a frame broke the protocol");
        if self.stage == Stage::Greeting && fault.is_garbage() {
            self.shared.count_garbage();
        }
        let closes = fault.closes;
        self.peer.send(roundtrip_protocol::Error::from(fault), batch);
        if closes {
            self.part(Parting::Broken, batch);
            self.peer.close(batch);
        }
    }

    fn bind(&mut self, bind: Bind, batch: &mut Batch) -> Result<(), Fault> {
        let Bind { number, channel } = bind;
        match self.channels.get(&number) {
            Some(Binding::Channel(_)) => return Err(Fault::number_in_use("channel", number)),
            Some(Binding::Refused(_)) => {}
            None => self.check_room(self.channels.len(), "channel names")?,
        }
        let (binding, refusal) = match self.shared.channels.channel(&channel) {
            Ok(entry) => (Binding::Channel(entry), None),
            Err(refusal) => (Binding::Refused(refusal.clone()), Some(refusal)),
        };
        self.channels.insert(number, binding);
        self.peer.send(Bound { number, refusal }, batch);
        Ok(())
    }

    fn request_drain(&mut self, request: &RequestDrain, batch: &mut Batch) -> Result<(), Fault> {
        let refusal = (!self.shared.limits.remote_drain).then(|| {
            let message = "this broker is stopped by the program that it is part of, not by its clients";
            Refusal::new(RefusalCode::Forbidden, message)
        });
        let is_asked = refusal.is_none();
        self.peer.send(DrainAnswered { call: request.call, refusal }, batch);
        if is_asked {
            self.shared.drain_requested.cancel();
        }
        Ok(())
    }

    fn binding(&self, number: ChannelNumber) -> Result<&Binding, Fault> {
        self.channels.get(&number).ok_or_else(|| Fault::unknown_number("channel", number))
    }

    fn requester(&self, number: RequesterNumber) -> Result<&Requester, Fault> {
        self.requesters.get(&number).ok_or_else(|| Fault::unknown_number("requester", number))
    }

    fn check_room(&self, taken: usize, of_what: &str) -> Result<(), Fault> {
        let most = self.shared.limits.open;
        if taken < most {
            return Ok(());
        }
        let message = format!("a connection has at most {most} {of_what} at once: end some first, or open another");
        Err(Fault::closing(ErrorCode::TooMany, message))
    }

    /// Counts what the numbers of the connection take, about: names, and entries here and in the doorkeeper's map.
    fn count_room(&mut self) {
        const EACH: usize = 256;
        const COVERED: usize = 16;
        let numbers = self.channels.len() + self.requesters.len() + self.addresses.len() + self.services.len();
        let needed = numbers.saturating_sub(COVERED) * EACH;
        if needed != self.room.bytes() {
            self.room.resize(needed);
        }
    }

    /// Ends everything that the connection held.
    fn part(&mut self, parting: Parting, batch: &mut Batch) {
        let Stage::Open { instance, number } = std::mem::replace(&mut self.stage, Stage::Ended) else { return };
        let peer = self.peer.id();
        for (service, subscription) in std::mem::take(&mut self.services) {
            if parting == Parting::Goodbye {
                subscription.channel.run(Command::Unsubscribe { peer, service }, batch);
            }
        }
        let mailboxes: Vec<MailboxHandle> =
            self.peer.open(|open| open.mailboxes().map(|(_, mailbox)| mailbox.clone()).collect());
        for mailbox in mailboxes {
            mailbox.forget_peer(peer);
        }
        for binding in std::mem::take(&mut self.channels).into_values() {
            let Binding::Channel(channel) = binding else { continue };
            if !planted::is(Planted::ConnectionNotParted) {
                channel.run(Command::PeerGone { peer }, batch);
            }
            let name = channel.name().clone();
            drop(channel);
            self.shared.channels.forget_if_unused(&name);
        }
        batch.shared.changes.tell();
        self.addresses = BTreeMap::new();
        for (_, requester) in
            std::mem::take(&mut self.requesters).into_iter().filter(|(_, requester)| requester.is_unnamed)
        {
            match parting {
                Parting::Goodbye => self.shared.unnamed.say_goodbye(&requester.name, batch),
                Parting::Broken if planted::is(Planted::UnnamedNotEnded) => {}
                Parting::Broken => self.shared.unnamed.lose(&requester.name, batch),
            }
        }
        self.count_room();
        self.shared.instances.leave(instance, number, batch.now);
        tracing::debug!(connection.id = peer.0, ?parting, "session ended");
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Session({:?})", self.peer)
    }
}
