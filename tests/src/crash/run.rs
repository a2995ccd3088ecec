//! A run: everybody is started, the broker is killed, and at the end the ledger is closed.

use std::fmt::Display;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use roundtrip::Client;

use super::book::Book;
use super::broker::{Broker, Place};
use super::ledger::Fault;
use super::load::{Load, configuration};
use super::party::{Party, Side};
use super::{Order, Report};
use crate::simulation::chance::Chance;

/// How many requests are accepted between two kills, at least.
const BETWEEN: usize = 100;

/// From how many kills on everything must have happened.
const ENOUGH: u32 = 20;

/// How many faults are told.
const TOLD: usize = 20;

/// Runs it, and tells of each kill on standard output.
///
/// # Errors
///
/// Something else than the broker's promises failed, or nothing happened any more.
pub async fn run(order: &Order) -> Result<Report, String> {
    let folder = Folder::new(&order.folder).map_err(|error| format!("cannot make a folder for the data: {error}"))?;
    let place = Place::new(&folder.0, &configuration(), order.seed).map_err(|error| error.to_string())?;
    let stage = Stage { order, place, book: Arc::new(Book::new()), chance: Chance::new(order.seed) };
    stage.play().await
}

struct Stage<'a> {
    order: &'a Order,
    place: Place,
    book: Arc<Book>,
    chance: Chance,
}

impl Stage<'_> {
    async fn play(mut self) -> Result<Report, String> {
        let mut broker = Broker::start(&self.place).await.map_err(in_words)?;
        let requesters = self.enter(Side::Requester, &Load::ALL)?;
        let served: Vec<Load> = Load::ALL.into_iter().filter(|load| *load != Load::Parked).collect();
        let mut services = self.enter(Side::Service, &served)?;
        for kill in 1..=self.order.kills {
            broker = self.kill(kill, broker).await?;
        }

        drop(requesters);
        services.extend(self.enter(Side::Service, &[Load::Parked])?);
        self.book
            .until(|contents| contents.requesters_ended == Load::ALL.len())
            .await
            .map_err(|why| self.hung(&why))?;
        drop(services);
        self.book.until(|contents| contents.services_ended == Load::ALL.len()).await.map_err(|why| self.hung(&why))?;
        let keys = self.book.contents().ledger.keys();
        let left = left(&self.place.address, keys).await?;
        let stopped = broker.stop().await.map_err(in_words)?;
        if !stopped.success() {
            return Err(format!("the broker ended with {stopped} when it was told to"));
        }
        Ok(self.report(&left))
    }

    /// Kills the broker when there is something to lose, and starts it again.
    async fn kill(&mut self, kill: u32, broker: Broker) -> Result<Broker, String> {
        self.book.contents().ledger.begin(broker.since);
        let ready = |accepted: usize, is_full: bool| accepted >= BETWEEN && is_full;
        self.book
            .until(|contents| ready(contents.ledger.accepted_since(), contents.ledger.standing().is_full()))
            .await?;
        // A client counts a connection as good that stood for a second, and tries for the next at once.
        let moment = if self.chance.percent(30) { self.chance.millis(0, 200) } else { self.chance.millis(700, 1000) };
        tokio::time::sleep(moment).await; // Chance says when: nothing is waited for.

        let (accepted, standing) = {
            let ledger = &mut self.book.contents().ledger;
            ledger.met.submitting += u64::from(ledger.standing().submitting > 0);
            ledger.met.scheduled += u64::from(ledger.standing().scheduled > 0);
            (ledger.accepted_since(), ledger.standing())
        };
        broker.kill().await.map_err(in_words)?;
        self.book.contents().ledger.cut_off();
        if self.order.forgets && kill == self.order.kills / 2 + 1 {
            self.place.forget().map_err(in_words)?;
        }
        if self.chance.percent(20) {
            let moment = self.chance.millis(0, 60);
            Broker::start_in_vain(&self.place, moment).await.map_err(in_words)?;
            self.book.contents().ledger.met.starting += 1;
        }
        let broker = Broker::start(&self.place).await.map_err(in_words)?;
        println!("kill {kill}: accepted {accepted}; {standing}; listening again after {} ms", broker.took.as_millis());
        Ok(broker)
    }

    fn enter(&mut self, side: Side, loads: &[Load]) -> Result<Vec<Party>, String> {
        let parties = loads
            .iter()
            .map(|load| Party::start(side, *load, &self.place.address, self.chance.bits(), Arc::clone(&self.book)));
        parties.collect::<io::Result<_>>().map_err(in_words)
    }

    /// What is known when nothing happens any more.
    fn hung(&self, why: &str) -> String {
        let report = self.report(&[]);
        format!("{why}\n{report}")
    }

    fn report(&self, left: &[String]) -> Report {
        let ledger = &mut self.book.contents().ledger;
        ledger.close();
        ledger.leftover(left);
        ledger.faults().take(TOLD).for_each(|fault| println!("{fault}"));
        println!("{}", ledger.met);
        Report {
            kills: self.order.kills,
            accepted: ledger.accepted(),
            lost: ledger.count(Fault::Lost),
            resurrected: ledger.count(Fault::Resurrected),
            doubled: ledger.count(Fault::Doubled),
            missing: if self.order.kills < ENOUGH { Vec::new() } else { ledger.met.missing() },
        }
    }
}

/// What the broker has, one by one: requests that are open, and outcomes beyond those that it keeps for `keys` that are
/// still known.
async fn left(address: &str, keys: u64) -> Result<Vec<String>, String> {
    let client = Client::connect(address).await.map_err(|error| error.to_string())?;
    let channels = client.channels().await.map_err(|error| error.to_string())?;
    client.close().await;
    let left = channels.iter().flat_map(|it| {
        let is_keyed = it.channel.as_str() == Load::Keyed.channel();
        let outcomes = it.retained.saturating_sub(if is_keyed { keys } else { 0 });
        let states = [it.waiting, it.scheduled, it.in_flight, outcomes];
        let names = ["waiting", "scheduled", "in flight", "unacknowledged"];
        let each = names.into_iter().zip(states).flat_map(|(name, count)| (1..=count).map(move |nth| (name, nth)));
        each.map(|(name, nth)| format!("{}, {name}, number {nth}", it.channel))
    });
    Ok(left.collect())
}

fn in_words(error: impl Display) -> String {
    error.to_string()
}

/// A folder that is gone with the run.
struct Folder(PathBuf);

impl Folder {
    fn new(within: &Path) -> io::Result<Self> {
        let path = within.join(format!("roundtrip-crash-{}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}
