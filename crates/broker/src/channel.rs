//! A channel in the broker: the state machine of `roundtrip-core` behind a lock, and what is done with its effects.
//!
//! In memory effects are applied in order before the lock is released. On a durable channel they wait, in order, until
//! what they tell of is on disk: see [`durable`].

mod channels;
mod dead_letters;
mod durable;
mod durably;
mod nearest;

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use roundtrip_core::{
    Channel, Command, DELIVERIES_AT_ONCE, Effect, Figures, Now, Peer as _, ReaderId, Reading, Tell, Time, What,
};
use roundtrip_protocol::{ChannelFigures, ChannelName, RequestId};

pub(crate) use self::channels::Channels;
pub(crate) use self::dead_letters::{LettersList, WholeLetter};
use self::durable::Durable;
use crate::batch::Batch;
use crate::handles::{BrokerHandles, Held};
use crate::lock::Lock;
use crate::mailbox::{MailboxHandle, Posted};
use crate::memory::Room;
use crate::peer::{Peer, Told, millis};
use crate::settings::ChannelPlan;
use crate::timer::Due;

/// What a channel takes of memory beside what is in it, in bytes.
pub(crate) const CHANNEL_OVERHEAD: usize = 2 * 1024;

/// A channel.
pub(crate) struct ChannelEntry {
    /// Tells it from every other channel of this broker, an earlier one of the same name too.
    pub(crate) serial: u64,
    pub(crate) plan: ChannelPlan,
    pub(crate) is_declared: bool,
    /// How often a durable channel began again from disk.
    epoch: AtomicU64,
    /// How many requests were read from disk so far, while it begins.
    recovered: AtomicUsize,
    state: Mutex<Guarded>,
    _room: Room,
}

struct Guarded {
    channel: Channel<BrokerHandles>,
    /// Threads read the clock before they come here, and not always in that order.
    latest: Time,
    /// For when the timer is set.
    armed: Option<Time>,
    /// How many fetched outcomes are counted among those of all channels.
    fetched: usize,
    /// What a durable channel has beside.
    durable: Option<Box<Durable>>,
}

impl Guarded {
    /// Says how many outcomes may go where room is short.
    fn count_fetched(&mut self, of_all: &AtomicUsize) {
        let fetched = self.channel.fetched();
        if fetched != self.fetched {
            of_all.fetch_add(fetched, Ordering::Relaxed);
            of_all.fetch_sub(self.fetched, Ordering::Relaxed);
            self.fetched = fetched;
        }
    }

    /// The time of a step.
    fn time(&mut self, batch: &Batch) -> Time {
        self.latest = self.latest.max(batch.now);
        self.latest
    }
}

impl ChannelEntry {
    fn new(
        serial: u64,
        plan: ChannelPlan,
        is_declared: bool,
        start: u64,
        room: Room,
        durable: Option<Durable>,
    ) -> Self {
        let channel = Channel::new(plan.settings.clone(), start);
        let durable = durable.map(Box::new);
        let state = Mutex::new(Guarded { channel, latest: Time::default(), armed: None, fetched: 0, durable });
        let (epoch, recovered) = (AtomicU64::new(0), AtomicUsize::new(0));
        Self { serial, plan, is_declared, epoch, recovered, state, _room: room }
    }

    pub(crate) const fn name(&self) -> &ChannelName {
        &self.plan.name
    }

    pub(crate) const fn is_durable(&self) -> bool {
        self.plan.settings.is_durable
    }

    /// Does what is due, then the command.
    pub(crate) fn run(self: &Arc<Self>, command: Command<BrokerHandles>, batch: &mut Batch) {
        if self.is_durable() {
            self.run_durably(command, batch);
        } else {
            #[cfg(feature = "simulation")]
            crate::simulation::watch_command(self, &command);
            self.step(batch, |channel, now, effects| channel.handle(now, command, effects));
        }
    }

    /// The timer went off, as it was set for `at`.
    pub(crate) fn run_deadline(self: &Arc<Self>, at: Time, batch: &mut Batch) {
        {
            let mut state = self.state.locked();
            if state.armed != Some(at) {
                return;
            }
            state.armed = None;
        }
        self.do_what_is_due(batch);
    }

    fn do_what_is_due(self: &Arc<Self>, batch: &mut Batch) {
        if self.is_durable() {
            self.do_what_is_due_durably(batch);
        } else {
            self.step(batch, Channel::handle_deadline);
        }
    }

    /// A step of a channel in memory.
    fn step(
        self: &Arc<Self>,
        batch: &mut Batch,
        step: impl FnOnce(&mut Channel<BrokerHandles>, Now, &mut Vec<Effect<BrokerHandles>>),
    ) {
        let mut effects = std::mem::take(&mut batch.effects);
        let mut state = self.state.locked();
        let time = state.time(batch);
        let random = batch.jitter.bits();
        step(&mut state.channel, Now { time, random }, &mut effects);
        // A step hands out so many deliveries at most, so that full outboxes show before the next ones.
        while self.apply_all(&mut effects, batch) >= DELIVERIES_AT_ONCE {
            let random = batch.jitter.bits();
            state.channel.handle_deadline(Now { time, random }, &mut effects);
        }
        self.end_step(state, effects, batch);
    }

    /// What every step ends with.
    fn end_step(
        self: &Arc<Self>,
        mut state: MutexGuard<'_, Guarded>,
        effects: Vec<Effect<BrokerHandles>>,
        batch: &mut Batch,
    ) {
        self.arm(&mut state, batch);
        state.count_fetched(&batch.shared.fetched);
        drop(state);
        batch.effects = effects;
        batch.shared.changes.tell();
    }

    /// Applies effects in order. Returns how many deliveries were among them.
    fn apply_all(self: &Arc<Self>, effects: &mut Vec<Effect<BrokerHandles>>, batch: &mut Batch) -> usize {
        let mut deliveries = 0;
        for effect in effects.drain(..) {
            deliveries += usize::from(is_delivery(&effect.what));
            self.apply(effect.what, batch);
        }
        deliveries
    }

    /// Does what the state machine wants done. What it tells is in memory.
    fn apply(self: &Arc<Self>, what: What<BrokerHandles>, batch: &mut Batch) {
        #[cfg(feature = "simulation")]
        crate::simulation::watch_effect(self, &what);
        match what {
            What::Tell { peer, tell } => peer.tell(tell, batch),
            What::Post { place, id } => {
                if let Some(mailbox) = place.mailbox() {
                    mailbox.post(Posted::new(self, id), batch);
                }
            }
            What::Unpost { place, id } => {
                if let Some(mailbox) = place.mailbox() {
                    mailbox.unpost(&Posted::new(self, id));
                }
            }
            What::Repost { place, id, peer } => {
                if let Some(mailbox) = place.mailbox() {
                    mailbox.repost(peer, &Posted::new(self, id), batch);
                }
            }
            What::Spend { request: Held::Here(request) } => request.forget_payload(),
            What::Spend { .. } | What::Keep(_) => {}
        }
    }

    /// Tells the timer when something is due earlier than it knows.
    fn arm(self: &Arc<Self>, state: &mut Guarded, batch: &Batch) {
        if let Some(due) = state.channel.next_deadline()
            && due != Time::NEVER
            && state.armed.is_none_or(|armed| due < armed)
        {
            state.armed = Some(due);
            batch.shared.timer.arm(due, Due::Channel(Arc::downgrade(self)));
        }
    }

    /// Puts an outcome before a reader that its mailbox offered it to, or tells the mailbox that it was skipped: both
    /// under the channel's lock, so that what the reader's connection follows does not change meanwhile.
    pub(crate) fn reply(
        self: &Arc<Self>,
        id: RequestId,
        peer: Peer,
        reader: ReaderId,
        mailbox: &MailboxHandle,
        batch: &mut Batch,
    ) {
        if self.is_durable() {
            return self.reply_durably(id, peer, reader, mailbox, batch);
        }
        let state = self.state.locked();
        let posted = Posted::new(self, id);
        match state.channel.outcome(id, peer.id()) {
            Reading::Outcome { outcome, request: Held::Here(request), redrive_of } => {
                let (channel, operation) = (self.name(), &request.operation);
                let reply = Told { mailbox: reader.mailbox, channel, id, redrive_of, operation, outcome };
                peer.reply(mailbox.serial(), reply, batch);
                mailbox.decide(reader, &posted, true, batch);
            }
            _ => mailbox.decide(reader, &posted, false, batch),
        }
    }

    /// Lets go of outcomes that may go where room is short. Returns whether there were some.
    pub(crate) fn make_room(self: &Arc<Self>, batch: &mut Batch) -> bool {
        let has_some = self.state.locked().channel.fetched() > 0;
        if has_some {
            self.run(Command::MakeRoom, batch);
        }
        has_some
    }

    /// The channel's figures, whether they are on disk or not, and how many outcomes wait in mailboxes.
    pub(crate) fn live_figures(&self) -> (Figures, usize) {
        let state = self.state.locked();
        (state.channel.figures(), state.channel.unacknowledged())
    }

    /// The channel's figures; those of a durable channel as they are on disk.
    pub(crate) fn figures(&self) -> Figures {
        let state = self.state.locked();
        state.durable.as_ref().map_or_else(|| state.channel.figures(), |durable| durable.shown)
    }

    pub(crate) fn wire_figures(&self, now: Time) -> ChannelFigures {
        let figures = self.figures();
        ChannelFigures {
            channel: self.name().clone(),
            waiting: figures.waiting as u64,
            scheduled: figures.scheduled as u64,
            in_flight: figures.in_flight as u64,
            services: u32::try_from(figures.services).unwrap_or(u32::MAX),
            retained: figures.retained as u64,
            dead: figures.dead as u64,
            oldest_ms: figures.oldest.map_or(0, |accepted| millis(now.since(accepted))),
            paused_ms: figures.paused_until.map_or(0, |until| millis(until.since(now))),
            stale: figures.stale,
        }
    }

    fn is_idle(&self) -> bool {
        let state = self.state.locked();
        state.channel.is_idle() && state.durable.as_ref().is_none_or(|durable| durable.is_idle())
    }

    /// Lets go of everything: the broker is gone.
    pub(crate) fn clear(&self, start: u64) {
        let emptied = Channel::new(self.plan.settings.clone(), start);
        let mut state = self.state.locked();
        let left = (std::mem::replace(&mut state.channel, emptied), state.durable.take());
        drop(state);
        drop(left);
    }
}

fn is_delivery(what: &What<BrokerHandles>) -> bool {
    matches!(what, What::Tell { tell: Tell::Delivery { .. }, .. })
}

impl fmt::Debug for ChannelEntry {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "ChannelEntry({})", self.name())
    }
}
