//! Settling: every way in which a service ends a delivery, and what comes of it.

use roundtrip::{DeadReason, Ending, OutcomeKind, Problem};
use tokio::time::Instant;

use crate::Driver;
use crate::driver::{Ended, Party, Settle, Submission, Taken, Terms};
use crate::suite::{AMPLE, CHANNEL, FOREVER, REQUESTER, SHORT, every_driver, opened, request, take, ticket, work};

every_driver! {
    a_reply_is_the_outcome,
    a_final_failure_travels_with_its_code_and_message,
    a_retryable_failure_is_tried_again_and_counts,
    a_retryable_failure_may_say_when,
    attempts_used_up_are_the_end,
    a_rejected_request_is_dead_at_once,
    a_released_request_comes_back_uncounted,
    a_request_released_too_often_is_dead,
    a_throttled_request_comes_back_uncounted_and_the_channel_pauses needs Throttling,
    a_pause_is_no_longer_than_max_throttle needs Throttling,
    what_comes_back_keeps_its_place needs Delays,
}

async fn ended(party: &impl Party, payload: &'static str, how: Settle) -> Ended {
    let asked = ticket(party, request(payload)).await;
    work(party, how).await;
    party.outcome(REQUESTER, &asked).await.unwrap()
}

async fn a_reply_is_the_outcome<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms::default()).await;
    let outcome = ended(&party, "draw", Settle::Reply("drawn")).await;
    assert_eq!((outcome.kind(), outcome.attempts), (OutcomeKind::Replied, 1));
    let Ending::Replied(label) = outcome.ending else { panic!() };
    assert_eq!((label.content_type.as_str(), &outcome.payload[..]), ("text/plain", &b"drawn"[..]));
    assert_eq!(outcome.problem, None);
}

async fn a_final_failure_travels_with_its_code_and_message<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms::default()).await;
    let outcome = ended(&party, "draw", Settle::Fail("no_paper", "none left")).await;
    let Ending::Failed { problem, .. } = &outcome.ending else { panic!("{:?}", outcome.kind()) };
    assert_eq!((problem, outcome.attempts), (&Problem::new("no_paper", "none left"), 1));
    let details = outcome.problem.unwrap();
    assert_eq!(details["type"], "urn:roundtrip:problem:no_paper");
    assert_eq!((&details["outcome"], &details["detail"]), (&"failed".into(), &"none left".into()));
}

async fn a_retryable_failure_is_tried_again_and_counts<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms::default()).await;
    let asked = ticket(&party, request("draw")).await;
    work(&party, Settle::Retry("busy", None)).await;
    let again = take(&party).await;
    assert_eq!((again.attempt(), again.delivery()), (2, 2));
    again.settle(Settle::Reply("drawn")).await.unwrap();
    assert_eq!(party.outcome(REQUESTER, &asked).await.unwrap().attempts, 2);
}

async fn a_retryable_failure_may_say_when<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms::default()).await;
    ticket(&party, request("draw")).await;
    let taken = take(&party).await;
    let began = Instant::now();
    taken.settle(Settle::Retry("busy", Some(SHORT))).await.unwrap();
    take(&party).await;
    assert!(began.elapsed() >= SHORT, "{:?}", began.elapsed());
}

async fn attempts_used_up_are_the_end<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms { max_attempts: Some(2), ..Terms::default() }).await;
    let asked = ticket(&party, request("draw")).await;
    work(&party, Settle::Retry("busy", None)).await;
    work(&party, Settle::Retry("busy", None)).await;
    let outcome = party.outcome(REQUESTER, &asked).await.unwrap();
    let Ending::Dead { reason, last } = outcome.ending else { panic!("{:?}", outcome.kind()) };
    assert_eq!((reason, outcome.attempts), (DeadReason::AttemptsExhausted, 2));
    assert_eq!(last.unwrap().code, "busy");
}

async fn a_rejected_request_is_dead_at_once<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms::default()).await;
    let outcome = ended(&party, "draw", Settle::Reject("poison")).await;
    let Ending::Dead { reason, last } = outcome.ending else { panic!("{:?}", outcome.kind()) };
    assert_eq!((reason, outcome.attempts), (DeadReason::Rejected, 1));
    assert_eq!(last.unwrap().code, "poison");
    let details = outcome.problem.unwrap();
    assert_eq!((&details["outcome"], &details["attempts"]), (&"dead".into(), &1.into()));
}

async fn a_released_request_comes_back_uncounted<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms { backoff: Some(SHORT), ..Terms::default() }).await;
    ticket(&party, request("draw")).await;
    let taken = take(&party).await;
    let began = Instant::now();
    taken.settle(Settle::Release).await.unwrap();
    let again = take(&party).await;
    assert_eq!((again.attempt(), again.delivery()), (1, 2));
    assert!(began.elapsed() >= SHORT, "after the first backoff step: {:?}", began.elapsed());
}

async fn a_request_released_too_often_is_dead<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms { max_releases: Some(2), ..Terms::default() }).await;
    let asked = ticket(&party, request("draw")).await;
    for _ in 0..3 {
        work(&party, Settle::Release).await;
    }
    let outcome = party.outcome(REQUESTER, &asked).await.unwrap();
    assert!(matches!(outcome.ending, Ending::Dead { reason: DeadReason::ReleasesExhausted, .. }));
}

async fn a_throttled_request_comes_back_uncounted_and_the_channel_pauses<D: Driver>() {
    let (driver, party) = opened::<D>(Terms::default()).await;
    let first = ticket(&party, request("1")).await;
    ticket(&party, request("2")).await;
    let taken = take(&party).await;
    let began = Instant::now();
    taken.settle(Settle::Throttle(SHORT)).await.unwrap();
    driver.until(CHANNEL, |figures| figures.waiting == 2).await;
    let again = take(&party).await;
    assert!(began.elapsed() >= SHORT, "nothing before: {:?}", began.elapsed());
    assert_eq!((again.ticket(), again.attempt(), again.delivery()), (&first, 1, 2));
}

async fn a_pause_is_no_longer_than_max_throttle<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms { max_throttle: Some(SHORT), ..Terms::default() }).await;
    ticket(&party, request("1")).await;
    work(&party, Settle::Throttle(FOREVER)).await;
    take(&party).await;
}

async fn what_comes_back_keeps_its_place<D: Driver>() {
    let (driver, party) = opened::<D>(Terms { max_in_flight: Some(1), ..Terms::default() }).await;
    let first = ticket(&party, request("1")).await;
    let second = ticket(&party, request("2")).await;
    let third = ticket(&party, request("3")).await;
    take(&party).await.settle(Settle::Retry("busy", Some(AMPLE))).await.unwrap();
    let meanwhile = take(&party).await;
    assert_eq!(*meanwhile.ticket(), second);
    // When this one begins to wait, what came before it has long come back.
    ticket(&party, Submission { delay: Some(2 * AMPLE), ..request("4") }).await;
    driver.until(CHANNEL, |figures| figures.scheduled == 0).await;
    meanwhile.settle(Settle::Reply("drawn")).await.unwrap();
    let back = take(&party).await;
    assert_eq!((back.ticket(), back.attempt()), (&first, 2));
    back.settle(Settle::Reply("drawn")).await.unwrap();
    assert_eq!(*take(&party).await.ticket(), third);
}
