//! The steps of a durable channel: it decides at once, and tells when what it decided is on disk.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use roundtrip_core::planted::{self, Fault as Planted};
use roundtrip_core::{
    Change, Channel, Command, DELIVERIES_AT_ONCE, Effect, Now, Peer as _, PeerId, ReaderId, Record, What,
};
use roundtrip_protocol::{ErrorCode, Header, RequestId};

use super::durable::{Deed, Doing, Done, Look, Offer, Phase, Restoring, Waiting};
use super::{ChannelEntry, Guarded, is_delivery};
use crate::batch::Batch;
use crate::disk::{Disk, Errand, Group, refusal};
use crate::handles::BrokerHandles;
use crate::lock::Lock;
use crate::mailbox::MailboxHandle;
use crate::peer::Peer;
use crate::session::Fault;
use crate::shared::Shared;
use crate::storage::{Ask, Content, Missing, Reader, StorageError, StorageErrorKind, Write};

impl ChannelEntry {
    /// How often it began again from disk.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    pub(super) fn run_durably(self: &Arc<Self>, command: Command<BrokerHandles>, batch: &mut Batch) {
        #[cfg(feature = "simulation")]
        crate::simulation::watch_arrival(self, &command);
        let shared = Arc::clone(&batch.shared);
        let Some(disk) = &shared.disk else { return };
        let mut state = self.state.locked();
        let Some(durable) = &mut state.durable else { return };
        if let Phase::Loading { waiting, refusal } = &mut durable.phase {
            let command = match (command, refusal) {
                // Whether the disk has it from an earlier connection shows when the channel is read.
                (Command::Submit { peer, ticket, submission }, Some(refusal)) => {
                    peer.open(|open| open.refuse_unless_known(ticket, refusal.clone()));
                    Command::Attach { peer, ticket, id: submission.id }
                }
                (command, _) => command,
            };
            if let Command::Detach { peer, ticket, .. } = command {
                // Its number may stand for another request when this one's turn comes.
                waiting.retain(|waiting| !waiting.opens(peer, ticket));
            }
            waiting.push(Waiting::Command(command));
            return;
        }
        let mut effects = std::mem::take(&mut batch.effects);
        self.decide(&mut state, command, &mut effects, disk, batch);
        self.send_out(&mut state, disk);
        self.end_step(state, effects, batch);
    }

    pub(super) fn do_what_is_due_durably(self: &Arc<Self>, batch: &mut Batch) {
        self.go_on(batch, |_, _| true);
    }

    /// Everything up to a change is on disk.
    pub(crate) fn kept(self: &Arc<Self>, epoch: u64, through: Change, batch: &mut Batch) {
        self.go_on(batch, |state, disk| match &mut state.durable {
            Some(durable) if durable.epoch == epoch => {
                durable.keep(through, disk);
                true
            }
            _ => false,
        });
    }

    /// What was fetched has arrived.
    pub(crate) fn found(self: &Arc<Self>, epoch: u64, found: Vec<(Ask, Result<Content, Missing>)>, batch: &mut Batch) {
        self.go_on(batch, |state, disk| match &mut state.durable {
            Some(durable) if durable.epoch == epoch => {
                found.into_iter().for_each(|(ask, found)| durable.shelf.arrive(ask, found, disk));
                true
            }
            _ => false,
        });
    }

    /// Puts an outcome before a reader, in its turn.
    pub(super) fn reply_durably(
        self: &Arc<Self>,
        id: RequestId,
        peer: Peer,
        reader: ReaderId,
        mailbox: &MailboxHandle,
        batch: &mut Batch,
    ) {
        self.do_in_turn(Doing::Offer(Offer { id, peer, reader, mailbox: mailbox.clone() }), batch);
    }

    /// Looks into the channel, in its turn.
    pub(super) fn look_durably(self: &Arc<Self>, look: Box<dyn Look>, batch: &mut Batch) {
        self.do_in_turn(Doing::Look(look), batch);
    }

    /// Sends something behind all that the channel is going to tell before.
    pub(crate) fn send_in_turn(self: &Arc<Self>, peer: &Peer, header: impl Into<Header>, batch: &mut Batch) {
        if self.is_durable() {
            self.do_in_turn(Doing::Send(peer.clone(), header.into()), batch);
        } else {
            peer.send(header.into(), batch);
        }
    }

    fn do_in_turn(self: &Arc<Self>, doing: Doing, batch: &mut Batch) {
        let mut left = Some(doing);
        self.go_on(batch, |state, _| {
            let Some((durable, doing)) = state.durable.as_mut().zip(left.take()) else { return false };
            if let Phase::Loading { waiting, .. } = &mut durable.phase {
                waiting.push(Waiting::Doing(doing));
                return false;
            }
            state.take_turn(doing);
            true
        });
    }

    /// A step without a command: does what is due, and what may be done since `prepare`, if that says so.
    fn go_on(self: &Arc<Self>, batch: &mut Batch, prepare: impl FnOnce(&mut Guarded, &Disk) -> bool) {
        let shared = Arc::clone(&batch.shared);
        let Some(disk) = &shared.disk else { return };
        let mut state = self.state.locked();
        let goes_on = prepare(&mut state, disk);
        if !goes_on || !state.durable.as_ref().is_some_and(|durable| matches!(durable.phase, Phase::Ready)) {
            return;
        }
        let mut effects = std::mem::take(&mut batch.effects);
        let now = now(&mut state, batch);
        state.channel.handle_deadline(now, &mut effects);
        self.settle_down(&mut state, &mut effects, disk, batch);
        self.send_out(&mut state, disk);
        self.end_step(state, effects, batch);
    }

    /// Has the state machine do a command.
    fn decide(
        self: &Arc<Self>,
        state: &mut Guarded,
        mut command: Command<BrokerHandles>,
        effects: &mut Vec<Effect<BrokerHandles>>,
        disk: &Disk,
        batch: &mut Batch,
    ) {
        let now = now(state, batch);
        #[cfg(feature = "simulation")]
        if let Some(event) = crate::simulation::event_of(&command) {
            state.take_turn(Doing::Watch(event));
        }
        let Guarded { channel, durable: Some(durable), .. } = state else { return };
        durable.take_in(&mut command, channel, disk);
        channel.handle(now, command, effects);
        self.settle_down(state, effects, disk, batch);
    }

    /// Takes what the state machine decided, and does what may be done, until neither is left.
    fn settle_down(
        self: &Arc<Self>,
        state: &mut Guarded,
        effects: &mut Vec<Effect<BrokerHandles>>,
        disk: &Disk,
        batch: &mut Batch,
    ) {
        loop {
            #[cfg(feature = "simulation")]
            crate::simulation::watch_decided(self, effects);
            let deliveries = state.gather(effects, disk);
            let now = now(state, batch);
            // A step hands out so many deliveries at most, so that full outboxes show before the next ones.
            if deliveries >= DELIVERIES_AT_ONCE {
                state.channel.handle_deadline(now, effects);
            } else if let Some(command) = self.act(state, disk, batch) {
                state.channel.handle(now, command, effects);
            } else {
                return;
            }
        }
    }

    /// Does deeds in order, as far as they may be done. Where one cannot, says what the channel is to do instead.
    fn act(self: &Arc<Self>, state: &mut Guarded, disk: &Disk, batch: &mut Batch) -> Option<Command<BrokerHandles>> {
        let now = state.latest;
        let Guarded { channel, durable: Some(durable), .. } = state else { return None };
        let kept = if planted::is(Planted::ToldBeforeKept) { durable.decided } else { durable.kept };
        while let Some(deed) = durable.deeds.pop_front_if(|deed| deed.after <= kept) {
            if let Doing::Show(figures) = deed.doing {
                durable.shown = figures;
                continue;
            }
            durable.shelf.turn();
            match deed.act(self, channel, &mut durable.shelf, now, disk, batch) {
                Done::Yes => {}
                Done::NotYet(deed) => {
                    durable.deeds.push_front(deed);
                    durable.shelf.clear_up(false, disk);
                    return None;
                }
                Done::Otherwise(command, again) => {
                    durable.deeds.extend(again);
                    return Some(command);
                }
            }
        }
        durable.shelf.turn();
        durable.shelf.clear_up(durable.deeds.is_empty(), disk);
        None
    }

    /// Gives the writer and the reader what is for them.
    fn send_out(self: &Arc<Self>, state: &mut Guarded, disk: &Disk) {
        let figures = state.channel.figures();
        let Guarded { durable: Some(durable), latest, .. } = state else { return };
        let epoch = durable.epoch;
        durable.count_room(&figures, self.plan.payload_limits.reply_room, disk);
        if durable.deeds.is_empty() && durable.writes.is_empty() {
            durable.shown = figures;
            durable.rest(&figures, disk);
        } else {
            durable.deeds.push_back(Deed::new(durable.decided, *latest, Doing::Show(figures)));
        }
        if !durable.writes.is_empty() {
            let mut writes = std::mem::take(&mut durable.writes);
            if !std::mem::replace(&mut durable.is_row_sent, true)
                && let Some(channel) = durable.row
            {
                writes.insert(0, Write::AddChannel { channel, name: self.name().clone() });
            }
            let (channel, bytes) = (Some(Arc::clone(self)), std::mem::take(&mut durable.bytes));
            disk.write(Group { channel, epoch, through: durable.decided, writes, bytes });
        }
        let asked = durable.shelf.take_wanted();
        if !asked.is_empty() {
            disk.read(Errand::Fetch { channel: Arc::clone(self), epoch, asked });
        }
    }

    /// The disk did not keep what the channel decided, or does not know that it did. Nobody was told of it: the channel
    /// begins again with what is on disk, and so do the connections that are in the middle of something with it. What
    /// they submitted is neither accepted nor refused: they ask again.
    pub(crate) fn not_kept(self: &Arc<Self>, epoch: u64, kind: StorageErrorKind, batch: &mut Batch) {
        let shared = Arc::clone(&batch.shared);
        let Some(disk) = &shared.disk else { return };
        let mut state = self.state.locked();
        let Guarded { channel, durable: Some(durable), .. } = &mut *state else { return };
        if durable.epoch != epoch {
            return;
        }
        let mut involved: BTreeSet<PeerId> = channel.peers().iter().map(roundtrip_core::Peer::id).collect();
        durable.note_deliveries(channel);
        let mut waiting = Vec::new();
        for Deed { doing, .. } in std::mem::take(&mut durable.deeds) {
            match doing {
                Doing::Effect(What::Tell { peer, .. }) => drop(involved.insert(peer.id())),
                Doing::Effect(What::Repost { peer, .. }) => drop(involved.insert(peer)),
                Doing::Effect(_) | Doing::Show(_) | Doing::Clear(_) => {}
                #[cfg(feature = "simulation")]
                Doing::Watch(_) => {}
                doing @ (Doing::Offer(_) | Doing::Look(_) | Doing::Send(..)) => waiting.push(Waiting::Doing(doing)),
            }
        }
        durable.begin_again(waiting, refusal(kind), disk);
        self.epoch.store(durable.epoch, Ordering::Release);
        let epoch = durable.epoch;
        let left = std::mem::replace(channel, Channel::new(self.plan.settings.clone(), shared.start));
        state.count_fetched(&shared.fetched);
        drop(state);
        drop(left);
        let message = "the disk did not keep what a durable channel decided: connect again, and ask again";
        for session in shared.connections.all() {
            if involved.contains(&session.id()) {
                session.report(Fault::closing(ErrorCode::Storage, message), batch);
            }
        }
        disk.read(Errand::Load { channel: Arc::clone(self), epoch });
    }

    /// Reads the channel from disk, and begins. Returns how many requests and dead letters it has; none if it began
    /// otherwise meanwhile.
    pub(crate) fn load(
        self: &Arc<Self>,
        epoch: u64,
        reader: &mut dyn Reader,
        batch: &mut Batch,
    ) -> Result<Option<usize>, StorageError> {
        let shared = Arc::clone(&batch.shared);
        let (row, mut is_row_kept) = match &self.state.locked().durable {
            Some(durable) if durable.epoch == epoch => (durable.row, durable.is_row_kept),
            _ => return Ok(None),
        };
        if let Some(row) = row.filter(|_| !is_row_kept) {
            // The commit that gave it this number failed, and may be there.
            is_row_kept = reader.channels()?.iter().any(|(known, _)| *known == row);
        }
        let row = row.filter(|_| is_row_kept);
        let mut restoring = Restoring::new(&shared, self.plan.settings.clone());
        if let Some(row) = row {
            restoring.channel.reserve(reader.count(row)?);
            reader.load(row, &mut |stored| {
                restoring.take(stored);
                self.recovered.store(restoring.count, Ordering::Relaxed);
            })?;
        }
        let count = restoring.count;
        batch.set_time();
        self.begin(epoch, is_row_kept, restoring, &shared, batch);
        if epoch == 0 {
            batch.pull();
            shared.mailboxes.end_recovery(batch);
        }
        Ok(Some(count))
    }

    fn begin(
        self: &Arc<Self>,
        epoch: u64,
        is_row_kept: bool,
        restoring: Restoring<'_>,
        shared: &Arc<Shared>,
        batch: &mut Batch,
    ) {
        let Some(disk) = &shared.disk else { return };
        let Restoring { mut channel, damaged, illegible, last_number, .. } = restoring;
        if !damaged.is_empty() || illegible > 0 {
            let dead = damaged.len();
            tracing::error!(channel = %self.name(), dead, illegible, "the disk gave back what was not written to it");
        }
        let mut state = self.state.locked();
        let Some(durable) = state.durable.as_mut().filter(|durable| durable.epoch == epoch) else { return };
        (durable.is_row_kept, durable.is_row_sent) = (is_row_kept, is_row_kept);
        durable.skip_numbers(last_number);
        durable.skip_deliveries(&mut channel);
        let Phase::Loading { waiting, .. } = std::mem::replace(&mut durable.phase, Phase::Ready) else { return };
        state.channel = channel;
        #[cfg(feature = "simulation")]
        crate::simulation::watch_begin(self);
        let mut effects = std::mem::take(&mut batch.effects);
        let now = now(&mut state, batch);
        state.channel.begin(now, &mut effects);
        self.settle_down(&mut state, &mut effects, disk, batch);
        let damaged = damaged.into_iter().map(|id| Waiting::Command(Command::Damaged { id }));
        for waiting in damaged.chain(waiting) {
            match waiting {
                Waiting::Command(command) => self.decide(&mut state, command, &mut effects, disk, batch),
                Waiting::Doing(doing) => {
                    state.take_turn(doing);
                    self.settle_down(&mut state, &mut effects, disk, batch);
                }
            }
        }
        self.send_out(&mut state, disk);
        self.end_step(state, effects, batch);
    }

    /// What the disk is told when the channel is forgotten, if it knows it.
    pub(super) fn removal(&self) -> Option<Group> {
        let state = self.state.locked();
        let channel = state.durable.as_ref().filter(|durable| durable.is_row_kept)?.row?;
        let writes = vec![Write::RemoveChannel { channel }];
        Some(Group { channel: None, epoch: 0, through: Change::default(), writes, bytes: 0 })
    }

    /// Whether it is being read from disk, and how many requests and dead letters were read so far.
    pub(crate) fn recovery(&self) -> (bool, usize) {
        let is_loading =
            self.state.locked().durable.as_ref().is_some_and(|durable| !matches!(durable.phase, Phase::Ready));
        (is_loading, self.recovered.load(Ordering::Relaxed))
    }
}

impl Guarded {
    /// Sorts what the state machine gave: changes go to the disk, everything else waits for them in its turn. Returns
    /// how many deliveries were among it.
    fn gather(&mut self, effects: &mut Vec<Effect<BrokerHandles>>, disk: &Disk) -> usize {
        let Self { channel, durable: Some(durable), latest, .. } = self else { return 0 };
        let mut deliveries = 0;
        for Effect { after, what } in effects.drain(..) {
            durable.decided = durable.decided.max(after);
            match what {
                What::Keep(record) => {
                    let gone = match &record {
                        Record::Forget { request } | Record::Exhume { request } => request.row(),
                        _ => None,
                    };
                    durable.record(after, record);
                    durable.deeds.extend(gone.map(|row| Deed::new(after, *latest, Doing::Clear(row))));
                }
                what => {
                    deliveries += usize::from(is_delivery(&what));
                    let deed = Deed::new(after, *latest, Doing::Effect(what));
                    deed.prepare(channel, &mut durable.shelf);
                    durable.deeds.push_back(deed);
                }
            }
        }
        durable.drop_brought(disk);
        deliveries
    }

    /// Does something behind everything that is to be done.
    fn take_turn(&mut self, doing: Doing) {
        let Self { channel, durable: Some(durable), latest, .. } = self else { return };
        let deed = Deed::new(durable.decided, *latest, doing);
        deed.prepare(channel, &mut durable.shelf);
        durable.deeds.push_back(deed);
    }
}

fn now(state: &mut Guarded, batch: &mut Batch) -> Now {
    Now { time: state.time(batch), random: batch.jitter.bits() }
}
