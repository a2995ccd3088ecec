//! Bounds: memory, outboxes, and how both return to idle.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::time::Duration;

use bytes::Bytes;
use roundtrip_broker::{Broker, ChannelSettings};
use roundtrip_protocol::*;

use crate::wire::{Way, new_id, next, over_both, submission};

over_both! {
    async fn memory_returns_to_its_idle_level(way) {
        let place = way.start(Broker::builder()).await;
        let before = place.broker.memory_in_use();
        {
            let mut requester = place.requester("ward").await;
            assert_eq!(requester.open_mailbox(0, OpenMode::Take, 100).await, Opening::Opened);
            next!(requester, CaughtUp);
            let mut service = place.service(10).await;
            for round in 0..200 {
                let id = requester.submit(round, vec![1; 200 * round as usize]).await;
                next!(requester, Accepted);
                let (delivery, payload) = next!(service, Delivery);
                assert_eq!(service.reply(delivery.token, payload).await, Answer::Settled);
                next!(requester, Outcome);
                if round % 2 == 0 {
                    requester.send(Detach { ticket: TicketNumber(round) }).await;
                    next!(requester, Reply);
                    requester.send(Window { mailbox: MailboxNumber(0), more: 1 }).await;
                }
                assert_eq!(requester.acknowledge(id).await, Acknowledgement::Done);
            }
            assert!(place.broker.memory_in_use() > before);
        }
        place.until_connections(0).await;
        assert_eq!(place.broker.memory_in_use(), before);
        assert!(place.broker.channels().is_empty(), "undeclared channels are forgotten");
    }

    async fn submissions_are_refused_while_replies_still_have_room(way) {
        let builder = Broker::builder().memory(4_000_000).channel(ChannelSettings::new("orders").reply_room(1000));
        let place = way.start(builder).await;
        let mut requester = place.requester("ward").await;
        let mut service = place.service(100).await;
        let mut accepted = 0;
        let refusal = loop {
            requester.submit(accepted, vec![1; 400_000]).await;
            match requester.next().await.header {
                Header::Accepted(_) => accepted += 1,
                Header::Refused(refused) => break refused.refusal,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(refusal.code, RefusalCode::BrokerFull);
        assert!(refusal.retry_after_ms.is_some());
        assert!((5..8).contains(&accepted), "three quarters of the memory took {accepted}");
        let (delivery, _) = next!(service, Delivery);
        assert_eq!(service.reply(delivery.token, vec![2; 400_000]).await, Answer::Settled);
        let (outcome, payload) = next!(requester, Outcome);
        assert_eq!((outcome.ticket, payload.len()), (TicketNumber(0), 400_000));
        assert!(place.broker.memory_in_use() <= 4_000_000);
    }

    async fn a_reply_without_room_is_busy_and_the_delivery_goes_on(way) {
        let builder = Broker::builder().memory(1_000_000).channel(ChannelSettings::new("orders"));
        let place = way.start(builder).await;
        let mut requester = place.requester("ward").await;
        let mut service = place.service(1).await;
        requester.submit(1, "").await;
        next!(requester, Accepted);
        let (delivery, _) = next!(service, Delivery);
        let Answer::MailboxBusy { retry_after_ms } = service.reply(delivery.token, vec![0; 2_000_000]).await else {
            panic!("there is no such room");
        };
        assert!(retry_after_ms > 0);
        assert_eq!(service.reply(delivery.token, vec![0; 4000]).await, Answer::Settled);
        next!(requester, Outcome);
    }

    async fn a_connection_that_does_not_read_is_offered_no_more(way) {
        let place = way.start(Broker::builder().channel(ChannelSettings::new("orders"))).await;
        let mut requester = place.requester("ward").await;
        let mut lazy = place.service(500).await;
        for ticket in 0..60 {
            requester.submit(ticket, vec![1; 1024 * 1024]).await;
            next!(requester, Accepted);
        }
        // What the lazy one has not taken goes to whoever does.
        let mut busy = place.service(1).await;
        let (delivery, _) = next!(busy, Delivery);
        assert_eq!(busy.reply(delivery.token, "").await, Answer::Settled);
        // And the lazy one goes on when it reads.
        for _ in 0..3 {
            let (delivery, _) = next!(lazy, Delivery);
            assert_eq!(delivery.attempt, 1);
        }
    }

    async fn progress_that_is_not_read_keeps_only_the_latest(way) {
        let place = way.start(Broker::builder()).await;
        let mut requester = place.requester("ward").await;
        let mut service = place.service(1).await;
        requester.submit(1, "").await;
        next!(requester, Accepted);
        let (delivery, _) = next!(service, Delivery);
        for step in 1..=1000u16 {
            let progress = Progress { fraction: f32::from(step) / 1000.0, stage: "s".repeat(5000), note: String::new() };
            service.send(ProgressReport { channel: ChannelNumber(0), token: delivery.token, progress }).await;
        }
        service.reply(delivery.token, "").await;
        let mut updates = Vec::new();
        loop {
            match requester.next().await.header {
                Header::ProgressUpdate(update) => updates.push(update.progress),
                Header::Outcome(_) => break,
                other => panic!("{other:?}"),
            }
        }
        assert!(updates.is_sorted_by(|a, b| a.fraction < b.fraction));
        assert!(updates.iter().all(|progress| progress.stage.len() == 256), "too long a stage is cut");
        if way == Way::InProcess {
            assert!(updates.is_empty(), "an outcome makes waiting progress void");
        }
    }
}

#[tokio::test]
async fn in_process_a_sender_waits_while_its_outbox_is_over_the_mark() {
    let place = Way::InProcess.start(Broker::builder()).await;
    let mut requester = place.requester("ward").await;
    let mut service = place.service(1).await;
    requester.submit(1, "").await;
    next!(requester, Accepted);
    let (delivery, _) = next!(service, Delivery);
    service.reply(delivery.token, vec![1; 300 * 1024]).await;

    let mut frames = VecDeque::from([Frame::from(Ping { nonce: 1 })]);
    let mut polled = std::pin::pin!(poll_fn(|context| requester.connection.poll_send(context, &mut frames)));
    assert!(futures_now(polled.as_mut()).await.is_none(), "nothing of it is handled");
    next!(requester, Outcome);
    assert_eq!(frames.len(), 1);
    poll_fn(|context| requester.connection.poll_send(context, &mut frames)).await.unwrap();
    assert_eq!(next!(requester, Pong).0, Pong { nonce: 1 });
}

/// Polls once.
async fn futures_now<F: Future + Unpin>(mut future: F) -> Option<F::Output> {
    poll_fn(|context| {
        std::task::Poll::Ready(match std::pin::Pin::new(&mut future).poll(context) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

#[tokio::test]
async fn a_connection_that_reads_nothing_is_closed_and_what_it_held_is_not_lost() {
    let minute = Duration::from_secs(60);
    let place = Way::Tcp.start(Broker::builder().heartbeat(Duration::ZERO)).await;
    let mut requester = place.requester("ward").await;
    let lazy = place.service(500).await;
    for ticket in 0..20 {
        requester.submit(ticket, vec![1; 1024 * 1024]).await;
        next!(requester, Accepted);
    }
    place.until(|figures| figures.in_flight > 0).await;
    // Time runs only while nobody is ready: the connections over TCP are as they are when it jumps.
    tokio::time::pause();
    tokio::time::advance(minute).await;
    tokio::time::resume();
    place.until(|figures| figures.services == 0 && figures.in_flight == 0 && figures.waiting == 20).await;
    drop(lazy);
    requester.send(submission(100, new_id())).await;
    next!(requester, Accepted);
}

#[tokio::test]
async fn small_payloads_do_not_keep_the_buffer_that_they_were_cut_from() {
    let place = Way::InProcess.start(Broker::builder()).await;
    let mut requester = place.requester("ward").await;
    let buffer = Bytes::from(vec![3; 1024 * 1024]);
    let slice = buffer.slice(10..20);
    requester.submit(1, slice).await;
    next!(requester, Accepted);
    assert!(buffer.is_unique(), "the broker has a copy of ten bytes");
}

#[tokio::test]
async fn large_payloads_are_handed_over_as_they_are_in_process() {
    let place = Way::InProcess.start(Broker::builder()).await;
    let mut requester = place.requester("ward").await;
    let mut service = place.service(1).await;
    let payload = Bytes::from(vec![3; 1024 * 1024]);
    requester.submit(1, payload.clone()).await;
    next!(requester, Accepted);
    let (_, delivered) = next!(service, Delivery);
    assert_eq!(delivered.as_ptr(), payload.as_ptr());
}
