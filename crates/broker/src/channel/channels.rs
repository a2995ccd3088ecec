//! All channels by name: those that were declared, and those that were made on first use.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;
use roundtrip_core::Time;
use roundtrip_protocol::{ChannelFigures, ChannelName, Refusal, RefusalCode};

use super::nearest::nearest;
use super::{CHANNEL_OVERHEAD, ChannelEntry};
use crate::memory::Memory;
use crate::settings::{ChannelPlan, ChannelSettings, OnUnknown, PayloadLimits};

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
}

impl Channels {
    pub(crate) fn new(
        plans: Vec<ChannelPlan>,
        defaults: ChannelSettings,
        on_unknown: OnUnknown,
        most: usize,
        start: u64,
        memory: &Arc<Memory>,
    ) -> Self {
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
        };
        for plan in plans {
            let room = channels.memory.room_at_any_rate(CHANNEL_OVERHEAD);
            let serial = channels.next.fetch_add(1, Ordering::Relaxed);
            let name = plan.name.clone();
            channels.map.insert(name, Arc::new(ChannelEntry::new(serial, plan, true, start, room)));
        }
        channels
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
        let entry = self.map.entry(name.clone()).or_insert_with(|| {
            let serial = self.next.fetch_add(1, Ordering::Relaxed);
            Arc::new(ChannelEntry::new(serial, plan, false, self.start, room))
        });
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
        self.declared.get(name).map_or_else(|| self.defaults.payload_limits(), |plan| plan.payload_limits)
    }

    /// Forgets an undeclared channel that holds nothing and that nobody else knows. The caller has let go of it.
    pub(crate) fn forget_if_unused(&self, name: &ChannelName) {
        self.map.remove_if(name, |_, entry| !entry.is_declared && Arc::strong_count(entry) == 1 && entry.is_idle());
    }

    /// By name.
    pub(crate) fn all(&self) -> Vec<Arc<ChannelEntry>> {
        let mut all: Vec<_> = self.map.iter().map(|entry| Arc::clone(&entry)).collect();
        all.sort_unstable_by(|a, b| a.name().cmp(b.name()));
        all
    }

    /// All channels with their figures, by name.
    pub(crate) fn figures(&self, now: Time) -> Vec<ChannelFigures> {
        self.all().iter().map(|channel| channel.wire_figures(now)).collect()
    }

    /// Lets go of everything: the broker is gone.
    pub(crate) fn clear(&self) {
        for channel in self.all() {
            channel.clear(self.start);
        }
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
