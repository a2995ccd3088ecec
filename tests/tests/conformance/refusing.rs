//! Refusing: nothing was kept, the code says why, and what passes says when to try again.

use std::time::Duration;

use roundtrip::RefusalCode;

use crate::Driver;
use crate::driver::{Party, Service as _, Settle, Submission, Taken, Terms};
use crate::suite::{CHANNEL, FOREVER, REQUESTER, every_driver, opened, request, take, ticket, work};

every_driver! {
    an_undeclared_channel_is_refused_and_the_nearest_named,
    an_operation_that_the_channel_does_not_list_is_refused,
    a_content_type_that_the_channel_does_not_list_is_refused,
    a_full_channel_refuses_and_says_when_to_try_again,
    what_is_in_flight_takes_no_place_in_the_channel,
    a_full_mailbox_refuses_new_requests_and_never_drops_a_reply,
    a_payload_over_the_limit_is_too_large,
    without_a_service_a_channel_may_refuse_at_once needs Connections,
    a_priority_over_nine_is_invalid needs Priorities,
    a_delay_that_is_not_shorter_than_the_deadline_is_invalid needs Delays,
}

async fn an_undeclared_channel_is_refused_and_the_nearest_named<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms { declared: Some(CHANNEL), ..Terms::default() }).await;
    let refused = party.submit(Submission { channel: "wrok_request", ..request("draw") }).await.unwrap_err();
    assert_eq!((refused.code, refused.retry_after_ms), (RefusalCode::UnknownChannel, None));
    assert!(refused.message.contains(CHANNEL), "{}", refused.message);
    ticket(&party, request("draw")).await;
}

async fn an_operation_that_the_channel_does_not_list_is_refused<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms { operations: Some(&["work"]), ..Terms::default() }).await;
    let refused = party.submit(Submission { operation: "rest", ..request("draw") }).await.unwrap_err();
    assert_eq!(refused.code, RefusalCode::UnknownOperation);
    ticket(&party, request("draw")).await;
}

async fn a_content_type_that_the_channel_does_not_list_is_refused<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms { content_types: Some(&["text/plain"]), ..Terms::default() }).await;
    let refused = party.submit(Submission { content_type: "text/html", ..request("draw") }).await.unwrap_err();
    assert_eq!(refused.code, RefusalCode::UnknownContentType);
    ticket(&party, request("draw")).await;
}

async fn a_full_channel_refuses_and_says_when_to_try_again<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms { capacity: Some(2), ..Terms::default() }).await;
    ticket(&party, request("1")).await;
    ticket(&party, request("2")).await;
    let refused = party.submit(request("3")).await.unwrap_err();
    assert_eq!(refused.code, RefusalCode::ChannelFull);
    assert!(refused.retry_after_ms.is_some());
    work(&party, Settle::Reply("drawn")).await;
    ticket(&party, request("3")).await;
}

async fn what_is_in_flight_takes_no_place_in_the_channel<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms { capacity: Some(1), ..Terms::default() }).await;
    ticket(&party, request("1")).await;
    let taken = take(&party).await;
    ticket(&party, request("2")).await;
    taken.settle(Settle::Reply("drawn")).await.unwrap();
}

async fn a_full_mailbox_refuses_new_requests_and_never_drops_a_reply<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms { mailbox_capacity: Some(2), ..Terms::default() }).await;
    let tickets = [ticket(&party, request("1")).await, ticket(&party, request("2")).await];
    work(&party, Settle::Reply("drawn")).await;
    work(&party, Settle::Reply("drawn")).await;
    assert_eq!(party.submit(request("3")).await.unwrap_err().code, RefusalCode::MailboxFull);
    ticket(&party, Submission { requester: "other", ..request("3") }).await;
    for ticket in &tickets {
        assert_eq!(party.outcome(REQUESTER, ticket).await.unwrap().payload, "drawn");
    }
    party.acknowledge(REQUESTER, &tickets[0]).await.unwrap();
    ticket(&party, request("3")).await;
}

async fn a_payload_over_the_limit_is_too_large<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms { max_payload: Some(4), ..Terms::default() }).await;
    assert_eq!(party.submit(request("12345")).await.unwrap_err().code, RefusalCode::TooLarge);
    ticket(&party, request("1234")).await;
}

async fn without_a_service_a_channel_may_refuse_at_once<D: Driver>() {
    let (driver, party) = opened::<D>(Terms { refuses_without_service: true, ..Terms::default() }).await;
    let refused = party.submit(request("draw")).await.unwrap_err();
    assert_eq!(refused.code, RefusalCode::NoService);
    let mut service = party.serve(CHANNEL, 1);
    driver.until(CHANNEL, |figures| figures.services == 1).await;
    ticket(&party, request("draw")).await;
    service.next().await;
}

async fn a_priority_over_nine_is_invalid<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms::default()).await;
    let refused = party.submit(Submission { priority: Some(10), ..request("draw") }).await.unwrap_err();
    assert_eq!(refused.code, RefusalCode::Invalid);
    ticket(&party, Submission { priority: Some(9), ..request("draw") }).await;
}

async fn a_delay_that_is_not_shorter_than_the_deadline_is_invalid<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms::default()).await;
    let late = Submission { delay: Some(FOREVER), deadline: Some(FOREVER), ..request("draw") };
    assert_eq!(party.submit(late.clone()).await.unwrap_err().code, RefusalCode::Invalid);
    ticket(&party, Submission { deadline: Some(FOREVER + Duration::from_millis(1)), ..late }).await;
}
