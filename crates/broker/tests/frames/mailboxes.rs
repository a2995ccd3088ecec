//! Mailboxes: holders, followers, windows, and requesters that come back or do not.

use std::time::Duration;

use roundtrip_broker::Broker;
use roundtrip_protocol::*;

use crate::wire::{Place, Way, Wire, next, over_both};

/// Answers what is waiting, in order, and lets go.
async fn answer(place: &Place, payloads: &[&'static str]) {
    let mut service = place.service(1).await;
    for payload in payloads {
        let (delivery, _) = next!(service, Delivery);
        assert_eq!(service.reply(delivery.token, *payload).await, Answer::Settled);
    }
    service.send(Close {}).await;
    next!(service, Close);
}

/// A requester that submitted so many requests and is gone.
async fn submitted_and_gone(place: &Place, name: &str, count: u32) -> Vec<RequestId> {
    let mut requester = place.requester(name).await;
    let mut ids = Vec::new();
    for ticket in 0..count {
        ids.push(requester.submit(ticket, "").await);
        next!(requester, Accepted);
    }
    ids
}

async fn reader(place: &Place, name: &str, mode: OpenMode, window: u32) -> Wire {
    let mut wire = place.requester(name).await;
    assert_eq!(wire.open_mailbox(0, mode, window).await, Opening::Opened);
    wire
}

over_both! {
    async fn a_requester_that_comes_back_finds_its_replies(way) {
        let place = way.start(Broker::builder()).await;
        let ids = submitted_and_gone(&place, "ward", 2).await;
        answer(&place, &["a", "b"]).await;

        let mut back = reader(&place, "ward", OpenMode::Take, 10).await;
        let (first, payload) = next!(back, Reply);
        assert_eq!((first.id, payload.as_ref(), first.mailbox), (ids[0], &b"a"[..], MailboxNumber(0)));
        let (second, _) = next!(back, Reply);
        assert_eq!(second.id, ids[1]);
        next!(back, CaughtUp);
        assert_eq!(back.acknowledge(ids[0]).await, Acknowledgement::Done);
        drop(back);

        let mut later = reader(&place, "ward", OpenMode::Take, 10).await;
        let (only, _) = next!(later, Reply);
        assert_eq!(only.id, ids[1]);
        next!(later, CaughtUp);
        later.nothing_more().await;
    }

    async fn a_reader_is_sent_no_more_than_its_window(way) {
        let place = way.start(Broker::builder()).await;
        submitted_and_gone(&place, "ward", 3).await;
        answer(&place, &["a", "b", "c"]).await;
        let mut back = reader(&place, "ward", OpenMode::Take, 0).await;
        back.nothing_more().await;
        back.send(Window { mailbox: MailboxNumber(0), more: 2 }).await;
        next!(back, Reply);
        next!(back, Reply);
        back.nothing_more().await;
        back.send(Window { mailbox: MailboxNumber(0), more: 2 }).await;
        next!(back, Reply);
        next!(back, CaughtUp);
    }

    async fn a_second_holder_takes_the_mailbox_and_the_first_is_told(way) {
        let place = way.start(Broker::builder()).await;
        let mut first = reader(&place, "ward", OpenMode::Take, 10).await;
        next!(first, CaughtUp);

        let mut polite = place.requester("ward").await;
        assert_eq!(polite.open_mailbox(0, OpenMode::IfFree, 10).await, Opening::Held);

        let mut second = reader(&place, "ward", OpenMode::Take, 10).await;
        next!(second, CaughtUp);
        let (closed, _) = next!(first, MailboxClosed);
        assert_eq!(closed, MailboxClosed { mailbox: MailboxNumber(0), reason: MailboxEnd::Taken });
        first.send(Window { mailbox: MailboxNumber(0), more: 2 }).await;
        first.send(CloseMailbox { mailbox: MailboxNumber(0) }).await;
        first.nothing_more().await;

        second.send(CloseMailbox { mailbox: MailboxNumber(0) }).await;
        let (closed, _) = next!(second, MailboxClosed);
        assert_eq!(closed.reason, MailboxEnd::Closed);
        assert_eq!(polite.open_mailbox(0, OpenMode::IfFree, 10).await, Opening::Opened);
        assert_eq!(first.open_mailbox(0, OpenMode::Take, 10).await, Opening::Opened);
    }

    async fn a_follower_disturbs_no_holder(way) {
        let place = way.start(Broker::builder()).await;
        submitted_and_gone(&place, "ward", 1).await;
        let mut holder = reader(&place, "ward", OpenMode::Take, 10).await;
        let mut follower = reader(&place, "ward", OpenMode::Follow, 10).await;
        next!(holder, CaughtUp);
        next!(follower, CaughtUp);
        answer(&place, &["news"]).await;
        let (to_holder, _) = next!(holder, Reply);
        let (to_follower, _) = next!(follower, Reply);
        assert_eq!(to_holder.id, to_follower.id);
        holder.nothing_more().await;
        follower.nothing_more().await;
    }

    async fn an_outcome_that_the_connection_follows_does_not_come_as_a_reply_too(way) {
        let place = way.start(Broker::builder()).await;
        let mut requester = reader(&place, "ward", OpenMode::Take, 10).await;
        next!(requester, CaughtUp);
        let id = requester.submit(1, "").await;
        next!(requester, Accepted);
        answer(&place, &["once"]).await;
        next!(requester, Outcome);
        requester.nothing_more().await;

        // The ticket is dropped unacknowledged: now it is the mailbox's to tell.
        requester.send(Detach { ticket: TicketNumber(1) }).await;
        let (reply, payload) = next!(requester, Reply);
        assert_eq!((reply.id, payload.as_ref()), (id, &b"once"[..]));
        assert_eq!(requester.acknowledge(id).await, Acknowledgement::Done);
        requester.nothing_more().await;
    }

    async fn at_goodbye_an_unnamed_requesters_mailbox_ends(way) {
        let place = way.start(Broker::builder()).await;
        let mut requester = place.connect().await;
        requester.bind(0, "orders").await;
        requester.introduce(0, "tmp-1", true).await;
        assert_eq!(requester.open_mailbox(0, OpenMode::Take, 10).await, Opening::Opened);
        next!(requester, CaughtUp);
        let id = requester.submit(1, "").await;
        next!(requester, Accepted);
        requester.send(Goodbye { requester: RequesterNumber(0) }).await;
        let (closed, _) = next!(requester, MailboxClosed);
        assert_eq!(closed.reason, MailboxEnd::Ended);

        // Its outcomes stay under their tickets.
        answer(&place, &["still there"]).await;
        let (_, payload) = next!(requester, Outcome);
        assert_eq!(payload, "still there");
        let mut stranger = reader(&place, "tmp-1", OpenMode::Take, 10).await;
        next!(stranger, CaughtUp);
        stranger.send(Attach { ticket: TicketNumber(1), channel: ChannelNumber(0), id }).await;
        next!(stranger, State);
        next!(stranger, Outcome);
    }

    async fn at_goodbye_a_named_requesters_mailbox_closes_and_stays(way) {
        let place = way.start(Broker::builder()).await;
        submitted_and_gone(&place, "ward", 1).await;
        answer(&place, &["kept"]).await;
        let mut requester = reader(&place, "ward", OpenMode::Take, 0).await;
        requester.send(Goodbye { requester: RequesterNumber(0) }).await;
        let (closed, _) = next!(requester, MailboxClosed);
        assert_eq!(closed.reason, MailboxEnd::Closed);
        requester.introduce(0, "ward", false).await;
        assert_eq!(requester.open_mailbox(0, OpenMode::IfFree, 1).await, Opening::Opened);
        next!(requester, Reply);
    }
}

async fn unnamed_and_cut(place: &Place) -> RequestId {
    let mut requester = place.connect().await;
    requester.bind(0, "orders").await;
    requester.introduce(0, "tmp-1", true).await;
    let id = requester.submit(1, "").await;
    next!(requester, Accepted);
    drop(requester);
    answer(place, &["for nobody"]).await;
    id
}

#[tokio::test(start_paused = true)]
async fn a_minute_after_its_last_connection_broke_an_unnamed_requesters_mailbox_ends() {
    let place = Way::InProcess.start(Broker::builder()).await;
    let id = unnamed_and_cut(&place).await;
    tokio::time::sleep(Duration::from_secs(61)).await;

    let mut late = place.connect().await;
    late.bind(0, "orders").await;
    late.introduce(0, "tmp-1", true).await;
    assert_eq!(late.open_mailbox(0, OpenMode::Take, 10).await, Opening::Opened);
    next!(late, CaughtUp);
    late.nothing_more().await;
    late.send(Attach { ticket: TicketNumber(1), channel: ChannelNumber(0), id }).await;
    next!(late, State);
    let (_, payload) = next!(late, Outcome);
    assert_eq!(payload, "for nobody");
}

#[tokio::test(start_paused = true)]
async fn an_unnamed_requester_that_comes_back_within_a_minute_finds_its_replies() {
    let place = Way::InProcess.start(Broker::builder()).await;
    let id = unnamed_and_cut(&place).await;
    tokio::time::sleep(Duration::from_secs(50)).await;
    let mut back = place.connect().await;
    back.bind(0, "orders").await;
    back.introduce(0, "tmp-1", true).await;
    tokio::time::sleep(Duration::from_secs(50)).await;
    assert_eq!(back.open_mailbox(0, OpenMode::IfFree, 10).await, Opening::Opened);
    let (reply, _) = next!(back, Reply);
    assert_eq!(reply.id, id);
}

#[tokio::test(start_paused = true)]
async fn an_outcome_that_nobody_acknowledges_goes_when_its_retention_has_passed() {
    let place = Way::InProcess.start(Broker::builder()).await;
    let id = submitted_and_gone(&place, "ward", 1).await[0];
    answer(&place, &["old"]).await;
    // The channel was made on first use, and is forgotten with the last thing in it.
    place.broker.until(|channels| channels.iter().all(|figures| figures.retained == 0)).await;
    let mut back = reader(&place, "ward", OpenMode::Take, 10).await;
    next!(back, CaughtUp);
    back.send(Attach { ticket: TicketNumber(1), channel: ChannelNumber(0), id }).await;
    let (refused, _) = next!(back, Refused);
    assert_eq!(refused.refusal.code, RefusalCode::UnknownTicket);
}
