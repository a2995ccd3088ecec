//! The requester of a load: several requests at once, each from its submission to its acknowledgement.

use std::time::Duration;

use roundtrip::{Client, PartEvent, WaitError};
use tokio::task::LocalSet;
use tokio_util::sync::CancellationToken;

use super::entry::Entry;
use super::life::{Desk, Open, Wish};
use super::load::Load;
use super::{keyed, late, retried};
use crate::simulation::chance::Chance;

/// Asks for one thing after the other until it is told to finish, and returns when everything is acknowledged.
pub(super) async fn run(load: Load, client: &Client, chance: Chance, finishing: CancellationToken) {
    let desk = Desk::new(load, client, chance);
    if load == Load::Late {
        return late::run(&desk, client, &finishing).await;
    }
    let everything = LocalSet::new();
    for _ in 0..load.at_once() {
        let (desk, client, finishing) = (desk.clone(), client.clone(), finishing.clone());
        everything.spawn_local(async move {
            while !finishing.is_cancelled() {
                lead(&desk, &client).await;
                desk.rest(load.pause()).await;
            }
        });
    }
    everything.await;
    if load == Load::Retried {
        retried::finish(&desk, client).await;
    }
}

/// Leads one request's life, or begins one that goes on by itself.
async fn lead(desk: &Desk, client: &Client) {
    match desk.load {
        Load::Keyed => keyed::lead(desk).await,
        Load::Retried => retried::lead(desk, client).await,
        Load::Parked => {
            // It has no service before the end, and nobody waits for it meanwhile.
            let desk = desk.clone();
            tokio::task::spawn_local(async move { lead_parked(&desk).await });
        }
        Load::Parted => lead_parted(desk).await,
        Load::Scheduled => {
            let delay = desk.chance(|chance| chance.millis(50, 2500));
            let open = desk.submit(&Wish { delay: Some(delay), ..wish(desk) }).await;
            end(desk, &open).await;
        }
        Load::Slow => {
            let open = desk.submit(&wish(desk)).await;
            if desk.chance(|chance| chance.percent(20)) {
                desk.rest((0, 500)).await;
                desk.cancel(&open).await;
            }
            end(desk, &open).await;
        }
        Load::Fast | Load::Late => end(desk, &desk.submit(&wish(desk)).await).await,
    }
}

/// A payload that is unlike the others; some are large.
pub(super) fn wish(desk: &Desk) -> Wish {
    let (number, length) = desk.chance(|chance| {
        let is_large = chance.percent(10);
        (chance.bits(), if is_large { chance.between(1, 40_000) } else { chance.between(1, 200) })
    });
    Wish { payload: format!("{number:x} {}", "x".repeat(length as usize)), ..Wish::default() }
}

/// Waits for the outcome and acknowledges it.
pub(super) async fn end(desk: &Desk, open: &Open) {
    if desk.outcome(open).await.is_some() {
        desk.acknowledge(open).await;
    }
}

async fn lead_parked(desk: &Desk) {
    let (cancels, expires) = desk.chance(|chance| (chance.percent(40), chance.percent(30)));
    let deadline = expires.then(|| desk.chance(|chance| chance.millis(500, 3000)));
    let open = desk.submit(&Wish { deadline, ..wish(desk) }).await;
    if cancels {
        desk.rest((0, 3000)).await;
        desk.cancel(&open).await;
    }
    end(desk, &open).await;
}

async fn lead_parted(desk: &Desk) {
    let open = desk.submit(&wish(desk)).await;
    let mut parts = open.ticket.parts();
    while let Some(event) = parts.next().await {
        let id = open.id();
        desk.journal.write(match event {
            PartEvent::Part(part) => Entry::Part { id, text: String::from_utf8_lossy(&part.payload).into_owned() },
            PartEvent::Restarted { .. } => Entry::Restarted { id },
            _ => Entry::Wrong { id, why: "some of its parts are gone before they were read".to_owned() },
        });
    }
    match parts.failure() {
        None | Some(WaitError::UnknownTicket) => {} // The wait for the outcome says so as well.
        Some(error) => desk.journal.give_up(error),
    }
    drop(parts);
    end(desk, &open).await;
}

/// How long to wait between two looks at what tells nobody.
pub(super) const LOOK: Duration = Duration::from_millis(20);
