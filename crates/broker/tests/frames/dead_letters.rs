//! Dead letters: listed, read, redriven, purged, and bounded.

use std::time::Duration;

use bytes::Bytes;
use roundtrip_broker::{Broker, ChannelSettings};
use roundtrip_protocol::*;

use crate::wire::{Place, Way, Wire, channel, new_id, next, over_both, submission};

fn orders() -> ChannelSettings {
    ChannelSettings::new("orders")
}

/// Submits a request and rejects it. Its outcome is told and not acknowledged.
async fn die(place: &Place, requester: &mut Wire, ticket: u32, payload: impl Into<Bytes>) -> RequestId {
    let id = new_id();
    kill(place, requester, submission(ticket, id), payload, Problem::new("poison", "it boils over")).await;
    id
}

async fn kill(place: &Place, requester: &mut Wire, submit: Submit, payload: impl Into<Bytes>, problem: Problem) {
    let mut service = place.service(1).await;
    requester.send_with(submit, payload).await;
    next!(requester, Accepted);
    let (delivery, _) = next!(service, Delivery);
    assert_eq!(service.settle(delivery.token, Settlement::Reject(problem), "").await, Answer::Settled);
    let (outcome, _) = next!(requester, Outcome);
    assert_eq!(outcome.ending.kind(), OutcomeKind::Dead);
    service.send(Close {}).await;
    next!(service, Close);
}

async fn list(wire: &mut Wire, after: Option<RequestId>, most: u32) -> DeadLetters {
    wire.send(ListDeadLetters { call: Call(1), channel: ChannelNumber(0), after, most }).await;
    let (letters, _) = next!(wire, DeadLetters);
    assert!(Header::from(letters.clone()).encoded_len() <= MAX_HEADER);
    letters
}

async fn listed(wire: &mut Wire) -> Vec<RequestId> {
    list(wire, None, 1000).await.letters.iter().map(|letter| letter.id).collect()
}

async fn redrive(wire: &mut Wire, id: RequestId) -> Redrive {
    wire.send(RedriveDeadLetter { call: Call(2), channel: ChannelNumber(0), id }).await;
    next!(wire, Redriven).0.result
}

async fn refused_redrive(wire: &mut Wire, id: RequestId) -> RefusalCode {
    match redrive(wire, id).await {
        Redrive::Refused(refusal) => refusal.code,
        other => panic!("it is refused, but {other:?}"),
    }
}

async fn purge(wire: &mut Wire, id: RequestId) -> bool {
    wire.send(PurgeDeadLetter { call: Call(3), channel: ChannelNumber(0), id }).await;
    next!(wire, Purged).0.was_there
}

over_both! {
    async fn a_dead_request_is_kept_whole(way) {
        let place = way.start(Broker::builder()).await;
        let mut requester = place.requester("ward").await;
        let headers = Headers(vec![("traceparent".to_owned(), "00-1".to_owned())]);
        let label = Label { content_type: "text/plain".into(), headers };
        let id = new_id();
        let submit = Submit { label: label.clone(), ..submission(1, id) };
        kill(&place, &mut requester, submit, "two eggs", Problem::new("poison", "it boils over")).await;
        assert_eq!(requester.acknowledge(id).await, Acknowledgement::Done);
        place.until(|figures| figures.dead == 1 && figures.retained == 0).await;

        let mut anybody = place.requester("cook").await;
        let page = list(&mut anybody, None, 10).await;
        assert!(!page.more);
        let [entry] = &page.letters[..] else { panic!("one died") };
        assert_eq!((entry.id, entry.operation.as_str(), entry.requester.as_str()), (id, "cook", "ward"));
        assert_eq!((entry.reason, entry.attempts, entry.deliveries), (DeadReason::Rejected, 1, 1));
        assert_eq!((entry.bytes, entry.last.clone()), (8, Some(Problem::new("poison", "it boils over"))));
        assert!(entry.accepted_ms_ago >= entry.died_ms_ago);

        anybody.send(ReadDeadLetter { call: Call(4), channel: ChannelNumber(0), id }).await;
        let (read, payload) = next!(anybody, DeadLetter);
        let letter = read.letter.unwrap();
        assert_eq!((letter.entry.id, letter.label, payload.as_ref()), (id, label, &b"two eggs"[..]));
        assert_eq!(letter.reply_channel, Some(channel("orders_reply")));
        anybody.send(ReadDeadLetter { call: Call(4), channel: ChannelNumber(0), id: new_id() }).await;
        assert_eq!(next!(anybody, DeadLetter).0, DeadLetter { call: Call(4), letter: None });
    }

    async fn a_redriven_letter_is_a_new_request_that_names_it(way) {
        let place = way.start(Broker::builder()).await;
        let mut requester = place.requester("ward").await;
        let id = die(&place, &mut requester, 1, "two eggs").await;
        requester.acknowledge(id).await;
        let mut anybody = place.requester("cook").await;
        let Redrive::Accepted(new) = redrive(&mut anybody, id).await else { panic!("there is room") };
        assert_ne!(new, id);
        assert_eq!(new.as_bytes()[6] >> 4, 7, "a UUIDv7");
        assert!(listed(&mut anybody).await.is_empty());
        assert_eq!(redrive(&mut anybody, id).await, Redrive::Unknown);
        let state = anybody.attach(1, new).await;
        assert_eq!((state.state, state.attempts, state.redrive_of), (RequestState::Waiting, 0, Some(id)));

        let mut service = place.service(1).await;
        let (delivery, payload) = next!(service, Delivery);
        assert_eq!((delivery.token.id, delivery.token.delivery, delivery.attempt), (new, 1, 1));
        assert_eq!((delivery.redrive_of, delivery.requester.as_str()), (Some(id), "ward"));
        assert_eq!((delivery.operation.as_str(), payload.as_ref()), ("cook", &b"two eggs"[..]));
        service.reply(delivery.token, "omelette").await;
        assert_eq!(requester.open_mailbox(0, OpenMode::Take, 10).await, Opening::Opened);
        let (reply, payload) = next!(requester, Reply);
        assert_eq!((reply.id, reply.redrive_of, payload.as_ref()), (new, Some(id), &b"omelette"[..]));
    }

    async fn a_letter_stays_where_there_is_no_room_for_a_request(way) {
        let builder = Broker::builder().mailbox_capacity(1).channel(orders().capacity(1));
        let place = way.start(builder).await;
        let mut requester = place.requester("ward").await;
        let id = die(&place, &mut requester, 1, "").await;
        assert_eq!(refused_redrive(&mut requester, id).await, RefusalCode::MailboxFull);
        requester.acknowledge(id).await;
        let mut other = place.requester("other").await;
        let waiting = other.submit(1, "").await;
        next!(other, Accepted);
        assert_eq!(refused_redrive(&mut requester, id).await, RefusalCode::ChannelFull);
        assert_eq!(listed(&mut requester).await, [id]);
        assert_eq!(requester.cancel(waiting).await, Cancellation::Cancelled);
        assert!(matches!(redrive(&mut requester, id).await, Redrive::Accepted(_)));
    }

    async fn a_letter_without_memory_for_a_request_stays(way) {
        let place = way.start(Broker::builder().memory(1_000_000).channel(orders().reply_room(0))).await;
        let mut requester = place.requester("ward").await;
        let id = die(&place, &mut requester, 1, vec![1; 500_000]).await;
        assert_eq!(refused_redrive(&mut requester, id).await, RefusalCode::BrokerFull);
        assert_eq!(listed(&mut requester).await, [id]);
    }

    async fn a_purged_letter_is_gone(way) {
        let place = way.start(Broker::builder()).await;
        let mut requester = place.requester("ward").await;
        let id = die(&place, &mut requester, 1, "").await;
        assert!(purge(&mut requester, id).await);
        assert!(!purge(&mut requester, id).await);
        assert_eq!(redrive(&mut requester, id).await, Redrive::Unknown);
        place.until(|figures| figures.dead == 0 && figures.retained == 1).await;
        requester.attach(2, id).await;
        assert_eq!(next!(requester, Outcome).0.ending.kind(), OutcomeKind::Dead, "the outcome is its requester's");
    }

    async fn beyond_its_bounds_the_oldest_letter_goes(way) {
        let place = way.start(Broker::builder().channel(orders().max_dead_letters(2))).await;
        let mut requester = place.requester("ward").await;
        let mut ids = Vec::new();
        for ticket in 0..3 {
            ids.push(die(&place, &mut requester, ticket, "").await);
        }
        assert_eq!(listed(&mut requester).await, ids[1..]);

        let place = way.start(Broker::builder().channel(orders().max_dead_letter_bytes(1000))).await;
        let mut requester = place.requester("ward").await;
        let first = die(&place, &mut requester, 1, vec![0; 600]).await;
        assert_eq!(listed(&mut requester).await, [first]);
        let second = die(&place, &mut requester, 2, vec![0; 600]).await;
        assert_eq!(listed(&mut requester).await, [second]);
    }

    async fn a_long_list_comes_in_pages(way) {
        let place = way.start(Broker::builder()).await;
        let mut requester = place.requester("ward").await;
        let mut ids = Vec::new();
        for ticket in 0..60 {
            let id = new_id();
            let submit = Submit { operation: "o".repeat(1000).into(), ..submission(ticket, id) };
            let problem = Problem::new("c".repeat(500), "m".repeat(50_000));
            kill(&place, &mut requester, submit, "", problem).await;
            ids.push(id);
        }
        let mut found = Vec::new();
        loop {
            let page = list(&mut requester, found.last().copied(), u32::MAX).await;
            assert!(!page.letters.is_empty());
            let last = page.letters[0].last.as_ref().unwrap();
            assert_eq!((last.code.len(), last.message.len()), (128, 1024));
            found.extend(page.letters.iter().map(|letter| letter.id));
            if !page.more {
                break;
            }
        }
        assert_eq!(found, ids);
        let page = list(&mut requester, Some(ids[10]), 2).await;
        assert_eq!(page.letters.iter().map(|letter| letter.id).collect::<Vec<_>>(), ids[11..13]);
        assert!(page.more);
    }
}

#[tokio::test(start_paused = true)]
async fn a_letter_goes_when_it_is_too_old() {
    let settings = orders().dead_letter_age(Duration::from_secs(10));
    let place = Way::InProcess.start(Broker::builder().channel(settings)).await;
    let mut requester = place.requester("ward").await;
    let id = die(&place, &mut requester, 1, "").await;
    tokio::time::advance(Duration::from_secs(9)).await;
    let page = list(&mut requester, None, 10).await;
    assert_eq!((page.letters[0].id, page.letters[0].died_ms_ago), (id, 9_000));
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(listed(&mut requester).await.is_empty());
    place.until(|figures| figures.dead == 0).await;
}

#[tokio::test]
async fn a_redriven_requests_payload_is_not_copied() {
    let place = Way::InProcess.start(Broker::builder()).await;
    let mut requester = place.requester("ward").await;
    let payload = Bytes::from(vec![3; 1024 * 1024]);
    let id = die(&place, &mut requester, 1, payload.clone()).await;
    assert!(matches!(redrive(&mut requester, id).await, Redrive::Accepted(_)));
    let mut service = place.service(1).await;
    let (_, delivered) = next!(service, Delivery);
    assert_eq!(delivered.as_ptr(), payload.as_ptr());
}
