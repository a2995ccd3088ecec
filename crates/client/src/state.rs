//! What a client remembers and decides: a state machine without socket, task or clock.
//!
//! Frames and time go in by `handle_*`, frames come out by [`ClientState::poll_frames`], and
//! [`ClientState::next_deadline`] says when to come back though nothing happened. Randomness is given as a seed. Waits
//! register a [`Waker`](std::task::Waker), an opaque handle here; [`ClientState::take_woken`] gives those whose wait may
//! be over.
//!
//! Every number on the wire is the index of an entry here, so an answer finds its question without a search.

mod attachment;
mod call;
mod closing;
mod connection;
mod crew;
mod deadline;
mod delivery;
mod first_connection;
mod heartbeat;
mod mailbox;
mod names;
mod parts;
mod place;
mod question;
mod restore;
mod retry;
mod service;
mod slab;
mod submission;
mod ticket;
mod timers;
mod wakers;
mod watch;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use roundtrip_protocol::{
    Call, Frame, Header, InstanceId, MailboxNumber, Pong, RequestId, RequesterNumber, ServiceNumber, StopReason,
    TicketNumber,
};
use tokio::time::Instant;

use self::call::CallEntry;
use self::connection::Line;
use self::delivery::{DeliveryEntry, PartEntry};
use self::mailbox::MailboxEntry;
use self::names::Names;
use self::place::Places;
use self::restore::Restore;
use self::service::ServiceEntry;
use self::slab::Slab;
use self::ticket::TicketEntry;
use self::timers::Timers;
use self::watch::Watcher;

pub(crate) use self::connection::Step;
pub(crate) use self::crew::WorkerKey;
pub(crate) use self::delivery::{DeliveryKey, Handed, PartFailure, PartKey, SettleFailure};
pub(crate) use self::first_connection::{ConnectFailure, FirstConnect};
pub(crate) use self::mailbox::{MailboxFailure, MailboxItem};
pub(crate) use self::parts::{NewParts, PartPlace};
pub(crate) use self::question::CallAnswer;
pub(crate) use self::service::ServiceEvent;
pub(crate) use self::submission::{NewSubmission, Terms};
pub(crate) use self::ticket::TicketFailure;
pub(crate) use self::wakers::Woken;

use crate::stop::StopSignal;

pub(crate) type CallKey = Call;
pub(crate) type MailboxKey = MailboxNumber;
pub(crate) type RequesterKey = RequesterNumber;
pub(crate) type TicketKey = TicketNumber;

/// What is given to a client once.
pub(crate) struct Settings {
    pub(crate) instance: InstanceId,
    pub(crate) software: String,
    pub(crate) submit_timeout: Duration,
    pub(crate) first_connect: FirstConnect,
    /// For the jitter of reconnects.
    pub(crate) seed: u64,
}

/// The memory of one client instance.
pub(crate) struct ClientState {
    settings: Settings,
    line: Line,
    restore: Restore,
    names: Names,
    tickets: Slab<TicketEntry>,
    places: Places,
    /// Submissions whose id somebody may know already: what is acknowledged under it waits for their answer.
    repeated: HashMap<RequestId, u32>,
    /// Tickets that got their outcome over a former connection, which the broker does not know to be alive here.
    ended_before: HashMap<RequestId, TicketNumber>,
    calls: Slab<CallEntry>,
    unsent_acknowledgements: Vec<Call>,
    services: BTreeMap<ServiceNumber, ServiceEntry>,
    next_service: u32,
    deliveries: Slab<DeliveryEntry>,
    /// How many deliveries are held by the connection for each length of lease, in milliseconds.
    leases: BTreeMap<u64, u32>,
    /// When handlers are told to stop, the earliest first.
    deadlines: BTreeSet<(Instant, DeliveryKey)>,
    parts: Slab<PartEntry>,
    reporting: Vec<DeliveryKey>,
    mailboxes: Slab<MailboxEntry>,
    watchers: Slab<Watcher>,
    timers: Timers,
    submissions: u64,
    outgoing: VecDeque<Frame>,
    woken: Woken,
    stopped: Vec<(Arc<StopSignal>, Option<StopReason>)>,
    changed: bool,
}

impl ClientState {
    pub(crate) fn new(settings: Settings, now: Instant) -> Self {
        let line = Line::new(&settings, now);
        Self {
            settings,
            line,
            restore: Restore::default(),
            names: Names::default(),
            tickets: Slab::default(),
            places: Places::default(),
            repeated: HashMap::new(),
            ended_before: HashMap::new(),
            calls: Slab::default(),
            unsent_acknowledgements: Vec::new(),
            services: BTreeMap::new(),
            next_service: 1,
            deliveries: Slab::default(),
            leases: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            parts: Slab::default(),
            reporting: Vec::new(),
            mailboxes: Slab::default(),
            watchers: Slab::default(),
            timers: Timers::default(),
            submissions: 0,
            outgoing: VecDeque::new(),
            woken: Woken::default(),
            stopped: Vec::new(),
            changed: false,
        }
    }

    /// One frame from the broker.
    pub(crate) fn handle_frame(&mut self, now: Instant, frame: Frame) {
        let Frame { header, payload } = frame;
        match header {
            Header::Welcome(welcome) => self.handle_welcome(now, &welcome),
            Header::Error(error) => self.handle_error(&error),
            Header::Ping(ping) => self.push(Pong { nonce: ping.nonce }),
            Header::Pong(pong) => self.handle_pong(pong.nonce),
            Header::Close(_) => self.handle_close(),
            Header::Drain(drain) => self.handle_drain(Duration::from_millis(drain.remaining_ms)),
            Header::DrainAnswered(said) => self.answer_call(said.call, CallAnswer::Draining(said.refusal)),
            Header::Bound(bound) => self.handle_bound(bound),
            Header::Accepted(accepted) => {
                self.handle_accepted(accepted.ticket, accepted.services, accepted.duplicate);
            }
            Header::Refused(refused) => self.handle_refused(refused.ticket, refused.refusal),
            Header::State(state) => self.handle_state(state),
            Header::Outcome(outcome) => self.handle_outcome(outcome, payload),
            Header::ProgressUpdate(update) => self.handle_progress(update.ticket, update.progress),
            Header::PartsFrom(from) => self.handle_parts_from(from),
            Header::Part(part) => self.handle_part(part, payload),
            Header::Cancelled(said) => self.answer_call(said.call, CallAnswer::Cancelled(said.result)),
            Header::Acknowledged(done) => self.answer_call(done.call, CallAnswer::Acknowledged(done.result)),
            Header::Subscribed(subscribed) => self.handle_subscribed(subscribed.service),
            Header::Unsubscribed(ended) => self.handle_unsubscribed(now, ended.service, ended.refusal),
            Header::Delivery(delivery) => self.handle_delivery(now, delivery, payload),
            Header::Answered(answered) => self.handle_answered(now, answered.call, answered.answer),
            Header::Stop(stop) => self.handle_stop(&stop),
            Header::PartsRoom(room) => self.handle_parts_room(room.token),
            Header::MailboxOpened(opened) => self.handle_mailbox_opened(opened),
            Header::MailboxClosed(closed) => self.handle_mailbox_closed(closed.mailbox, closed.reason),
            Header::Reply(reply) => self.handle_reply(reply, payload),
            Header::CaughtUp(caught_up) => self.handle_caught_up(caught_up.mailbox),
            Header::Channels(channels) => self.handle_channels(channels),
            Header::DeadLetters(letters) => self.handle_dead_letters(letters),
            Header::DeadLetter(letter) => self.handle_dead_letter(letter, payload),
            Header::Redriven(redriven) => self.handle_redriven(redriven),
            Header::Purged(purged) => self.handle_purged(purged),
            // What only a client sends, or a later version: the broker's mistake, and no reason to drop the work.
            unexpected => tracing::warn!(frame = unexpected.name(), "the broker sent a frame that clients do not take"),
        }
    }

    /// The frames to send now, in order.
    pub(crate) fn poll_frames(&mut self, now: Instant, frames: &mut VecDeque<Frame>) {
        if frames.is_empty() {
            std::mem::swap(frames, &mut self.outgoing); // Frames are large; none is moved.
        } else {
            frames.append(&mut self.outgoing);
        }
        self.poll_progress_reports(frames);
        if !frames.is_empty() {
            self.line.note_sent(now);
        }
    }

    /// Whose wait may be over.
    pub(crate) fn take_woken(&mut self, into: &mut Woken) {
        self.woken.move_into(into);
    }

    /// Which handlers are to stop, and why.
    pub(crate) fn take_stopped(&mut self) -> Vec<(Arc<StopSignal>, Option<StopReason>)> {
        std::mem::take(&mut self.stopped)
    }

    /// Whether there is something new to send, or another deadline.
    pub(crate) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// Sends a frame. Without a connection it goes nowhere: whoever needs it on the next one sends it then.
    fn push(&mut self, frame: impl Into<Frame>) {
        if self.line.is_open() {
            self.outgoing.push_back(frame.into());
            self.changed = true;
        }
    }
}
