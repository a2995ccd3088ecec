//! Deadlines: every request has one, and at it the request ends, wherever it is.

use roundtrip::{OutcomeKind, SettleError, StopReason};
use tokio::time::Instant;

use crate::Driver;
use crate::driver::{Held as _, Party, Service as _, Settle, Submission, Taken, Terms};
use crate::suite::{AMPLE, CHANNEL, FOREVER, REQUESTER, SHORT, every_driver, opened, request, take, ticket};

every_driver! {
    a_waiting_request_expires,
    a_scheduled_request_expires needs Delays,
    a_request_in_flight_expires,
    a_service_at_work_on_an_expired_request_is_told_to_stop needs Connections,
    a_request_without_a_deadline_has_the_channels_default,
    a_default_deadline_counts_from_the_end_of_the_delay needs Delays,
    the_service_sees_what_remains,
    the_requester_sees_what_remains,
    an_expired_request_is_told_as_a_problem,
}

fn short() -> Submission {
    Submission { deadline: Some(SHORT), ..request("draw") }
}

async fn a_waiting_request_expires<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms::default()).await;
    let began = Instant::now();
    let asked = ticket(&party, short()).await;
    assert_eq!(party.outcome(REQUESTER, &asked).await.unwrap().kind(), OutcomeKind::Expired);
    assert!(began.elapsed() >= SHORT);
    assert!(party.take(CHANNEL, 1, SHORT).await.is_empty(), "never past the deadline");
}

async fn a_scheduled_request_expires<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms { default_deadline: Some(SHORT), ..Terms::default() }).await;
    let asked = ticket(&party, Submission { delay: Some(SHORT / 2), ..short() }).await;
    assert_eq!(party.outcome(REQUESTER, &asked).await.unwrap().kind(), OutcomeKind::Expired);
}

async fn a_request_in_flight_expires<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms::default()).await;
    let asked = ticket(&party, Submission { deadline: Some(AMPLE), ..request("draw") }).await;
    let taken = take(&party).await;
    assert_eq!(party.outcome(REQUESTER, &asked).await.unwrap().kind(), OutcomeKind::Expired);
    assert_eq!(taken.settle(Settle::Reply("drawn too late")).await, Err(SettleError::Expired));
    assert_eq!(party.outcome(REQUESTER, &asked).await.unwrap().kind(), OutcomeKind::Expired, "it has one outcome");
}

async fn a_service_at_work_on_an_expired_request_is_told_to_stop<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms::default()).await;
    let mut service = party.serve(CHANNEL, 1);
    let asked = ticket(&party, Submission { deadline: Some(AMPLE), ..request("draw") }).await;
    let held = service.next().await;
    assert_eq!(held.stopped().await, StopReason::Expired);
    assert_eq!(party.outcome(REQUESTER, &asked).await.unwrap().kind(), OutcomeKind::Expired);
}

async fn a_request_without_a_deadline_has_the_channels_default<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms { default_deadline: Some(SHORT), ..Terms::default() }).await;
    let asked = ticket(&party, request("draw")).await;
    assert_eq!(party.outcome(REQUESTER, &asked).await.unwrap().kind(), OutcomeKind::Expired);
}

async fn a_default_deadline_counts_from_the_end_of_the_delay<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms { default_deadline: Some(SHORT), ..Terms::default() }).await;
    let began = Instant::now();
    let asked = ticket(&party, Submission { delay: Some(SHORT), ..request("draw") }).await;
    assert_eq!(party.outcome(REQUESTER, &asked).await.unwrap().kind(), OutcomeKind::Expired);
    assert!(began.elapsed() >= 2 * SHORT, "{:?}", began.elapsed());
}

async fn the_service_sees_what_remains<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms { attempt_timeout: Some(FOREVER / 2), ..Terms::default() }).await;
    ticket(&party, Submission { deadline: Some(FOREVER / 4), ..request("1") }).await;
    ticket(&party, Submission { deadline: Some(FOREVER), ..request("2") }).await;
    let first = take(&party).await.remaining().unwrap();
    assert!(first <= FOREVER / 4 && first > FOREVER / 8, "{first:?}");
    let second = take(&party).await.remaining().unwrap();
    assert!(second <= FOREVER / 2 && second > FOREVER / 4, "the attempt's own limit is nearer: {second:?}");
}

async fn the_requester_sees_what_remains<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms::default()).await;
    let asked = ticket(&party, Submission { deadline: Some(FOREVER), ..request("draw") }).await;
    let remaining = party.state(&asked).await.unwrap().remaining.unwrap();
    assert!(remaining <= FOREVER && remaining > FOREVER / 2, "{remaining:?}");
}

async fn an_expired_request_is_told_as_a_problem<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms::default()).await;
    let asked = ticket(&party, short()).await;
    let details = party.outcome(REQUESTER, &asked).await.unwrap().problem.unwrap();
    assert_eq!((&details["code"], &details["outcome"]), (&"expired".into(), &"expired".into()));
}
