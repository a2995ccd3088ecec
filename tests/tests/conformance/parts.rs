//! Parts: interim results, in order and none lost.

use roundtrip::PartError;

use crate::Driver;
use crate::driver::{Part, PartEvent, PartsReader as _, Party, Settle, Submission, Taken, Terms};
use crate::suite::{REQUESTER, every_driver, opened, request, take, ticket};

every_driver! {
    parts_come_in_order_and_before_the_outcome needs Parts,
    parts_are_read_again_after_the_last_that_was_handled needs Parts,
    anyone_attached_reads_parts_and_takes_none_away needs Parts,
    a_new_delivery_starts_again_and_says_so needs Parts,
    beyond_their_room_a_part_waits_and_try_part_is_told needs Parts,
    a_part_larger_than_the_room_is_too_large needs Parts,
    where_there_is_no_mailbox_the_oldest_parts_go needs Parts,
    parts_are_kept_after_the_outcome needs Parts,
    parts_go_with_the_acknowledged_outcome needs Parts,
}

fn part(event: Option<PartEvent>) -> Part {
    match event {
        Some(PartEvent::Part(part)) => part,
        other => panic!("a part was to come, not {other:?}"),
    }
}

async fn parts_come_in_order_and_before_the_outcome<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms::default()).await;
    let asked = ticket(&party, request("draw")).await;
    let taken = take(&party).await;
    for (number, line) in (1..).zip(["one", "two", "three"]) {
        assert_eq!(taken.part(line).await, Ok(number));
    }
    taken.settle(Settle::Reply("drawn")).await.unwrap();
    let mut parts = party.parts(REQUESTER, &asked, (0, 0));
    for (number, line) in (1..).zip(["one", "two", "three"]) {
        let part = part(parts.next().await);
        assert_eq!((part.delivery, part.number, &part.payload[..]), (1, number, line.as_bytes()));
    }
    assert_eq!(parts.next().await, None);
    assert_eq!(party.outcome(REQUESTER, &asked).await.unwrap().payload, "drawn");
}

async fn parts_are_read_again_after_the_last_that_was_handled<D: Driver>() {
    let (driver, party) = opened::<D>(Terms::default()).await;
    let asked = ticket(&party, request("draw")).await;
    let taken = take(&party).await;
    for line in ["one", "two", "three"] {
        taken.part(line).await.unwrap();
    }
    let again = driver.party().await;
    let mut parts = again.parts("stranger", &asked, (1, 2));
    assert_eq!(part(parts.next().await).payload, "three");
    taken.part("four").await.unwrap();
    assert_eq!(part(parts.next().await).number, 4);
}

async fn anyone_attached_reads_parts_and_takes_none_away<D: Driver>() {
    let (driver, party) = opened::<D>(Terms::default()).await;
    let asked = ticket(&party, request("draw")).await;
    let taken = take(&party).await;
    taken.part("one").await.unwrap();
    taken.part("two").await.unwrap();
    let stranger = driver.party().await;
    for _ in 0..2 {
        let mut parts = stranger.parts("stranger", &asked, (0, 0));
        assert_eq!(part(parts.next().await).payload, "one");
        assert_eq!(part(parts.next().await).payload, "two");
    }
}

async fn a_new_delivery_starts_again_and_says_so<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms::default()).await;
    let asked = ticket(&party, request("draw")).await;
    let mut parts = party.parts(REQUESTER, &asked, (0, 0));
    let first = take(&party).await;
    first.part("one").await.unwrap();
    assert_eq!(part(parts.next().await).payload, "one");
    first.settle(Settle::Retry("busy", None)).await.unwrap();
    let second = take(&party).await;
    assert_eq!(second.part("uno").await, Ok(1));
    assert_eq!(parts.next().await, Some(PartEvent::Restarted { delivery: 2 }));
    let again = part(parts.next().await);
    assert_eq!((again.delivery, again.number, &again.payload[..]), (2, 1, &b"uno"[..]));
    second.settle(Settle::Reply("drawn")).await.unwrap();
    assert_eq!(parts.next().await, None);
}

/// Room for one of the parts below, with its labels, and not for two.
const ROOM: usize = 60;
const LINE: &str = "forty characters of a line that is a part";

async fn beyond_their_room_a_part_waits_and_try_part_is_told<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms { parts_room: Some(ROOM), ..Terms::default() }).await;
    let asked = ticket(&party, request("draw")).await;
    let taken = take(&party).await;
    assert_eq!(taken.part(LINE).await, Ok(1));
    assert_eq!(taken.try_part(LINE).await, Err(PartError::Full));
    let reads = async {
        let mut parts = party.parts(REQUESTER, &asked, (0, 0));
        assert_eq!(part(parts.next().await).number, 1);
        assert_eq!(part(parts.next().await).number, 2, "asking for it says that the first was handled");
    };
    let (added, ()) = tokio::join!(taken.part(LINE), reads);
    assert_eq!(added, Ok(2));
}

async fn a_part_larger_than_the_room_is_too_large<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms { parts_room: Some(10), ..Terms::default() }).await;
    ticket(&party, request("draw")).await;
    let taken = take(&party).await;
    assert_eq!(taken.part(LINE).await, Err(PartError::TooLarge { limit: 10 }));
    taken.settle(Settle::Reply("drawn")).await.unwrap();
}

async fn where_there_is_no_mailbox_the_oldest_parts_go<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms { parts_room: Some(ROOM), ..Terms::default() }).await;
    let asked = ticket(&party, Submission { one_way: true, ..request("draw") }).await;
    let taken = take(&party).await;
    for number in 1..=3 {
        assert_eq!(taken.part(LINE).await, Ok(number));
    }
    let mut parts = party.parts("anybody", &asked, (1, 1));
    assert_eq!(parts.next().await, Some(PartEvent::Gone { first: 3 }));
    assert_eq!(part(parts.next().await).number, 3);
}

async fn parts_are_kept_after_the_outcome<D: Driver>() {
    let (driver, party) = opened::<D>(Terms::default()).await;
    let asked = ticket(&party, request("draw")).await;
    let taken = take(&party).await;
    taken.part("one").await.unwrap();
    taken.settle(Settle::Fail("no_paper", "")).await.unwrap();
    party.outcome(REQUESTER, &asked).await.unwrap();
    let again = driver.party().await;
    let mut parts = again.parts(REQUESTER, &asked, (0, 0));
    assert_eq!(part(parts.next().await).payload, "one");
    assert_eq!(parts.next().await, None);
}

async fn parts_go_with_the_acknowledged_outcome<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms::default()).await;
    let asked = ticket(&party, request("draw")).await;
    let taken = take(&party).await;
    taken.part("one").await.unwrap();
    taken.settle(Settle::Reply("drawn")).await.unwrap();
    party.outcome(REQUESTER, &asked).await.unwrap();
    party.acknowledge(REQUESTER, &asked).await.unwrap();
    assert_eq!(party.parts(REQUESTER, &asked, (0, 0)).next().await, None);
}
