//! The mailbox: what is in it stays until it is acknowledged, and who reads it.

use std::collections::BTreeSet;

use roundtrip::{Replies, Reply, Requester, TicketId};

use crate::stage::{Double, Stage, Way, both_ways, doubled};

both_ways! {
    a_requester_that_comes_back_gets_what_it_has_not_acknowledged,
    a_reply_goes_to_another_reply_channel_if_asked,
    what_a_live_ticket_waits_for_is_not_in_the_replies,
    a_window_of_one_gives_every_reply,
    replies_come_while_they_are_awaited,
}

async fn a_requester_that_comes_back_gets_what_it_has_not_acknowledged(way: Way) {
    let stage = Stage::open(way).await;
    let service = stage.client().await;
    let _service = service.service(doubled).spawn();

    let first = stage.client().await;
    let mut asked = submit_and_drop(&first.requester("letters"), 0..5).await;
    let handled = first.requester("letters").submit(Double::of(21)).await.unwrap();
    assert_eq!(handled.await, Ok(42));
    first.close().await;
    stage.until("double_request", |figures| figures.retained == 5).await;

    let second = stage.client().await;
    let mut replies = second.requester("letters").replies(Double::REPLIES).await.unwrap();
    let there = all_there(&mut replies).await;
    assert_eq!(tickets(&there), asked);
    for reply in &there[..2] {
        reply.acknowledge().await.unwrap();
        asked.remove(&reply.ticket);
    }
    second.close().await;

    let third = stage.client().await;
    let mut replies = third.requester("letters").replies(Double::REPLIES).await.unwrap();
    let there = all_there(&mut replies).await;
    assert_eq!(tickets(&there), asked, "what was acknowledged does not come back, all else does");
    for reply in there {
        reply.acknowledge().await.unwrap();
    }
    stage.until_nothing_is_kept().await;
}

async fn a_reply_goes_to_another_reply_channel_if_asked(way: Way) {
    let stage = Stage::open(way).await;
    let client = stage.client().await;
    let _service = client.service(doubled).spawn();
    let requester = client.requester("test");
    let id = requester.submit(Double::of(21)).reply_channel("elsewhere").await.unwrap().id().clone();
    stage.until("double_request", |figures| figures.retained == 1).await;

    let mut usual = requester.replies(Double::REPLIES).await.unwrap();
    assert!(all_there(&mut usual).await.is_empty());
    let mut elsewhere = requester.replies("elsewhere").await.unwrap();
    let there = all_there(&mut elsewhere).await;
    assert_eq!(there.iter().map(|reply| &reply.ticket).collect::<Vec<_>>(), [&id]);
    assert_eq!(there[0].operation, "double");
    assert_eq!(there[0].outcome.clone().decode::<Double>(), Ok(42));
}

async fn what_a_live_ticket_waits_for_is_not_in_the_replies(way: Way) {
    let stage = Stage::open(way).await;
    let client = stage.client().await;
    let _service = client.service(doubled).spawn();
    let requester = client.requester("test");
    let mut replies = requester.replies(Double::REPLIES).await.unwrap();

    let live = requester.submit(Double::of(1)).await.unwrap();
    let dropped = requester.submit(Double::of(2)).await.unwrap().id().clone();
    assert_eq!(live.outcome().await, Ok(2));
    let reply = replies.next().await.unwrap().unwrap();
    assert_eq!(reply.ticket, dropped);
    reply.acknowledge().await.unwrap();

    let id = live.id().clone();
    drop(live);
    let reply = replies.next().await.unwrap().unwrap();
    assert_eq!(reply.ticket, id, "once its ticket is gone, an unacknowledged outcome comes through the mailbox");
}

async fn a_window_of_one_gives_every_reply(way: Way) {
    let stage = Stage::open(way).await;
    let client = stage.client().await;
    let _service = client.service(doubled).spawn();
    let asked = submit_and_drop(&client.requester("letters"), 0..20).await;
    stage.until("double_request", |figures| figures.retained == 20).await;
    let mut replies = client.requester("letters").replies(Double::REPLIES).window(1).await.unwrap();
    assert_eq!(tickets(&all_there(&mut replies).await), asked);
}

async fn replies_come_while_they_are_awaited(way: Way) {
    let stage = Stage::open(way).await;
    let reader = stage.client().await;
    let mut replies = reader.requester("letters").replies(Double::REPLIES).await.unwrap();
    assert!(replies.next_there().await.is_none());

    let writer = stage.client().await;
    let asked = submit_and_drop(&writer.requester("letters"), 0..3).await;
    let _service = writer.service(doubled).spawn();
    let came = some(&mut replies, 3).await;
    assert_eq!(tickets(&came), asked);
    reader.close().await;
    assert!(replies.next().await.is_none(), "it ends with its client");
}

async fn submit_and_drop(requester: &Requester, numbers: std::ops::Range<u64>) -> BTreeSet<TicketId> {
    let mut asked = BTreeSet::new();
    for number in numbers {
        asked.insert(requester.submit(Double::of(number)).await.unwrap().id().clone());
    }
    asked
}

async fn all_there(replies: &mut Replies) -> Vec<Reply> {
    let mut there = Vec::new();
    while let Some(reply) = replies.next_there().await {
        there.push(reply.unwrap());
    }
    there
}

async fn some(replies: &mut Replies, count: usize) -> Vec<Reply> {
    let mut came = Vec::new();
    while came.len() < count {
        came.push(replies.next().await.unwrap().unwrap());
    }
    came
}

/// The tickets, each of which must be there once.
fn tickets(replies: &[Reply]) -> BTreeSet<TicketId> {
    let tickets: BTreeSet<_> = replies.iter().map(|reply| reply.ticket.clone()).collect();
    assert_eq!(tickets.len(), replies.len(), "each ticket comes once");
    tickets
}
