//! Replying: an outcome is kept until it is acknowledged, and the requester gets it again until then.

use roundtrip::{AcknowledgeError, OpenMode, RepliesError, TicketId, WaitError};

use crate::Driver;
use crate::driver::{Mailbox as _, Party, Settle, Submission, Terms};
use crate::suite::{CHANNEL, REPLIES, REQUESTER, SHORT, every_driver, opened, request, ticket, work};

every_driver! {
    a_requester_that_comes_back_gets_every_unacknowledged_outcome_again,
    closing_a_connection_never_drops_an_outcome,
    each_requester_has_a_mailbox_of_its_own,
    a_reply_goes_to_the_reply_channel_that_was_asked_for,
    a_taken_mailbox_changes_its_holder,
    a_held_mailbox_is_not_opened_if_it_should_be_free,
    a_follower_is_sent_what_is_there_and_what_comes,
    an_outcome_is_forgotten_when_retention_has_passed,
    the_outcome_of_a_one_way_request_stays_under_its_ticket,
    an_outcome_is_acknowledged_by_ticket_too,
    nothing_is_acknowledged_before_there_is_an_outcome,
}

async fn answered(party: &impl Party, payload: &'static str) -> TicketId {
    let asked = ticket(party, request(payload)).await;
    work(party, Settle::Reply("drawn")).await;
    asked
}

async fn a_requester_that_comes_back_gets_every_unacknowledged_outcome_again<D: Driver>() {
    let (driver, party) = opened::<D>(Terms::default()).await;
    let asked = [answered(&party, "1").await, answered(&party, "2").await];
    for _ in 0..2 {
        let again = driver.party().await;
        let mut mailbox = again.open(REQUESTER, REPLIES, OpenMode::Take).await.unwrap();
        for ticket in &asked {
            let (told, outcome) = mailbox.next().await.unwrap();
            assert_eq!((&told, &outcome.payload[..]), (ticket, &b"drawn"[..]));
        }
        assert_eq!(mailbox.next_there().await, None);
    }
    party.acknowledge(REQUESTER, &asked[0]).await.unwrap();
    let again = driver.party().await;
    let mut mailbox = again.open(REQUESTER, REPLIES, OpenMode::Take).await.unwrap();
    assert_eq!(mailbox.next_there().await.as_ref(), Some(&asked[1]));
    assert_eq!(mailbox.next_there().await, None);
}

async fn closing_a_connection_never_drops_an_outcome<D: Driver>() {
    let (driver, party) = opened::<D>(Terms::default()).await;
    let far = driver.party().await;
    let asked = ticket(&far, request("draw")).await;
    let mailbox = far.open(REQUESTER, REPLIES, OpenMode::Take).await.unwrap();
    far.vanish();
    work(&party, Settle::Reply("drawn")).await;
    driver.until(CHANNEL, |figures| figures.retained == 1).await;
    far.come_back();
    let mut mailbox = mailbox;
    assert_eq!(mailbox.next().await.unwrap().0, asked);
}

async fn each_requester_has_a_mailbox_of_its_own<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms::default()).await;
    let mine = answered(&party, "draw").await;
    let theirs = ticket(&party, Submission { requester: "other", ..request("draw") }).await;
    work(&party, Settle::Reply("drawn")).await;
    for (requester, ticket) in [(REQUESTER, mine), ("other", theirs)] {
        let mut mailbox = party.open(requester, REPLIES, OpenMode::Take).await.unwrap();
        assert_eq!(mailbox.next_there().await, Some(ticket));
        assert_eq!(mailbox.next_there().await, None);
    }
}

async fn a_reply_goes_to_the_reply_channel_that_was_asked_for<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms::default()).await;
    let asked = ticket(&party, Submission { reply_channel: Some("elsewhere"), ..request("draw") }).await;
    work(&party, Settle::Reply("drawn")).await;
    assert_eq!(party.open(REQUESTER, REPLIES, OpenMode::Take).await.unwrap().next_there().await, None);
    assert_eq!(party.open(REQUESTER, "elsewhere", OpenMode::Take).await.unwrap().next_there().await, Some(asked));
}

async fn a_taken_mailbox_changes_its_holder<D: Driver>() {
    let (driver, party) = opened::<D>(Terms::default()).await;
    let asked = answered(&party, "draw").await;
    let mut former = party.open(REQUESTER, REPLIES, OpenMode::Take).await.unwrap();
    assert_eq!(former.next().await.unwrap().0, asked);
    let other = driver.party().await;
    let mut holder = other.open(REQUESTER, REPLIES, OpenMode::Take).await.unwrap();
    assert_eq!(former.next().await.unwrap_err(), RepliesError::Taken);
    assert_eq!(holder.next().await.unwrap().0, asked, "what the former did not acknowledge comes again");
}

async fn a_held_mailbox_is_not_opened_if_it_should_be_free<D: Driver>() {
    let (driver, party) = opened::<D>(Terms::default()).await;
    let _held = party.open(REQUESTER, REPLIES, OpenMode::Take).await.unwrap();
    let other = driver.party().await;
    let refused = other.open(REQUESTER, REPLIES, OpenMode::IfFree).await;
    assert_eq!(refused.err(), Some(RepliesError::Held));
    assert!(other.open("other", REPLIES, OpenMode::IfFree).await.is_ok());
}

async fn a_follower_is_sent_what_is_there_and_what_comes<D: Driver>() {
    let (driver, party) = opened::<D>(Terms::default()).await;
    let first = answered(&party, "1").await;
    let mut holder = party.open(REQUESTER, REPLIES, OpenMode::Take).await.unwrap();
    let other = driver.party().await;
    let mut follower = other.open(REQUESTER, REPLIES, OpenMode::Follow).await.unwrap();
    let second = answered(&party, "2").await;
    for ticket in [&first, &second] {
        assert_eq!(follower.next().await.unwrap().0, *ticket);
        assert_eq!(holder.next().await.unwrap().0, *ticket, "the holder is not disturbed");
    }
}

async fn an_outcome_is_forgotten_when_retention_has_passed<D: Driver>() {
    let (driver, party) = opened::<D>(Terms { retention: Some(SHORT), ..Terms::default() }).await;
    let asked = answered(&party, "draw").await;
    ticket(&party, request("keeps the channel")).await;
    driver.until(CHANNEL, |figures| figures.retained == 0).await;
    assert_eq!(party.outcome(REQUESTER, &asked).await, Err(WaitError::UnknownTicket));
}

async fn the_outcome_of_a_one_way_request_stays_under_its_ticket<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms::default()).await;
    let asked = ticket(&party, Submission { one_way: true, ..request("draw") }).await;
    work(&party, Settle::Reply("drawn")).await;
    assert_eq!(party.open(REQUESTER, REPLIES, OpenMode::Take).await.unwrap().next_there().await, None);
    assert_eq!(party.outcome("anybody", &asked).await.unwrap().payload, "drawn");
    party.acknowledge("anybody", &asked).await.unwrap();
    assert_eq!(party.outcome("anybody", &asked).await, Err(WaitError::UnknownTicket));
}

async fn an_outcome_is_acknowledged_by_ticket_too<D: Driver>() {
    let (driver, party) = opened::<D>(Terms::default()).await;
    let asked = answered(&party, "draw").await;
    let _holder = party.open(REQUESTER, REPLIES, OpenMode::Take).await.unwrap();
    let other = driver.party().await;
    assert_eq!(other.acknowledge("stranger", &asked).await, Err(AcknowledgeError::Forbidden));
    other.acknowledge(REQUESTER, &asked).await.unwrap();
    assert_eq!(party.state(&asked).await.unwrap_err(), WaitError::UnknownTicket);
}

async fn nothing_is_acknowledged_before_there_is_an_outcome<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms::default()).await;
    let asked = ticket(&party, request("draw")).await;
    assert_eq!(party.acknowledge(REQUESTER, &asked).await, Err(AcknowledgeError::NoOutcomeYet));
}
