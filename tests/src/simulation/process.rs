//! The broker's process: how it starts, how it is killed, and what its system's clock shows meanwhile.

use std::rc::Rc;
use std::time::Duration;

use roundtrip_broker::StartError;
use roundtrip_broker::simulation::{self as broker, Moment};

use super::books::Invariant;
use super::chance::Chance;
use super::executor::{Party, sleep};
use super::trace::Note;
use super::wire::Line;
use super::world::World;

/// For how long a moment of the disk is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// How the broker's process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kill {
    /// When its disk comes to this moment, if it does soon.
    moment: Option<Moment>,
    /// What was sent and has not arrived is lost too.
    is_abrupt: bool,
    away: Duration,
    clock: Jump,
    /// It is killed again so long after its start, or at a moment of that.
    again: Option<(Duration, Option<Moment>)>,
}

/// How its system's clock is set while it is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Jump {
    None,
    Back(Duration),
    Forth(Duration),
}

impl Kill {
    pub(crate) fn draw(chance: &mut Chance) -> Self {
        let moment = |chance: &mut Chance| match chance.below(4) {
            0 => Some(Moment::BeforeCommit),
            1 => Some(Moment::AfterCommit),
            2 => Some(Moment::BeforeReading),
            _ => None,
        };
        Self {
            moment: moment(chance),
            is_abrupt: chance.percent(50),
            away: chance.millis(1, 3_000),
            clock: match chance.below(10) {
                0 => Jump::Back(chance.millis(1, 600_000)),
                1 => Jump::Forth(chance.millis(1, 60_000)),
                _ => Jump::None,
            },
            again: chance.percent(40).then(|| (chance.millis(0, 150), moment(chance))),
        }
    }

    /// Kills the broker, and starts it again.
    pub(crate) async fn strike(self, world: Rc<World>) {
        let Self { moment, is_abrupt, away, clock, again } = self;
        if world.broker.borrow().is_none() {
            return;
        }
        world.disk.stand_still(moment);
        world.until_disk_stands_still(moment).await;
        if !world.kill_broker(is_abrupt).await {
            return;
        }
        sleep(away).await;
        world.set_clock(clock);
        if let Some((length, moment)) = again {
            world.disk.stand_still(moment);
            world.start_broker().await;
            sleep(length).await;
            world.until_disk_stands_still(moment).await;
            if !world.kill_broker(is_abrupt).await {
                return;
            }
            sleep(away / 2).await;
        }
        world.start_broker().await;
    }
}

impl World {
    /// Starts the broker, as soon as its disk can be read.
    pub(crate) async fn start_broker(self: &Rc<Self>) {
        loop {
            let clock = self.clock.get() + self.executor.elapsed();
            broker::set_clock(self.plan.has_disk.then_some(clock));
            let latest = self.disk.latest();
            self.watch_channels();
            match self.executor.act_as(Party::BROKER, || self.plan.broker(&self.disk).start()) {
                Ok(started) => {
                    let shown = broker::time(&started);
                    let expected = Duration::from_millis(clock.as_millis() as u64).max(latest);
                    if self.plan.has_disk && shown != expected {
                        let how = format!("the broker's time is {shown:?} and not {expected:?}");
                        self.books(|books| books.violate(Invariant::Durable, how));
                    }
                    self.books(|books| books.started());
                    *self.broker.borrow_mut() = Some(started);
                    return self.say(Party::BROKER, "starts", None, 0);
                }
                Err(StartError::Disk { .. }) => sleep(Duration::from_millis(200)).await,
                Err(error) => {
                    return self.books(|books| books.violate(Invariant::Progress, format!("no broker: {error}")));
                }
            }
        }
    }

    /// Has the books told of what every channel is asked and does.
    fn watch_channels(&self) {
        let (books, trace, executor) = (Rc::clone(&self.books), Rc::clone(&self.trace), Rc::clone(&self.executor));
        let names: Vec<_> = self.plan.channels.iter().map(|channel| channel.name).collect();
        broker::watch(Some(Box::new(move |channel, decided, event| {
            let Some(channel) = names.iter().position(|name| *name == channel.as_str()) else { return };
            let now = executor.elapsed();
            trace.borrow_mut().note(now, Note::Broker(event.clone()));
            books.borrow_mut().note(decided.unwrap_or(now), channel, &event);
        })));
    }

    /// Kills the broker's process, if there is one: nothing of it does anything any more.
    async fn kill_broker(&self, is_abrupt: bool) -> bool {
        self.disk.stand_still(None);
        let Some(killed) = self.broker.borrow_mut().take() else { return false };
        self.say(Party::BROKER, "is killed", None, is_abrupt.into());
        broker::watch(None);
        self.books(|books| books.killed());
        if is_abrupt {
            self.plan.parties().for_each(|party| self.lines(party).iter().for_each(Line::cut));
        }
        self.executor.kill(Party::BROKER);
        // Its tasks go first, so that what it would do at its end reaches nobody.
        sleep(Duration::from_micros(1)).await;
        self.executor.act_as(Party::BROKER, || drop(killed));
        self.executor.kill(Party::BROKER);
        true
    }

    async fn until_disk_stands_still(&self, moment: Option<Moment>) {
        let until = self.executor.elapsed() + PATIENCE;
        while moment.is_some() && !self.disk.stands_still() && self.executor.elapsed() < until {
            sleep(Duration::from_millis(1)).await;
        }
    }

    fn set_clock(&self, jump: Jump) {
        let shown = self.clock.get();
        self.clock.set(match jump {
            Jump::None => shown,
            Jump::Back(length) => shown.saturating_sub(length),
            Jump::Forth(length) => shown + length,
        });
    }

    /// Damages something that is on the disk.
    pub(crate) fn damage(&self) {
        if let Some(id) = self.disk.damage(self.decide(Chance::bits)) {
            self.books(|books| books.damaged(id));
        }
    }
}
