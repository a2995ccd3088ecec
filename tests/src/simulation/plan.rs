//! What a run consists of, drawn from its seed before it begins.

use std::time::Duration;

use roundtrip_broker::simulation::FaultyDisk;
use roundtrip_broker::{Broker, BrokerBuilder, ChannelSettings};

use super::chance::Chance;
use super::executor::Party;
use super::faults::Fault;

/// For how long requests are submitted and faults strike.
pub(crate) const BUSY: Duration = Duration::from_secs(14);

/// How long an outcome is kept. Longer than any run is busy, so that only what nobody acknowledges is kept for it.
pub(crate) const RETENTION: Duration = Duration::from_secs(900);

/// How long dead letters are kept. They go before the run ends.
pub(crate) const LETTERS: Duration = Duration::from_secs(300);

/// A run.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) channels: Vec<ChannelPlan>,
    pub(crate) requesters: Vec<RequesterPlan>,
    pub(crate) services: Vec<ServicePlan>,
    pub(crate) requests: Vec<RequestPlan>,
    pub(crate) faults: Vec<(Duration, Fault)>,
    pub(crate) heartbeat: Duration,
    pub(crate) latency: Duration,
    /// What bounds the broker, in bytes.
    pub(crate) memory: usize,
    /// Whether it has a disk, and may be killed.
    pub(crate) has_disk: bool,
}

/// A channel, and those of its settings that the checker holds it to.
#[derive(Debug, Clone)]
pub(crate) struct ChannelPlan {
    /// Its place among the run's channels.
    pub(crate) number: usize,
    pub(crate) name: &'static str,
    pub(crate) reply: &'static str,
    pub(crate) lease: Duration,
    pub(crate) attempt_timeout: Option<Duration>,
    pub(crate) max_attempts: u32,
    pub(crate) max_releases: u32,
    pub(crate) max_throttle: Duration,
    pub(crate) max_in_flight: Option<usize>,
    pub(crate) rate: Option<(f64, u32)>,
    pub(crate) backoff: Duration,
    pub(crate) default_deadline: Duration,
    pub(crate) capacity: usize,
    pub(crate) parts_room: usize,
    pub(crate) reply_room: usize,
    pub(crate) is_durable: bool,
}

#[derive(Debug)]
pub(crate) struct RequesterPlan {
    pub(crate) party: Party,
    /// None for one whose name the library makes.
    pub(crate) name: Option<&'static str>,
    /// Whether it reads the mailbox of its name by hand. There is one that does for each name.
    pub(crate) reads: bool,
}

#[derive(Debug)]
pub(crate) struct ServicePlan {
    pub(crate) party: Party,
    pub(crate) channel: usize,
    pub(crate) credit: u32,
    /// By hand, by lease alone.
    pub(crate) pulls: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct RequestPlan {
    pub(crate) party: Party,
    pub(crate) channel: usize,
    pub(crate) at: Duration,
    pub(crate) priority: u8,
    pub(crate) deadline: Option<Duration>,
    pub(crate) delay: Option<Duration>,
    pub(crate) key: Option<u8>,
    pub(crate) is_one_way: bool,
    pub(crate) bytes: usize,
    pub(crate) style: Style,
}

/// What a requester does with its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Awaits the ticket, which acknowledges.
    Await,
    /// Reads the outcome, and acknowledges it a while later.
    Acknowledge,
    /// Lets go of the ticket: the outcome comes by the mailbox.
    Leave,
    /// Cancels it after a while.
    Cancel,
    /// Reads its parts, and then the outcome.
    Parts,
}

const NAMES: [&str; 3] = ["ward", "registry", "archive"];

impl Plan {
    pub(crate) fn draw(seed: u64) -> Self {
        let mut chance = Chance::new(seed ^ 0x706c_616e);
        let names = [("summary_request", "summary_reply"), ("letter_request", "letter_reply")];
        let channels =
            names.into_iter().enumerate().map(|(number, names)| ChannelPlan::draw(number, names, &mut chance));
        let channels = channels.collect();
        let requesters: Vec<_> = (0..5)
            .map(|number| RequesterPlan {
                party: Party(1 + number),
                name: match number {
                    0..3 => Some(NAMES[usize::from(number)]),
                    3 => Some(NAMES[0]),
                    _ => None,
                },
                reads: number < 4,
            })
            .collect();
        let services = (0..4)
            .map(|number| ServicePlan {
                party: Party(10 + number),
                channel: usize::from(number % 2),
                credit: chance.between(1, 5) as u32,
                pulls: number == 3,
            })
            .collect();
        let count = chance.between(50, 60);
        let mut requests: Vec<_> = (0..count).map(|_| RequestPlan::draw(&mut chance)).collect();
        requests.sort_by_key(|request| request.at);
        let mut faults: Vec<_> = (0..chance.between(10, 16))
            .map(|_| (chance.millis(500, BUSY.as_millis() as u64), Fault::draw(&mut chance)))
            .collect();
        faults.sort_by_key(|(at, _)| *at);
        let heartbeat = chance.millis(1_000, 3_000);
        let latency = chance.millis(0, 20);
        let memory = if chance.percent(20) { chance.between(500_000, 1_000_000) } else { 64_000_000 } as usize;
        let has_disk = false;
        let mut plan = Self { channels, requesters, services, requests, faults, heartbeat, latency, memory, has_disk };
        plan.draw_disk(&mut Chance::new(seed ^ 0x6469_736b));
        plan
    }

    /// Half of the runs have a disk, with one channel or both on it. Then the broker dies too, and the disk has faults.
    fn draw_disk(&mut self, chance: &mut Chance) {
        self.has_disk = chance.percent(50);
        if !self.has_disk {
            return;
        }
        let which = chance.below(4);
        self.channels[0].is_durable = which != 1;
        self.channels[1].is_durable = which != 0;
        let mut add = |count: u64, chance: &mut Chance, draw: fn(&mut Chance) -> Fault| {
            let most = BUSY.as_millis() as u64;
            self.faults.extend((0..count).map(|_| (chance.millis(300, most), draw(chance))));
        };
        add(chance.between(1, 4), chance, Fault::draw_kill);
        add(chance.between(0, 3), chance, Fault::draw_disk);
        add(chance.below(2), chance, |_| Fault::Damage);
        self.faults.sort_by_key(|(at, _)| *at);
    }

    pub(crate) fn broker(&self, disk: &FaultyDisk) -> BrokerBuilder {
        let heartbeat = Duration::from_millis(self.heartbeat.as_millis() as u64);
        let broker = Broker::builder().heartbeat(heartbeat).memory(self.memory);
        let broker = if self.has_disk { broker.data_on(disk) } else { broker };
        self.channels.iter().fold(broker, |broker, channel| broker.channel(channel.settings()))
    }

    /// The parties that are processes of their own.
    pub(crate) fn parties(&self) -> impl Iterator<Item = Party> {
        let requesters = self.requesters.iter().map(|requester| requester.party);
        requesters.chain(self.services.iter().map(|service| service.party))
    }
}

impl ChannelPlan {
    pub(crate) fn draw(number: usize, (name, reply): (&'static str, &'static str), chance: &mut Chance) -> Self {
        Self {
            number,
            name,
            reply,
            lease: chance.millis(1_000, 3_000),
            attempt_timeout: chance.percent(40).then(|| chance.millis(2_000, 5_000)),
            max_attempts: chance.between(2, 4) as u32,
            max_releases: chance.between(1, 4) as u32,
            max_throttle: chance.millis(500, 2_000),
            max_in_flight: chance.percent(50).then(|| chance.between(2, 6) as usize),
            rate: chance.percent(40).then(|| (chance.between(4, 40) as f64, chance.between(1, 4) as u32)),
            backoff: chance.millis(100, 600),
            default_deadline: chance.millis(90_000, 150_000),
            capacity: if chance.percent(20) { chance.between(3, 12) as usize } else { 1_000 },
            parts_room: chance.between(300, 4_000) as usize,
            reply_room: chance.between(256, 4_096) as usize,
            is_durable: false,
        }
    }

    fn settings(&self) -> ChannelSettings {
        let mut settings = ChannelSettings::new(self.name)
            .reply_channel(self.reply)
            .lease(self.lease)
            .max_attempts(self.max_attempts)
            .max_releases(self.max_releases)
            .max_throttle(self.max_throttle)
            .backoff(self.backoff, self.backoff * 4)
            .default_deadline(self.default_deadline)
            .retention(RETENTION)
            .capacity(self.capacity)
            .parts_room(self.parts_room)
            .reply_room(self.reply_room)
            .dead_letter_age(LETTERS)
            .max_keys(30)
            .durable(self.is_durable);
        if let Some(timeout) = self.attempt_timeout {
            settings = settings.attempt_timeout(timeout);
        }
        if let Some(most) = self.max_in_flight {
            settings = settings.max_in_flight(most);
        }
        if let Some((per_second, burst)) = self.rate {
            settings = settings.rate(per_second, burst);
        }
        settings
    }
}

impl RequestPlan {
    fn draw(chance: &mut Chance) -> Self {
        let style = match chance.below(100) {
            0..35 => Style::Await,
            35..50 => Style::Acknowledge,
            50..70 => Style::Leave,
            70..82 => Style::Cancel,
            _ => Style::Parts,
        };
        let deadline = chance.percent(30).then(|| whole(chance.millis(300, 6_000)));
        let delay = chance.percent(15).then(|| whole(chance.millis(50, 3_000)));
        Self {
            party: Party(1 + chance.below(5) as u8),
            channel: usize::from(chance.percent(40)),
            at: chance.millis(0, BUSY.as_millis() as u64 - 2_000),
            priority: if chance.percent(70) { 4 } else { chance.below(10) as u8 },
            deadline,
            delay: delay.filter(|delay| deadline.is_none_or(|deadline| *delay < deadline)),
            key: chance.percent(25).then(|| chance.below(6) as u8),
            is_one_way: chance.percent(5),
            bytes: if chance.percent(10) { chance.between(5_000, 40_000) } else { chance.between(0, 300) } as usize,
            style,
        }
    }
}

/// Lengths of time travel in whole milliseconds.
fn whole(length: Duration) -> Duration {
    Duration::from_millis(length.as_millis() as u64)
}
