//! Cancelling: by ticket, from anywhere; the first outcome stays.

use roundtrip::{CancelError, Cancellation, OutcomeKind, SettleError, StopReason};

use crate::Driver;
use crate::driver::{Held as _, Party, Service as _, Settle, Submission, Taken, Terms};
use crate::suite::{CHANNEL, FOREVER, REQUESTER, SHORT, every_driver, opened, request, take, ticket, work};

every_driver! {
    a_waiting_request_is_cancelled_at_once needs Cancelling,
    a_scheduled_request_is_cancelled_at_once needs Delays,
    anybody_with_the_ticket_may_cancel needs Cancelling,
    an_outcome_that_was_first_wins needs Cancelling,
    a_second_cancellation_finds_the_first needs Cancelling,
    an_unknown_ticket_cannot_be_cancelled needs Cancelling,
    a_service_at_work_on_a_cancelled_request_is_told needs Connections,
    a_cancelled_delivery_keeps_its_place_until_the_service_has_stopped needs Connections,
    a_cancelled_delivery_keeps_its_place_no_longer_than_its_lease needs Cancelling,
    a_cancelled_delivery_can_neither_settle_nor_renew needs Cancelling,
    a_cancelled_request_is_told_as_a_problem needs Cancelling,
}

async fn a_waiting_request_is_cancelled_at_once<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms::default()).await;
    let asked = ticket(&party, request("draw")).await;
    assert_eq!(party.cancel(&asked).await, Ok(Cancellation::Cancelled));
    assert_eq!(party.outcome(REQUESTER, &asked).await.unwrap().kind(), OutcomeKind::Cancelled);
    assert!(party.take(CHANNEL, 1, SHORT).await.is_empty());
}

async fn a_scheduled_request_is_cancelled_at_once<D: Driver>() {
    let (driver, party) = opened::<D>(Terms::default()).await;
    let asked = ticket(&party, Submission { delay: Some(FOREVER), ..request("draw") }).await;
    assert_eq!(party.cancel(&asked).await, Ok(Cancellation::Cancelled));
    driver.until(CHANNEL, |figures| figures.scheduled == 0).await;
}

async fn anybody_with_the_ticket_may_cancel<D: Driver>() {
    let (driver, party) = opened::<D>(Terms::default()).await;
    let asked = ticket(&party, request("draw")).await;
    let stranger = driver.party().await;
    assert_eq!(stranger.cancel(&asked).await, Ok(Cancellation::Cancelled));
    assert_eq!(party.outcome(REQUESTER, &asked).await.unwrap().kind(), OutcomeKind::Cancelled);
}

async fn an_outcome_that_was_first_wins<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms::default()).await;
    let asked = ticket(&party, request("draw")).await;
    work(&party, Settle::Reply("drawn")).await;
    assert_eq!(party.cancel(&asked).await, Ok(Cancellation::Ended(OutcomeKind::Replied)));
    assert_eq!(party.outcome(REQUESTER, &asked).await.unwrap().payload, "drawn");
}

async fn a_second_cancellation_finds_the_first<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms::default()).await;
    let asked = ticket(&party, request("draw")).await;
    assert_eq!(party.cancel(&asked).await, Ok(Cancellation::Cancelled));
    assert_eq!(party.cancel(&asked).await, Ok(Cancellation::Ended(OutcomeKind::Cancelled)));
}

async fn an_unknown_ticket_cannot_be_cancelled<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms::default()).await;
    let asked = ticket(&party, request("draw")).await;
    work(&party, Settle::Reply("drawn")).await;
    party.outcome(REQUESTER, &asked).await.unwrap();
    party.acknowledge(REQUESTER, &asked).await.unwrap();
    assert_eq!(party.cancel(&asked).await, Err(CancelError::UnknownTicket));
}

async fn a_service_at_work_on_a_cancelled_request_is_told<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms::default()).await;
    let asked = ticket(&party, request("draw")).await;
    let mut service = party.serve(CHANNEL, 1);
    let held = service.next().await;
    assert_eq!(party.cancel(&asked).await, Ok(Cancellation::Cancelled));
    assert_eq!(held.stopped().await, StopReason::Cancelled);
    held.settle(Settle::Reply("drawn too late"));
    assert_eq!(party.outcome(REQUESTER, &asked).await.unwrap().kind(), OutcomeKind::Cancelled);
}

async fn a_cancelled_delivery_keeps_its_place_until_the_service_has_stopped<D: Driver>() {
    let terms = Terms { max_in_flight: Some(1), lease: Some(FOREVER), ..Terms::default() };
    let (driver, party) = opened::<D>(terms).await;
    let first = ticket(&party, request("1")).await;
    let second = ticket(&party, request("2")).await;
    let mut service = party.serve(CHANNEL, 2);
    let held = service.next().await;
    assert_eq!(*held.ticket(), first);
    party.cancel(&first).await.unwrap();
    assert_eq!(held.stopped().await, StopReason::Cancelled);
    driver.until(CHANNEL, |figures| figures.in_flight == 1 && figures.waiting == 1).await;
    assert!(party.take(CHANNEL, 1, SHORT).await.is_empty(), "the downstream's limit holds");
    held.settle(Settle::Release);
    assert_eq!(*service.next().await.ticket(), second);
}

async fn a_cancelled_delivery_keeps_its_place_no_longer_than_its_lease<D: Driver>() {
    let (_driver, party) =
        opened::<D>(Terms { max_in_flight: Some(1), lease: Some(4 * SHORT), ..Terms::default() }).await;
    let first = ticket(&party, request("1")).await;
    let second = ticket(&party, request("2")).await;
    let taken = take(&party).await;
    party.cancel(&first).await.unwrap();
    assert!(taken.renew().await.is_err(), "nothing renews it any more");
    assert_eq!(*take(&party).await.ticket(), second);
}

async fn a_cancelled_delivery_can_neither_settle_nor_renew<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms::default()).await;
    let asked = ticket(&party, request("draw")).await;
    let taken = take(&party).await;
    party.cancel(&asked).await.unwrap();
    assert_eq!(taken.renew().await, Err(SettleError::Cancelled));
    assert_eq!(taken.settle(Settle::Reply("drawn too late")).await, Err(SettleError::Cancelled));
}

async fn a_cancelled_request_is_told_as_a_problem<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms::default()).await;
    let asked = ticket(&party, request("draw")).await;
    party.cancel(&asked).await.unwrap();
    let details = party.outcome(REQUESTER, &asked).await.unwrap().problem.unwrap();
    assert_eq!((&details["code"], &details["outcome"]), (&"cancelled".into(), &"cancelled".into()));
}
