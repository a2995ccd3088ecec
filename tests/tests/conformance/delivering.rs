//! Delivering: who gets which request, when.

use std::time::Duration;

use roundtrip::RequestState;
use tokio::time::Instant;

use crate::Driver;
use crate::driver::{Held as _, Party, Service as _, Settle, Submission, Taken, Terms};
use crate::suite::{AMPLE, CHANNEL, FOREVER, SHORT, every_driver, opened, request, take, ticket};

every_driver! {
    requests_are_delivered_first_in_first_out,
    higher_priorities_go_first needs Priorities,
    four_is_the_priority_if_none_is_given needs Priorities,
    a_service_gets_no_more_than_its_credit needs Connections,
    services_compete_for_the_requests_of_a_channel needs Connections,
    max_in_flight_holds_across_all_services,
    rate_holds_across_all_services needs Rates,
    a_delayed_request_is_not_delivered_before_its_time needs Delays,
    a_delayed_request_takes_its_place_when_it_begins_to_wait needs Delays,
    the_state_says_how_many_wait_before_it,
}

async fn requests_are_delivered_first_in_first_out<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms::default()).await;
    let mut asked = Vec::new();
    for _ in 0..20 {
        asked.push(ticket(&party, request("draw")).await);
    }
    for ticket in asked {
        let taken = take(&party).await;
        assert_eq!((taken.ticket(), taken.attempt(), taken.delivery()), (&ticket, 1, 1));
        assert_eq!(*taken.payload(), "draw");
        taken.settle(Settle::Reply("drawn")).await.unwrap();
    }
}

async fn higher_priorities_go_first<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms::default()).await;
    let mut asked = Vec::new();
    for priority in [0, 9, 5, 9] {
        asked.push(ticket(&party, Submission { priority: Some(priority), ..request("draw") }).await);
    }
    for first_to_last in [1, 3, 2, 0] {
        let taken = take(&party).await;
        assert_eq!(*taken.ticket(), asked[first_to_last]);
        taken.settle(Settle::Reply("drawn")).await.unwrap();
    }
}

async fn four_is_the_priority_if_none_is_given<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms::default()).await;
    let below = ticket(&party, Submission { priority: Some(3), ..request("draw") }).await;
    let same = ticket(&party, Submission { priority: Some(4), ..request("draw") }).await;
    let none = ticket(&party, request("draw")).await;
    let above = ticket(&party, Submission { priority: Some(5), ..request("draw") }).await;
    let taken = party.take(CHANNEL, 4, FOREVER).await;
    let order: Vec<_> = taken.iter().map(Taken::ticket).collect();
    assert_eq!(order, [&above, &same, &none, &below]);
}

async fn a_service_gets_no_more_than_its_credit<D: Driver>() {
    let (driver, party) = opened::<D>(Terms::default()).await;
    let mut service = party.serve(CHANNEL, 2);
    for _ in 0..5 {
        ticket(&party, request("draw")).await;
    }
    let first = service.next().await;
    let _second = service.next().await;
    driver.until(CHANNEL, |figures| figures.in_flight == 2 && figures.waiting == 3).await;
    first.settle(Settle::Reply("drawn"));
    service.next().await;
    driver.until(CHANNEL, |figures| figures.in_flight <= 2 && figures.waiting <= 2).await;
}

async fn services_compete_for_the_requests_of_a_channel<D: Driver>() {
    let (driver, party) = opened::<D>(Terms::default()).await;
    let other = driver.party().await;
    let (mut left, mut right) = (party.serve(CHANNEL, 1), other.serve(CHANNEL, 1));
    let asked = [ticket(&party, request("1")).await, ticket(&party, request("2")).await];
    let (on_left, on_right) = (left.next().await, right.next().await);
    assert_ne!(on_left.ticket(), on_right.ticket());
    assert!(asked.contains(on_left.ticket()) && asked.contains(on_right.ticket()));
}

async fn max_in_flight_holds_across_all_services<D: Driver>() {
    let (driver, party) = opened::<D>(Terms { max_in_flight: Some(2), ..Terms::default() }).await;
    let other = driver.party().await;
    for _ in 0..4 {
        ticket(&party, request("draw")).await;
    }
    let held = party.take(CHANNEL, 4, FOREVER).await;
    assert_eq!(held.len(), 2);
    assert!(other.take(CHANNEL, 4, SHORT).await.is_empty());
    held[0].settle(Settle::Reply("drawn")).await.unwrap();
    assert_eq!(other.take(CHANNEL, 4, FOREVER).await.len(), 1);
}

async fn rate_holds_across_all_services<D: Driver>() {
    let (driver, party) = opened::<D>(Terms { rate: Some((20.0, 2)), ..Terms::default() }).await;
    let other = driver.party().await;
    for _ in 0..4 {
        ticket(&party, request("draw")).await;
    }
    let began = Instant::now();
    let mut held = Vec::new();
    for party in [&party, &other, &party, &other] {
        held.push(take(party).await);
    }
    assert!(
        began.elapsed() >= Duration::from_millis(95),
        "two above the burst take two twentieths: {:?}",
        began.elapsed()
    );
}

async fn a_delayed_request_is_not_delivered_before_its_time<D: Driver>() {
    let (driver, party) = opened::<D>(Terms::default()).await;
    let began = Instant::now();
    let delayed = ticket(&party, Submission { delay: Some(SHORT), ..request("later") }).await;
    let second = ticket(&party, Submission { delay: Some(FOREVER), ..request("much later") }).await;
    assert!(matches!(party.state(&second).await.unwrap().state, RequestState::Scheduled { .. }));
    driver.until(CHANNEL, |figures| figures.scheduled >= 1).await;
    assert_eq!(*take(&party).await.ticket(), delayed);
    assert!(began.elapsed() >= SHORT);
}

async fn a_delayed_request_takes_its_place_when_it_begins_to_wait<D: Driver>() {
    let (driver, party) = opened::<D>(Terms::default()).await;
    let delayed = ticket(&party, Submission { delay: Some(AMPLE), ..request("later") }).await;
    let prompt = ticket(&party, request("now")).await;
    driver.until(CHANNEL, |figures| figures.waiting == 2).await;
    let after = ticket(&party, request("after")).await;
    let taken = party.take(CHANNEL, 3, FOREVER).await;
    let order: Vec<_> = taken.iter().map(Taken::ticket).collect();
    assert_eq!(order, [&prompt, &delayed, &after]);
}

async fn the_state_says_how_many_wait_before_it<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms::default()).await;
    ticket(&party, request("1")).await;
    ticket(&party, request("2")).await;
    let third = ticket(&party, request("3")).await;
    assert_eq!(party.state(&third).await.unwrap().ahead, 2);
    let _taken = take(&party).await;
    assert_eq!(party.state(&third).await.unwrap().ahead, 1);
}
