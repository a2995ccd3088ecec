//! Accepting: the same request once, whoever submits it how often.

use std::time::Duration;

use roundtrip::{OutcomeKind, RefusalCode, RequestState, WaitError};

use crate::Driver;
use crate::driver::{Party, Service as _, Settle, Submission, Taken, Terms};
use crate::suite::{CHANNEL, FOREVER, REQUESTER, SHORT, accepted, every_driver, opened, request, take, ticket, work};

every_driver! {
    accepted_is_a_different_thing_from_a_reply,
    accepted_says_how_many_services_there_are needs Connections,
    the_same_request_id_is_one_request needs OwnTickets,
    the_same_request_id_under_another_requester_is_invalid needs OwnTickets,
    the_same_idempotency_key_gives_the_same_ticket_back needs Keys,
    the_same_key_with_another_operation_content_type_or_payload_is_refused needs Keys,
    headers_do_not_count_for_a_key needs Keys,
    a_key_is_known_and_its_outcome_read_after_it_was_acknowledged needs Keys,
    a_key_is_forgotten_when_retention_has_passed_after_the_outcome needs Keys,
    a_key_belongs_to_its_requester_name needs Keys,
    keys_are_bounded_per_channel needs Keys,
}

fn keyed(payload: &'static str) -> Submission {
    Submission { key: Some("letter-7"), ..request(payload) }
}

async fn accepted_is_a_different_thing_from_a_reply<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms::default()).await;
    let ticket = ticket(&party, request("draw")).await;
    assert_eq!(party.state(&ticket).await.unwrap().state, RequestState::Waiting);
    work(&party, Settle::Reply("drawn")).await;
    assert_eq!(party.outcome(REQUESTER, &ticket).await.unwrap().payload, "drawn");
}

async fn accepted_says_how_many_services_there_are<D: Driver>() {
    let (driver, party) = opened::<D>(Terms::default()).await;
    assert_eq!(accepted(&party, request("draw")).await.services, Some(0));
    let mut service = party.serve(CHANNEL, 1);
    let _held = service.next().await;
    driver.until(CHANNEL, |figures| figures.services == 1).await;
    let second = accepted(&party, request("draw")).await;
    assert_eq!(second.services, Some(1));
    assert_eq!(party.state(&second.ticket).await.unwrap().services, 1);
}

async fn the_same_request_id_is_one_request<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms::default()).await;
    let first = ticket(&party, request("draw")).await;
    let again = accepted(&party, Submission { under: Some(first.clone()), ..request("draw") }).await;
    assert_eq!((&again.ticket, again.duplicate), (&first, false));
    work(&party, Settle::Reply("drawn")).await;
    let after = accepted(&party, Submission { under: Some(first.clone()), ..request("draw") }).await;
    assert_eq!(party.outcome(REQUESTER, &after.ticket).await.unwrap().payload, "drawn");
    assert!(party.take(CHANNEL, 1, SHORT).await.is_empty(), "there is one");
}

async fn the_same_request_id_under_another_requester_is_invalid<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms::default()).await;
    let first = ticket(&party, request("draw")).await;
    let stolen = Submission { under: Some(first), requester: "other", ..request("draw") };
    assert_eq!(party.submit(stolen).await.unwrap_err().code, RefusalCode::Invalid);
}

async fn the_same_idempotency_key_gives_the_same_ticket_back<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms::default()).await;
    let first = accepted(&party, keyed("draw")).await;
    assert!(!first.duplicate);
    let second = accepted(&party, keyed("draw")).await;
    assert_eq!((&second.ticket, second.duplicate), (&first.ticket, true));
    work(&party, Settle::Reply("drawn")).await;
    let third = accepted(&party, keyed("draw")).await;
    assert_eq!((&third.ticket, third.duplicate), (&first.ticket, true));
    assert_eq!(party.outcome(REQUESTER, &third.ticket).await.unwrap().payload, "drawn");
    assert!(party.take(CHANNEL, 1, SHORT).await.is_empty(), "never a second request");
}

async fn the_same_key_with_another_operation_content_type_or_payload_is_refused<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms::default()).await;
    let first = ticket(&party, keyed("draw")).await;
    let others = [
        Submission { operation: "rest", ..keyed("draw") },
        Submission { content_type: "text/html", ..keyed("draw") },
        keyed("write"),
    ];
    for other in others {
        assert_eq!(party.submit(other).await.unwrap_err().code, RefusalCode::KeyConflict);
    }
    assert_eq!(accepted(&party, keyed("draw")).await.ticket, first);
}

async fn headers_do_not_count_for_a_key<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms::default()).await;
    let first = ticket(&party, Submission { header: Some(("trace", "1")), ..keyed("draw") }).await;
    let second = accepted(&party, Submission { header: Some(("trace", "2")), ..keyed("draw") }).await;
    assert_eq!((second.ticket, second.duplicate), (first, true));
}

async fn a_key_is_known_and_its_outcome_read_after_it_was_acknowledged<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms::default()).await;
    let first = ticket(&party, keyed("draw")).await;
    work(&party, Settle::Reply("drawn")).await;
    party.outcome(REQUESTER, &first).await.unwrap();
    party.acknowledge(REQUESTER, &first).await.unwrap();
    let second = accepted(&party, keyed("draw")).await;
    assert_eq!((&second.ticket, second.duplicate), (&first, true));
    assert_eq!(party.outcome(REQUESTER, &first).await.unwrap().payload, "drawn");
    assert_eq!(party.state(&first).await.unwrap().state, RequestState::Ended(OutcomeKind::Replied));
}

async fn a_key_is_forgotten_when_retention_has_passed_after_the_outcome<D: Driver>() {
    let (driver, party) = opened::<D>(Terms { retention: Some(SHORT), ..Terms::default() }).await;
    let first = ticket(&party, keyed("draw")).await;
    let taken = take(&party).await;
    let next = ticket(&party, request("keeps the channel")).await;
    taken.settle(Settle::Reply("drawn")).await.unwrap();
    driver.until(CHANNEL, |figures| figures.retained == 0).await;
    assert_eq!(party.state(&first).await.unwrap_err(), WaitError::UnknownTicket);
    let second = accepted(&party, keyed("draw")).await;
    assert!(!second.duplicate && second.ticket != first);
    assert_eq!(*take(&party).await.ticket(), next);
}

async fn a_key_belongs_to_its_requester_name<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms::default()).await;
    let first = ticket(&party, keyed("draw")).await;
    let other = accepted(&party, Submission { requester: "other", ..keyed("draw") }).await;
    assert!(!other.duplicate && other.ticket != first);
    assert_eq!(party.take(CHANNEL, 10, FOREVER).await.len(), 2);
}

async fn keys_are_bounded_per_channel<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms { max_keys: Some(1), ..Terms::default() }).await;
    ticket(&party, keyed("draw")).await;
    let refused = party.submit(Submission { key: Some("letter-8"), ..request("draw") }).await.unwrap_err();
    assert_eq!(refused.code, RefusalCode::ChannelFull);
    assert!(refused.message.contains("key"), "the limit is named: {}", refused.message);
    assert!(refused.retry_after_ms.is_none_or(|wait| wait <= Duration::from_secs(3600).as_millis() as u64));
    assert!(accepted(&party, keyed("draw")).await.duplicate, "a known one needs no room");
}
