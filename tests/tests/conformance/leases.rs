//! Leases: how long a delivery stays with a service that says nothing, and who may speak of it.

use std::time::Duration;

use roundtrip::{PartError, RequestState, SettleError, StopReason};

use crate::Driver;
use crate::driver::{Held as _, Party, Service as _, Settle, Taken, Terms};
use crate::suite::{AMPLE, CHANNEL, FOREVER, REQUESTER, SHORT, every_driver, opened, request, take, ticket};

every_driver! {
    a_lease_that_is_not_renewed_ends_and_counts,
    a_lost_connection_ends_the_leases_of_its_deliveries_at_once needs Connections,
    a_broken_connection_does_not_throw_work_away needs Connections,
    what_was_not_taken_back_in_time_is_given_up needs Connections,
    no_connections_end_ends_a_delivery_by_lease,
    a_service_that_ends_its_subscription_gives_back_at_once_and_uncounted needs Connections,
    attempt_timeout_ends_a_delivery_and_tells_the_service needs Connections,
    a_stale_delivery_cannot_settle,
    a_stale_delivery_cannot_renew,
    a_stale_delivery_cannot_add_a_part needs Parts,
    the_progress_of_a_stale_delivery_is_dropped,
    what_is_stale_is_counted,
    a_delivery_that_settled_settles_nothing_else,
}

async fn a_lease_that_is_not_renewed_ends_and_counts<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms { lease: Some(SHORT), ..Terms::default() }).await;
    ticket(&party, request("draw")).await;
    let _lost = take(&party).await;
    let again = take(&party).await;
    assert_eq!((again.attempt(), again.delivery()), (2, 2));
}

async fn a_lost_connection_ends_the_leases_of_its_deliveries_at_once<D: Driver>() {
    let (driver, party) = opened::<D>(Terms { lease: Some(FOREVER), ..Terms::default() }).await;
    let far = driver.party().await;
    ticket(&party, request("draw")).await;
    let mut service = far.serve(CHANNEL, 1);
    service.next().await;
    far.vanish();
    let again = take(&party).await;
    assert_eq!((again.attempt(), again.delivery()), (2, 2));
}

async fn a_broken_connection_does_not_throw_work_away<D: Driver>() {
    let (driver, party) = opened::<D>(Terms { backoff: Some(FOREVER), ..Terms::default() }).await;
    let far = driver.party().await;
    let asked = ticket(&party, request("draw")).await;
    let mut service = far.serve(CHANNEL, 1);
    let held = service.next().await;
    far.vanish();
    driver.until(CHANNEL, |figures| figures.services == 0).await;
    far.come_back();
    driver.until(CHANNEL, |figures| figures.services == 1 && figures.in_flight == 1).await;
    held.settle(Settle::Reply("drawn"));
    let outcome = party.outcome(REQUESTER, &asked).await.unwrap();
    assert_eq!((outcome.attempts, &outcome.payload[..]), (1, &b"drawn"[..]));
}

async fn what_was_not_taken_back_in_time_is_given_up<D: Driver>() {
    let (driver, party) = opened::<D>(Terms::default()).await;
    let far = driver.party().await;
    let asked = ticket(&party, request("draw")).await;
    let mut service = far.serve(CHANNEL, 1);
    let held = service.next().await;
    far.vanish();
    take(&party).await.settle(Settle::Reply("drawn by another")).await.unwrap();
    far.come_back();
    assert_eq!(held.stopped().await, StopReason::LeaseLost);
    held.settle(Settle::Reply("drawn too late"));
    assert_eq!(party.outcome(REQUESTER, &asked).await.unwrap().payload, "drawn by another");
}

async fn no_connections_end_ends_a_delivery_by_lease<D: Driver>() {
    let (driver, party) = opened::<D>(Terms { backoff: Some(FOREVER), ..Terms::default() }).await;
    let far = driver.party().await;
    let asked = ticket(&party, request("draw")).await;
    let taken = take(&far).await;
    far.cut();
    taken.renew().await.unwrap();
    taken.settle(Settle::Reply("drawn")).await.unwrap();
    let outcome = party.outcome(REQUESTER, &asked).await.unwrap();
    assert_eq!((outcome.attempts, &outcome.payload[..]), (1, &b"drawn"[..]));
}

async fn a_service_that_ends_its_subscription_gives_back_at_once_and_uncounted<D: Driver>() {
    let (driver, party) = opened::<D>(Terms { backoff: Some(FOREVER), ..Terms::default() }).await;
    let far = driver.party().await;
    ticket(&party, request("draw")).await;
    let mut service = far.serve(CHANNEL, 1);
    let held = service.next().await;
    assert_eq!((held.attempt(), held.delivery()), (1, 1));
    drop(service);
    let again = take(&party).await;
    assert_eq!((again.attempt(), again.delivery()), (1, 2));
}

async fn attempt_timeout_ends_a_delivery_and_tells_the_service<D: Driver>() {
    let terms = Terms { attempt_timeout: Some(AMPLE), ..Terms::default() };
    let (_driver, party) = opened::<D>(terms).await;
    ticket(&party, request("draw")).await;
    let mut service = party.serve(CHANNEL, 1);
    let held = service.next().await;
    assert_eq!(held.stopped().await, StopReason::AttemptTimeout);
    held.settle(Settle::Reply("drawn too late"));
    let again = service.next().await;
    assert_eq!((again.attempt(), again.delivery()), (2, 2));
}

/// A delivery whose lease ended, and the one after it.
async fn stale<P: Party>(party: &P) -> (P::Taken, P::Taken) {
    let lost = take(party).await;
    let current = take(party).await;
    assert_eq!((lost.delivery(), current.delivery()), (1, 2));
    (lost, current)
}

fn short_lease() -> Terms {
    Terms { lease: Some(2 * SHORT), ..Terms::default() }
}

async fn a_stale_delivery_cannot_settle<D: Driver>() {
    let (_driver, party) = opened::<D>(short_lease()).await;
    let asked = ticket(&party, request("draw")).await;
    let (lost, current) = stale(&party).await;
    assert_eq!(lost.settle(Settle::Reply("drawn too late")).await, Err(SettleError::LeaseLost));
    assert!(!matches!(party.state(&asked).await.unwrap().state, RequestState::Ended(_)));
    drop(current);
}

async fn a_stale_delivery_cannot_renew<D: Driver>() {
    let (_driver, party) = opened::<D>(short_lease()).await;
    ticket(&party, request("draw")).await;
    let (lost, _current) = stale(&party).await;
    assert_eq!(lost.renew().await, Err(SettleError::LeaseLost));
}

async fn a_stale_delivery_cannot_add_a_part<D: Driver>() {
    let (_driver, party) = opened::<D>(short_lease()).await;
    ticket(&party, request("draw")).await;
    let (lost, _current) = stale(&party).await;
    assert_eq!(lost.part("a line").await, Err(PartError::Stopped(StopReason::LeaseLost)));
}

async fn the_progress_of_a_stale_delivery_is_dropped<D: Driver>() {
    let (driver, party) = opened::<D>(short_lease()).await;
    let asked = ticket(&party, request("draw")).await;
    let (lost, _current) = stale(&party).await;
    lost.progress(0.9, "too late");
    driver.until(CHANNEL, |figures| figures.stale == 1).await;
    assert_eq!(party.state(&asked).await.unwrap().progress, None);
}

async fn what_is_stale_is_counted<D: Driver>() {
    let (driver, party) = opened::<D>(short_lease()).await;
    ticket(&party, request("draw")).await;
    let (lost, _current) = stale(&party).await;
    assert_eq!(lost.settle(Settle::Release).await, Err(SettleError::LeaseLost));
    driver.until(CHANNEL, |figures| figures.stale >= 1).await;
}

async fn a_delivery_that_settled_settles_nothing_else<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms::default()).await;
    let asked = ticket(&party, request("draw")).await;
    let taken = take(&party).await;
    taken.settle(Settle::Reply("first")).await.unwrap();
    let _ = taken.settle(Settle::Reply("second")).await; // To the broker it is the first, said again.
    assert_eq!(party.outcome(REQUESTER, &asked).await.unwrap().payload, "first");
    assert!(party.take(CHANNEL, 1, Duration::from_millis(1)).await.is_empty());
}
