//! The service of a load. All but one take their work by hand, since only so a service is told that it has settled.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use roundtrip::{Client, Context, Failure, Message, PartError, Pulled, RawFailure, Request, SettleError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinSet, LocalSet};
use tokio_util::sync::CancellationToken;

use super::entry::{Entry, now};
use super::journal::Journal;
use super::life::replied;
use super::load::Load;
use super::retried::Fate;
use crate::simulation::chance::Chance;

/// How many requests a service works on at once.
const AT_ONCE: u32 = 8;

/// How long a service waits for work before it asks again: what it gets was handed out after it asked.
const WAIT: Duration = Duration::from_millis(100);

/// How long a delivery that was lost on its way to a service is out of reach.
const LEASE: Duration = Duration::from_secs(5);

/// How many parts come before an answer.
const PARTS: u32 = 3;

/// How an answer with parts begins.
const PARTED: &str = "parted-";

/// Works until it is told to finish, then ends what it has begun.
pub(super) async fn run(load: Load, client: &Client, chance: Chance, finishing: CancellationToken) {
    if load == Load::Retried {
        let service = client.raw_service(load.channel(), |request, job| async move { retry(&request, &job) });
        let ended = service.concurrency(AT_ONCE).with_graceful_shutdown(finishing.cancelled_owned()).run().await;
        return ended.unwrap_or_else(|error| Journal.give_up(error));
    }
    LocalSet::new().run_until(take(load, client, chance, &finishing)).await;
}

async fn take(load: Load, client: &Client, mut chance: Chance, finishing: &CancellationToken) {
    let puller = client.pull(load.channel()).lease(LEASE);
    let places = Arc::new(Semaphore::new(AT_ONCE as usize));
    let answers = Rc::new(Cell::new(0));
    let mut working = JoinSet::new();
    while !finishing.is_cancelled() {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        drop(place);
        let asked = now();
        let batch = match puller.take(places.available_permits() as u32, WAIT).await {
            Ok(batch) => batch,
            Err(error) => Journal.give_up(error),
        };
        for pulled in &batch {
            Journal.write(Entry::Taken { id: pulled.ticket().id.to_string(), attempt: pulled.attempt(), asked });
        }
        for pulled in batch {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            answers.set(answers.get() + 1);
            let (from, to) = load.work();
            let work = Work {
                load,
                length: chance.millis(from, to),
                answer: format!(
                    "{}{}-{}",
                    if load == Load::Parted { PARTED } else { "" },
                    std::process::id(),
                    answers.get()
                ),
                padding: if chance.percent(10) { chance.between(1, 40_000) as usize } else { 0 },
                _place: place,
            };
            working.spawn_local(async move { work.on(&pulled).await });
        }
        while working.try_join_next().is_some() {}
    }
    while working.join_next().await.is_some() {}
}

/// What is done with one delivery.
struct Work {
    load: Load,
    length: Duration,
    /// Unlike any other.
    answer: String,
    padding: usize,
    _place: OwnedSemaphorePermit,
}

impl Work {
    async fn on(self, pulled: &Pulled) {
        let id = pulled.ticket().id.to_string();
        tokio::time::sleep(self.length).await; // The work.
        if self.load == Load::Parted {
            for number in 1..=PARTS {
                match pulled.part(part(&self.answer, number)).await {
                    Ok(_) => tokio::time::sleep(self.length).await,
                    Err(PartError::Stopped(_)) => return Journal.write(Entry::Stale { id }),
                    Err(error) => Journal.give_up(error),
                }
            }
        }
        let payload =
            if self.padding == 0 { self.answer } else { format!("{} {}", self.answer, "x".repeat(self.padding)) };
        let outcome = replied(payload.as_bytes());
        match pulled.reply(Message::new(payload)).await {
            Ok(()) => Journal.write(Entry::Settled { id, outcome }),
            Err(SettleError::LeaseLost | SettleError::Cancelled | SettleError::Expired) => {
                Journal.write(Entry::Stale { id });
            }
            Err(error) => Journal.give_up(error),
        }
    }
}

/// Fails as the request asks for.
fn retry(request: &Request, job: &Context) -> Result<Message, RawFailure> {
    let id = job.ticket().id.to_string();
    Journal.write(Entry::Taken { id: id.clone(), attempt: job.attempt(), asked: 0 });
    let fails = match Fate::of(&request.payload) {
        Fate::After(failures) => job.attempt() <= failures,
        Fate::Never => true,
        Fate::Fail => return Err(Failure::problem("unmendable", "")),
        Fate::Reject => return Err(Failure::reject("rejected")),
    };
    if fails {
        Journal.write(Entry::Returned { id });
        return Err(Failure::retry("try again"));
    }
    Ok(Message::new(format!("{}-{}", std::process::id(), now())))
}

/// A part of an answer.
fn part(answer: &str, number: u32) -> String {
    format!("{answer}.{number}")
}

/// The parts that come with an outcome, where its service adds some.
pub(super) fn whole_parts(outcome: &str) -> Option<Vec<String>> {
    let answer = outcome.strip_prefix("replied:").filter(|answer| answer.starts_with(PARTED))?.split(':').next()?;
    Some((1..=PARTS).map(|number| part(answer, number)).collect())
}
