//! Dead letters: the request, whole, where people look for it.

use roundtrip::{DeadLetterError, DeadReason, OutcomeKind, RefusalCode, TicketId};

use crate::Driver;
use crate::driver::{Party, Settle, Submission, Taken, Terms};
use crate::suite::{CHANNEL, REQUESTER, every_driver, opened, request, take, ticket, work};

every_driver! {
    a_dead_request_moves_whole_to_the_dead_letters needs DeadLetters,
    a_redriven_letter_is_a_new_request needs DeadLetters,
    a_redriven_request_goes_to_the_end_of_the_queue needs DeadLetters,
    a_letter_without_room_to_redrive_stays needs DeadLetters,
    a_letter_is_redriven_once needs DeadLetters,
    a_purged_letter_is_gone needs DeadLetters,
    beyond_the_bound_the_oldest_letter_goes needs DeadLetters,
    the_outcome_of_a_dead_request_is_told_without_its_letter needs DeadLetters,
}

async fn died(party: &impl Party, payload: &'static str) -> TicketId {
    let asked = ticket(party, request(payload)).await;
    work(party, Settle::Reject("poison")).await;
    asked
}

async fn a_dead_request_moves_whole_to_the_dead_letters<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms::default()).await;
    let submission = Submission { header: Some(("trace", "1")), ..request("draw") };
    let asked = ticket(&party, submission).await;
    work(&party, Settle::Retry("busy", None)).await;
    work(&party, Settle::Reject("poison")).await;
    let letters = party.dead_letters(CHANNEL).await;
    assert_eq!(letters.len(), 1);
    let letter = &letters[0];
    assert_eq!((letter.id, letter.reason, letter.attempts), (asked.id, DeadReason::Rejected, 2));
    assert_eq!((letter.operation.as_str(), letter.requester.as_str()), ("work", REQUESTER));
    assert_eq!(letter.last.as_ref().unwrap().code, "poison");
    assert!(letter.accepted_ms_ago >= letter.died_ms_ago);
    let whole = party.read_dead_letter(CHANNEL, asked.id).await.unwrap();
    assert_eq!((&whole.payload[..], whole.content_type.as_str()), (&b"draw"[..], "text/plain"));
    assert_eq!(whole.headers.value("trace"), Some("1"));
}

async fn a_redriven_letter_is_a_new_request<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms::default()).await;
    let first = died(&party, "draw").await;
    let second = party.redrive(CHANNEL, first.id).await.unwrap();
    assert_ne!(second, first);
    assert!(party.dead_letters(CHANNEL).await.is_empty());
    assert_eq!(party.state(&second).await.unwrap().redrive_of, Some(first.id));
    let taken = take(&party).await;
    assert_eq!((taken.ticket(), taken.attempt(), taken.redrive_of()), (&second, 1, Some(first.id)));
    assert_eq!(*taken.payload(), "draw");
    taken.settle(Settle::Reply("drawn")).await.unwrap();
    assert_eq!(party.outcome(REQUESTER, &second).await.unwrap().payload, "drawn");
    assert_eq!(party.outcome(REQUESTER, &first).await.unwrap().kind(), OutcomeKind::Dead, "it had its outcome");
    party.acknowledge(REQUESTER, &second).await.unwrap();
}

async fn a_redriven_request_goes_to_the_end_of_the_queue<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms::default()).await;
    let dead = died(&party, "draw").await;
    let waiting = ticket(&party, request("waits")).await;
    let redriven = party.redrive(CHANNEL, dead.id).await.unwrap();
    let (first, second) = (take(&party).await, take(&party).await);
    assert_eq!((first.ticket(), second.ticket()), (&waiting, &redriven));
}

async fn a_letter_without_room_to_redrive_stays<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms { capacity: Some(1), ..Terms::default() }).await;
    let dead = died(&party, "draw").await;
    ticket(&party, request("fills the channel")).await;
    let refused = party.redrive(CHANNEL, dead.id).await;
    let Err(DeadLetterError::Refused(refusal)) = refused else { panic!("{refused:?}") };
    assert_eq!(refusal.code, RefusalCode::ChannelFull);
    assert_eq!(party.dead_letters(CHANNEL).await.len(), 1);
    work(&party, Settle::Reply("done")).await;
    party.redrive(CHANNEL, dead.id).await.unwrap();
}

async fn a_letter_is_redriven_once<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms::default()).await;
    let dead = died(&party, "draw").await;
    party.redrive(CHANNEL, dead.id).await.unwrap();
    assert_eq!(party.redrive(CHANNEL, dead.id).await, Err(DeadLetterError::UnknownLetter));
}

async fn a_purged_letter_is_gone<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms::default()).await;
    let dead = died(&party, "draw").await;
    party.purge(CHANNEL, dead.id).await.unwrap();
    assert!(party.dead_letters(CHANNEL).await.is_empty());
    assert_eq!(party.purge(CHANNEL, dead.id).await, Err(DeadLetterError::UnknownLetter));
    assert_eq!(party.outcome(REQUESTER, &dead).await.unwrap().kind(), OutcomeKind::Dead);
}

async fn beyond_the_bound_the_oldest_letter_goes<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms { max_dead_letters: Some(2), ..Terms::default() }).await;
    let _oldest = died(&party, "1").await;
    let kept = [died(&party, "2").await.id, died(&party, "3").await.id];
    let letters: Vec<_> = party.dead_letters(CHANNEL).await.iter().map(|letter| letter.id).collect();
    assert_eq!(letters, kept);
}

async fn the_outcome_of_a_dead_request_is_told_without_its_letter<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms { max_dead_letters: Some(0), ..Terms::default() }).await;
    let dead = died(&party, "draw").await;
    assert!(party.dead_letters(CHANNEL).await.is_empty());
    assert_eq!(party.outcome(REQUESTER, &dead).await.unwrap().kind(), OutcomeKind::Dead);
}
