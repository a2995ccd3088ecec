//! All channels by name: those that were declared, and those that were made on first use.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;
use roundtrip_core::Time;
use roundtrip_protocol::{ChannelFigures, ChannelName, Refusal, RefusalCode};

use super::durable::Durable;
use super::nearest::nearest;
use super::{CHANNEL_OVERHEAD, ChannelEntry};
use crate::disk::Disk;
use crate::memory::{Memory, Room};
use crate::settings::{ChannelPlan, ChannelSettings, OnUnknown, PayloadLimits};
use crate::storage::ChannelRow;

/// The channels of a broker. Looked up when a name is bound; sessions keep what they found.
pub(crate) struct Channels {
    map: DashMap<ChannelName, Arc<ChannelEntry>>,
    declared: HashMap<ChannelName, ChannelPlan>,
    reply_channels: BTreeSet<ChannelName>,
    defaults: ChannelSettings,
    on_unknown: OnUnknown,
    most: usize,
    start: u64,
    next: AtomicU64,
    memory: Arc<Memory>,
    disk: Option<Arc<Disk>>,
}

/// The channels that are on disk when a broker starts.
pub(crate) type OnDisk = Vec<(ChannelRow, ChannelName)>;

impl Channels {
    pub(crate) fn new(
        plans: Vec<ChannelPlan>,
        defaults: ChannelSettings,
        on_unknown: OnUnknown,
        most: usize,
        start: u64,
        memory: &Arc<Memory>,
        disk: Option<(&Arc<Disk>, OnDisk)>,
    ) -> Self {
        let (disk, on_disk) = disk.map_or((None, Vec::new()), |(disk, on_disk)| (Some(Arc::clone(disk)), on_disk));
        let channels = Self {
            map: DashMap::new(),
            reply_channels: plans.iter().map(|plan| plan.reply_channel.clone()).collect(),
            declared: plans.iter().map(|plan| (plan.name.clone(), plan.clone())).collect(),
            defaults,
            on_unknown,
            most,
            start,
            next: AtomicU64::new(1),
            memory: Arc::clone(memory),
            disk,
        };
        for plan in plans {
            channels.add_at_start(plan, None, true);
        }
        for (row, name) in on_disk {
            channels.add_from_disk(row, &name);
        }
        channels
    }

    /// A channel of which something is on disk stays durable until that is gone, whatever is said of it now.
    fn add_from_disk(&self, row: ChannelRow, name: &ChannelName) {
        let declared = self.declared.get(name).cloned();
        let is_declared = declared.is_some();
        let plan = declared.map_or_else(|| self.defaults.plan(name.clone()), Ok);
        let Ok(mut plan) = plan else {
            tracing::error!(channel = %name, "its reply channel would have no good name: what is on disk stays there");
            return;
        };
        plan.set_durable(true);
        self.add_at_start(plan, Some(row), is_declared);
    }

    fn add_at_start(&self, plan: ChannelPlan, row: Option<ChannelRow>, is_declared: bool) {
        let room = self.memory.room_at_any_rate(CHANNEL_OVERHEAD);
        let name = plan.name.clone();
        let entry = self.entry(plan, row, is_declared, room);
        self.map.insert(name, entry);
    }

    fn entry(&self, plan: ChannelPlan, row: Option<ChannelRow>, is_declared: bool, room: Room) -> Arc<ChannelEntry> {
        let serial = self.next.fetch_add(1, Ordering::Relaxed);
        let durable = plan.settings.is_durable.then(|| {
            let room = self.memory.room_at_any_rate(0);
            row.map_or_else(|| Durable::new(self.memory.room_at_any_rate(0)), |row| Durable::on_disk(row, room))
        });
        Arc::new(ChannelEntry::new(serial, plan, is_declared, self.start, room, durable))
    }

    /// The channel of this name, made if there is none and undeclared channels are.
    pub(crate) fn channel(&self, name: &ChannelName) -> Result<Arc<ChannelEntry>, Refusal> {
        if let Some(entry) = self.map.get(name) {
            return Ok(Arc::clone(&entry));
        }
        if self.on_unknown == OnUnknown::Refuse {
            return Err(self.unknown(name, self.declared.keys()));
        }
        let plan = self.defaults.plan(name.clone()).map_err(|error| {
            Refusal::new(RefusalCode::Invalid, format!("the reply channel of {name} has no good name: {error}"))
        })?;
        let full = |what: String| Refusal::passing(RefusalCode::BrokerFull, what, 1_000);
        if self.map.len() >= self.most {
            return Err(full(format!("the broker has its {} channels: try again when some are idle", self.most)));
        }
        let Some(room) = self.memory.room_for_submission(CHANNEL_OVERHEAD) else {
            return Err(full("the broker has no memory for another channel now".to_owned()));
        };
        let entry = self.map.entry(name.clone()).or_insert_with(|| self.entry(plan, None, false, room));
        Ok(Arc::clone(&entry))
    }

    /// Whether mailboxes may be on this reply channel.
    pub(crate) fn reply_channel(&self, name: &ChannelName) -> Result<(), Refusal> {
        if self.on_unknown == OnUnknown::Refuse && !self.reply_channels.contains(name) {
            return Err(self.unknown(name, self.reply_channels.iter()));
        }
        Ok(())
    }

    /// What the channel of this name says about payloads, or will when it is there.
    pub(crate) fn payload_limits(&self, name: &ChannelName) -> PayloadLimits {
        self.map.get(name).map_or_else(|| self.defaults.payload_limits(), |entry| entry.plan.payload_limits)
    }

    /// Forgets an undeclared channel that holds nothing and that nobody else knows. The caller has let go of it.
    pub(crate) fn forget_if_unused(&self, name: &ChannelName) {
        let is_unused =
            |entry: &Arc<ChannelEntry>| !entry.is_declared && Arc::strong_count(entry) == 1 && entry.is_idle();
        self.map.remove_if(name, |_, entry| {
            // Before anybody makes it anew, so that the disk hears of this first.
            let is_unused = is_unused(entry);
            if let Some((disk, group)) = self.disk.as_ref().filter(|_| is_unused).zip(entry.removal()) {
                disk.write(group);
            }
            is_unused
        });
    }

    /// Does something with each, by name. One that is unused is forgotten: whoever let go of it meanwhile saw it in use.
    pub(crate) fn each(&self, mut with: impl FnMut(&Arc<ChannelEntry>)) {
        let mut all: Vec<_> = self.map.iter().map(|entry| Arc::clone(&entry)).collect();
        all.sort_unstable_by(|a, b| a.name().cmp(b.name()));
        for channel in all {
            with(&channel);
            let name = channel.name().clone();
            drop(channel);
            self.forget_if_unused(&name);
        }
    }

    /// Looks at each, in no order, and is not seen by whoever lets go of one. The look asks the map nothing.
    pub(crate) fn look(&self, mut at: impl FnMut(&ChannelEntry)) {
        self.map.iter().for_each(|entry| at(&entry));
    }

    /// All channels with their figures, by name.
    pub(crate) fn figures(&self, now: Time) -> Vec<ChannelFigures> {
        let mut figures = Vec::new();
        self.look(|channel| figures.push(channel.wire_figures(now)));
        figures.sort_unstable_by(|a, b| a.channel.cmp(&b.channel));
        figures
    }

    /// Lets go of everything: the broker is gone.
    pub(crate) fn clear(&self) {
        self.each(|channel| channel.clear(self.start));
        self.map.clear();
    }

    fn unknown<'a>(&self, name: &ChannelName, known: impl Iterator<Item = &'a ChannelName>) -> Refusal {
        let nearest = nearest(name.as_str(), known.map(ChannelName::as_str));
        let advice = match nearest {
            Some(near) => format!("did you mean {near:?}?"),
            None => "this broker takes declared channels only: declare it, or look at the list of channels".to_owned(),
        };
        Refusal::new(RefusalCode::UnknownChannel, format!("there is no channel {:?}; {advice}", name.as_str()))
    }
}
