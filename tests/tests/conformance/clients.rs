//! Drivers over the Rust client: in process, and over TCP.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use roundtrip::broker::{BrokerBuilder, ChannelSettings, NoService, OnUnknown};
use roundtrip::{
    AcknowledgeError, Broker, CancelError, Cancellation, ChannelFigures, Client, Context, DeadLetter, DeadLetterEntry,
    DeadLetterError, Failure, HeldDelivery, Message, OpenMode, Outcome, PartError, Parts, Problem, Progress, Pulled,
    RawFailure, RawTicket, Refusal, Replies, RepliesError, RequestId, ServiceHandle, SettleError, StopReason,
    SubmitError, TicketId, TicketState, WaitError,
};
use tokio::sync::{mpsc, oneshot};

use crate::cable::Cable;
use crate::driver::{
    Accepted, Driver, Ended, Held, Mailbox, Part, PartEvent, PartsReader, Party, Service, Settle, State, Submission,
    Taken, Terms,
};

/// The client over the in-process connection.
pub(crate) struct InProcess(Broker);

/// The client over the in-process connection to a broker whose channels are durable, in a folder of its own.
pub(crate) struct Durable {
    broker: Broker,
    _folder: Folder,
}

/// A folder that goes with the test.
pub(crate) struct Folder(PathBuf);

/// The client over a loopback socket.
pub(crate) struct Tcp(Broker, std::net::SocketAddr);

impl Driver for InProcess {
    type Party = AtCable;

    async fn start(terms: Terms) -> Self {
        Self(broker(Broker::builder(), terms))
    }

    async fn party(&self) -> AtCable {
        AtCable::at(Cable::in_process(self.0.connect())).await
    }

    async fn until(&self, channel: &str, is_reached: impl Fn(&ChannelFigures) -> bool) {
        until(&self.0, channel, is_reached).await;
    }
}

impl Driver for Tcp {
    type Party = AtCable;

    async fn start(terms: Terms) -> Self {
        let broker = broker(Broker::builder(), terms);
        let address = broker.listen("127.0.0.1:0").await.unwrap();
        Self(broker, address)
    }

    async fn party(&self) -> AtCable {
        AtCable::at(Cable::over_tcp(self.1).await).await
    }

    async fn until(&self, channel: &str, is_reached: impl Fn(&ChannelFigures) -> bool) {
        until(&self.0, channel, is_reached).await;
    }
}

impl Driver for Durable {
    type Party = AtCable;

    async fn start(terms: Terms) -> Self {
        let folder = Folder::new();
        Self { broker: broker(Broker::builder().data(&folder.0), terms), _folder: folder }
    }

    async fn party(&self) -> AtCable {
        AtCable::at(Cable::in_process(self.broker.connect())).await
    }

    async fn until(&self, channel: &str, is_reached: impl Fn(&ChannelFigures) -> bool) {
        until(&self.broker, channel, is_reached).await;
    }
}

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(std::env::temp_dir().join(format!("roundtrip-conformance-{}-{number}", std::process::id())))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A broker whose channels have these terms.
pub(crate) fn broker(mut builder: BrokerBuilder, terms: Terms) -> Broker {
    if let Some(places) = terms.mailbox_capacity {
        builder = builder.mailbox_capacity(places);
    }
    let builder = match terms.declared {
        Some(name) => builder.channel(settings(ChannelSettings::new(name), terms)).on_unknown(OnUnknown::Refuse),
        None => builder.defaults(settings(ChannelSettings::for_undeclared(), terms)),
    };
    builder.start().unwrap()
}

fn settings(settings: ChannelSettings, terms: Terms) -> ChannelSettings {
    fn set<T>(
        settings: ChannelSettings,
        term: Option<T>,
        apply: impl FnOnce(ChannelSettings, T) -> ChannelSettings,
    ) -> ChannelSettings {
        match term {
            Some(term) => apply(settings, term),
            None => settings,
        }
    }
    let backoff = terms.backoff.unwrap_or(Duration::from_millis(1));
    let settings = settings.backoff(backoff, backoff);
    let settings = set(settings, terms.capacity, ChannelSettings::capacity);
    let settings = set(settings, terms.lease, ChannelSettings::lease);
    let settings = set(settings, terms.attempt_timeout, ChannelSettings::attempt_timeout);
    let settings = set(settings, terms.max_attempts, ChannelSettings::max_attempts);
    let settings = set(settings, terms.max_releases, ChannelSettings::max_releases);
    let settings = set(settings, terms.max_throttle, ChannelSettings::max_throttle);
    let settings = set(settings, terms.max_in_flight, ChannelSettings::max_in_flight);
    let settings = set(settings, terms.rate, |settings, (per_second, burst)| settings.rate(per_second, burst));
    let settings = set(settings, terms.default_deadline, ChannelSettings::default_deadline);
    let settings = set(settings, terms.retention, ChannelSettings::retention);
    let settings = set(settings, terms.max_keys, ChannelSettings::max_keys);
    let settings = set(settings, terms.max_payload, ChannelSettings::max_payload);
    let settings = set(settings, terms.parts_room, ChannelSettings::parts_room);
    let settings = set(settings, terms.max_dead_letters, ChannelSettings::max_dead_letters);
    let settings = set(settings, terms.operations, |settings, names| settings.operations(names.iter().copied()));
    let settings = set(settings, terms.content_types, |settings, types| settings.content_types(types.iter().copied()));
    if terms.refuses_without_service { settings.no_service(NoService::Refuse) } else { settings }
}

/// Waits until the figures of a channel are as they should be.
pub(crate) async fn until(broker: &Broker, channel: &str, is_reached: impl Fn(&ChannelFigures) -> bool) {
    let is_there = |channels: &[ChannelFigures]| {
        channels.iter().any(|figures| figures.channel.as_str() == channel && is_reached(figures))
    };
    broker.until(is_there).await;
}

/// A client at the end of a cable.
pub(crate) struct AtCable {
    client: Client,
    cable: Cable,
}

impl AtCable {
    async fn at(cable: Cable) -> Self {
        Self { client: cable.client().await, cable }
    }
}

impl Party for AtCable {
    type Taken = Pulled;
    type Service = Subscribed;
    type Mailbox = Replies;
    type Parts = Reading;

    async fn submit(&self, submission: Submission) -> Result<Accepted, Refusal> {
        let message = Message::new(submission.payload).content_type(submission.content_type);
        let message = match submission.header {
            Some((name, value)) => message.header(name, value),
            None => message,
        };
        let requester = self.client.requester(submission.requester);
        let mut submit = requester.submit_raw(submission.channel, submission.operation, message);
        if let Some(ticket) = submission.under {
            submit = submit.under(ticket);
        }
        if let Some(name) = submission.reply_channel {
            submit = submit.reply_channel(name);
        }
        if let Some(priority) = submission.priority {
            submit = submit.priority(priority);
        }
        if let Some(deadline) = submission.deadline {
            submit = submit.deadline(deadline);
        }
        if let Some(delay) = submission.delay {
            submit = submit.delay(delay);
        }
        if let Some(key) = submission.key {
            submit = submit.idempotency_key(key);
        }
        if submission.one_way {
            submit = submit.one_way();
        }
        match submit.await {
            Ok(ticket) => Ok(Accepted {
                ticket: ticket.id().clone(),
                duplicate: ticket.is_duplicate(),
                services: ticket.services(),
            }),
            Err(SubmitError::Refused(refusal)) => Err(refusal),
            Err(other) => panic!("{other}"),
        }
    }

    async fn outcome(&self, requester: &str, ticket: &TicketId) -> Result<Ended, WaitError> {
        self.client.requester(requester).attach_raw(ticket.clone()).outcome().await.map(Ended::from)
    }

    async fn state(&self, ticket: &TicketId) -> Result<State, WaitError> {
        self.client.status(ticket).await.map(State::from)
    }

    async fn progress(&self, ticket: &TicketId) -> Option<Progress> {
        self.client.requester("watcher").attach_raw(ticket.clone()).progress().next().await
    }

    async fn acknowledge(&self, requester: &str, ticket: &TicketId) -> Result<(), AcknowledgeError> {
        self.client.requester(requester).attach_raw(ticket.clone()).acknowledge().await
    }

    async fn cancel(&self, ticket: &TicketId) -> Result<Cancellation, CancelError> {
        self.client.cancel(ticket).await
    }

    fn parts(&self, requester: &str, ticket: &TicketId, (delivery, number): (u32, u32)) -> Reading {
        let ticket = self.client.requester(requester).attach_raw(ticket.clone());
        let parts = ticket.parts_after(delivery, number);
        Reading { _ticket: ticket, parts }
    }

    async fn open(&self, requester: &str, reply_channel: &str, mode: OpenMode) -> Result<Replies, RepliesError> {
        self.client.requester(requester).replies(reply_channel).mode(mode).await
    }

    async fn take(&self, channel: &str, most: u32, wait: Duration) -> Vec<Pulled> {
        self.client.pull(channel).take(most, wait).await.unwrap()
    }

    fn serve(&self, channel: &str, credit: u32) -> Subscribed {
        let (tell, told) = mpsc::unbounded_channel();
        let service = self.client.raw_service(channel, move |_, context| {
            let tell = tell.clone();
            async move {
                let (settle, settled) = oneshot::channel();
                tell.send(AtWork { context, settle }).ok();
                settled.await.unwrap_or_else(|_| Err(Failure::release()))
            }
        });
        Subscribed { told, _handle: service.concurrency(credit).spawn() }
    }

    async fn dead_letters(&self, channel: &str) -> Vec<DeadLetterEntry> {
        self.client.dead_letters(channel).list().await.unwrap()
    }

    async fn read_dead_letter(&self, channel: &str, id: RequestId) -> Result<DeadLetter, DeadLetterError> {
        self.client.dead_letters(channel).read(id).await
    }

    async fn redrive(&self, channel: &str, id: RequestId) -> Result<TicketId, DeadLetterError> {
        self.client.dead_letters(channel).redrive(id).await
    }

    async fn purge(&self, channel: &str, id: RequestId) -> Result<(), DeadLetterError> {
        self.client.dead_letters(channel).purge(id).await
    }

    fn cut(&self) {
        self.cable.cut();
    }

    fn vanish(&self) {
        self.cable.unplug();
    }

    fn come_back(&self) {
        self.cable.plug();
    }
}

impl From<TicketState> for State {
    fn from(told: TicketState) -> Self {
        let TicketState { state, ahead, services, attempts, remaining, redrive_of, progress, .. } = told;
        Self { state, ahead, services, attempts, remaining, redrive_of, progress }
    }
}

impl From<Outcome> for Ended {
    fn from(outcome: Outcome) -> Self {
        let problem = outcome.problem().map(|problem| serde_json::to_value(problem).unwrap());
        Self { attempts: outcome.attempts, ending: outcome.ending, payload: outcome.payload, problem }
    }
}

impl From<Settle> for Result<Message, RawFailure> {
    fn from(how: Settle) -> Self {
        Err(match how {
            Settle::Reply(payload) => return Ok(Message::new(payload).content_type("text/plain")),
            Settle::Fail(code, message) => Failure::problem(code, message),
            Settle::Retry(code, None) => Failure::retry(code).code(code),
            Settle::Retry(code, Some(after)) => Failure::retry(code).code(code).after(after),
            Settle::Reject(code) => Failure::reject(code).code(code),
            Settle::Release => Failure::release(),
            Settle::Throttle(pause) => Failure::throttle(pause),
        })
    }
}

impl Taken for Pulled {
    fn ticket(&self) -> &TicketId {
        Self::ticket(self)
    }

    fn attempt(&self) -> u32 {
        Self::attempt(self)
    }

    fn delivery(&self) -> u32 {
        Self::delivery(self)
    }

    fn payload(&self) -> &Bytes {
        &self.request().payload
    }

    fn remaining(&self) -> Option<Duration> {
        Self::remaining(self)
    }

    fn redrive_of(&self) -> Option<RequestId> {
        Self::redrive_of(self)
    }

    async fn renew(&self) -> Result<(), SettleError> {
        HeldDelivery::renew(self).await
    }

    fn progress(&self, fraction: f32, stage: &str) {
        HeldDelivery::progress(self, fraction, stage);
    }

    async fn part(&self, payload: &'static str) -> Result<u32, PartError> {
        HeldDelivery::part(self, Message::new(payload)).await
    }

    async fn try_part(&self, payload: &'static str) -> Result<u32, PartError> {
        HeldDelivery::try_part(self, Message::new(payload)).await
    }

    async fn settle(&self, how: Settle) -> Result<(), SettleError> {
        match how {
            Settle::Fail(code, message) => self.fail(Problem::new(code, message)).await,
            other => self.finish(other.into()).await,
        }
    }
}

/// A service whose handlers wait for the test.
pub(crate) struct Subscribed {
    told: mpsc::UnboundedReceiver<AtWork>,
    _handle: ServiceHandle,
}

/// A handler at work.
pub(crate) struct AtWork {
    context: Context,
    settle: oneshot::Sender<Result<Message, RawFailure>>,
}

impl Service for Subscribed {
    type Held = AtWork;

    async fn next(&mut self) -> AtWork {
        self.told.recv().await.unwrap()
    }
}

impl Held for AtWork {
    fn ticket(&self) -> &TicketId {
        self.context.ticket()
    }

    fn attempt(&self) -> u32 {
        self.context.attempt()
    }

    fn delivery(&self) -> u32 {
        self.context.delivery()
    }

    async fn stopped(&self) -> StopReason {
        self.context.cancelled().cancelled().await;
        self.context.stop_reason().unwrap()
    }

    fn settle(self, how: Settle) {
        self.settle.send(how.into()).ok();
    }
}

impl Mailbox for Replies {
    async fn next(&mut self) -> Result<(TicketId, Ended), RepliesError> {
        let reply = Self::next(self).await.expect("the client is open")?;
        Ok((reply.ticket, reply.outcome.into()))
    }

    async fn next_there(&mut self) -> Option<TicketId> {
        Self::next_there(self).await.map(|reply| reply.unwrap().ticket)
    }
}

/// Parts, with the ticket that they are read by.
pub(crate) struct Reading {
    _ticket: RawTicket,
    parts: Parts,
}

impl PartsReader for Reading {
    async fn next(&mut self) -> Option<PartEvent> {
        Some(match self.parts.next().await? {
            roundtrip::PartEvent::Part(part) => {
                PartEvent::Part(Part { delivery: part.delivery, number: part.number, payload: part.payload })
            }
            roundtrip::PartEvent::Restarted { delivery } => PartEvent::Restarted { delivery },
            roundtrip::PartEvent::Gone { first } => PartEvent::Gone { first },
            other => panic!("the suite knows nothing of {other:?}"),
        })
    }
}
