//! What goes wrong: with lines, with parties, and with the broker.

use std::rc::Rc;
use std::time::Duration;

use roundtrip_broker::simulation::Faults;

use super::chance::Chance;
use super::executor::{Party, sleep};
use super::process::Kill;
use super::trace::Note;
use super::wire::Way;
use super::world::World;

/// Something that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A party's line breaks, and both ends are told.
    Cut { party: Party },
    /// A party's line breaks after so many bytes more: in the middle of a frame, mostly.
    CutAfter { party: Party, way: Way, bytes: usize },
    /// Nothing arrives on a party's line any more, and nobody is told.
    Silence { party: Party },
    /// Nothing arrives one way for a while.
    StandStill { party: Party, way: Way, length: Duration },
    /// A party's line is slow from here on.
    SlowDown { party: Party, latency: Duration },
    /// A party cannot connect for a while, and its line breaks.
    Refuse { party: Party, length: Duration },
    /// A party does nothing for a while, as a stopped process, or one that collects garbage.
    Freeze { party: Party, length: Duration },
    /// A party's process dies, and is started again after a while.
    Kill { party: Party, away: Duration, silently: bool },
    /// The broker does nothing for a while.
    FreezeBroker { length: Duration },
    /// The broker's process dies, and is started again after a while.
    KillBroker(Kill),
    /// The disk does not do what it is asked, in this measure, for a while.
    Disk { faults: Faults, length: Duration },
    /// Something on the disk is not what was written any more.
    Damage,
}

impl Fault {
    pub(crate) fn draw(chance: &mut Chance) -> Self {
        let party = any_party(chance);
        let way = if chance.percent(50) { Way::ToBroker } else { Way::ToClient };
        match chance.below(100) {
            0..16 => Self::Cut { party },
            16..32 => Self::CutAfter { party, way, bytes: chance.between(0, 1_500) as usize },
            32..42 => Self::Silence { party },
            42..52 => Self::StandStill { party, way, length: chance.millis(200, 6_000) },
            52..58 => Self::SlowDown { party, latency: chance.millis(100, 1_500) },
            58..65 => Self::Refuse { party, length: chance.millis(200, 5_000) },
            65..78 => Self::Freeze { party, length: chance.millis(200, 6_000) },
            78..96 => Self::Kill { party, away: chance.millis(0, 4_000), silently: chance.percent(50) },
            _ => Self::FreezeBroker { length: chance.millis(100, 2_000) },
        }
    }

    pub(crate) fn draw_kill(chance: &mut Chance) -> Self {
        Self::KillBroker(Kill::draw(chance))
    }

    pub(crate) fn draw_disk(chance: &mut Chance) -> Self {
        let slow = if chance.percent(50) { chance.between(5, 80) } else { 0 };
        let slowest = chance.millis(5, 400);
        let (lost, unsure, unread) = match chance.below(4) {
            0 => (chance.between(1, 60), 0, 0),
            1 => (0, chance.between(1, 60), 0),
            2 => (0, 0, chance.between(5, 60)),
            _ => (chance.between(0, 15), chance.between(0, 15), chance.between(0, 30)),
        };
        Self::Disk { faults: Faults { lost, unsure, unread, slow, slowest }, length: chance.millis(200, 4_000) }
    }

    fn strike(self, world: &Rc<World>) {
        world.note(Note::Fault(self));
        match self {
            Self::Cut { party } => world.lines(party).iter().for_each(super::wire::Line::cut),
            Self::CutAfter { party, way, bytes } => {
                world.lines(party).iter().for_each(|line| line.cut_after(way, bytes));
            }
            Self::Silence { party } => world.lines(party).iter().for_each(super::wire::Line::silence),
            Self::StandStill { party, way, length } => {
                world.lines(party).iter().for_each(|line| line.stand_still(way, length));
            }
            Self::SlowDown { party, latency } => {
                world.lines(party).iter().for_each(|line| line.slow_down(latency));
            }
            Self::Refuse { party, length } => {
                world.refuse(party, length);
                world.lines(party).iter().for_each(super::wire::Line::cut);
            }
            Self::Freeze { party, length } => world.executor.freeze(party, length),
            Self::Kill { party, away, silently } => world.kill(party, away, silently),
            Self::FreezeBroker { length } => world.executor.freeze(Party::BROKER, length),
            Self::KillBroker(kill) => world.executor.spawn(Party::STAGE, kill.strike(Rc::clone(world))),
            Self::Disk { faults, length } => {
                world.disk.set_faults(faults);
                let world = Rc::clone(world);
                world.clone().executor.spawn(Party::STAGE, async move {
                    sleep(length).await;
                    world.disk.set_faults(Faults::default());
                });
            }
            Self::Damage => world.damage(),
        }
    }
}

fn any_party(chance: &mut Chance) -> Party {
    // Services die more often than requesters: there is more to be seen.
    if chance.percent(60) { Party(10 + chance.below(4) as u8) } else { Party(1 + chance.below(5) as u8) }
}

/// Brings the plan's faults, each at its time.
pub(crate) async fn bring(world: Rc<World>) {
    for (at, fault) in world.plan.faults.clone() {
        sleep(at.saturating_sub(world.executor.elapsed())).await;
        fault.strike(&world);
    }
    world.end_faults();
}
