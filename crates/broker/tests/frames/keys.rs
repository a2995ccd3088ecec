//! Idempotency keys: the same key is the same request.

use std::time::Duration;

use roundtrip_broker::{Broker, ChannelSettings};
use roundtrip_protocol::*;

use crate::wire::{Place, Way, Wire, channel, new_id, next, over_both, submission};

fn keyed(ticket: u32, id: RequestId, key: &str) -> Submit {
    Submit { key: Some(key.to_owned()), ..submission(ticket, id) }
}

/// Submits under a key, and tells which request came first under it.
async fn submit(requester: &mut Wire, ticket: u32, key: &str) -> (RequestId, Option<Duplicate>) {
    let id = new_id();
    requester.send_with(keyed(ticket, id, key), "soup").await;
    let (accepted, _) = next!(requester, Accepted);
    assert_eq!(accepted.ticket, TicketNumber(ticket));
    (id, accepted.duplicate)
}

async fn unnamed(place: &Place, name: &str) -> Wire {
    let mut wire = place.connect().await;
    wire.bind(0, "orders").await;
    wire.introduce(0, name, true).await;
    wire
}

over_both! {
    async fn the_same_key_gives_the_first_ticket_back(way) {
        let place = way.start(Broker::builder()).await;
        let mut requester = place.requester("ward").await;
        let mut service = place.service(5).await;
        let (first, none) = submit(&mut requester, 1, "order 7").await;
        assert_eq!(none, None);
        let (_, duplicate) = submit(&mut requester, 2, "order 7").await;
        let duplicate = duplicate.unwrap();
        assert_eq!((duplicate.id, duplicate.requester.as_str()), (first, "ward"));
        assert_eq!(duplicate.reply_channel, Some(channel("orders_reply")));

        let (delivery, _) = next!(service, Delivery);
        service.nothing_more().await;
        service.reply(delivery.token, "hot").await;
        for ticket in 1..=2 {
            let (outcome, payload) = next!(requester, Outcome);
            assert_eq!((outcome.ticket, payload.as_ref()), (TicketNumber(ticket), &b"hot"[..]));
        }
    }

    async fn the_number_of_a_repetition_stands_for_the_first_request(way) {
        let place = way.start(Broker::builder()).await;
        let mut requester = place.requester("ward").await;
        let mut service = place.service(5).await;
        submit(&mut requester, 1, "order 7").await;
        submit(&mut requester, 2, "order 7").await;
        submit(&mut requester, 3, "order 7").await;
        requester.send(Detach { ticket: TicketNumber(2) }).await;
        requester.send(FollowParts { ticket: TicketNumber(3), delivery: 0, after: 0, window: 9 }).await;
        next!(requester, PartsFrom);
        let (delivery, _) = next!(service, Delivery);
        service.add_part(delivery.token, 1, "a spoon").await;
        let (part, _) = next!(requester, Part);
        assert_eq!(part.ticket, TicketNumber(3));
        service.reply(delivery.token, "").await;
        for ticket in [1, 3] {
            assert_eq!(next!(requester, Outcome).0.ticket, TicketNumber(ticket));
        }
        requester.nothing_more().await;
    }

    async fn a_repetition_takes_no_place_in_the_mailbox(way) {
        let place = way.start(Broker::builder().mailbox_capacity(2)).await;
        let mut requester = place.requester("ward").await;
        submit(&mut requester, 1, "order 7").await;
        for ticket in 2..5 {
            let (_, duplicate) = submit(&mut requester, ticket, "order 7").await;
            assert!(duplicate.is_some());
        }
        let (_, duplicate) = submit(&mut requester, 5, "order 8").await;
        assert_eq!(duplicate, None);
        assert_eq!(requester.refused(submission(6, new_id()), "").await.code, RefusalCode::MailboxFull);
    }

    async fn the_same_key_for_something_else_is_refused(way) {
        let place = way.start(Broker::builder()).await;
        let mut requester = place.requester("ward").await;
        submit(&mut requester, 1, "order 7").await;
        let again = || keyed(2, new_id(), "order 7");
        let pdf = Label { content_type: "application/pdf".into(), ..Label::default() };
        for (submit, payload) in [
            (again(), "salad"),
            (Submit { operation: "bake".into(), ..again() }, "soup"),
            (Submit { label: pdf, ..again() }, "soup"),
        ] {
            let refusal = requester.refused(submit, payload).await;
            assert_eq!((refusal.code, refusal.retry_after_ms), (RefusalCode::KeyConflict, None));
        }
        let traced = Headers(vec![("traceparent".to_owned(), "another".to_owned())]);
        let label = Label { headers: traced, ..submission(0, new_id()).label };
        requester.send_with(Submit { label, ..again() }, "soup").await;
        assert!(next!(requester, Accepted).0.duplicate.is_some(), "headers do not count");
    }

    async fn a_key_belongs_to_a_given_name_or_to_all_that_have_none(way) {
        let place = way.start(Broker::builder()).await;
        let (mut ward, mut other) = (place.requester("ward").await, place.requester("other").await);
        assert_eq!(submit(&mut ward, 1, "order 7").await.1, None);
        assert_eq!(submit(&mut other, 1, "order 7").await.1, None);
        let (mut first, mut second) = (unnamed(&place, "tmp-1").await, unnamed(&place, "tmp-2").await);
        let (id, duplicate) = submit(&mut first, 1, "order 7").await;
        assert_eq!(duplicate, None);
        let (_, duplicate) = submit(&mut second, 1, "order 7").await;
        let duplicate = duplicate.unwrap();
        assert_eq!((duplicate.id, duplicate.requester.as_str()), (id, "tmp-1"));
    }

    async fn a_key_is_known_and_its_outcome_read_after_the_acknowledgement_too(way) {
        let place = way.start(Broker::builder().mailbox_capacity(1)).await;
        let mut requester = place.requester("ward").await;
        let mut service = place.service(5).await;
        let (id, _) = submit(&mut requester, 1, "order 7").await;
        let (delivery, _) = next!(service, Delivery);
        service.reply(delivery.token, "hot").await;
        next!(requester, Outcome);
        for _ in 0..2 {
            assert_eq!(requester.acknowledge(id).await, Acknowledgement::Done);
        }
        let (_, duplicate) = submit(&mut requester, 2, "order 7").await;
        assert_eq!(duplicate.unwrap().id, id);
        let (outcome, payload) = next!(requester, Outcome);
        assert_eq!((outcome.ticket, payload.as_ref()), (TicketNumber(2), &b"hot"[..]));

        requester.submit(3, "").await;
        next!(requester, Accepted);
        drop(requester);
        let mut back = place.requester("ward").await;
        assert_eq!(back.open_mailbox(0, OpenMode::Take, 10).await, Opening::Opened);
        next!(back, CaughtUp);
        back.nothing_more().await;
    }

    async fn keys_are_bounded(way) {
        let place = way.start(Broker::builder().channel(ChannelSettings::new("orders").max_keys(1))).await;
        let mut requester = place.requester("ward").await;
        submit(&mut requester, 1, "order 7").await;
        let refusal = requester.refused(keyed(2, new_id(), "order 8"), "soup").await;
        assert_eq!(refusal.code, RefusalCode::ChannelFull);
        assert!(refusal.message.contains("max_keys") && refusal.retry_after_ms.is_some(), "{}", refusal.message);
        assert!(submit(&mut requester, 2, "order 7").await.1.is_some());
        requester.submit(3, "without one").await;
        next!(requester, Accepted);
    }
}

#[tokio::test(start_paused = true)]
async fn when_its_retention_has_passed_a_key_is_new_again() {
    let settings = ChannelSettings::new("orders").retention(Duration::from_secs(10));
    let place = Way::InProcess.start(Broker::builder().channel(settings)).await;
    let mut requester = place.requester("ward").await;
    let mut service = place.service(5).await;
    submit(&mut requester, 1, "order 7").await;
    let (delivery, _) = next!(service, Delivery);
    tokio::time::advance(Duration::from_secs(60)).await;
    assert!(submit(&mut requester, 2, "order 7").await.1.is_some(), "it has no outcome yet");
    service.reply(delivery.token, "").await;
    requester.drain().await;
    tokio::time::advance(Duration::from_secs(9)).await;
    assert!(submit(&mut requester, 3, "order 7").await.1.is_some());
    requester.drain().await;
    tokio::time::advance(Duration::from_secs(2)).await;
    assert!(submit(&mut requester, 4, "order 7").await.1.is_none());
}
